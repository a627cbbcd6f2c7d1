"""Measuring cells round after round, all frameworks next to each other, one at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from benchmarks import machine
from benchmarks.cells import Cell
from benchmarks.processes import Team, Worker, WorkerError
from benchmarks.results import Results

try:
    from tqdm import tqdm
except ImportError:  # the bar is a comfort, not a need
    tqdm = None

TOLERANCE = 1e-4
"""How far losses of the first steps may be apart: relative, absolute for those below 1."""
TRIES = 3
LINES = 10


class Progress:
    """A bar on a terminal with tqdm, else a line now and then; both on stderr."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.start = total, 0, time.monotonic()
        shown = tqdm is not None and sys.stderr.isatty()
        form = "{percentage:3.0f}%|{bar}| {remaining} left {desc}"
        self.bar = (
            tqdm(total=total, leave=False, dynamic_ncols=True, bar_format=form) if shown else None
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, what: str) -> None:
        """Count one piece of work; `what` comes next or was just done."""
        before, self.done = self.done * LINES // self.total, self.done + 1
        if self.bar is not None:
            self.bar.set_description_str(what, refresh=False)
            self.bar.update()
        elif self.done * LINES // self.total > before:
            seconds = time.monotonic() - self.start
            shown = f"{self.done / self.total:4.0%} after {seconds:.0f} s: {what}"
            print(shown, file=sys.stderr, flush=True)


def measure(
    team: Team, cells: Sequence[Cell], rounds: int, seconds: float, results: Results
) -> None:
    """Fill `results`, piece by piece, so that what was measured is there if this is interrupted."""
    results.versions |= team.versions
    with Progress(len(cells) * len(team.workers) * (rounds + 1)) as progress:
        able = {cell.name: prepare(team, cell, results, progress) for cell in cells}
        for number in range(1, rounds + 1):
            for cell in cells:
                for worker in list(able[cell.name]):
                    if not measure_once(worker, cell, seconds, results):
                        able[cell.name].remove(worker)
                    progress.update(f"round {number}/{rounds} {cell.name}")


def prepare(team: Team, cell: Cell, results: Results, progress: Progress) -> list[Worker]:
    """Let every worker build the network, and compare the losses of the first steps.

    Returns the workers that could.
    """
    results.rates[cell.name], results.ways[cell.name] = {}, {}
    able: list[Worker] = []
    expected: list[float] = []
    for worker in team.workers:
        progress.update(f"preparing {cell.name}")
        try:
            answer = worker.ask("prepare", cell=cell.request)
        except WorkerError as error:
            results.note(f"{cell.name}: {worker.name}: {error}")
            continue
        able.append(worker)
        results.ways[cell.name][worker.name] = answer["way"]
        for way, losses in answer["losses"].items():
            expected = expected or losses
            if not agree(losses, expected):
                results.note(
                    f"{cell.name}: {worker.name} {way} has other losses than {able[0].name} in the "
                    f"first steps: {shown(losses)}, expected {shown(expected)}"
                )
    return able


def agree(losses: list[float], expected: list[float]) -> bool:
    close = (abs(a - b) <= TOLERANCE * max(1.0, abs(b)) for a, b in zip(losses, expected))
    return len(losses) == len(expected) and all(close)


def shown(losses: list[float]) -> str:
    return " ".join(f"{loss:.5f}" for loss in losses)


def measure_once(worker: Worker, cell: Cell, seconds: float, results: Results) -> bool:
    """One measurement; again, a few times, while other programs take the processors.

    Whether the worker could.
    """
    free = machine.cores() - results.threads + machine.UNNOTICED
    tries: list[dict[str, float]] = []
    while len(tries) < TRIES and (not tries or tries[-1]["others"] > free):
        try:
            tries.append(worker.ask("measure", cell=cell.request, seconds=seconds))
        except WorkerError as error:
            results.note(f"{cell.name}: {worker.name}: {error}")
            return False
    best = min(tries, key=lambda one: one["others"])
    results.add(cell.name, worker.name, best["rate"], best["others"] > free)
    return True
