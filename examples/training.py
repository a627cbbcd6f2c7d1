"""Training a classifier: the loop over epochs, its evaluation, and the files of a run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from program import percent

import autograd_cnn as ag
from autograd_cnn import distributed
from autograd_cnn import functional as F
from autograd_cnn.training import (
    CheckpointError,
    History,
    Progress,
    accuracy,
    load_checkpoint,
    replace_file,
    save_checkpoint,
)


class DivergedError(Exception):
    """The loss is infinite or NaN, at a learning rate of `rate`."""

    def __init__(self, message: str, rate: float) -> None:
        super().__init__(message)
        self.rate = rate


@dataclass(frozen=True)
class Scores:
    """The prediction and the loss of a model for each image of a set."""

    predicted: np.ndarray
    losses: np.ndarray
    accuracy: float


def standardise(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 1, H, W) as float32, with mean 0 and deviation 1 over all of MNIST."""
    innermost = batch_innermost(images)
    innermost -= np.float32(255 * 0.1307)
    innermost *= np.float32(1 / (255 * 0.3081))
    return innermost.transpose(3, 0, 1, 2)


def batch_innermost(images: np.ndarray) -> np.ndarray:
    """Images (N, 1, H, W) as float32 (1, H, W, N), the memory order in which convolution is
    fastest.
    """
    return images.transpose(1, 2, 3, 0).astype(np.float32, order="C")


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
    shards: int = 1,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train up to epoch `epochs`; test on the split `held_out` and print a line after each.

    `schedule` steps after every batch, unless it is None.  `prepare` makes the model's input from
    the images.  A step computes a batch in so many `shards`, which ranks of MPI share.  The history
    has a dict of plain data for each epoch.  Training goes on after the epochs of the `history`
    given, and adds to it.  `after_epoch` gets the history, before the line.
    """
    history = History() if history is None else history
    for number in range(len(history) + 1, epochs + 1):
        title = f"epoch {number:{len(str(epochs))}}/{epochs}"
        start = time.perf_counter()
        with Progress(title, len(batches)) as progress:
            losses = train_epoch(model, optimizer, schedule, batches, prepare, progress, shards)
        scores = evaluate(model, held_out, prepare)
        epoch = {
            "epoch": number,
            **progress.means,  # loss and accuracy while it learned, so they lag
            "test_loss": float(scores.losses.mean()),
            "test_accuracy": scores.accuracy,
            "seconds": time.perf_counter() - start,
            "step_loss": losses,
        }
        history.append(epoch)
        if after_epoch is not None:
            after_epoch(history)
        print(
            f"{title}  loss {epoch['loss']:.4f}  train {percent(epoch['accuracy'])}  "
            f"test {percent(epoch['test_accuracy'])}  {epoch['seconds']:.1f} s",
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
    shards: int = 1,
) -> list[float]:
    """One pass over `batches`; returns the loss of every step, or raises DivergedError."""
    losses = []
    model.train()
    step = distributed.Step(model, F.cross_entropy, optimizer, shards=shards)
    for images, labels in batches:
        value = step(prepare(images), labels).item()
        if not np.isfinite(value):
            where = f"step {len(losses) + 1} of {progress.title}"
            rate = optimizer.param_groups[0]["lr"]
            raise DivergedError(f"the loss is {value} at {where}, learning rate {rate:.3g}", rate)
        if schedule is not None:
            schedule.step()
        losses.append(value)
        progress.update(len(labels), loss=value, accuracy=accuracy(step.outputs, labels))
    return losses


class Record:
    """The history of a run, and its files in the folder `out`, which are whole after every epoch.

    `settings` are those that change the numbers: only a run with the same ones can go on.
    """

    def __init__(self, out: Path, settings: dict[str, Any] | None = None) -> None:
        self.out, self.settings = out, settings or {}
        self.history = History()
        self.begun = 0, dict[str, np.ndarray]()  # the epochs and the weights of the last save
        self.parts: tuple[str, ...] = ()  # their names in the checkpoint

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.npz"

    def save(self, parts: dict[str, Any]) -> None:
        """Write the weights, also as the best if they are, and a checkpoint of all parts.

        After an interrupt it starts again, so that the files agree.
        """
        self.begun, self.parts = (len(self.history), parts["model"].state_dict()), tuple(parts)
        try:
            self._write(parts)
        except KeyboardInterrupt:
            self._write(parts)
            raise

    def _write(self, parts: dict[str, Any]) -> None:
        if distributed.start().rank:  # the files are those of rank 0
            return
        self._write_weights("weights.npz")
        if self.history.best("test_accuracy") is self.history[-1]:
            self._write_weights("best.npz")
        save_checkpoint(self.checkpoint, settings=self.settings, history=self.history, **parts)

    def _write_weights(self, name: str) -> None:
        with replace_file(self.out / name) as file:
            np.savez(file, **self.begun[1])

    def resume(self, parts: dict[str, Any]) -> None:
        """Go on after the last epoch of the run in the folder."""
        path = self.checkpoint
        if not path.exists():
            raise CheckpointError(f"{path}: there is no such file; start without --resume")
        plain = load_checkpoint(path, **dict.fromkeys(parts))
        if set(plain.get("settings", ())) != set(self.settings):
            raise CheckpointError(f"{path}: another program wrote it; start without --resume")
        for name, value in self.settings.items():
            there = plain["settings"][name]
            if there != value:
                raise CheckpointError(f"{path}: its run had {name} {there}, not {value}")
        self.history += load_checkpoint(path, **parts)["history"]
        self.begun, self.parts = (len(self.history), parts["model"].state_dict()), tuple(parts)
        if not distributed.start().rank:
            self._write_weights("weights.npz")  # a killed run may have been an epoch further

    def weights_kept(self) -> str:
        """Which weights there are, for a run that ends early.

        The files tell, because a second interrupt may fall between two of them.
        """
        count = self._epochs_in_weights()
        if not count:
            return "No epoch was completed, so no weights were saved."
        return (
            f"{self.out / 'weights.npz'} holds the weights after epoch {count} "
            f"({percent(self.history[count - 1]['test_accuracy'])} on held-out images)."
        )

    def _epochs_in_weights(self) -> int:
        """After how many epochs of this run the weights in the file are; 0 if they are not."""
        count, weights = self.begun
        path = self.out / "weights.npz"
        if not count or not path.exists():
            return 0
        with np.load(path) as file:
            found = {name: file[name].tobytes() for name in file}
        same = found == {name: array.tobytes() for name, array in weights.items()}
        return count if same else count - 1  # that save was complete, or the run had ended

    def resume_hint(self, command: str) -> str:
        """Where `command`, which resumes, would go on, if the checkpoint is of this run."""
        if not self.begun[0] or not self.checkpoint.exists():
            return ""
        kept = load_checkpoint(self.checkpoint, **dict.fromkeys(self.parts))["history"]
        if not kept or kept != self.history[: len(kept)]:
            return ""
        there = len(kept) == self._epochs_in_weights()
        where = "from there" if there else f"after epoch {len(kept)}"
        return f"\nThis goes on {where}:\n  {command}"
