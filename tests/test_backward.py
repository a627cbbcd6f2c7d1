"""The walk over the graph: accumulation, order, chosen inputs, higher derivatives, and every bug that other engines had there."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from tests.leaves import grad_of, leaf

# ------------------------------------------------------------------------------------- accumulation


@pytest.mark.parametrize("uses", [1, 2, 3, 5, 12, 5000])
def test_fan_out_adds_up(uses: int) -> None:
    x = leaf(2.0)
    total = x
    for _ in range(uses - 1):
        total = total + x
    total.sum().backward()
    assert grad_of(x) == [uses]


def test_fan_out_of_products_adds_up() -> None:
    x = leaf(2.0)
    ag.concatenate([x * float(k) for k in range(1, 101)]).sum().backward()
    assert grad_of(x) == [5050.0]


def test_two_leaves_never_share_a_gradient_buffer() -> None:
    x, y = leaf(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), ag.tensor(np.ones((2, 3)), requires_grad=True)
    z = x.reshape(6) + y.reshape(6)
    z.backward(np.arange(6.0))
    assert x.grad is not None
    assert y.grad is not None
    assert not np.shares_memory(x.grad.array, y.grad.array)
    x.grad.array += 100.0
    assert y.grad.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "through", [lambda x: x, lambda x: x + 0.0, lambda x: x.reshape(2, 1), lambda x: x.T]
)
def test_the_callers_gradient_is_never_taken_over(through: Any) -> None:
    x = leaf(1.0, 2.0)
    out = through(x)
    given_gradient = np.array([5.0, 7.0], np.float32).reshape(out.shape)
    out.backward(given_gradient)
    assert x.grad is not None
    assert not np.shares_memory(x.grad.array, given_gradient)
    x.grad.array += 1.0
    assert given_gradient.reshape(-1).tolist() == [5.0, 7.0]


def test_gradients_of_several_backward_calls_add_up_in_new_memory() -> None:
    x = leaf(1.0, 2.0)
    (x * 3.0).sum().backward()
    first = x.grad
    (x * 4.0).sum().backward()
    assert grad_of(x) == [7.0, 7.0]
    assert first is not None
    assert first.tolist() == [3.0, 3.0]


def test_stacked_diamonds_are_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    started = time.perf_counter()
    y.sum().backward()
    assert grad_of(x) == [2.0**60]
    assert time.perf_counter() - started < 5.0  # an exponential walk would take 3,000 years


def test_the_gradient_is_not_pushed_on_before_all_consumers_contributed() -> None:
    x = leaf(3.0)
    a = x * 2.0
    b = a * a
    (b * a + b).sum().backward()  # 8 x^3 + 4 x^2
    assert grad_of(x) == [24.0 * 9.0 + 8.0 * 3.0]


@given(st.data())
def test_random_graphs_of_sums_and_products_match_dual_numbers(data: Any) -> None:
    """Forward-mode values carried along by hand are the oracle for any graph shape."""
    x = ag.tensor(1.1, dtype="float64", requires_grad=True)
    nodes, duals = [x], [(1.1, 1.0)]
    for _ in range(data.draw(st.integers(1, 15))):
        i, j = (data.draw(st.integers(0, len(nodes) - 1)) for _ in "ij")
        (a, da), (b, db) = duals[i], duals[j]
        if data.draw(st.booleans()):
            nodes.append(nodes[i] + nodes[j])
            duals.append((a + b, da + db))
        else:
            nodes.append(nodes[i] * nodes[j] * 0.5)
            duals.append((a * b * 0.5, (da * b + a * db) * 0.5))
    if nodes[-1] is x:
        return
    nodes[-1].backward()
    assert x.grad is not None
    assert np.isclose(x.grad.item(), duals[-1][1], rtol=1e-10)  # at most 15 roundings


# ------------------------------------------------------------------------------------------ ag.grad


def test_grad_leaves_grad_alone_and_skips_what_nobody_asked_for() -> None:
    calls = []

    @ag.op(register=False, x=lambda g, out, x, y: calls.append("x") or g, y=lambda g, out, x, y: g)
    def bad_rule_arity(x: Any, y: Any) -> Any:
        """Its rule for x would fail if it ran."""
        return x + y

    w, v = leaf(1.0), leaf(2.0)
    (found,) = ag.grad(bad_rule_arity(w, v), v)
    assert found is not None
    assert found.tolist() == [1.0]
    assert calls == []
    assert w.grad is None
    assert v.grad is None


def test_grad_with_respect_to_intermediate_results_and_outputs() -> None:
    x = leaf(2.0)
    y = x * 3.0
    z = y * y
    gy, gx, gz = ag.grad(z, [y, x, z])
    assert (gy.item(), gx.item(), gz.item()) == (12.0, 36.0, 1.0)


def test_grad_of_several_outputs_with_cotangents() -> None:
    x = leaf(1.0, 2.0)
    (found,) = ag.grad([x * 2.0, x.sum()], x, [np.array([1.0, 10.0]), None])
    assert found.tolist() == [3.0, 21.0]


def test_an_unused_input_raises_with_a_hint_or_gives_none() -> None:
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(ag.GraphError, match="do not depend on input 1 .*allow_unused=True"):
        ag.grad(x * 2.0, [x, y])
    assert ag.grad(x * 2.0, [x, y], allow_unused=True)[1] is None


def test_a_zero_derivative_is_a_zero_gradient_not_a_missing_one() -> None:
    x = leaf(1.5, -2.5)
    ag.sign(x).sum().backward()
    assert grad_of(x) == [0.0, 0.0]
    assert ag.grad(ag.sign(x), x, np.ones(2))[0].tolist() == [0.0, 0.0]


def test_backward_into_chosen_inputs_only() -> None:
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    assert grad_of(x) == [2.0]
    assert y.grad is None


# ------------------------------------------------------------------------------- higher derivatives


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_every_derivative_of_a_power(order: int) -> None:
    x = ag.tensor(1.5, dtype="float64", requires_grad=True)
    y, expected = x**5, 1.0
    for k in range(order):
        (y,) = ag.grad(y, x, create_graph=True)
        expected *= 5 - k
    assert np.isclose(y.item(), expected * 1.5 ** (5 - order), rtol=1e-12)


def test_a_gradient_penalty_differentiates_through_a_small_cnn() -> None:
    rng = np.random.default_rng(0)
    w = ag.tensor(rng.standard_normal((2, 1, 3, 3)), requires_grad=True)
    x = ag.tensor(rng.standard_normal((2, 1, 6, 6)), requires_grad=True)

    def penalty(w: Any) -> Any:
        h = F.max_pool2d(ag.tanh(F.conv2d(x, w, padding=1)), 2)
        (gx,) = ag.grad((h * h).sum(), x, create_graph=True)
        return (gx * gx).sum()

    penalty(w).backward()
    assert w.grad is not None
    eps, at = 1e-6, (1, 0, 2, 1)
    ends = []
    for step in (eps, -eps):
        moved = w.numpy().copy()
        moved[at] += step
        ends.append(penalty(ag.tensor(moved, requires_grad=True)).item())
    assert np.isclose(w.grad.numpy()[at], (ends[0] - ends[1]) / (2 * eps), rtol=1e-6)


def test_create_graph_gradients_can_be_accumulated_and_differentiated() -> None:
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad is not None
    (second,) = ag.grad(x.grad, x)
    assert second.tolist() == [12.0]
