"""Training and evaluating a classifier: the loop that most programs with a network have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.training import Progress, accuracy

History = list[dict[str, Any]]


class DivergedError(Exception):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Scores:
    """What a model makes of a set of images: its prediction and its loss for each."""

    predicted: np.ndarray
    losses: np.ndarray
    accuracy: float


def standardise(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 1, H, W) as float32, with mean 0 and deviation 1 over all of MNIST.

    In memory the images of the batch lie innermost, (1, H, W, N), where convolution is fastest.
    """
    innermost = images.transpose(1, 2, 3, 0).astype(np.float32, order="C")
    innermost -= np.float32(255 * 0.1307)
    innermost *= np.float32(1 / (255 * 0.3081))
    return innermost.transpose(3, 0, 1, 2)


def evaluate(
    model: Any,
    split: Any,
    prepare: Callable[[np.ndarray], np.ndarray] = standardise,
    batch_size: int = 500,
) -> Scores:
    """Predictions and losses on all images of `split`, without recording gradients."""
    model.eval()
    predicted, losses = [], []
    with ag.no_grad():
        for start in range(0, len(split.labels), batch_size):
            part = slice(start, start + batch_size)
            logits = model(prepare(split.images[part]))
            losses.append(F.cross_entropy(logits, split.labels[part], reduction="none").numpy())
            predicted.append(logits.numpy().argmax(axis=1))
    answers = np.concatenate(predicted)
    return Scores(answers, np.concatenate(losses), accuracy(answers, split.labels))


def fit(
    model: Any,
    optimizer: Any,
    schedule: Any,
    batches: Any,
    held_out: Any,
    epochs: int,
    *,
    prepare: Callable[[np.ndarray], np.ndarray] = standardise,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train up to epoch `epochs`; after each, test on the split `held_out` and print a line.

    `schedule`, or None, steps after every batch; `prepare` makes the model's input from the images.
    The history has a dict of plain data per epoch.  With one given, training goes on after its
    epochs, and adds to it.  `after_epoch` is called with the history, before the line.
    """
    history = [] if history is None else history
    for number in range(len(history) + 1, epochs + 1):
        title = f"epoch {number:{len(str(epochs))}}/{epochs}"
        start = time.perf_counter()
        with Progress(title, len(batches)) as progress:
            losses = train_epoch(model, optimizer, schedule, batches, prepare, progress)
        scores = evaluate(model, held_out, prepare)
        epoch = {
            "epoch": number,
            **progress.means,  # loss and accuracy while it learned, so they lag
            "test_loss": float(scores.losses.mean()),
            "test_accuracy": scores.accuracy,
            "seconds": time.perf_counter() - start,
            "step_losses": losses,
        }
        history.append(epoch)
        if after_epoch is not None:
            after_epoch(history)
        print(
            f"{title}  loss {epoch['loss']:.4f}  train {epoch['accuracy']:.2%}  "
            f"test {epoch['test_accuracy']:.2%}  {epoch['seconds']:.1f} s",
            flush=True,
        )
    return history


def train_epoch(
    model: Any,
    optimizer: Any,
    schedule: Any,
    batches: Iterable[Any],
    prepare: Callable[[np.ndarray], np.ndarray],
    progress: Progress,
) -> list[float]:
    """One pass over `batches`; returns the loss of every step, or raises DivergedError."""
    losses = []
    model.train()
    for images, labels in batches:
        logits = model(prepare(images))
        loss = F.cross_entropy(logits, labels)
        value = loss.item()
        if not np.isfinite(value):
            where = f"step {len(losses) + 1} of {progress.title}"
            rate = optimizer.param_groups[0]["lr"]
            raise DivergedError(f"the loss is {value} at {where}, learning rate {rate:.3g}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        losses.append(value)
        progress.update(len(labels), loss=value, accuracy=accuracy(logits, labels))
    return losses
