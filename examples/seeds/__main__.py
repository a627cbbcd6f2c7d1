"""Reproduce a published system, and set our figures beside the published ones.

    python -m examples.seeds list             the systems, a line each
    python -m examples.seeds C3               one of them
    python -m examples.seeds C                a group
    python -m examples.seeds all --quick      those that take seconds
    python -m examples.seeds all              every one; D1 and D2 train for 100 epochs

A system that needs MNIST looks for it as examples/mnist.py does; --data names a folder with the
files.  The exit status is 0 when every figure is as near to the published one as was asked, 1 when
one is not, and 2 when a system failed, for example for want of MNIST.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from autograd_cnn import data
from autograd_cnn.training import CheckpointError

from ..messages import one_line
from ..training import DivergedError
from . import SYSTEMS, Run, System, report


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return value


at_least_one.__name__ = "int"  # argparse names the type when the text is no number


def parser() -> Parser:
    p = Parser(
        prog="python -m examples.seeds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=report.system_list(SYSTEMS.values()),
    )
    p.add_argument("names", nargs="+", metavar="NAME", help="a system, a group, 'all' or 'list'")
    p.add_argument("--quick", action="store_true", help="leave out what takes more than seconds")
    p.add_argument("--data", metavar="FOLDER", help="folder with the MNIST files")
    p.add_argument(
        "--out",
        type=Path,
        default=Run.out,
        metavar="DIR",
        help=f"folder for pictures, curves and checkpoints (default: {Run.out})",
    )
    p.add_argument(
        "--runs",
        type=at_least_one,
        default=Run.runs,
        metavar="N",
        help=f"train A1 and B1 from the seeds 1 to N, and take the median (default: {Run.runs})",
    )
    p.add_argument(
        "--epochs",
        type=at_least_one,
        metavar="N",
        help="train A2 and D1 to D4 for N epochs; figures are then not compared",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="let A2 and D1 to D4 go on after the last whole epoch of an earlier run in --out",
    )
    return p


def systems_called(name: str) -> list[System]:
    """One system, the systems of a group, or all; those that are meant by `name`."""
    if name.upper() in SYSTEMS:
        return [SYSTEMS[name.upper()]]
    return [s for known, s in SYSTEMS.items() if name == "all" or known[0] == name.upper()]


def chosen(names: list[str], quick: bool) -> list[System]:
    """What is to be run, each system once."""
    found: dict[str, System] = {}
    for name in names:
        systems = systems_called(name)
        if not systems:
            parser().error(f"there is no system {name!r}; 'list' names them")
        found |= {s.name: s for s in systems if s.quick or not quick}
    if not found:
        parser().error(f"none of {', '.join(names)} is quick")
    return list(found.values())


def run_all(systems: list[System], run: Run) -> int:
    """Run one after the other, whatever becomes of the others; the exit status."""
    start = time.perf_counter()
    differ, failed = [], []
    no_mnist = why_no_mnist(run) if any(system.mnist for system in systems) else None
    if no_mnist is not None:
        print(f"No MNIST: {one_line(no_mnist)}\n", file=sys.stderr, flush=True)
    for system in systems:
        print(report.introduction(system) + "\n", flush=True)
        try:
            if system.mnist and no_mnist is not None:
                raise data.DataUnavailable("it needs MNIST")
            if not run_one(system, run):
                differ.append(system.name)
        except BrokenPipeError:
            raise
        except (data.DataError, CheckpointError, DivergedError, OSError) as error:
            failed.append(system.name)
            print(f"{system.name} failed: {one_line(error)}\n", file=sys.stderr)
    if len(systems) > 1:
        seconds = time.perf_counter() - start
        print(f"{len(systems)} systems, {seconds:.0f} s. {summary(differ, failed)}")
    return 2 if failed else 1 if differ else 0


def run_one(system: System, run: Run) -> bool:
    """Measure and print; whether every figure is as published."""
    start = time.perf_counter()
    measured = system.measure(run)
    seconds = time.perf_counter() - start
    print(report.figures(system, measured))
    words = "not compared, with --epochs" if run.epochs else report.verdict(system, measured)
    print(f"{system.name}: {words} ({seconds:.1f} s)\n", flush=True)
    return run.epochs is not None or system.agrees(measured)


def why_no_mnist(run: Run) -> Exception | None:
    """Load MNIST, once for all systems; the error if that fails."""
    try:
        _ = run.mnist
    except (data.DataError, OSError) as error:
        return error
    return None


def summary(differ: list[str], failed: list[str]) -> str:
    words = [f"Not as published: {', '.join(differ)}."] if differ else []
    words += [f"Failed: {', '.join(failed)}."] if failed else []
    return " ".join(words) or "All as published."


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if "list" in options.names:
        print(report.system_list(SYSTEMS.values()))
        return 0
    run = Run(options.data, options.out, options.runs, options.epochs, options.resume)
    try:
        return run_all(chosen(options.names, options.quick), run)
    except KeyboardInterrupt:
        print("\nInterrupted. --resume goes on after the last whole epoch.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
