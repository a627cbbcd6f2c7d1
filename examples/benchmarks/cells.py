"""What is measured: a cell is a network, a batch size, and training or inference."""

from dataclasses import dataclass, field
from typing import Any

MODES = {"train": "Training", "infer": "Inference"}
GOALS = {
    "A1": {1: 1.0, 32: 1.5, 128: 1.5},
    "B1": {1: 1.0, 32: 1.5, 128: 1.5},
    "S4": {32: 2.0, 128: 2.0},
    "LeNet": {1: 1.0, 32: 1.5, 128: 1.5},
    "MLP": {1: 1.0, 32: 1.0, 128: 1.0},
}
"""The goals: images per second relative to the best of PyTorch, Keras and JAX."""
NUMPY_GOALS = {"S4": 0.8}
"""The same with the NumPy kernels alone."""


@dataclass(frozen=True)
class Cell:
    """One network at one batch size, in training or inference; `shape` has other sizes of S4."""

    net: str
    batch: int
    mode: str
    shape: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        sizes = "".join(f" {name}={size}" for name, size in self.shape.items())
        return f"{self.net}/{self.batch}/{self.mode}{sizes}"

    @property
    def request(self) -> dict[str, Any]:
        """The cell as a worker reads it."""
        return {"net": self.net, "batch": self.batch, "mode": self.mode, "shape": self.shape}


CELLS = [Cell(net, batch, mode) for mode in MODES for net in GOALS for batch in GOALS[net]]


def choose_cells(patterns: str) -> list[Cell]:
    """The cells that fit one of the patterns NET/BATCH/MODE; an empty part or a missing one fits
    all.

    Raises ValueError for a pattern that fits none.
    """
    chosen = set()
    for pattern in patterns.split(","):
        parts = [*pattern.split("/"), "", ""][:3]
        fitting = {c for c in CELLS if _fits(c, parts)}
        if not fitting or pattern.count("/") > 2:
            raise ValueError(
                f"no cell fits {pattern!r}; a cell is NET/BATCH/MODE with NET of "
                f"{', '.join(GOALS)}, BATCH of 1, 32, 128 (S4: 32, 128), MODE of train, infer"
            )
        chosen |= fitting
    return [cell for cell in CELLS if cell in chosen]


def _fits(cell: Cell, parts: list[str]) -> bool:
    return all(part in ("", own) for part, own in zip(parts, cell.name.split("/")))
