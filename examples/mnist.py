"""Train a small convolutional network on handwritten digits.

  python examples/mnist.py                  3 epochs on MNIST, downloaded if
                                            need be
  python examples/mnist.py --data FOLDER    the four files of MNIST, or of another
                                            set of its form, in that folder
  python examples/mnist.py --data digits    the digits of the package
  python examples/mnist.py --model best     the most accurate recipe: minutes
  python examples/mnist.py --resume         go on with an interrupted run
  python examples/mnist.py --predict 0      what the saved weights read in held-out
                                            image 0
  mpiexec -n 2 python examples/mnist.py     the same on two processes: the numbers
                                            of --shards 8 on one

If MNIST is neither on this machine nor on the network, it trains on the small
digits that come with the package and says so.

The result, in the last line, is the accuracy on held-out images after the last
epoch, and weights.npz holds those weights.  best.npz holds the weights of the
epoch with the highest held-out accuracy.  The held-out images chose that epoch,
so its accuracy is not a fair estimate and is not the result.  --resume goes on
from checkpoint.npz with the numbers that the uninterrupted run would have had.
All files are complete after every epoch, also when Ctrl-C ends the run.  The
same seed gives the same numbers on the same machine.
"""

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # its neighbours, however it was started

import figures
import numpy as np
import report
from models import MODELS, recipe_for
from program import Parser, at_least, command, one_line, percent, positive, reader_left
from training import DivergedError, Record, evaluate, fit, standardise

import autograd_cnn as ag
from autograd_cnn import data, distributed, nn, optim
from autograd_cnn import functional as F
from autograd_cnn.distributed.step import SHARDS
from autograd_cnn.training import CheckpointError, confusion_matrix

DIGITS = "embedded digits (UCI)"
SETS = {"MNIST": data.mnist, "Fashion-MNIST": data.fashion_mnist, "KMNIST": data.kmnist}
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
KEPT_OPTIONS = (
    "model",
    "batch_size",
    "lr",
    "seed",
    "shards",
)  # the same numbers need the same options

# ------------------------------------------------------------------------------------------ options


def parser() -> Parser:
    p = Parser("mnist.py", __doc__)
    where = "folder with MNIST or a set of its form, or 'digits' (default: find or download MNIST)"
    p.add_argument("--data", metavar="WHERE", help=where)
    network = "network and recipe (default: cnn)"
    p.add_argument("--model", choices=MODELS, default="cnn", help=network)
    numbers: dict[str, tuple[Any, str]] = {
        "epochs": (positive, "passes over the training images (3, for digits 15; best: 12, 30)"),
        "batch-size": (positive, "images per step (64; best: 128)"),
        "lr": (at_least(float, 1e-9), "highest learning rate of the schedule (0.05; best: 0.1)"),
        "seed": (at_least(int, 0), "start of all random numbers (0)"),
        "shards": (positive, "parts of a batch, in which its memory is needed (1; on MPI: 8)"),
    }
    for name, (kind, text) in numbers.items():
        p.add_argument(f"--{name}", type=kind, metavar="N", help=text)
    p.set_defaults(seed=0)
    p.add_folder("--out", Path("runs/mnist"), "weights, figures and report")
    p.add_argument(
        "--resume",
        action="store_true",
        help="go on after the last complete epoch of the run in --out; give its options again",
    )
    predict = "show held-out image N and what the weights in --out read in it; do not train"
    p.add_argument("--predict", type=at_least(int, 0), metavar="N", help=predict)
    return p


def loaded(where: str | None) -> tuple[str, data.TrainTest]:
    """`load` on all ranks; first on rank 0, as it may download."""
    world = distributed.start()
    if world.rank:
        world.meet("waits for the data")
    found = load(where)
    if not world.rank:
        world.meet("waits for the data")
    return found


def load(where: str | None) -> tuple[str, data.TrainTest]:
    """The data and its name.  Digits stand in for MNIST only if the user named no folder."""
    if where == "digits":
        return DIGITS, data.digits()
    if where is not None:
        return load_folder(Path(where))
    print("Looking for MNIST on this machine, then on its mirrors", file=sys.stderr, flush=True)
    try:
        return "MNIST", data.mnist()
    except data.DataUnavailable as error:
        reason = str(error).splitlines()[0].rstrip(".")
    print(f"{reason}: training on the embedded digits instead", flush=True)
    return load("digits")


def load_folder(folder: Path) -> tuple[str, data.TrainTest]:
    """The set in a folder and its name: MNIST, or four IDX files of its form.

    Checksums tell which set it is.  Those of Fashion-MNIST and KMNIST are of .gz files.  Nothing is
    downloaded.
    """
    if not folder.is_dir():
        parser().error(
            "argument --data: expected 'digits' or a folder with MNIST files, found no folder at "
            f"{folder}"
        )
    found = {name: idx_file(folder, name) for name in FILES}
    missing = ", ".join(name for name, path in found.items() if path is None)
    if (folder / "mnist.npz").is_file() and missing:
        return "MNIST", data.mnist(folder)
    if missing:
        parser().error(
            f"argument --data: {folder} lacks {missing} (plain or .gz); --data digits needs none"
        )
    paths = [path for path in found.values() if path is not None]
    for name, known in SETS.items():
        if name == "MNIST" or all(path.suffix == ".gz" for path in paths):
            with suppress(data.DataError):
                return name, known(folder)
    arrays = [data.read_idx(path) for path in paths]
    for images, labels in (arrays[:2], arrays[2:]):
        fits = images.shape == (*labels.shape, 28, 28) and images.dtype == np.uint8
        if not (fits and labels.size and np.isin(labels, range(10)).all()):
            raise data.DataError(
                f"{folder}: expected uint8 images (N, 28, 28) and labels (N,) of 0..9, found "
                f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
            )
    print(f"{folder} has another set than MNIST, or changed files: training on what it has")
    parts = [data.Split(x[:, None], y.astype(np.int64)) for x, y in (arrays[:2], arrays[2:])]
    return f"the set in {folder.resolve().name}", data.TrainTest(*parts)


def idx_file(folder: Path, name: str) -> Path | None:
    """The path of an IDX file, with a dot before "idx" or not, plain or .gz."""
    pattern = name.replace("-idx", "[-.]idx")
    found = [*folder.glob(pattern), *folder.glob(f"{pattern}.gz")]
    return found[0] if found else None


# ------------------------------------------------------------------------------------------ one run


def run(options: argparse.Namespace, name: str, dataset: data.TrainTest, record: Record) -> None:
    """Build the network, train it, and show what it learned."""
    fill_in(options, name)
    images, epochs = len(dataset.train.labels), options.epochs
    if options.batch_size > images:
        parser().error(f"argument --batch-size: there are only {images:,} training images")
    record.settings = {"data": name, "epochs": epochs}
    record.settings |= {option: getattr(options, option) for option in KEPT_OPTIONS}
    parts = build(options, dataset.train, epochs)
    if options.resume:
        record.resume(parts)
    model = parts["model"]
    weights = sum(p.size for p in model.parameters())
    title = f"{name}, {len(dataset.test.labels):,} held-out images"
    print(f"{title}; {images:,} to train on")
    print(
        f"{options.model}: {weights:,} weights, epochs: {epochs}, seed: {options.seed}", flush=True
    )
    start = time.perf_counter()
    with np.errstate(over="ignore", invalid="ignore"):  # fit raises DivergedError then
        fit(
            **parts,
            held_out=dataset.test,
            epochs=epochs,
            shards=options.shards,
            history=record.history,
            after_epoch=lambda _: record.save(parts),
        )
    if distributed.start().rank:
        return
    print(f"\nTrained for {time.perf_counter() - start:.1f} s")
    show(title, model, dataset.test, record, command("mnist.py", as_typed(options)))
    again = command("mnist.py", [*of_this_network(options), "--predict", "0"])
    print(f"What these weights read in held-out image 0:\n  {again}")
    accuracy = percent(record.history[-1]["test_accuracy"])
    print(f"{title}: {accuracy} correct; files in {options.out}")


def of_this_network(options: argparse.Namespace) -> list[str]:
    """The options that say which data, network and folder are meant, as a user types them."""
    default = parser().get_default
    found = {name: getattr(options, name) for name in ("data", "model", "out")}
    given = ([f"--{name}", str(x)] for name, x in found.items() if x != default(name))
    return [text for pair in given for text in pair]


def as_typed(options: argparse.Namespace) -> list[str]:
    """The options that give a run its numbers, as a user types them."""
    numbers = {name.replace("_", "-"): getattr(options, name) for name in KEPT_OPTIONS[1:]}
    given = {"epochs": options.epochs, **numbers}
    return [
        *of_this_network(options),
        *(text for name, value in given.items() for text in (f"--{name}", str(value))),
    ]


def fill_in(options: argparse.Namespace, name: str) -> None:
    """Set the options that the user left open by the recipe of the network."""
    recipe = recipe_for(options.model)
    epochs = recipe.digits_epochs if name == DIGITS else recipe.epochs
    shards = SHARDS if distributed.start().size > 1 else 1
    defaults = {
        "epochs": epochs,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "shards": shards,
    }
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


def predict(options: argparse.Namespace, name: str, test: data.Split) -> None:
    """Show a held-out image, and what the weights of the run in --out read in it."""
    number, path = options.predict, options.out / "weights.npz"
    if number >= len(test.labels):
        parser().error(f"argument --predict: there are only {len(test.labels):,} held-out images")
    model = MODELS[options.model]()
    try:
        with path.open("rb") as file, np.load(file) as weights:
            model.load_state_dict(weights)
    except Exception as error:  # a damaged file raises many kinds
        problem = f"{path} has no weights of --model {options.model} ({one_line(error)})"
        parser().error(f"{problem}; train it first, with the same --model and --out")
    with ag.no_grad():
        scores = model.eval()(standardise(test.images[number : number + 1]))
    chances = F.softmax(scores, dim=1).numpy()[0]
    print(f"{drawn(test.images[number, 0])}\n")
    print(f"{name}, held-out image {number:,}, which shows a {test.labels[number]}")
    print(f"{path} reads {chances.argmax()} in it ({percent(chances.max())})")


def drawn(image: np.ndarray) -> str:
    """An image uint8 (H, W) in characters, two of its rows to a line."""
    pairs = image.reshape(-1, 2, image.shape[1]).max(axis=1)
    return "\n".join("".join(row).rstrip() for row in np.array(list(" .:*#"))[pairs // 52])


def show(title: str, model: nn.Module, test: data.Split, record: Record, repeat: str) -> None:
    """Print the result digit by digit, draw the figures, and write the report."""
    out, scores = record.out, evaluate(model, test)
    confusion = confusion_matrix(scores.predicted, test.labels, classes=10)
    tables = f"{class_table(confusion)}\n\n{confusion_table(confusion)}"
    print(f"\n{tables}\n")
    if figures.available():
        record.history.plot(out / "curves.png", title)
        figures.draw_confusion(out / "confusion.png", title, confusion)
        figures.draw_filters(out / "filters.png", first_filters(model))
        figures.draw_mistakes(out / "mistakes.png", title, test, scores)
    else:
        print(f"Figures skipped: they {figures.NEED}.")
    report.write(
        *(out / "report.html", title, record.history, tables, record.settings, repeat),
        drawn=figures.available(),
    )
    print(f"Report for a browser: {out / 'report.html'}")


def class_table(confusion: np.ndarray) -> str:
    """One line per class: images, correct, accuracy and what else it was most often read as."""
    lines = ["digit images correct accuracy  read as"]
    for digit, row in enumerate(confusion):
        count, correct = row.sum(), row[digit]
        wrong = row.copy()
        wrong[digit] = 0
        often = {1: "once", 2: "twice"}.get(int(wrong.max()), f"{wrong.max()} times")
        other = f"{wrong.argmax()} ({often})" if wrong.any() else "-"
        accuracy = percent(correct / count) if count else "-"
        lines.append(f"{digit:5} {count:6,} {correct:7,} {accuracy:>8}  {other}")
    count, correct = confusion.sum(), np.trace(confusion)
    lines.append(f"  all {count:6,} {correct:7,} {percent(correct / count):>8}")
    return "\n".join(lines)


def confusion_table(confusion: np.ndarray) -> str:
    """The matrix as text: a row per true digit, a column per predicted digit, a dot for none."""
    width = len(f"{confusion.max():,}") + 1
    header = "".join(f"{digit:{width}}" for digit in range(len(confusion)))
    lines = ["truth     predicted", "     " + header]
    for digit, row in enumerate(confusion):
        counts = (f"{n:,}" if n else "." for n in row.tolist())
        lines.append(f"{digit:5}" + "".join(f"{count:>{width}}" for count in counts))
    return "\n".join(lines)


def first_filters(model: nn.Module) -> np.ndarray:
    """The first layer's weights as images: its filters, or its first 32 neurons."""
    weight = next(iter(model.parameters())).numpy()
    return weight[:, 0] if weight.ndim == 4 else weight[:32].reshape(-1, 28, 28)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    record = Record(options.out)
    try:
        if options.predict is None:
            options.out.mkdir(parents=True, exist_ok=True)
        name, dataset = loaded(options.data)
        if options.predict is None:
            run(options, name, dataset, record)
        else:
            predict(options, name, dataset.test)
    except BrokenPipeError:
        return reader_left()
    except (data.DataError, CheckpointError, OSError) as error:
        parser().error(one_line(error))
    except DivergedError as error:
        advice = f"Try a smaller learning rate, for example --lr {error.rate / 10:.1g}."
        print(f"\nStopped: {error}. {advice} {record.weights_kept()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        given = sys.argv[1:] if arguments is None else arguments
        resume = command("mnist.py", given if options.resume else [*given, "--resume"])
        hint = f"{record.weights_kept()}{record.resume_hint(resume)}"
        print(f"\nInterrupted. {hint}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
