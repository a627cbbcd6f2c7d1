"""Training and inference speed of autograd_cnn beside other frameworks, on this machine.

    python examples/benchmark.py                       every cell, whatever is installed
    python examples/benchmark.py --quick               a first look
    python examples/benchmark.py --cells S4/32/train   one cell; S4 all of a network, //train a mode
    python examples/benchmark.py --breadth             single workloads, and steps of other networks
    python examples/benchmark.py --deploy              inference beside ONNX Runtime and OpenVINO

Networks: A1 (conv 8, pool, linear), B1 (conv 1, two linear), S4 (two blocks of conv, batch norm,
relu, pool, then two linear), LeNet, MLP 784-128-10.  A training step is zero_grad, forward, cross
entropy, backward and SGD with momentum, in float32; inference is forward in eval mode.  Every
framework starts from the same weights, and its first losses are compared.  Each runs in a separate
process.  They take turns, round after round; those that wait are stopped.

--breadth runs families of calls forward and backward, three networks for colour images, and steps
at batch 1.  --deploy writes the networks as ONNX files.  Both compare the results of all
frameworks, then measure in short bursts, and show the time of the best peer relative to ours.
--families conv,pool chooses the families (or single rows) that have one of these in their names.

For a framework in another environment: --python torch=PATH/bin/python, once for each.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import figures
from benchmarks.breadth import Breadth, Deploy
from benchmarks.bursts import Bursts
from benchmarks.cells import CELLS, choose_cells
from benchmarks.memory import Memory
from benchmarks.overhead import Overhead
from benchmarks.processes import EVERYONE, WorkerError
from benchmarks.results import RecordError, load
from benchmarks.rounds import Comparison
from benchmarks.scaling import Scaling
from benchmarks.task import NothingToMeasureError, Settings, Task
from program import Parser, at_least, positive

TASKS = {"scaling": Scaling, "memory": Memory, "overhead": Overhead}
BURSTS: dict[str, type[Bursts]] = {"breadth": Breadth, "deploy": Deploy}

# ------------------------------------------------------------------------------------------ options


def cells(text: str) -> Any:
    try:
        return choose_cells(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def frameworks(text: str) -> list[str]:
    for name in text.split(","):
        known(name)
    return [name for name in EVERYONE if name in text.split(",")]


def known(name: str) -> None:
    if name not in EVERYONE:
        raise argparse.ArgumentTypeError(f"no framework {name!r}; there are {', '.join(EVERYONE)}")


def home(text: str) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, got {text!r}")
    known(name)
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{path!r} is not a Python interpreter")
    return name, path


def parser() -> Parser:
    p = Parser("benchmark.py", __doc__)
    what = p.add_mutually_exclusive_group()
    what.add_argument(
        "--cells", type=cells, metavar="NET/BATCH/MODE,...", help="these cells (default: all)"
    )
    for task, text in (
        ("scaling", "speed over batch size, image size, channels and threads instead"),
        ("memory", "resident memory of training instead"),
        ("overhead", "time per operation on ten values instead"),
        ("breadth", "single workloads and more networks, forward and backward, instead"),
        ("deploy", "inference beside what runs ONNX files instead"),
    ):
        what.add_argument(f"--{task}", action="store_true", help=text)
    what.add_argument(
        "--show",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing: show what earlier runs wrote (benchmark.json), as one",
    )
    p.add_argument(
        "--families",
        metavar="PART,...",
        help="rows of --breadth and --deploy with one of these in their names (default: all)",
    )
    names = ", ".join(EVERYONE)
    p.add_argument(
        "--frameworks",
        type=frameworks,
        metavar="NAME,...",
        default=list(EVERYONE),
        help=f"who takes part, of {names} (default: all that are installed)",
    )
    p.add_argument(
        "--python",
        type=home,
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="interpreter of a framework that is not installed in this one",
    )
    add_amounts(p)
    p.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for a JSON file and a figure (default: runs/benchmark; with --show: none)",
    )
    p.add_argument("--json", type=Path, metavar="FILE", help="one more place for the JSON file")
    return p


def add_amounts(p: Parser) -> None:
    """Options on how much to measure."""
    amounts: dict[str, dict[str, Any]] = {
        "--threads": {"type": positive, "default": 2, "help": "of each framework (default: 2)"},
        "--rounds": {"type": positive, "help": "measurements of each cell (default: 5; bursts 15)"},
        "--seconds": {
            "type": at_least(float, 1e-3),
            "help": "of one measurement (default: 0.3; bursts 0.03)",
        },
    }
    for name, option in amounts.items():
        p.add_argument(name, metavar="N", **option)
    p.add_argument(
        "--quick", action="store_true", help="3 rounds of 0.1 s, no inference; or 5 short bursts"
    )


# ------------------------------------------------------------------------------------------ one run


def choose_task(options: argparse.Namespace) -> Task:
    bursts = next((task for name, task in BURSTS.items() if getattr(options, name)), None)
    if options.families and not bursts:
        raise NothingToMeasureError("--families is for --breadth and --deploy")
    rounds, seconds = (15, 0.03) if bursts else (5, 0.3)
    if options.quick:
        rounds, seconds = (5, 0.015) if bursts else (3, 0.1)
    settings = Settings(
        frameworks=options.frameworks,
        pythons=dict(options.python),
        threads=options.threads,
        rounds=options.rounds or rounds,
        seconds=options.seconds or seconds,
    )
    if bursts:
        return bursts(settings, options.families or "")
    for name, task in TASKS.items():
        if getattr(options, name):
            return task(settings)
    chosen = options.cells or [c for c in CELLS if c.mode == "train" or not options.quick]
    comparison = Comparison(settings, chosen)
    if options.show:
        comparison.results = load(options.show)
    return comparison


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    out = options.out or (None if options.show else Path("runs/benchmark"))
    code = 0
    try:
        if out:
            out.mkdir(parents=True, exist_ok=True)
        task = choose_task(options)
        try:
            if not options.show:
                task.run()
        except KeyboardInterrupt:
            print("\nInterrupted: what follows was measured before.", file=sys.stderr)
            code = 130
        if task.measured():
            print(task.report())
            if out:
                write(task, out)
            if options.json:
                task.save(options.json)
    except KeyboardInterrupt:
        code = 130
    except (OSError, RecordError, NothingToMeasureError, WorkerError) as error:
        parser().error(str(error))
    return code


def write(task: Task, out: Path) -> None:
    task.save(out / f"{task.name}.json")
    if figures.available():
        task.draw(out / f"{task.name}.png")
    else:
        print(f"\nNo figure: figures {figures.NEED}.")


if __name__ == "__main__":
    sys.exit(main())
