"""Item assignment and in-place arithmetic on recorded tensors: new versions of one tensor object."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn.testing import gradcheck, gradgradcheck


def leaf(*numbers: float) -> ag.Tensor:
    return ag.tensor(np.array(numbers), requires_grad=True)


def grads(out: Any, *inputs: Any) -> list[Any]:
    return [g.tolist() for g in ag.grad(out, inputs)]


def test_assignment_passes_the_gradient_to_the_value_and_takes_it_from_what_it_replaced() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    h = x * 2.0
    same = h
    h[1] = v[0] * 3.0
    assert h is same
    assert h.tolist() == [2.0, 30.0, 6.0]
    weights = np.array([1.0, 2.0, 4.0])
    assert grads((h * weights).sum(), x, v) == [[2.0, 0.0, 8.0], [6.0]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda h, y: h.__iadd__(y), lambda h, y: h + y),
        (lambda h, y: h.__isub__(y), lambda h, y: h - y),
        (lambda h, y: h.__imul__(y), lambda h, y: h * y),
        (lambda h, y: h.__itruediv__(y), lambda h, y: h / y),
        (lambda h, y: h.__ipow__(y), lambda h, y: h**y),
        (lambda h, y: h.__imul__(h), lambda h, y: h * h),
        (lambda h, y: h.__setitem__(slice(None), h), lambda h, y: h),
        (lambda h, y: h.__setitem__(slice(1, None), h[:-1]), lambda h, y: h[[0, 0]]),
        (
            lambda h, y: h.__setitem__(0, (h * y).sum()),
            lambda h, y: ag.stack([(h * y).sum(), h[1]]),
        ),
    ],
)
def test_in_place_equals_the_same_out_of_place(change: Any, expected: Any) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 0.5)
    h, other = x * 1.5, x * 1.5
    change(h, y)
    reference = expected(other, y)
    assert np.allclose(h.numpy(), reference.numpy(), rtol=1e-14)
    weights = np.array([1.0, -2.0])
    for a, b in zip(
        ag.grad((h * weights).sum(), [x, y], allow_unused=True),
        ag.grad((reference * weights).sum(), [x, y], allow_unused=True),
    ):
        assert (a is None) == (b is None)
        assert a is None or np.allclose(a.numpy(), b.numpy(), rtol=1e-14)


def test_what_was_computed_before_keeps_the_old_value() -> None:
    x = leaf(1.0, 2.0)
    h = x * 1.0
    squares = h * h
    exponentials = ag.exp(h)
    h[0] = 100.0
    h += x
    assert grads(squares.sum() + h.sum() + 0.0 * exponentials.sum(), x) == [[3.0, 6.0]]


def test_every_version_keeps_its_consumers() -> None:
    x = leaf(2.0)
    h = x * 1.0
    kept = []
    for k in range(5):
        kept.append(h * h)
        h += x * float(k)
    total = kept[0]
    for part in kept[1:]:
        total = total + part
    factors = [1.0, 1.0, 2.0, 4.0, 7.0]  # h = factor * x at each step
    assert grads(total.sum(), x) == [[sum(2 * 2.0 * f * f for f in factors)]]


def test_a_constant_buffer_becomes_part_of_the_graph() -> None:
    x = leaf(1.0, 2.0, 3.0)
    buffer = ag.tensor(np.zeros(3))
    before = buffer * x
    for i in range(3):
        buffer[i] = x[i] * float(i)
    assert buffer.requires_grad
    assert grads(buffer.sum() + before.sum(), x) == [[0.0, 1.0, 2.0]]
    total = ag.tensor(0.0, dtype="float64")
    total += (x * x).sum()
    assert grads(total, x) == [[2.0, 4.0, 6.0]]


@given(st.data())
def test_assignment_differentiates_twice(data: Any) -> None:
    index = data.draw(st.sampled_from([0, slice(1, None), np.array([2, 0]), np.array([1, 1])]))

    def function(x: Any, v: Any) -> Any:
        h = x * x
        h[index] = (v * v)[index]
        h *= x
        return h

    x, v = leaf(0.3, -1.2, 0.7), leaf(1.1, 0.4, -0.6)
    assert gradcheck(function, [x, v], atol=1e-6, rtol=1e-6)
    assert gradgradcheck(function, [x, v], atol=1e-5, rtol=1e-5)


def test_where_an_index_repeats_the_last_value_stays_and_takes_the_gradient() -> None:
    v = leaf(1.0, 2.0, 3.0)
    h = ag.tensor(np.zeros(2))
    h[np.array([0, 0, 1])] = v
    assert h.tolist() == [2.0, 3.0]
    assert grads(h.sum(), v) == [[0.0, 1.0, 1.0]]


def test_values_broadcast_and_surplus_axes_of_size_one_are_dropped() -> None:
    x, v = leaf(1.0, 2.0, 3.0), ag.tensor(np.array([[7.0]]), requires_grad=True)
    h = x * 1.0
    h[:2] = v
    assert h.tolist() == [7.0, 7.0, 3.0]
    assert grads(h.sum(), v) == [[[2.0]]]


def test_lists_of_numbers_are_values_and_lists_of_tensors_are_refused() -> None:
    x = leaf(1.0, 2.0)
    h = x * 1.0
    h[:] = [5.0, 6.0]
    assert h.tolist() == [5.0, 6.0]
    with pytest.raises(TypeError, match=r"list of tensors, .*join them with ag\.stack"):
        h[:] = [x[0], x[1]]


def test_an_assignment_that_fails_changes_nothing() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3.0
    with pytest.raises(IndexError, match="out of bounds"):
        h[np.array([7])] = 1.0
    assert h.tolist() == [3.0, 6.0]
    assert grads(h.sum(), x) == [[3.0, 3.0]]


def test_dtype_and_shape_stay() -> None:
    h = ag.tensor(np.ones(2, np.float32), requires_grad=True) * 1.0
    h += np.ones(2)
    assert h.dtype == np.float32
    h[0] = np.float64(3.0)
    assert h.dtype == np.float32
    with pytest.raises(ValueError, match=r"in-place add: the result has shape \(3, 2\)"):
        h += np.ones((3, 2))
    with pytest.raises(ValueError, match="put: "):
        h[0] = np.ones(3)
    assert h.tolist() == [3.0, 2.0]


def test_integers_refuse_what_requires_gradients() -> None:
    x = leaf(1.0)
    counts = ag.tensor([1, 2])
    with pytest.raises(TypeError, match="cannot take gradients"):
        counts[0] = x[0]
    counts[0] = 5
    assert counts.tolist() == [5, 2]


def test_an_old_value_that_is_gone_is_an_error_with_the_fix() -> None:
    x = leaf(1.0)
    h = x * 2.0
    early = h * h
    h += 1.0
    h.sum().backward()
    with pytest.raises(ag.GraphError, match="changed in place after the op ran"):
        early.sum().backward()


def test_a_change_that_the_graph_cannot_follow_is_refused() -> None:
    x = leaf(1.0, 2.0)
    h = x * 2.0
    with ag.no_grad():
        for change in (lambda: h.__imul__(5.0), lambda: h.__setitem__(0, 7.0)):
            with pytest.raises(ag.GraphError, match=r"no_grad on a result of multiply .*detach"):
                change()
    assert h.tolist() == [2.0, 4.0]
    assert grads(h.sum(), x) == [[2.0, 2.0]]
    constant = (x * 2.0).detach()
    plain = ag.tensor([1.0])
    with ag.no_grad():
        constant *= 5.0
        plain += x[0]  # a value, as anything computed here
    assert constant.tolist() == [10.0, 20.0]
    assert plain.tolist() == [2.0]
    assert not constant.requires_grad
    assert not plain.requires_grad


def test_hooks_stay_with_the_old_value_and_retain_grad_goes_with_the_tensor() -> None:
    x = leaf(1.0, 2.0)
    h = x * 2.0
    seen: list[Any] = []
    h.register_hook(lambda g: seen.append(g.tolist()))
    h.retain_grad()
    h *= 3.0
    (h * 5.0).sum().backward()
    assert seen == [[15.0, 15.0]]
    assert h.grad is not None
    assert h.grad.tolist() == [5.0, 5.0]


def test_no_reference_cycle_when_a_tensor_is_assigned_what_was_made_of_it() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        h = x * 2.0
        h += h * h
        h[0] = (h * h).sum()
        watched = weakref.ref(h)
        del h
        assert watched() is None
    finally:
        gc.enable()


def test_a_long_loop_of_assignments_is_linear() -> None:
    x = leaf(1.0)
    states = ag.tensor(np.zeros(300))
    h = x[0]
    for t in range(300):
        h = h * 1.0 + 0.0
        states[t] = h
    assert grads(states.sum(), x) == [[300.0]]


def test_data_is_written_as_in_pytorch() -> None:
    w = leaf(1.0, 2.0)
    memory = w.numpy()
    w.data -= 0.5 * np.ones(2)
    w.data *= ag.tensor([2.0, 2.0])
    w.data[0] = 7.0
    assert w.tolist() == memory.tolist() == [7.0, 3.0]
    assert w.requires_grad
    assert not w.data.requires_grad
