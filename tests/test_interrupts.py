"""Ctrl-C: a block that an interrupt ends, wherever it comes, leaves no setting changed."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn, random
from autograd_cnn.engine import modes, watch
from tests.interrupts import interrupt, state

NET = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
X = np.ones((3, 2), np.float32)
PARAMETERS = {name: p.numpy().copy() for name, p in NET.named_parameters()}
LEAF = ag.tensor([1.0, 2.0], requires_grad=True)
DRAWS = random.Draws()
WATCHER = watch.Watcher()
NAMED = ag.no_grad()


def within(make: Callable[[], Any]) -> Callable[[], None]:
    """Entering and leaving the block that `make` gives."""

    def work() -> None:
        with make():
            pass

    return work


def nested() -> None:
    with ag.no_grad(), ag.enable_grad(), ag.set_grad_enabled(False):
        pass


def reused() -> None:
    with NAMED:
        with NAMED:
            pass
        assert not ag.is_grad_enabled()


def leaving_early() -> None:
    for _ in range(2):
        with ag.no_grad():
            continue
    with ag.no_grad():
        return


def failing() -> None:
    try:
        with ag.no_grad():
            raise ValueError
    except ValueError:
        pass


@ag.no_grad()
def decorated() -> None:
    pass


def watched_layer() -> None:
    with watch.Watching(WATCHER):
        NET(X)


def differentiated() -> None:
    (LEAF * LEAF).sum().backward()


def second_order() -> None:
    (g,) = ag.grad((LEAF * LEAF * LEAF).sum(), LEAF, create_graph=True)
    ag.grad(g.sum(), LEAF)


BLOCKS: dict[str, Callable[[], Any]] = {
    "no_grad": within(ag.no_grad),
    "enable_grad": within(ag.enable_grad),
    "set_grad_enabled": within(lambda: ag.set_grad_enabled(False)),
    "nested": nested,
    "reused": reused,
    "leaving early": leaving_early,
    "failing": failing,
    "decorated": decorated,
    "recomputation": within(modes.recomputation),
    "watch": within(lambda: watch.Watching(WATCHER)),
    "replaced_watcher": within(lambda: watch.replaced_watcher(WATCHER)),
    "record": within(random.record),
    "replay": within(lambda: random.replay(DRAWS)),
    "profile": within(ag.profile),
    "detect_anomaly": within(ag.detect_anomaly),
    "a layer that is watched": watched_layer,
    "backward": differentiated,
    "the second order": second_order,
    "checkpoint": lambda: ag.checkpoint(lambda x: x * x, LEAF).sum().backward(),
    "custom_gradient": lambda: ag.custom_gradient(lambda g, out, x: g)(lambda x: x * 1.0)(LEAF),
    "func.grad": lambda: ag.func.grad(lambda x: (x * x).sum())(np.ones(2)),
    "functional_call": lambda: ag.func.functional_call(NET, PARAMETERS, X),
    "summary": lambda: ag.summary(NET.eval(), X),
    "why_no_grad": lambda: ag.why_no_grad(lambda: (LEAF * 2.0).sum(), LEAF),
}
LONGEST = 600
"""Blocks with more bytecodes are interrupted at about this many of them."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection, whose callbacks (Hypothesis has one) would be interrupted instead."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", BLOCKS)
def test_an_interrupt_at_any_bytecode_leaves_no_setting_changed(name: str) -> None:
    """Not even while the traceback lives, which holds the frames that were interrupted."""
    work, before = BLOCKS[name], None
    work()  # what is made at first use
    before = state(NET)
    length = 1
    while interrupt(work, length):
        length *= 2
    for count in range(0, length, max(1, length // LONGEST)):
        error = interrupt(work, count)
        assert state(NET) == before, (name, count)
        if error is None:
            break
    assert error is None or length > LONGEST


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_interrupts_after_microseconds_leave_no_setting_changed() -> None:
    count = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 3_000
    command = [sys.executable, "-m", "tests.interrupted_run", str(count), "1500"]
    root = Path(__file__).parent.parent
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert re.search(r"stuck (\d+) lost (\d+)", run.stdout).groups() == ("0", "0"), run.stdout


def test_blocks_entered_by_calls_end_by_calls() -> None:
    mode = ag.no_grad()
    mode.__enter__()
    assert not ag.is_grad_enabled()
    with ag.enable_grad():
        assert ag.is_grad_enabled()
    assert mode.__exit__(None, None, None) in (None, False, "")
    assert ag.is_grad_enabled()
    with contextlib.ExitStack() as stack:
        for block in (mode, ag.enable_grad(), mode):
            stack.enter_context(block)
        assert not ag.is_grad_enabled()
        profile = stack.enter_context(ag.profile())
        ag.exp(LEAF)
        stack.enter_context(ag.detect_anomaly())
    assert profile.calls == {("exp", "forward"): 1}
    assert profile.elapsed > 0
    assert not watch.open_blocks
    assert ag.is_grad_enabled()
