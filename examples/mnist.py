"""Train a small convolutional network to read handwritten digits, and look at what it learned.

    python examples/mnist.py                  3 epochs on MNIST, downloaded if need be
    python examples/mnist.py --data FOLDER    the four MNIST .gz files lie in that folder
    python examples/mnist.py --data digits    the small digits that come with the package
    python examples/mnist.py --model best     the most accurate recipe: takes minutes
    python examples/mnist.py --resume         go on with a run that was interrupted

Without MNIST and without a network it trains on those small digits, and says so.

The result is the accuracy on held-out images after the last epoch, and
weights.npz holds those weights.  best.npz holds the weights of the epoch with the
highest held-out accuracy so far; as those images chose it, its accuracy is no fair
estimate and is not given as the result.  checkpoint.npz is what --resume goes on
from, with the numbers that the run would have had.  All files are complete after
every epoch, and Ctrl-C leaves them there.  The same seed gives the same numbers on
the same machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import figures
import numpy as np
import report
from messages import one_line
from models import MODELS
from recipes import recipe_for
from record import Record
from training import DivergedError, evaluate, fit

import autograd_cnn as ag
from autograd_cnn import data, nn, optim
from autograd_cnn.training import CheckpointError, confusion_matrix

KEPT_OPTIONS = ("model", "batch_size", "lr", "seed")  # the same numbers need the same options

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
    p.add_argument(
        "--model", choices=MODELS, default="cnn", help="network and recipe (default: cnn)"
    )
    p.add_argument(
        "--epochs",
        type=count,
        metavar="N",
        help="passes over the training images (default: 3, for digits 15; best: 12, 30)",
    )
    p.add_argument(
        "--batch-size",
        type=count,
        metavar="N",
        help="images per step (default: 64; best: 128)",
    )
    p.add_argument(
        "--lr",
        type=at_least(float, 1e-9),
        metavar="RATE",
        help="highest learning rate of the schedule (default: 0.05; best: 0.1)",
    )
    p.add_argument(
        "--seed",
        type=at_least(int, 0),
        default=0,
        metavar="N",
        help="start of all random numbers: weights, order, dropout, image changes (default: 0)",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("runs/mnist"),
        metavar="DIR",
        help="folder for weights and figures (default: runs/mnist)",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="go on after the last complete epoch of the run in --out; give its options again",
    )
    return p


def load(where: str | None) -> tuple[str, data.Dataset]:
    """The data and its name.  Digits stand in for MNIST only if the user named no folder."""
    if where == "digits":
        return "embedded digits (UCI)", data.digits()
    if where is None:
        print("Looking for MNIST on this machine, then on its mirrors", file=sys.stderr, flush=True)
    elif not Path(where).is_dir():
        parser().error(
            f"argument --data: expected 'digits' or a folder with MNIST files, found no folder at "
            f"{where}"
        )
    try:
        return "MNIST", data.mnist(where)
    except data.DataUnavailable as error:
        if where is not None:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
    print(f"{reason}: training on the embedded digits instead", flush=True)
    return load("digits")


# ------------------------------------------------------------------------------------------ one run


def run(options: argparse.Namespace, name: str, dataset: data.Dataset, record: Record) -> None:
    """Build the network, train it, and show what it learned."""
    fill_in(options, name)
    images, epochs = len(dataset.train.labels), options.epochs
    if options.batch_size > images:
        parser().error(f"argument --batch-size: there are only {images:,} training images")
    settings = {"data": name, "epochs": epochs}
    settings |= {option: getattr(options, option) for option in KEPT_OPTIONS}
    parts = build(options, dataset.train, epochs)
    if options.resume:
        record.resume(parts, settings)
    model = parts["model"]
    weights = sum(p.size for p in model.parameters())
    title = f"{name}, {len(dataset.test.labels):,} held-out images"
    print(f"{title}; {images:,} to train on")
    print(
        f"{options.model}: {weights:,} weights, epochs: {epochs}, seed: {options.seed}", flush=True
    )
    start = time.perf_counter()
    with np.errstate(over="ignore", invalid="ignore"):  # fit says it better when the loss diverges
        fit(
            **parts,
            held_out=dataset.test,
            epochs=epochs,
            history=record.history,
            after_epoch=lambda history: record.save(parts, settings),
        )
    seconds = time.perf_counter() - start
    print(f"\n{title}: {record.history[-1]['test_accuracy']:.2%} correct, {seconds:.1f} s")
    show(title, model, dataset.test, record)
    print(f"Results are in {options.out}")


def fill_in(options: argparse.Namespace, name: str) -> None:
    """Set the options that the user left open by the recipe of the network."""
    recipe = recipe_for(options.model)
    epochs = recipe.epochs if name == "MNIST" else recipe.digits_epochs
    defaults = {"epochs": epochs, "batch_size": recipe.batch_size, "lr": recipe.lr}
    for option, value in defaults.items():
        if getattr(options, option) is None:
            setattr(options, option, value)


def build(options: argparse.Namespace, train: data.Split, epochs: int) -> dict[str, Any]:
    """The model and what trains it: stochastic gradient descent, one cycle of the learning rate.

    It rises to --lr, then falls along a cosine.
    """
    ag.manual_seed(options.seed)
    model = MODELS[options.model]()
    batches = data.DataLoader(
        train,
        options.batch_size,
        shuffle=True,
        drop_last=True,
        seed=options.seed,
        augment=recipe_for(options.model).augment,
    )
    optimizer = optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = optim.OneCycleLR(
        optimizer, max_lr=options.lr, total_steps=epochs * len(batches), cycle_momentum=False
    )
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "batches": batches}


def show(title: str, model: nn.Module, test: data.Split, record: Record) -> None:
    """Print the result digit by digit, and draw the figures."""
    out, scores = record.out, evaluate(model, test)
    confusion = confusion_matrix(scores.predicted, test.labels, classes=10)
    print(f"\n{report.class_table(confusion)}\n\n{report.confusion_table(confusion)}\n")
    if not figures.available():
        print("Figures skipped: they need matplotlib (python -m pip install matplotlib).")
        return
    steps = [loss for epoch in record.history for loss in epoch["step_losses"]]
    figures.draw_curves(out / "curves.png", title, steps, record.history)
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
    except BrokenPipeError:  # whoever read, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (data.DataError, CheckpointError, OSError) as error:
        parser().error(one_line(error))
    except DivergedError as error:
        advice = f"Try a smaller learning rate, for example --lr {options.lr / 10:g}."
        print(f"\nStopped: {error}. {advice} {record.kept()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = " --resume goes on from there." if record.history else ""
        print(f"\nInterrupted. {record.kept()}{hint}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
