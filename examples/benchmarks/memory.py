"""Resident memory of a process that trains S4 at batch 128."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import charts, machine, tables
from benchmarks.cells import Cell
from benchmarks.processes import Worker, WorkerError
from benchmarks.settings import Settings

CELL = Cell("S4", 128, "train")
STEPS, EVERY = 500, 25


class Memory:
    """MiB by framework and way, each trained in a new process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record: dict[str, Any] = {"machine": machine.describe(), "runs": {}, "problems": []}

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
            self.record["problems"].append(f"{label}: {error}")
        else:
            self.record["runs"][label] = {"framework": name, **found}

    def measured(self) -> bool:
        return bool(self.record["runs"])

    def report(self) -> str:
        """Peak, and how far the memory in use moved after the first steps."""
        rows: list[tables.Row] = [("MiB", "peak", "imported", f"step {EVERY}", f"step {STEPS}")]
        for label, found in self.record["runs"].items():
            first, last = found["resident"][0], found["resident"][-1]
            numbers = (found["peak"], found["before"], first, last)
            rows.append((label, *(f"{n:.0f}" for n in numbers)))
        title = f"Resident memory of the whole process, training S4 at batch {CELL.batch}"
        problems = (f"PROBLEM: {p}" for p in self.record["problems"])
        return "\n".join([title, "", tables.layout(rows, 100), *problems])

    def save(self, folder: Path) -> None:
        text = json.dumps(self.record, indent=1) + "\n"
        (folder / "memory.json").write_text(text, encoding="utf-8")

    def draw(self, folder: Path) -> None:
        charts.draw_memory(self.record["runs"], EVERY, folder / "memory.png")
