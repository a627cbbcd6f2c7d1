"""Freed graphs and stale values: refused with the fix, never a gradient of other numbers."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import autograd_cnn as ag
from autograd_cnn import func, optim
from autograd_cnn import functional as F
from tests.leaves import grad_of, leaf
from tests.test_ops import EVERY_FUNCTION
from tests.test_points import EVERY, drawn


def test_a_second_backward_names_the_op_and_the_fix() -> None:
    x = leaf(1.0, 2.0)
    y = ag.exp(x).sum()
    y.backward()
    with pytest.raises(ag.GraphError, match=r"result of sum .* freed .* retain_graph=True"):
        y.backward()


def test_a_second_backward_through_a_shared_part_is_refused_too() -> None:
    h = ag.exp(leaf(1.0))
    (h * 2.0).sum().backward()
    with pytest.raises(ag.GraphError, match="result of exp"):
        (h * 3.0).sum().backward()


CARRIED: dict[str, Any] = {
    "hidden state": lambda w, h, x: ag.tanh(w * h + x),
    "running sum": lambda w, h, x: h + w * x,
    "product": lambda w, h, x: h * ag.exp(w * x),
    "window": lambda w, h, x: ag.concatenate([h[1:], w[:1] * x]),
    "view": lambda w, h, x: (w * h + x).reshape(2, 2).T.ravel(),
}


@pytest.mark.parametrize("update", CARRIED)
def test_a_state_carried_over_steps_is_told_to_be_detached(update: str) -> None:
    w = leaf(*np.linspace(0.5, 0.8, 4))
    for detached in (True, False):
        h = ag.tensor(np.zeros(4))
        for step in range(3):
            h = CARRIED[update](w, h.detach() if detached else h, float(step + 1))
            if step and not detached:
                with pytest.raises(
                    ag.GraphError, match=r"freed .*\.detach\(\) the state that a loop"
                ):
                    h.sum().backward()
            else:
                h.sum().backward()


def test_retain_graph_allows_a_second_backward() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert grad_of(x) == [12.0]


def test_a_refused_backward_changes_no_gradient() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = (x * w).sum() + (w * 3.0).sum()
    with ag.no_grad():
        x += 1.0
    with pytest.raises(ag.GraphError, match="changed in place"):
        y.backward()
    assert x.grad is None
    assert w.grad is None


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.__iadd__(1.0),
        lambda w: w.__imul__(2.0),
        lambda w: w.__setitem__(0, 5.0),
        lambda w: setattr(w, "data", [9.0, 9.0]),
    ],
)
def test_values_changed_between_forward_and_backward_are_noticed(change: Any) -> None:
    w = leaf(1.0, 2.0)
    y = (w.reshape(2, 1) * 3.0).sum()
    with ag.no_grad():
        change(w)
    with pytest.raises(ag.GraphError, match="changed in place"):
        y.backward()
    (w * 1.0).sum().backward()  # a graph computed after the change is fine
    assert grad_of(w) == [1.0, 1.0]


@pytest.mark.parametrize("alias", ["detached", "view without recording", "view of a constant"])
def test_writes_are_noticed_through_everything_that_shares_the_memory(alias: str) -> None:
    w = ag.tensor([2.0, 3.0], requires_grad=alias != "view of a constant")
    q = leaf(1.0, 1.0)
    if alias == "detached":
        other = w.detach()
    else:
        with ag.no_grad():
            other = w.reshape(2, 1).T[0]
    loss = (other * q).sum()
    with ag.no_grad():
        w -= 1.0
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


def test_a_detached_tensor_does_not_keep_the_graph_alive() -> None:
    h = ag.exp(leaf(1.0))
    watched = weakref.ref(h)
    kept = h.detach()
    del h
    assert watched() is None
    assert kept.shape == (1,)


def write_unrecorded(view: ag.Tensor) -> None:
    with ag.no_grad():
        part = view.detach()[:]
        part += 1.0


@pytest.mark.parametrize(
    "change",
    [
        lambda h: setattr(h, "data", [5.0, 5.0]),
        lambda h: h.detach().__imul__(5.0),
        lambda h: h.data.__imul__(5.0),
        lambda h: h.detach().__setitem__(0, 5.0),
        lambda h: ag.nn.init.zeros_(h.detach()),
        lambda h: h.reshape(2, 1).detach().__iadd__(1.0),
        lambda h: write_unrecorded(h[:1]),
    ],
)
def test_a_result_whose_memory_was_written_to_has_no_gradient(change: Any) -> None:
    x = leaf(1.0, 2.0)
    h = ag.exp(x)  # its rule needs the result
    change(h)
    later = h * 1.0
    with pytest.raises(ag.GraphError, match=r"the result of (exp|reshape) .* was changed in place"):
        later.sum().backward()


def test_views_handed_out_are_read_only() -> None:
    x = leaf(1.0)
    constant = ag.tensor([1.0])
    for array in (x.numpy(), x.data.numpy(), np.asarray(x), (x * 2.0).numpy(), constant.numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array += 1.0
    copy = constant.numpy().copy()
    copy[0] = 2.0
    assert constant.tolist() == [1.0]


def test_the_callers_array_is_copied() -> None:
    mine = np.ones(2)
    x = ag.tensor(mine, requires_grad=True)
    y = (x * x).sum()
    mine[:] = 100.0
    y.backward()
    assert grad_of(x) == [2.0, 2.0]


def test_images_may_change_after_a_convolution_has_used_them() -> None:
    """Whether they lie as the kernels like it, and so are kept, or are copied on the way."""
    w = ag.tensor(np.random.default_rng(0).standard_normal((2, 1, 3, 3)), requires_grad=True)
    images = np.random.default_rng(1).standard_normal((4, 1, 5, 5))
    expected = ag.grad(F.conv2d(ag.tensor(images), w).sum(), w)[0].numpy()
    for array in (images.copy(), np.moveaxis(np.moveaxis(images, 0, -1).copy(), -1, 0)):
        out = F.conv2d(array, w).sum()
        array[:] = 0.0
        np.testing.assert_allclose(ag.grad(out, w)[0].numpy(), expected, rtol=1e-12)


# ---------------------------------------------------------------------------------------- views

VIEWS = {
    "reshape": lambda w: w.reshape(4),
    "slice": lambda w: w[:1],
    "transpose": lambda w: w.T,
    "ravel": lambda w: w.ravel(),
    "new axis": lambda w: w[None],
    "broadcast_to": lambda w: ag.broadcast_to(w, (3, 2, 2)),
    "view of a view": lambda w: w.T.reshape(2, 1, 2)[0],
    "iteration": lambda w: next(iter(w)),
    "detached": lambda w: w[:1].detach(),
    "user's op": ag.op(x=lambda g, out, x: g.reshape(x.shape), register=False)(
        lambda x: sliding_window_view(x, (1, 2))
    ),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("start", ["backward", "grad", "pullback", "after backward freed the view"])
def test_a_view_learns_of_a_write_to_its_memory(view: str, start: str) -> None:
    w = ag.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    seen = VIEWS[view](w)
    v = ag.tensor(np.ones(seen.shape, np.float32), requires_grad=True)
    if start == "after backward freed the view" and seen.requires_grad:
        seen.sum().backward()
        seen = seen.detach()
    if start == "pullback":
        _, pullback = func.vjp(lambda v: (seen * v).sum(), v)
        call = functools.partial(pullback, ag.tensor(1.0))
    else:
        z = (seen * v).sum()
        walk = functools.partial(ag.grad, z, v)
        call = walk if start == "grad" else functools.partial(z.backward, inputs=[v])
    w.grad = np.ones((2, 2))
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(ag.GraphError, match="changed in place"):
        call()


@pytest.mark.parametrize("name", EVERY)
def test_every_result_on_the_memory_of_an_input_shares_its_record_of_writes(name: str) -> None:
    for case in drawn(name, 5):
        xs = [ag.tensor(x) if isinstance(x, np.ndarray) else x for x in case.inputs]
        for recording in (True, False):
            with ag.set_grad_enabled(recording):
                out = EVERY_FUNCTION[name](*xs, **case.params)
            for part in out if isinstance(out, (tuple, list)) else (out,):
                for x in xs:
                    shared = (
                        isinstance(x, ag.Tensor)
                        and isinstance(part, ag.Tensor)
                        and np.shares_memory(part.array, x.array)
                    )
                    assert not shared or part.write_record() is x.write_record()


@ag.op(x=lambda g, out, x, y: None, y=lambda g, out, x, y: None, register=False)
def windows_of_second(x: Any, y: Any) -> Any:
    return sliding_window_view(y, 2)


@ag.op(xs=lambda g, out, *xs, position: g, register=False)
def last_of(*xs: Any) -> Any:
    return xs[-1]


@pytest.mark.parametrize("kind", ["custom gradient", "windows", "last"])
def test_a_view_of_another_input_than_the_first_learns_of_writes_too(kind: str) -> None:
    base, other = ag.tensor([1.0, 2.0, 3.0, 4.0]), ag.tensor([9.0])
    if kind == "custom gradient":
        second = ag.custom_gradient(lambda g, out, p, q: (None, g))(lambda p, q: q)
        seen = second(base[:2], base[2:])
    elif kind == "windows":
        seen = windows_of_second(other, base)
    else:
        seen = last_of(base[:2], base[2:])
    w = ag.tensor(np.ones(seen.shape, np.float32), requires_grad=True)
    z = (seen * w).sum()
    base *= 100.0
    with pytest.raises(ag.GraphError, match="changed in place"):
        z.backward()


def test_an_op_that_returns_the_callers_array_returns_a_copy() -> None:
    @ag.op(x=lambda g, out, x, y: g, y=lambda g, out, x, y: g * 0.0, register=False)
    def first(x: Any, y: Any) -> Any:
        return x

    given = np.array([1.0, 2.0])
    y = ag.tensor([1.0, 1.0], requires_grad=True, dtype="float64")
    w = ag.tensor([1.0, 1.0], requires_grad=True, dtype="float64")
    out = first(given, y)
    z = (out * w).sum()
    given[:] = 100.0
    z.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 2.0]
    out = first(given, y.detach())
    out += 5.0
    assert given.tolist() == [100.0, 100.0]
