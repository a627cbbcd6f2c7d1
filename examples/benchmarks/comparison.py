"""The benchmark itself: every cell, all frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import charts, machine, tables
from benchmarks.cells import Cell
from benchmarks.processes import Worker
from benchmarks.results import Results, save
from benchmarks.rounds import measure
from benchmarks.settings import Settings


class Comparison:
    """Images/s of all frameworks in a number of cells."""

    def __init__(self, settings: Settings, cells: Sequence[Cell]) -> None:
        self.settings, self.cells = settings, cells
        self.results = Results(machine.describe(), settings.threads, settings.seconds)

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

    def save(self, folder: Path) -> None:
        save(self.results, folder / "benchmark.json")

    def draw(self, folder: Path) -> None:
        charts.draw_bars(self.results, folder / "benchmark.png")
