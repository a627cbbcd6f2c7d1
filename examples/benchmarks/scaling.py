"""How the training speed of S4 depends on batch size, image size, channels and threads."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks import charts, machine, tables
from benchmarks.cells import Cell
from benchmarks.results import Results
from benchmarks.rounds import measure
from benchmarks.task import Settings, Task

FRAMEWORKS = ("autograd_cnn", "torch")
BATCH, SIZE, CHANNELS = 32, 28, 16

Point = tuple[int, str, list[float]]  # where on the axis, which framework, images/s by round


def cell_of(batch: int = BATCH, size: int = SIZE, channels: int = CHANNELS) -> Cell:
    return Cell("S4", batch, "train", {"size": size, "channels": channels})


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4, ... and the number of cores."""
    return sorted({2**i for i in range(cores.bit_length())} | {cores})


SWEEPS = {
    "batch size": {n: cell_of(batch=n) for n in (4, 8, 16, 32, 64, 128, 256, 512)},
    "image size": {n: cell_of(size=n) for n in (12, 20, 28, 40, 56)},
    "channels": {n: cell_of(channels=n) for n in (4, 8, 16, 32, 64)},
}


class Scaling(Task):
    """Rates by number of threads; `axes` sorts them by batch size, image size and the like."""

    name = "scaling"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.results: list[Results] = []

    def run(self) -> None:
        cells = {cell.name: cell for sweep in SWEEPS.values() for cell in sweep.values()}
        self._measure(list(cells.values()), self.settings.threads)
        for threads in thread_counts(machine.cores()):
            self._measure([cell_of()], threads)

    def _measure(self, cells: list[Cell], threads: int) -> None:
        results = Results(self.machine, threads, self.settings.seconds)
        self.results.append(results)
        with self.settings.team(list(self.versions) or FRAMEWORKS, threads) as team:
            self.versions |= team.versions
            measure(team, cells, self.settings.rounds, self.settings.seconds, results)

    @property
    def axes(self) -> dict[str, list[Point]]:
        """The points that were measured so far, by axis."""
        found: dict[str, list[Point]] = {}
        for number, results in enumerate(self.results):
            sweeps = {"threads": {results.threads: cell_of()}} if number else SWEEPS
            for axis, sweep in sweeps.items():
                for at, cell in sweep.items():
                    rates = results.rates.get(cell.name, {})
                    points = [(at, name, r) for name, r in rates.items() if r]
                    found.setdefault(axis, []).extend(points)
        return {axis: points for axis, points in found.items() if points}

    @property
    def problems(self) -> list[str]:
        return [problem for results in self.results for problem in results.problems]

    def measured(self) -> bool:
        return bool(self.axes)

    def report(self) -> str:
        """A table for each axis, with the ratio of the first framework to the second."""
        parts = [f"{self.machine['processor']}, {self.machine['cores']} cores"]
        parts.append(f"S4, training, batch {BATCH}, {SIZE} x {SIZE}, {CHANNELS} channels")
        for axis, found in self.axes.items():
            rows: list[tables.Row] = [(axis, "ratio", *self.versions)]
            for at in dict.fromkeys(p[0] for p in found):
                rates = {name: r for place, name, r in found if place == at}
                medians = [tables.amount(statistics.median(rates[n])) for n in rates]
                rows.append((str(at), tables.times(ratio(rates)), *medians))
            parts += ["", tables.layout(rows, 100)]
        return "\n".join([*parts, *(f"PROBLEM: {p}" for p in self.problems)])

    def record(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "versions": self.versions,
            "threads": self.settings.threads,
            "axes": self.axes,
            "problems": self.problems,
        }

    def draw(self, path: Path) -> None:
        charts.draw_scaling(self.axes, path)


def ratio(rates: dict[str, list[float]]) -> float | None:
    """The first framework's speed relative to the second's, the median over the rounds."""
    if len(rates) < 2:
        return None
    first, second = list(rates.values())[:2]
    return statistics.median(a / b for a, b in zip(first, second))
