"""Training and evaluating a classifier: the loop that most programs with a network have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from console import LINES_PER_RUN, Progress

import autograd_cnn as ag
from autograd_cnn import functional as F


class DivergedError(Exception):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Scores:
    """What a model makes of a set of images: its prediction and its loss for each."""

    predicted: np.ndarray
    losses: np.ndarray
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """One epoch in numbers.  Those on training images are taken while it learns, so they lag."""

    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4f}  train {self.accuracy:.2%}  test {self.test_accuracy:.2%}  "
            f"{self.seconds:.1f} s"
        )


def standardise(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 1, H, W) as float32, with mean 0 and deviation 1 over all of MNIST.

    In memory the images of the batch lie innermost, (1, H, W, N), where convolution is fastest.
    """
    innermost = images.transpose(1, 2, 3, 0).astype(np.float32, order="C")
    innermost -= np.float32(255 * 0.1307)
    innermost *= np.float32(1 / (255 * 0.3081))
    return innermost.transpose(3, 0, 1, 2)


def train_epoch(
    model: Any, optimizer: Any, schedule: Any, batches: Iterable[Any], progress: Progress
) -> list[float]:
    """One pass over `batches`; returns the loss of every step, or raises DivergedError."""
    losses = []
    model.train()
    for images, labels in batches:
        logits = model(standardise(images))
        loss = F.cross_entropy(logits, labels)
        value = loss.item()
        if not np.isfinite(value):
            where = f"step {len(losses) + 1} of {progress.title}"
            rate = optimizer.param_groups[0]["lr"]
            raise DivergedError(f"the loss is {value} at {where}, learning rate {rate:.3g}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(value)
        correct = np.count_nonzero(logits.numpy().argmax(axis=1) == labels)
        progress.update(value, correct, len(labels))
    return losses


def evaluate(model: Any, split: Any, batch_size: int = 500) -> Scores:
    """Predictions and losses on all images of `split`, without recording gradients."""
    model.eval()
    predicted, losses = [], []
    with ag.no_grad():
        for start in range(0, len(split.labels), batch_size):
            part = slice(start, start + batch_size)
            logits = model(standardise(split.images[part]))
            losses.append(F.cross_entropy(logits, split.labels[part], reduction="none").numpy())
            predicted.append(logits.numpy().argmax(axis=1))
    answers = np.concatenate(predicted)
    return Scores(answers, np.concatenate(losses), float(np.mean(answers == split.labels)))


def fit(
    model: Any,
    optimizer: Any,
    schedule: Any,
    batches: Any,
    held_out: Any,
    epochs: int,
    after_epoch: Callable[[Any, Epoch, list[float]], None],
) -> None:
    """Train for `epochs`; after each, test on the split `held_out` and call `after_epoch`."""
    every = -(-epochs * len(batches) // LINES_PER_RUN)
    for number in range(1, epochs + 1):
        title = f"epoch {number:{len(str(epochs))}}/{epochs}"
        start = time.perf_counter()
        with Progress(title, len(batches), every) as progress:
            losses = train_epoch(model, optimizer, schedule, batches, progress)
        scores = evaluate(model, held_out)
        epoch = Epoch(
            loss=progress.loss,
            accuracy=progress.accuracy,
            test_loss=float(scores.losses.mean()),
            test_accuracy=scores.accuracy,
            seconds=time.perf_counter() - start,
        )
        after_epoch(model, epoch, losses)
        print(f"{title}  {epoch}", flush=True)
