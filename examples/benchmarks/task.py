"""What the options say about a run, and what every kind of measurement does."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.processes import FRAMEWORKS, Team


class NothingToMeasureError(Exception):
    """None of the frameworks that were asked for is installed."""


@dataclass(frozen=True)
class Settings:
    """Who takes part, the interpreters of those that live elsewhere, and how long to measure."""

    frameworks: Sequence[str]
    pythons: Mapping[str, str]
    threads: int
    rounds: int
    seconds: float

    def team(self, frameworks: Collection[str] | None = None, threads: int | None = None) -> Team:
        """Start the workers (default: those that train); say on stderr who is missing.

        NothingToMeasureError if all are.
        """
        names = [n for n in self.frameworks if n in (frameworks or FRAMEWORKS)]
        team = Team(names, self.pythons, threads or self.threads)
        for name, reason in team.missing.items():
            print(f"{name} takes no part: {reason}", file=sys.stderr)
        if not team.workers:
            raise NothingToMeasureError(f"not installed: {', '.join(names)}")
        return team


class Task:
    """A kind of measurement; its files are called `name`."""

    name = "benchmark"

    def __init__(self, settings: Settings) -> None:
        self.settings, self.machine = settings, machine.describe()
        self.versions: dict[str, str] = {}

    def run(self) -> None:
        """Measure, piece by piece, so that an interrupted run keeps what it has."""
        raise NotImplementedError

    def measured(self) -> bool:
        """Whether there is anything to report."""
        raise NotImplementedError

    def report(self) -> str:
        """The results as text."""
        raise NotImplementedError

    def record(self) -> dict[str, Any]:
        """The results as plain data."""
        raise NotImplementedError

    def draw(self, path: Path) -> None:
        """Draw the figure, where there is one."""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.record(), indent=1) + "\n", encoding="utf-8")
