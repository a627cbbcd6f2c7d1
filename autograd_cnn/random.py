"""The random generator behind initialisation and dropout, seeded in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_generator: np.random.Generator | None = None  # made at first use: numpy.random takes 5 ms to load


def generator() -> np.random.Generator:
    """The generator that layers and dropout draw from.

    >>> generator() is generator()
    True
    """
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def manual_seed(seed: int) -> np.random.Generator:
    """Start the generator anew from `seed`, so that what follows can be repeated; returns it.

    Raises TypeError for a seed that is no integer and ValueError for a negative one.

    >>> import autograd_cnn as ag
    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    global _generator
    if not isinstance(seed, (int, np.integer)):
        raise TypeError(f"manual_seed: seed must be an integer, got {seed!r}")
    if seed < 0:
        raise ValueError(f"manual_seed: seed must be 0 or more, got {seed}")
    _generator = np.random.default_rng(seed)
    return _generator


@contextmanager
def replay(state: Any) -> Iterator[None]:
    """Draw the numbers that follow `state` of the bit generator, then go on as if nothing had been
    drawn or seeded.

    >>> state = generator().bit_generator.state
    >>> first = generator().random()
    >>> with replay(state):
    ...     generator().random() == first
    True
    """
    global _generator
    kept = generator()
    current = kept.bit_generator.state
    kept.bit_generator.state = state
    try:
        yield
    finally:
        kept.bit_generator.state = current
        _generator = kept
