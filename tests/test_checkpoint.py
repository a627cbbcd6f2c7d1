"""checkpoint: the numbers of a plain call, less memory, and the edges."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn
from autograd_cnn import functional as F
from autograd_cnn.engine import watch
from autograd_cnn.testing import gradcheck, gradgradcheck


def leaf(*shape: int, seed: int = 0) -> ag.Tensor:
    return ag.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


W = leaf(2, 2, seed=1)
H = ag.exp(W)


def block(x: Any) -> Any:
    return ag.tanh(ag.exp(x * 0.3) @ x.T).sum(axis=0)


def of_what_is_closed_over(x: Any) -> Any:
    return (x @ H) * (x @ W)


def of_what_is_only_assigned(x: Any) -> Any:
    buffer, total = ag.tensor(np.zeros(2)), ag.tensor(np.zeros(2))
    buffer[0] = W[1, 1]
    total += W[0]
    return buffer * total * x


def with_ag_grad_inside(x: Any) -> Any:
    return ag.grad((x**3 @ W).sum(), x, create_graph=True)[0] ** 2


def with_a_transform_inside(x: Any) -> Any:
    return func.grad(lambda v: (v**3 * x[:2]).sum())(W) ** 2


FUNCTIONS = [
    of_what_is_closed_over,
    of_what_is_only_assigned,
    with_ag_grad_inside,
    with_a_transform_inside,
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_first_and_second_derivatives_are_those_of_a_plain_call(f: Any) -> None:
    x, orders = leaf(3, 2), []
    for out in (f(x), ag.checkpoint(f, x)):
        first = ag.grad((out**2).sum(), [x, W, H], create_graph=True, allow_unused=True)
        total = sum((g**2).sum() for g in first if g is not None)
        orders.append([out, *first, *ag.grad(total, [x, W], retain_graph=True)])
    for plain, found in zip(*orders, strict=True):
        assert (plain is None) is (found is None)
        if plain is not None:
            np.testing.assert_allclose(found.numpy(), plain.numpy(), rtol=1e-12)


def test_what_is_closed_over_gets_gradients_where_the_arguments_get_none() -> None:
    x = leaf(3, 2).detach()
    calls = (of_what_is_closed_over(x), ag.checkpoint(of_what_is_closed_over, x))
    plain, found = (ag.grad(out.sum(), W, retain_graph=True)[0].numpy() for out in calls)
    np.testing.assert_allclose(found, plain, rtol=1e-14)


def test_derivatives_and_transforms_of_checkpointed_functions() -> None:
    f = lambda x: ag.checkpoint(block, x)  # noqa: E731
    assert gradcheck(f, [leaf(3, 2)])
    assert gradgradcheck(f, [leaf(3, 2)])
    x = leaf(3, 2).numpy()
    assert np.allclose(
        func.hessian(lambda x: f(x).sum())(x), func.hessian(lambda x: block(x).sum())(x)
    )
    assert np.allclose(func.jvp(f, (x,), (x,))[1], func.jvp(block, (x,), (x,))[1])


def test_a_network_with_dropout_and_batch_norm_trains_as_without() -> None:
    results = []
    for call in (ag.checkpoint, lambda f, x: f(x)):
        ag.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 3)
        )
        x = np.random.default_rng(0).standard_normal((4, 1, 6, 6)).astype(np.float32)
        (call(net, ag.tensor(x)) ** 2).sum().backward()
        grads = [p.grad.tolist() for p in net.parameters() if p.grad is not None]
        assert len(grads) == 6
        results.append([*grads, *(b.tolist() for b in net.buffers())])
    assert results[0] == results[1]


def test_checkpoints_nest_and_several_outputs_keep_structure_and_dtypes() -> None:
    x = leaf(3)

    def inner(x: Any) -> Any:
        return ag.exp(x) * x

    def outer(x: Any) -> Any:
        y = ag.checkpoint(inner, x)
        return {
            "y": ag.checkpoint(inner, y),
            "small": (y.astype("float32"), None),
            "count": 3,
            "label": ag.tensor([1, 2]),
        }

    def total(found: Any) -> Any:
        return (found["y"] ** 2).sum() + found["small"][0].astype("float64").sum()

    plain = {"y": inner(inner(x)), "small": (inner(x).astype("float32"), None)}
    found = ag.checkpoint(outer, x)
    assert found["small"][0].dtype == np.float32
    assert found["small"][1] is None
    assert found["count"] == 3
    assert found["label"].tolist() == [1, 2]
    a = ag.grad(total(plain), x, create_graph=True)[0]
    b = ag.grad(total(found), x, create_graph=True)[0]
    assert np.allclose(a.numpy(), b.numpy(), rtol=1e-12)
    a2, b2 = ag.grad(a.sum(), x)[0], ag.grad(b.sum(), x)[0]
    assert np.allclose(a2.numpy(), b2.numpy(), rtol=1e-6)  # float32 on the way


def test_checkpointing_needs_less_memory() -> None:
    def deep(x: Any) -> Any:
        for _ in range(20):
            x = ag.tanh(x)
        return x

    def peak(checkpointed: bool) -> int:
        x = ag.tensor(np.ones(20_000), requires_grad=True)
        gc.collect()
        tracemalloc.start()
        try:
            y = x
            for _ in range(5):
                y = ag.checkpoint(deep, y) if checkpointed else deep(y)
            y.sum().backward()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(True) < 0.4 * peak(False)  # 5 + 20 arrays instead of 100


def test_no_gradients_wanted_is_a_plain_call() -> None:
    x = leaf(2)
    with ag.no_grad():
        assert not ag.checkpoint(ag.exp, x).requires_grad
    assert not ag.checkpoint(ag.exp, x.detach()).requires_grad
    assert isinstance(ag.checkpoint(ag.exp, np.ones(2)), np.ndarray)
    assert np.array_equal(ag.grad(ag.checkpoint(lambda x: x, x).sum(), x)[0].numpy(), np.ones(2))


def test_changed_values_and_changed_functions_are_refused() -> None:
    x, w = leaf(2), leaf(2, seed=1)
    y = ag.checkpoint(lambda x: (x * w).sum(), x)
    with ag.no_grad():
        w += 1.0
    with pytest.raises(ag.GraphError, match="input of checkpoint .* changed in place"):
        y.backward()
    h = ag.exp(x)
    y = ag.checkpoint(lambda x: (x * h).sum(), x)
    h += 1.0
    with pytest.raises(ag.GraphError, match="checkpoint: an input was changed in place"):
        y.backward()
    calls: list[int] = []

    def unsteady(x: Any) -> Any:
        calls.append(1)
        return x[: len(calls)]

    y = ag.checkpoint(unsteady, x)
    with pytest.raises(ag.GraphError, match="other shapes or values when it ran again"):
        y.sum().backward()


def test_no_reference_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(2)
        y = ag.checkpoint(lambda x: ag.exp(x) * x, x)
        z = y.sum()
        watched = [weakref.ref(t) for t in (x, y, z)]
        del x, y, z
        assert [ref() for ref in watched] == [None] * 3
    finally:
        gc.enable()


# ------------------------------------------------------------- what the function asks of the graph


@pytest.mark.parametrize("outside", ["result", "constant"])
def test_a_change_in_place_that_would_happen_twice_is_refused(outside: str) -> None:
    x = leaf(2)
    h = x * 2.0 if outside == "result" else ag.tensor(np.ones(2))
    before = h.tolist()
    for change in (lambda x: h.__imul__(2.0) * x, lambda x: h.__setitem__(0, 5.0) or h * x):
        with pytest.raises(ag.GraphError, match="checkpoint: .* tensor .* from outside in place"):
            ag.checkpoint(change, x)
    assert h.tolist() == before
    assert ag.checkpoint(lambda x: (x * 1.0).__imul__(2.0), x).tolist() == (x * 2.0).tolist()


def seeded(call: Any, x: Any) -> Any:
    return call(lambda x: ag.manual_seed(5) and F.dropout(x * x), x)


def seeded_later(call: Any, x: Any) -> Any:
    return call(lambda x: F.dropout(x * x) * (ag.manual_seed(5) and F.dropout(x)), x)


def nested(call: Any, x: Any) -> Any:
    inner = lambda x: F.dropout(x * x, 0.5)  # noqa: E731
    return F.dropout(call(lambda x: F.dropout(call(inner, x) * x, 0.75) * call(inner, x), x))


@pytest.mark.parametrize("f", [seeded, seeded_later, nested])
def test_random_numbers_are_those_of_a_plain_call(f: Any) -> None:
    """In the function, at the second order, and after it."""

    def derivatives(call: Any) -> list[Any]:
        ag.manual_seed(0)
        x = ag.tensor(np.ones(50), requires_grad=True)
        y = f(call, x)
        drawn = ag.random.generator().random()
        (first,) = ag.grad(y.sum(), x, create_graph=True)
        (second,) = ag.grad((first * first).sum(), x)
        return [y.tolist(), first.tolist(), second.tolist(), drawn, ag.random.generator().random()]

    assert derivatives(ag.checkpoint) == derivatives(lambda f, x: f(x))


def test_after_an_exception_everything_is_as_before() -> None:
    calls: list[int] = []

    def fails(x: Any) -> Any:
        calls.append(1)
        if len(calls) != 2:
            raise RuntimeError("no more")
        return F.dropout(x)

    x = leaf(5)
    with pytest.raises(RuntimeError, match="no more"):
        ag.checkpoint(fails, x)
    y = ag.checkpoint(fails, x)
    state = ag.random.generator().bit_generator.state
    with pytest.raises(RuntimeError, match="no more") as caught:
        y.sum().backward()
    assert "while differentiating checkpoint" in caught.value.__notes__[0]
    assert ag.random.generator().bit_generator.state == state
    assert ag.is_grad_enabled()
    assert not watch.open_blocks
    assert x.grad is None


# ------------------------------------------------------------------------------ several at a time


def masks_of_two_threads(*works: Callable[[Any, Callable[[], Any]], list[Any]]) -> list[Any]:
    """What each of `works` returns in a thread of its own, given ones and a way to take turns."""
    ag.manual_seed(0)
    barrier = threading.Barrier(len(works))
    found: list[Any] = [None] * len(works)

    def run(k: int) -> None:
        try:
            x = ag.tensor(np.ones(64), requires_grad=True)
            found[k] = works[k](x, lambda: barrier.wait(10))
        except Exception as error:
            barrier.abort()
            found[k] = [error]

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    masks = [mask for every in found for mask in every]
    errors = [x for x in masks if isinstance(x, Exception)]
    assert not errors, errors
    assert all(a != b for k, a in enumerate(masks) for b in masks[:k])
    return masks


def checkpointed_masks(x: Any, turn: Callable[[], Any]) -> list[Any]:
    """Two draws with a turn of the other thread between them, in forward and in backward."""

    def f(x: Any) -> Any:
        first = F.dropout(x)
        turn()
        return first, F.dropout(x) * 10.0

    first, second = ag.checkpoint(f, x)
    (first + second).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == (first + second).tolist()
    return [first.tolist(), (second / 10.0).tolist()]


def test_two_threads_that_checkpoint_keep_their_own_masks() -> None:
    masks_of_two_threads(checkpointed_masks, checkpointed_masks)


def test_a_thread_that_draws_plainly_keeps_its_numbers_from_a_checkpoint() -> None:
    def plain(x: Any, turn: Callable[[], Any]) -> list[Any]:
        found = [F.dropout(x).tolist()]
        for _ in range(2):
            turn()
            found.append(F.dropout(x).tolist())
        return found

    masks_of_two_threads(checkpointed_masks, plain)


def test_tasks_that_checkpoint_keep_their_own_masks() -> None:
    async def task(x: Any) -> Any:
        y = ag.checkpoint(F.dropout, x)
        await asyncio.sleep(0)
        (g,) = ag.grad(y.sum(), x)
        assert g.tolist() == y.tolist()
        return y.tolist()

    async def both() -> Any:
        x = ag.tensor(np.ones(64), requires_grad=True)
        return await asyncio.gather(task(x), task(x))

    first, second = asyncio.run(both())
    assert first != second
