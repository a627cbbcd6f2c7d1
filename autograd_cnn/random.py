"""The random generator behind initialisation and dropout, seeded in one place."""

from __future__ import annotations

import numpy as np

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """The generator that layers and dropout draw from."""
    return _generator


def manual_seed(seed: int) -> np.random.Generator:
    """Start the generator anew from `seed`, so that what follows can be repeated; returns it.

    >>> import autograd_cnn as ag
    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator
