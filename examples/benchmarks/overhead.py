"""Time per operation on arrays of ten values, beside other frameworks that run op by op."""

import statistics
from typing import Any

from benchmarks import small_ops, tables
from benchmarks.processes import FRAMEWORKS, Team
from benchmarks.rounds import Progress
from benchmarks.task import Settings, Task

EAGER = ("autograd_cnn", "torch", "mygrad")
DIRECTIONS = {"forward": False, "forward + backward": True}


class Overhead(Task):
    """Microseconds by direction, operation, framework and round."""

    name = "overhead"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.times: dict[str, dict[str, dict[str, list[float]]]] = {}

    def run(self) -> None:
        tasks = [(name, operation) for name in DIRECTIONS for operation in small_ops.OPERATIONS]
        progress = Progress(self.settings.rounds * len(tasks))
        with self.settings.team(EAGER, threads=1) as team:
            self.versions = team.versions
            for number in range(1, self.settings.rounds + 1):
                for name, operation in tasks:
                    self._measure(team, name, operation)
                    progress.update(f"round {number}/{self.settings.rounds} {operation}")

    def _measure(self, team: Team, name: str, operation: str) -> None:
        """One round of an operation: every framework once."""
        found = self.times.setdefault(name, {}).setdefault(operation, {})
        request = {"operation": operation, "backward": DIRECTIONS[name]}
        for worker in team.workers:
            answer = worker.ask("overhead", seconds=self.settings.seconds / 5, **request)
            found.setdefault(worker.name, []).append(answer["microseconds"])

    def measured(self) -> bool:
        return bool(self.times)

    def report(self) -> str:
        """A table for each direction: medians, and our time relative to PyTorch's."""
        parts = ["; ".join(f"{n} {v}" for n, v in self.versions.items()) + "; one thread"]
        for name, operations in self.times.items():
            titles = [FRAMEWORKS[n].title for n in self.versions]
            rows: list[tables.Row] = [(f"{name}, us", "to PyTorch", *titles)]
            for operation, found in operations.items():
                pairs = zip(found.get("autograd_cnn", ()), found.get("torch", ()))
                ratios = [ours / theirs for ours, theirs in pairs]
                ratio = tables.times(statistics.median(ratios) if ratios else None)
                medians = (f"{statistics.median(t):.2f}" for t in found.values())
                rows.append((operation, ratio, *medians))
            parts += ["", tables.layout(rows, 100)]
        return "\n".join(parts)

    def record(self) -> dict[str, Any]:
        return {"machine": self.machine, "versions": self.versions, "microseconds": self.times}
