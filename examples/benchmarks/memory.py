"""Resident memory of a process that trains S4 at batch 128."""

from pathlib import Path
from typing import Any

from benchmarks import charts, tables
from benchmarks.cells import Cell
from benchmarks.processes import Worker, WorkerError
from benchmarks.task import Settings, Task

CELL = Cell("S4", 128, "train")
STEPS, EVERY = 500, 25


class Memory(Task):
    """MiB by framework and way, each trained in a new process."""

    name = "memory"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.runs: dict[str, Any] = {}
        self.problems: list[str] = []

    def run(self) -> None:
        with self.settings.team() as team:
            ways = team.ways
        for name in ways:
            for way in ways[name]:
                with self.settings.team([name]) as team:
                    self._train(team.workers[0], name, way)

    def _train(self, worker: Worker, name: str, way: str) -> None:
        label = f"{name} {way}".strip()
        try:
            found = worker.ask("memory", cell=CELL.request, way=way, steps=STEPS, every=EVERY)
        except WorkerError as error:
            self.problems.append(f"{label}: {error}")
        else:
            self.runs[label] = {"framework": name, **found}

    def measured(self) -> bool:
        return bool(self.runs)

    def report(self) -> str:
        """Peak, and how far the memory in use moved after the first steps."""
        rows: list[tables.Row] = [("MiB", "peak", "imported", f"step {EVERY}", f"step {STEPS}")]
        for label, found in self.runs.items():
            first, last = found["resident"][0], found["resident"][-1]
            numbers = (found["peak"], found["before"], first, last)
            rows.append((label, *(f"{n:.0f}" for n in numbers)))
        title = f"Resident memory of the whole process, training S4 at batch {CELL.batch}"
        problems = (f"PROBLEM: {p}" for p in self.problems)
        return "\n".join([title, "", tables.layout(rows, 100), *problems])

    def record(self) -> dict[str, Any]:
        return {"machine": self.machine, "runs": self.runs, "problems": self.problems}

    def draw(self, path: Path) -> None:
        charts.draw_memory(self.runs, EVERY, path)
