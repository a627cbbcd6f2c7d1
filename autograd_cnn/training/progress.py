"""Progress of a pass over the data: running means, and a bar on a terminal."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any

from autograd_cnn.checks import integer, single
from autograd_cnn.tensor.showing import one_line

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_UPDATES = 0.2  # of the line in a notebook, which keeps each in its file


class Progress:
    """The progress of `steps` steps: collects means of measured values, and shows a bar.

    A terminal shows a bar of tqdm on stderr, which vanishes when the block ends, or without tqdm a
    line every five seconds.  A notebook shows one line, which vanishes too.  Files and pipes show
    nothing: print `means` for a log.

    >>> with Progress("epoch 1", steps=2) as progress:
    ...     progress.update(3, loss=1.0)
    ...     progress.update(1, loss=2.0)
    >>> progress.means, progress.count
    ({'loss': 1.25}, 4)
    """

    def __init__(self, title: str, steps: int) -> None:
        if not isinstance(title, str):
            raise TypeError(f"Progress: title must be a string, got {title!r}")
        self.title, self.steps = title, integer("Progress", "steps", steps, 0)
        self.step = self.count = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._start = self._shown = time.perf_counter()
        self._end: float | None = None
        self._bar: Any = None
        self._terminal = self._notebook = False

    __repr__ = one_line

    def __enter__(self) -> Progress:
        self._start = self._shown = time.perf_counter()
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._notebook = type(sys.stdout).__module__.startswith("ipykernel.")
        if self._terminal:
            self._bar = _bar(self.title, self.steps)
        return self

    def __exit__(self, *_: object) -> None:
        self._end = time.perf_counter()
        if self._bar is not None:
            self._bar.close()
        if self._notebook:
            print("\r" + " " * 79, end="\r", flush=True)

    @property
    def means(self) -> dict[str, float]:
        """The mean of each value so far, weighted by the counts, as plain floats.

        >>> Progress("nothing yet", steps=2).means
        {}
        """
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    @property
    def seconds(self) -> float:
        """The time since the block began, or of the whole block after its end.

        >>> with Progress("short", steps=0) as progress:
        ...     pass
        >>> progress.seconds == progress.seconds
        True
        """
        return (self._end or time.perf_counter()) - self._start

    def update(self, count: int, /, **measured: Any) -> None:
        """Count a step with `count` samples, and add values that are means over these samples.

        Values are numbers, or arrays or tensors of one number.

        >>> progress = Progress("epoch 1", steps=1)
        >>> progress.update(64, loss=0.5, accuracy=0.9)
        >>> progress.means
        {'loss': 0.5, 'accuracy': 0.9}
        """
        count = integer("Progress.update", "count", count, 1)
        for name, value in measured.items():
            number = single("Progress.update", name, value)
            self._sums[name] = self._sums.get(name, 0.0) + number * count
            self._counts[name] = self._counts.get(name, 0) + count
        self.step += 1
        self.count += count
        if self._terminal or self._notebook:
            self._show()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.set_description_str(self._summary(), refresh=False)
            self._bar.update()
            return
        pause = SECONDS_BETWEEN_UPDATES if self._notebook else SECONDS_BETWEEN_LINES
        if time.perf_counter() - self._shown < pause:
            return
        self._shown = time.perf_counter()
        line = f"{self.title}  step {self.step}/{self.steps}  {self._summary()}"
        if self._notebook:
            print("\r" + line.ljust(79), end="", flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def _summary(self) -> str:
        """Means and speed, short enough to leave room for a bar on 60 columns."""
        means = "".join(f"{name} {mean:.3f} " for name, mean in self.means.items())
        return f"{means}{self.count / max(self.seconds, 1e-9):,.0f}/s"


def _bar(title: str, steps: int) -> Any:
    """A bar of tqdm, or None where tqdm is not installed."""
    try:
        tqdm = import_module("tqdm").tqdm  # optional, and without types
    except ImportError:
        return None
    escaped = title.replace("{", "{{").replace("}", "}}")
    layout = f"{escaped} {{percentage:3.0f}}%|{{bar}}| {{remaining}} {{desc}}"
    return tqdm(total=steps, leave=False, dynamic_ncols=True, bar_format=layout)
