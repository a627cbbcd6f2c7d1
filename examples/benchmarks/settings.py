"""What the options say about a run, and the workers that follow from it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.processes import Team


class NothingToMeasureError(Exception):
    """None of the frameworks that were asked for is there."""


@dataclass(frozen=True)
class Settings:
    """Who takes part, the interpreters of those that live elsewhere, and how long to measure."""

    frameworks: Sequence[str]
    pythons: Mapping[str, str]
    threads: int
    rounds: int
    seconds: float

    def team(self, frameworks: Sequence[str] | None = None, threads: int | None = None) -> Team:
        """Start the workers; say on stderr who is missing.  NothingToMeasureError if all are."""
        names = [n for n in self.frameworks if frameworks is None or n in frameworks]
        team = Team(names, self.pythons, threads or self.threads)
        for name, reason in team.missing.items():
            print(f"{name} takes no part: {reason}", file=sys.stderr)
        if not team.workers:
            raise NothingToMeasureError(f"not installed: {', '.join(names)}")
        return team
