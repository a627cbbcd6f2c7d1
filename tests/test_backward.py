"""The graph and the walk: accumulation, order, memory, modes, and every bug that other engines had there."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F


def leaf(*numbers: float) -> ag.Tensor:
    return ag.tensor(numbers, requires_grad=True)


def grad_of(x: ag.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.tolist()


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


def test_a_rule_that_returns_something_kept_elsewhere_is_copied() -> None:
    kept = np.full(2, 3.0, np.float32)

    @ag.op(register=False, x=lambda g, out, x: kept)
    def kept_gradient(x: Any) -> Any:
        """An op whose rule gives away its own memory."""
        return x * 1.0

    x = leaf(1.0, 2.0)
    for _ in range(2):
        kept_gradient(x).sum().backward()
    assert grad_of(x) == [6.0, 6.0]
    assert kept.tolist() == [3.0, 3.0]


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

    @ag.op(register=False, x=lambda g, out, x: calls.append("x") or g, y=lambda g, out, x, y: g)
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


# ---------------------------------------------------------------------------- freeing and staleness


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
    with pytest.raises(ag.GraphError, match=r"reshape .*changed in place"):
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


def test_in_place_changes_that_would_not_be_recorded_are_refused() -> None:
    x = leaf(1.0)
    with pytest.raises(ag.GraphError, match=r"x = x \+ y"):
        x += 1.0
    with pytest.raises(ag.GraphError, match="item assignment"):
        x[0] = 3.0
    y = x * 2.0
    h = y * 1.0
    z = h * h
    with ag.no_grad():
        h *= 2.0  # no graph: h is a constant now, and z cannot be had from its old value
    assert not h.requires_grad
    with pytest.raises(ag.GraphError, match="changed in place"):
        z.sum().backward()


def test_views_handed_out_are_read_only() -> None:
    x = leaf(1.0)
    constant = ag.tensor([1.0])
    for array in (x.data, x.numpy(), np.asarray(x), (x * 2.0).numpy(), constant.numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array += 1.0
    copy = constant.numpy().copy()
    copy[0] = 2.0
    assert constant.tolist() == [1.0]


def test_arrays_that_a_graph_needs_may_be_changed_by_their_owner() -> None:
    x, mask = leaf(1.0, 2.0, 3.0), np.array([1.0, 0.0, 1.0], np.float32)
    index, target = np.array([0, 2]), np.array([1])
    condition = np.array([True, False, True])
    results = [
        (x * mask).sum(),
        x[index].sum(),
        x[(index,)].sum(),
        ag.where(condition, x, 0.0).sum(),
        F.cross_entropy(x.reshape(1, 3), target),
    ]
    expected = [ag.grad(r, x, retain_graph=True)[0].tolist() for r in results]
    mask[:] = 7.0
    index[:] = 1
    target[:] = 0
    condition[:] = False
    assert [ag.grad(r, x)[0].tolist() for r in results] == expected


def test_read_only_arrays_are_not_copied() -> None:
    x, constant = leaf(1.0, 2.0), np.ones(2, np.float32)
    constant.flags.writeable = False
    y = x * constant
    assert y.inputs is not None
    assert y.inputs[1] is constant


def test_the_callers_array_is_copied() -> None:
    mine = np.ones(2)
    x = ag.tensor(mine, requires_grad=True)
    y = (x * x).sum()
    mine[:] = 100.0
    y.backward()
    assert grad_of(x) == [2.0, 2.0]


# --------------------------------------------------------------------------------- deep and endless


def test_a_chain_of_100_000_ops_runs_and_is_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert grad_of(x) == [1.0]
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y  # freed without recursion, without ever running backward


@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_cycles(create_graph: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        x = ag.tensor([1.0, 2.0], requires_grad=True)
        y = ag.exp(x) * x
        z = F.batch_norm(y.reshape(2, 1), training=True).sum() + F.log_softmax(y).sum()
        grads = ag.grad(z, x, create_graph=create_graph)
        watched = [weakref.ref(t) for t in (x, y, z, *grads)]
        del x, y, z, grads
        assert [ref() for ref in watched] == [None] * len(watched)
    finally:
        gc.enable()


def test_backward_frees_intermediate_values_as_it_goes() -> None:
    x = leaf(1.0)
    h = ag.exp(x)
    watched = weakref.ref(h)
    y = (h * 2.0).sum()
    del h
    assert watched() is not None
    y.backward()
    assert watched() is None


def training_step(weights: list[ag.Tensor], x: np.ndarray, labels: np.ndarray) -> None:
    h = F.max_pool2d(F.relu(F.conv2d(ag.tensor(x), weights[0], padding=1)), 2)
    loss = F.cross_entropy(F.linear(F.flatten(h, 1), weights[1]), labels)
    for w in weights:
        w.grad = None
    loss.backward()
    with ag.no_grad():
        for w in weights:
            w -= 0.01 * w.grad


def test_memory_is_flat_over_2000_training_steps_without_the_cyclic_collector() -> None:
    rng = np.random.default_rng(0)
    weights = [
        ag.tensor(rng.standard_normal(shape).astype("f"), requires_grad=True)
        for shape in [(2, 1, 3, 3), (3, 8)]
    ]
    x, labels = rng.standard_normal((2, 1, 4, 4)).astype("f"), np.array([0, 2])
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for step in range(2200):
            training_step(weights, x, labels)
            if step == 199:
                gc.collect()  # also empties Python's lists of free tuples, which fill for 2,000 steps
                settled = tracemalloc.get_traced_memory()[0]
        assert gc.collect() == 0, "something was in a reference cycle"
        # An array is at least 112 bytes, so one leaked in every tenth step would be seen.
        assert tracemalloc.get_traced_memory()[0] - settled < 2000 * 112 / 10
    finally:
        tracemalloc.stop()
        gc.enable()


# -------------------------------------------------------------------------------------------- modes


def test_no_grad_enable_grad_and_decorators() -> None:
    x = leaf(1.0)
    with ag.no_grad():
        assert not (x * 2.0).requires_grad
        with ag.enable_grad():
            assert (x * 2.0).requires_grad
        assert not ag.is_grad_enabled()

    @ag.no_grad()
    def predict() -> bool:
        return (x * 2.0).requires_grad

    assert predict() is False
    assert ag.is_grad_enabled()


def test_the_mode_is_restored_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), ag.no_grad():
        raise ZeroDivisionError
    assert ag.is_grad_enabled()


def test_backward_works_inside_no_grad_and_keeps_the_mode_when_a_rule_fails() -> None:
    x = leaf(2.0)
    y = (x**3).sum()
    with ag.no_grad():
        (first,) = ag.grad(y, x, create_graph=True)
        assert not ag.is_grad_enabled()
    assert ag.grad(first, x)[0].tolist() == [12.0]


def test_no_grad_in_one_thread_leaves_another_recording() -> None:
    inside, done = threading.Event(), threading.Event()

    def infer() -> None:
        with ag.no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=infer)
    thread.start()
    inside.wait(10)
    recorded = (leaf(1.0) * 2.0).requires_grad
    done.set()
    thread.join()
    assert recorded


def test_threads_build_and_differentiate_separate_graphs() -> None:
    found: dict[int, list[float]] = {}

    def work(k: int) -> None:
        x = leaf(float(k))
        for _ in range(50):
            x.grad = None
            y = x
            for _ in range(20):
                y = y + x
            y.sum().backward()
        found[k] = grad_of(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [21.0] for k in range(4)}


def test_no_grad_in_one_async_task_leaves_another_recording() -> None:
    async def infer(entered: asyncio.Event, leave: asyncio.Event) -> None:
        with ag.no_grad():
            entered.set()
            await leave.wait()

    async def main() -> bool:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(infer(entered, leave))
        await entered.wait()
        recorded = (leaf(1.0) * 2.0).requires_grad
        leave.set()
        await task
        return bool(recorded)

    assert asyncio.run(main())
