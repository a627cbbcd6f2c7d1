"""The learning-rate range test: which rates train a model, before it is trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import integer, mistake, number
from autograd_cnn.data import DataLoader
from autograd_cnn.data.files import AnyPath
from autograd_cnn.nn import Module
from autograd_cnn.optim import SGD, Optimizer
from autograd_cnn.training.plots import BLUE, ORANGE, picture
from autograd_cnn.training.step import Step


@dataclass(repr=False)
class RateTest:
    """What `find_lr` measured: the rates, the loss at each, and a rate to train with."""

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float

    def __repr__(self) -> str:
        rates = f"{len(self.rates)} rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}"
        return f"RateTest({rates}, suggestion {self.suggestion:.2g})"

    def plot(self, path: AnyPath | None = None) -> None:
        """Draw the losses over the rates; see `History.plot`."""
        about = f"suggestion: {self.suggestion:.2g}"
        with picture(path, (7, 4.2), "Learning rates", about) as figure:
            axes = figure.subplots()
            axes.plot(self.rates, self.losses, color=BLUE, alpha=0.3, linewidth=0.7)
            axes.plot(self.rates, self.smoothed, color=BLUE, label="loss, smoothed")
            axes.axvline(self.suggestion, color=ORANGE, label="suggestion")
            fall = self.smoothed[0] - self.smoothed.min() or 1.0
            axes.set_ylim(self.losses.min() - 0.1 * fall, self.smoothed[0] + 0.5 * fall)
            axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
            axes.grid(True)
            axes.legend()


def find_lr(
    model: Module,
    loss: Callable[..., Any],
    batches: Iterable[Any],
    optimizer: Optimizer | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> RateTest:
    """Train for some steps while the rate rises evenly on a log scale, and watch the loss.

    The test goes round `batches`, pairs of inputs and targets.  Give the `optimizer` that will
    train; by default it is SGD with momentum 0.9.  The test ends where the smoothed loss is four
    times its lowest.  The suggestion is a tenth of the rate where it was lowest.  Afterwards model,
    optimizer, loader and random numbers are as before, also after an error or Ctrl-C.  Smith
    (2017), "Cyclical learning rates".

    >>> _ = ag.manual_seed(0)
    >>> model = nn.Linear(2, 1)
    >>> inputs, targets = ag.randn(8, 2), ag.randn(8, 1)
    >>> found = find_lr(model, F.mse_loss, [(inputs, targets)])
    >>> 1e-6 < found.suggestion < 1.0
    True
    """
    if not isinstance(model, Module):
        raise mistake("find_lr", "model", "a module", model)
    number("find_lr", "lowest", lowest, above=0)
    number("find_lr", "highest", highest, above=lowest)
    rates = np.geomspace(lowest, highest, integer("find_lr", "steps", steps, 2))
    optimizer = optimizer or SGD((p for p in model.parameters() if p.requires_grad), momentum=0.9)
    if isinstance(batches, DataLoader):  # whose passes count
        twin: Any = copy.copy(batches)
        twin.generator = copy.deepcopy(twin.generator)
        batches = twin
    step, losses, smoothed = Step(model, loss, optimizer), list[float](), list[float]()
    mean = 0.0
    with _as_before(model, optimizer), np.errstate(over="ignore", invalid="ignore"):
        model.train()
        for rate, (inputs, targets) in zip(rates.tolist(), _again(batches)):
            for group in optimizer.param_groups:
                group["lr"] = rate
            value = step(inputs, targets).item()
            if not math.isfinite(value):
                break
            losses.append(value)
            mean = 0.9 * mean + 0.1 * value
            smoothed.append(mean / (1 - 0.9 ** len(losses)))
            if smoothed[-1] > min(smoothed) + 3 * abs(min(smoothed)):
                break
    if not losses:
        raise ValueError("find_lr: batches is empty, or the loss of the first one is not finite")
    best = rates[int(np.argmin(smoothed))]
    return RateTest(rates[: len(losses)], np.array(losses), np.array(smoothed), float(best / 10))


def _again(batches: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """The batches, pass after pass; a generator has only one."""
    empty = False
    while not empty:
        empty = True
        for batch in batches:
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise mistake("find_lr", "each of batches", "a pair of inputs and targets", batch)
            empty = False
            yield batch[0], batch[1]


@contextmanager
def _as_before(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """Leave all that a training changes as it was."""
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    leaves = {id(p): p for p in (*model.parameters(), *trained)}.values()
    held = [(p, p.array.copy(), p.grad) for p in leaves]
    modes = [(m, m.training) for m in model.modules()]
    state, kept = model.state_dict(), optimizer.state_dict()
    try:
        with random.replay():
            yield
    finally:
        for p, array, grad in held:
            p.touch()
            p.array[...], p.grad = array, grad
        model.load_state_dict(state)
        optimizer.load_state_dict(kept)
        for module, training in modes:
            module.training = training
