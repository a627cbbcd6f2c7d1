"""The benchmark itself: every cell, round after round, all frameworks next to each other."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import charts, machine, tables
from benchmarks.cells import Cell
from benchmarks.processes import Team, Worker, WorkerError
from benchmarks.results import Results
from benchmarks.task import Settings, Task

TOLERANCE = 1e-4
"""How far losses of the first steps may be apart: relative, absolute for those below 1."""
TRIES = 3
LINES = 10


class Progress:
    """Writes ten lines to stderr in the course of `total` pieces of work."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.start = total, 0, time.monotonic()

    def update(self, what: str) -> None:
        """Count one piece of work; `what` comes next or was just done."""
        before, self.done = self.done * LINES // self.total, self.done + 1
        if self.done * LINES // self.total > before:
            seconds = time.monotonic() - self.start
            shown = f"{self.done / self.total:4.0%} after {seconds:.0f} s: {what}"
            print(shown, file=sys.stderr, flush=True)


class Comparison(Task):
    """Images/s of all frameworks in a number of cells."""

    def __init__(self, settings: Settings, cells: Sequence[Cell]) -> None:
        super().__init__(settings)
        self.cells = cells
        self.results = Results(self.machine, settings.threads, settings.seconds)

    def run(self) -> None:
        with self.settings.team() as team:
            self._measure_matmul(team.workers[0])
            measure(team, self.cells, self.settings.rounds, self.settings.seconds, self.results)
            self._measure_matmul(team.workers[0])

    def _measure_matmul(self, worker: Worker) -> None:
        """The matrix product's rate, the best so far: other programs only lower it."""
        found = worker.ask("matmul")["gflops"]
        best = max(found, self.results.machine.get("matmul_gflops", 0.0))
        self.results.machine["matmul_gflops"] = best

    def measured(self) -> bool:
        return any(rates for found in self.results.rates.values() for rates in found.values())

    def report(self) -> str:
        return tables.report(self.results)

    def record(self) -> dict[str, Any]:
        return asdict(self.results)

    def draw(self, path: Path) -> None:
        charts.draw_speeds(self.results, path)


def measure(
    team: Team, cells: Sequence[Cell], rounds: int, seconds: float, results: Results
) -> None:
    """Fill `results` piece by piece, so that an interrupted run keeps what it has."""
    results.versions |= team.versions
    progress = Progress(len(cells) * len(team.workers) * (rounds + 1))
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
    """One measurement, repeated a few times while other programs take the processors.

    Returns whether the worker could.
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
