"""How each network is trained unless the options of mnist.py say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from autograd_cnn.data import augment


@dataclass(frozen=True)
class Recipe:
    """Passes over MNIST and over the embedded digits, images per step, the highest learning rate
    of the one-cycle schedule, and what changes the training images at random.
    """

    epochs: int
    digits_epochs: int
    batch_size: int
    lr: float
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None


PLAIN = Recipe(epochs=3, digits_epochs=15, batch_size=64, lr=0.05)
BEST = Recipe(
    epochs=12,
    digits_epochs=30,
    batch_size=128,
    lr=0.1,
    augment=partial(augment.warp, degrees=10, shift=2, scale=0.1, elastic=0.5),
)


def recipe_for(model: str) -> Recipe:
    """The recipe of the network of this name in `models.MODELS`."""
    return BEST if model == "best" else PLAIN
