"""The record of a run: what was measured, on what; as JSON and back."""

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RIVALS = ("torch", "keras", "jax")
OURS, OURS_IN_NUMPY = "autograd_cnn", "numpy-kernels"


class RecordError(Exception):
    """A file is not a record of this program, or does not fit the others."""


@dataclass
class Results:
    """`rates` has images/s by cell, framework and round; `ways` which of its ways a framework used.

    `disturbed` counts the measurements during which other programs took more of the processors than
    was free.
    """

    machine: dict[str, Any]
    threads: int
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    ways: dict[str, dict[str, str]] = field(default_factory=dict)
    disturbed: int = 0
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def add(self, cell: str, framework: str, rate: float, disturbed: bool) -> None:
        """One measurement."""
        self.rates[cell].setdefault(framework, []).append(rate)
        self.disturbed += disturbed

    def median(self, cell: str, framework: str) -> float | None:
        rates = self.rates[cell].get(framework)
        return statistics.median(rates) if rates else None

    def spread(self, cell: str, framework: str) -> float | None:
        """Half the range of the middle half of the rates, relative to the median."""
        rates = self.rates[cell].get(framework)
        if not rates or len(rates) < 2:
            return None
        low, middle, high = statistics.quantiles(rates, n=4, method="inclusive")
        return (high - low) / 2 / middle

    def ratios(self, cell: str, framework: str, other: str) -> list[float]:
        """How many times as fast `framework` is as `other`, in every round.

        Both ran next to each other, so what slows the machine for a while cancels.
        """
        found = self.rates[cell]
        return [a / b for a, b in zip(found.get(framework, ()), found.get(other, ()))]

    def ratio(self, cell: str, framework: str, other: str) -> float | None:
        """The median of `ratios`."""
        ratios = self.ratios(cell, framework, other)
        return statistics.median(ratios) if ratios else None

    def best_rival(self, cell: str) -> str | None:
        """The fastest of PyTorch, Keras and JAX, by its median."""
        present = [name for name in RIVALS if self.rates[cell].get(name)]
        return max(present, key=lambda name: self.median(cell, name) or 0, default=None)

    def ratio_to_best(self, cell: str, framework: str = OURS) -> float | None:
        best = self.best_rival(cell)
        return None if best is None else self.ratio(cell, framework, best)


def load(paths: list[Path]) -> Results:
    """Several records as one; a cell that is in two of them is taken from the later.

    Raises RecordError for a file of another kind, and for a record from another machine or with
    another number of threads than the first.
    """
    records = [_read(path) for path in paths]
    merged = records[0]
    for path, one in zip(paths[1:], records[1:]):
        if not _alike(one, merged):
            raise RecordError(
                f"{path} is from another machine or has other threads than {paths[0]}"
            )
        merged.rates |= one.rates
        merged.ways |= one.ways
        merged.versions |= one.versions
        merged.disturbed += one.disturbed
        for problem in one.problems:
            merged.note(problem)
    return merged


def _read(path: Path) -> Results:
    try:
        return Results(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise RecordError(f"{path} is not a benchmark.json that this program wrote") from None


def _alike(one: Results, other: Results) -> bool:
    """Whether both are from the same kind of machine, with as many threads."""
    same = [one.machine.get(key) == other.machine.get(key) for key in ("processor", "cores")]
    return all(same) and one.threads == other.threads
