"""Reproduce a published system, and set our figures beside the published ones.

    python -m examples.seeds list             the systems, a line each
    python -m examples.seeds C3               one of them
    python -m examples.seeds C                a group
    python -m examples.seeds all --quick      those that take seconds
    python -m examples.seeds all              every one; D1 and D2 train for 100 epochs

A system that needs MNIST looks for it as examples/mnist.py does; --data names a folder with the
files.  The exit status is 0 when every figure is within its allowance of the published one, 1 when
one is not, and 2 when a system failed, for example because there is no MNIST.
"""

import sys
import time

from program import Parser, one_line, positive, reader_left
from training import DivergedError

from autograd_cnn import data
from autograd_cnn.training import CheckpointError

from . import SYSTEMS, Run, System, report


def parser() -> Parser:
    systems = report.system_list(SYSTEMS.values())
    p = Parser("python -m examples.seeds", __doc__, epilog=systems)
    p.add_argument("names", nargs="+", metavar="NAME", help="a system, a group, 'all' or 'list'")
    p.add_argument("--quick", action="store_true", help="leave out what takes more than seconds")
    p.add_argument("--data", metavar="FOLDER", help="folder with the MNIST files")
    p.add_folder("--out", Run.out, "pictures, curves and checkpoints")
    p.add_argument(
        "--runs",
        type=positive,
        default=Run.runs,
        metavar="N",
        help=f"train A1 and B1 from the seeds 1 to N, and take the median (default: {Run.runs})",
    )
    p.add_argument(
        "--epochs",
        type=positive,
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
    """The systems that `name` stands for: one, a group, or all."""
    if name.upper() in SYSTEMS:
        return [SYSTEMS[name.upper()]]
    return [s for known, s in SYSTEMS.items() if name == "all" or known[0] == name.upper()]


def chosen(names: list[str], quick: bool) -> list[System]:
    """The systems to run, each once."""
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
    """Run every system, also after one has failed; returns the exit status."""
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
    except BrokenPipeError:
        return reader_left()


if __name__ == "__main__":
    sys.exit(main())
