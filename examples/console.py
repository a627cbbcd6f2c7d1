"""Progress on the terminal: a live bar for a person, plain lines for a file or a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

try:
    from tqdm import tqdm
except ImportError:  # the bar is a comfort, not a need
    tqdm = None

LINES_PER_RUN = 12


class Progress:
    """Progress within one epoch, with the mean loss, accuracy and images per second so far.

    With tqdm installed and stderr a terminal it is a bar, which vanishes when the epoch ends.
    Otherwise it is a line every `every` steps.
    """

    def __init__(self, title: str, steps: int, every: int) -> None:
        self.title, self.steps, self.every = title, steps, every
        self.step = self.images = self.correct = 0
        self.total_loss = 0.0
        self.start = time.perf_counter()
        self.bar: Any = None

    def __enter__(self) -> Progress:
        if tqdm is not None and sys.stderr.isatty():
            self.bar = tqdm(
                total=self.steps,
                leave=False,
                dynamic_ncols=True,
                bar_format=f"{self.title} {{percentage:3.0f}}%|{{bar}}| {{remaining}} {{desc}}",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self.start
        if self.bar is not None:
            self.bar.close()

    @property
    def loss(self) -> float:
        return self.total_loss / max(self.images, 1)

    @property
    def accuracy(self) -> float:
        return self.correct / max(self.images, 1)

    def update(self, loss: float, correct: int, images: int) -> None:
        """Count one step: its mean loss, and how many of its images were recognised."""
        self.step += 1
        self.images += images
        self.correct += correct
        self.total_loss += loss * images
        if self.bar is not None:
            self.bar.set_description_str(self.summary(), refresh=False)
            self.bar.update()
        elif self.step % self.every == 0 and self.step < self.steps:
            print(
                f"{self.title}  step {self.step}/{self.steps}  {self.summary()}",
                file=sys.stderr,
                flush=True,
            )

    def summary(self) -> str:
        """Loss, accuracy and speed, short enough to leave room for a bar on 60 columns."""
        speed = self.images / max(time.perf_counter() - self.start, 1e-9)
        return f"loss {self.loss:.3f} {self.accuracy:.1%} {speed:,.0f} img/s"
