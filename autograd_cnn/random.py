"""The random generator behind initialisation and dropout, seeded in one place."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograd_cnn.checks import absent, integer
from autograd_cnn.config import Setting, Undo


def __getattr__(name: str) -> object:
    raise absent("random", __name__, name)


_shared: np.random.Generator | None = None  # made at first use: numpy.random takes 5 ms to load
_making = threading.Lock()


def generator() -> np.random.Generator:
    """The generator that layers and dropout draw from; it is safe to use from several threads.

    >>> generator() is generator()
    True
    """
    block = _block.get()
    return block.generator() if block else _shared or _first()


def _first() -> np.random.Generator:
    global _shared
    with _making:
        _shared = _shared or np.random.default_rng()
    return _shared


def manual_seed(seed: int) -> np.random.Generator:
    """Restart the generator from `seed`, an integer of at least 0, and return it.

    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    return _install(np.random.default_rng(integer("manual_seed", "seed", seed, 0)), _block.get())


class Draws:
    """The generator of a block of code in this thread or task, which can be replayed.

    At the first draw it takes the state of the generator outside, which then jumps far ahead: other
    threads draw from there and never get the same numbers.  If nothing else has drawn when the
    block ends, the generator outside continues where the block stopped.  So a program with one
    thread draws as if there were no block.
    """

    def __init__(self, replayed: Draws | None = None, seeds: Any = None) -> None:
        self._seeds = seeds  # of the generator of `seeded`
        self.start = replayed.start if replayed else None  # the state before the first draw
        self._outside, self._replays = _block.get(), replayed is not None
        self._own: np.random.Generator | None = None
        self._seeded = False
        self._ahead: Any = None  # where the generator outside has jumped to

    def generator(self) -> np.random.Generator:
        """The block's generator, made at the first draw."""
        if self._own is None and self._seeds is not None:
            self._own = np.random.default_rng(self._seeds)
        if self._own is None:
            bits = self._bits_outside()
            with bits.lock:
                self.start = self.start or bits.state
                if not self._replays:
                    bits.state = self._ahead = bits.jumped().state
            self._own = np.random.Generator(type(bits)(0))
            self._own.bit_generator.state = self.start
        return self._own

    def end(self) -> None:
        """Let the generator outside continue after the draws of the block."""
        if self._seeded and self._own is not None:
            _install(self._own, self._outside)
        elif self._own is not None:
            bits = self._bits_outside()
            with bits.lock:
                if bits.state == self._ahead:
                    bits.state = self._own.bit_generator.state

    def seed(self, new: np.random.Generator) -> None:
        """Draw from `new`, which also replaces the generator outside when the block ends."""
        self._own, self._seeded = new, True

    def _bits_outside(self) -> Any:
        outside = self._outside
        return (outside.generator() if outside else _shared or _first()).bit_generator


_block: ContextVar[Draws | None] = ContextVar("autograd_cnn.draws", default=None)
"""The innermost block that this thread or task is in."""


def _install(new: np.random.Generator, block: Draws | None) -> np.random.Generator:
    global _shared
    if block is None:
        _shared = new
    else:
        block.seed(new)
    return new


class _Recording(Setting):
    """The block of `record`."""

    __slots__ = ()

    def __enter__(self) -> Draws:
        super().__enter__()
        draws: Draws = self._value
        return draws

    def _open(self) -> Any:
        return (_Recorded(_block.set, _block.get()), _block.set(self._value))[0]


class _Recorded(Undo):
    """What ends the block of `record`; the call at its end moves the generator outside on."""

    __slots__ = ()

    @staticmethod
    def __call__(*_: object) -> None:  # static, as a traceback would keep the object
        if draws := _block.get():
            draws.end()


def record() -> _Recording:
    """Record the draws of the ``with`` block, so that `replay` can repeat them.

    >>> with record() as draws:
    ...     first = generator().random()
    >>> with replay(draws):
    ...     generator().random() == first
    True
    """
    return _Recording(_block, Draws())


def replay(draws: Draws | None = None) -> Setting:
    """Draw the recorded numbers again, or without `draws` the next ones.

    Draws and seeds in the ``with`` block do not affect the generator outside.
    """
    return Setting(_block, Draws(replayed=draws or Draws()))


def seeded(*seed: int) -> Setting:
    """Draw from a new generator of this seed in the ``with`` block.

    >>> with seeded(0, 1):
    ...     generator().random() == np.random.default_rng([0, 1]).random()
    True
    """
    return Setting(_block, Draws(seeds=seed))
