"""Train a small convolutional network to read handwritten digits, and look at what it learned.

    python examples/mnist.py                  3 epochs on MNIST, downloaded if need be
    python examples/mnist.py --data FOLDER    the four MNIST .gz files lie in that folder
    python examples/mnist.py --data digits    the small digits that come with the package

Without MNIST and without a network it trains on those small digits, and says so.

The result is the accuracy on held-out images after the last epoch, and
weights.npz holds those weights.  best.npz holds the weights of the epoch with the
highest held-out accuracy so far; as those images chose it, its accuracy is no fair
estimate and is not given as the result.  Both files are complete after every
epoch, and Ctrl-C leaves them there.  The same seed gives the same numbers on the
same machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import figures
import numpy as np
import report
from models import MODELS
from training import DivergedError, Epoch, evaluate, fit

import autograd_cnn as ag
from autograd_cnn import data, nn, optim

EPOCHS = {"MNIST": 3, "embedded digits (UCI)": 15}

# ------------------------------------------------------------------------------------------ options


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def at_least(kind: type, least: float) -> Callable[[str], Any]:
    """A reader of options that are numbers of `kind`, not below `least`."""

    def read(text: str) -> Any:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be at least {least:g}, got {text}")
        return value

    read.__name__ = kind.__name__  # argparse names the type when `kind` refuses the text
    return read


def parser() -> Parser:
    p = Parser(
        prog="mnist.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    count = at_least(int, 1)
    p.add_argument(
        "--data",
        metavar="WHERE",
        help="folder with the four MNIST files, or 'digits' (default: find or download MNIST)",
    )
    p.add_argument("--model", choices=MODELS, default="cnn", help="architecture (default: cnn)")
    p.add_argument(
        "--epochs",
        type=count,
        metavar="N",
        help="passes over the training images (default: 3, for digits 15)",
    )
    p.add_argument(
        "--batch-size", type=count, default=64, metavar="N", help="images per step (default: 64)"
    )
    p.add_argument(
        "--lr",
        type=at_least(float, 1e-9),
        default=0.05,
        metavar="RATE",
        help="highest learning rate of the schedule (default: 0.05)",
    )
    p.add_argument(
        "--seed",
        type=at_least(int, 0),
        default=0,
        metavar="N",
        help="start of the random numbers behind weights, order and dropout (default: 0)",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("runs/mnist"),
        metavar="DIR",
        help="folder for weights and figures (default: runs/mnist)",
    )
    return p


def load(where: str | None) -> tuple[str, data.Dataset]:
    """The data and its name.  Digits stand in for MNIST only if the user named no folder."""
    if where == "digits":
        return "embedded digits (UCI)", data.digits()
    if where is None:
        print("Looking for MNIST on this machine, then on its mirrors", file=sys.stderr, flush=True)
    try:
        return "MNIST", data.mnist(where)
    except data.DataUnavailable as error:
        if where is not None:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
    print(f"{reason}: training on the embedded digits instead", flush=True)
    return load("digits")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


# ------------------------------------------------------------------------------------------ one run


class Record:
    """What a run has shown so far.  Writes the weights after every epoch."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.epochs: list[Epoch] = []
        self.steps: list[float] = []

    def add(self, model: nn.Module, epoch: Epoch, losses: list[float]) -> None:
        best = max((e.test_accuracy for e in self.epochs), default=-1.0)
        self.epochs.append(epoch)
        self.steps.extend(losses)
        weights = model.state_dict()
        report.save_weights(self.out / "weights.npz", weights)
        if epoch.test_accuracy > best:
            report.save_weights(self.out / "best.npz", weights)

    def kept(self) -> str:
        """Which weights there are, for a run that ends early."""
        if not self.epochs:
            return "No epoch was completed, so no weights were saved."
        return (
            f"{self.out / 'weights.npz'} holds the weights after epoch {len(self.epochs)} "
            f"({self.epochs[-1].test_accuracy:.2%} on held-out images)."
        )


def run(options: argparse.Namespace, name: str, dataset: data.Dataset, record: Record) -> None:
    """Build the network, train it, and show what it learned."""
    images, epochs = len(dataset.train.labels), options.epochs or EPOCHS[name]
    if options.batch_size > images:
        parser().error(f"argument --batch-size: there are only {images:,} training images")
    ag.manual_seed(options.seed)
    model = MODELS[options.model]()
    weights = sum(p.size for p in model.parameters())
    title = f"{name}, {len(dataset.test.labels):,} held-out images"
    print(f"{title}; {images:,} to train on")
    print(
        f"{options.model}: {weights:,} weights, epochs: {epochs}, seed: {options.seed}", flush=True
    )
    start = time.perf_counter()
    train(options, model, dataset, epochs, record)
    seconds = time.perf_counter() - start
    print(f"\n{title}: {record.epochs[-1].test_accuracy:.2%} correct, {seconds:.1f} s")
    show(title, model, dataset.test, record)
    print(f"Results are in {options.out}")


def train(
    options: argparse.Namespace,
    model: nn.Module,
    dataset: data.Dataset,
    epochs: int,
    record: Record,
) -> None:
    """Stochastic gradient descent; the learning rate rises to --lr, then falls along a cosine."""
    batches = data.DataLoader(
        dataset.train, options.batch_size, shuffle=True, drop_last=True, seed=options.seed
    )
    optimizer = optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = optim.OneCycleLR(
        optimizer, max_lr=options.lr, total_steps=epochs * len(batches), cycle_momentum=False
    )
    with np.errstate(over="ignore", invalid="ignore"):  # fit says it better when the loss diverges
        fit(model, optimizer, schedule, batches, dataset.test, epochs, record.add)


def show(title: str, model: nn.Module, test: data.Split, record: Record) -> None:
    """Print the result digit by digit, and draw the figures."""
    out, scores = record.out, evaluate(model, test)
    confusion = report.confusion_matrix(test.labels, scores.predicted)
    print(f"\n{report.class_table(confusion)}\n\n{report.confusion_table(confusion)}\n")
    if not figures.available():
        print("Figures skipped: they need matplotlib (python -m pip install matplotlib).")
        return
    figures.draw_curves(out / "curves.png", title, record.steps, record.epochs)
    figures.draw_confusion(out / "confusion.png", title, confusion)
    figures.draw_filters(out / "filters.png", first_filters(model))
    figures.draw_mistakes(out / "mistakes.png", title, test, scores)


def first_filters(model: nn.Module) -> np.ndarray:
    """The first layer's weights as images: its filters, or its first 32 neurons."""
    weight = next(iter(model.parameters())).numpy()
    return weight[:, 0] if weight.ndim == 4 else weight[:32].reshape(-1, 28, 28)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    record = Record(options.out)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        run(options, *load(options.data), record)
    except (data.DataError, OSError) as error:
        parser().error(one_line(error))
    except DivergedError as error:
        advice = f"Try a smaller learning rate, for example --lr {options.lr / 10:g}."
        print(f"\nStopped: {error}. {advice} {record.kept()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted. {record.kept()}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
