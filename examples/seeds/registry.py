"""The table of systems: what was published about each, and the function that measures ours.

    @system("C2", {"prediction": Figure(0.8, within=1e-9)}, quick=True)
    def hot_and_cold():
        \"\"\"The title of the system.

        What it is, and what is worth knowing about the result.
        \"\"\"
        return {"prediction": 0.8}

The function is then in the list and can be run.  If it is quick, it is also a test.  A function
with a parameter gets the `Run`; `mnist=True` says that it needs MNIST.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn import data

Measurements = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A published number, or several, and how far ours may differ from it.

    `source` says where the number is from, if that is not the article.
    """

    value: Any
    within: float | np.ndarray
    unit: str = ""
    source: str = "published"

    def difference(self, measured: Any) -> np.ndarray:
        return np.subtract(measured, self.value)

    def agrees(self, measured: Any) -> bool:
        return bool(np.all(np.abs(self.difference(measured)) <= self.within))


@dataclass
class Run:
    """Where a system finds its data and leaves its results, and how long it trains.

    `data` is the folder with the MNIST files (None: found or downloaded).  `runs` is how often A1
    and B1 train, from seeds 1, 2, ...  `epochs` replaces the published number of passes of A2 and
    D1 to D4.  With `resume` these go on where an earlier run in `out` ended.
    """

    data: str | None = None
    out: Path = Path("runs/seeds")
    runs: int = 3
    epochs: int | None = None
    resume: bool = False

    @cached_property
    def mnist(self) -> data.TrainTest:
        return data.mnist(self.data)


@dataclass(frozen=True)
class System:
    """A published system: its name in the table, its figures, and the function that measures."""

    name: str
    figures: Mapping[str, Figure]
    quick: bool
    mnist: bool
    function: Callable[..., Measurements] = field(repr=False)

    @property
    def title(self) -> str:
        return self._text.partition("\n")[0].rstrip(".")

    @property
    def explanation(self) -> str:
        return self._text.partition("\n")[2].strip()

    @property
    def _text(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    def measure(self, run: Run) -> Measurements:
        """Our numbers: one for each that was published, and any others worth seeing."""
        takes_run = inspect.signature(self.function).parameters
        return self.function(run) if takes_run else self.function()

    def agrees(self, measured: Measurements) -> bool:
        return all(figure.agrees(measured[name]) for name, figure in self.figures.items())


SYSTEMS: dict[str, System] = {}


def system(
    name: str, figures: Mapping[str, Figure], *, quick: bool = False, mnist: bool = False
) -> Callable[[Callable[..., Measurements]], Callable[..., Measurements]]:
    """Enter a function into `SYSTEMS`.  A quick one takes a few seconds."""

    def enter(function: Callable[..., Measurements]) -> Callable[..., Measurements]:
        SYSTEMS[name] = System(name, figures, quick, mnist, function)
        return function

    return enter


def percent(value: float) -> str:
    """A measurement in percent, as text, beside which nothing was published."""
    return f"{value:.2f} %"
