"""Recording or not: blocks, decorators, threads and async tasks."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import autograd_cnn as ag
from tests.leaves import grad_of, leaf


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


def test_functions_whose_body_runs_later_are_not_decorated() -> None:
    """Their body would run with the caller's mode, and record what it was told not to."""

    def batches() -> Any:
        yield 1

    async def predict() -> None: ...

    async def stream() -> Any:
        yield 1

    for function in (batches, predict, stream):
        with pytest.raises(TypeError, match=rf"no_grad.*: {function.__name__} is a generator or"):
            ag.no_grad()(function)


def test_one_block_may_be_entered_again_and_a_decorated_function_may_call_itself() -> None:
    block = ag.no_grad()
    with block:
        with block:
            assert not ag.is_grad_enabled()
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()

    @ag.set_grad_enabled(False)
    def depth(n: int) -> int:
        assert not ag.is_grad_enabled()
        return depth(n - 1) + 1 if n else 0

    assert depth(3) == 3
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
