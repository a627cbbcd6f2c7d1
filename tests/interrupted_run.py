"""Interrupt loops of small steps again and again; run by test_interrupts.py.

Arguments: how many interrupts, and the longest delay in microseconds.  Prints how many interrupts
left a setting changed, and how many were lost.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from tests.interrupts import state

NET = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
OPTIMIZER = optim.Adam(NET.parameters())
X, TARGETS = np.ones((5, 3), np.float32), np.array([0, 1, 0, 1, 0])
PARAMETERS = {name: p.numpy().copy() for name, p in NET.named_parameters()}


def train() -> None:
    OPTIMIZER.zero_grad()
    F.cross_entropy(NET(X), TARGETS).backward()
    OPTIMIZER.step()


def train_checkpointed() -> None:
    OPTIMIZER.zero_grad()
    F.cross_entropy(ag.checkpoint(NET, X), TARGETS).backward()
    OPTIMIZER.step()


def tight_loop() -> None:
    for _ in range(20):
        with ag.no_grad():
            pass
        with ag.no_grad(), ag.enable_grad():
            pass


@ag.no_grad()
def decorated() -> None:
    pass


def transforms() -> None:
    ag.func.grad(lambda p: (ag.func.functional_call(NET, p, X) ** 2).sum())(PARAMETERS)


def watched() -> None:
    with ag.profile(), ag.detect_anomaly():
        NET(X)


WORK: list[Callable[[], Any]] = [train, train_checkpointed, tight_loop, decorated, transforms]
WORK.append(watched)


def main(count: int, longest: float) -> None:
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    before, stuck, lost = state(NET), 0, 0
    for k in range(count):
        work = WORK[k % len(WORK)]
        deadline = time.monotonic() + 2.0
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-6, longest * 1e-6))
            while time.monotonic() < deadline:
                work()
            lost += 1
        except KeyboardInterrupt:
            if state(NET) != before:
                stuck += 1
                before = state(NET)
    print(f"stuck {stuck} lost {lost}")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
