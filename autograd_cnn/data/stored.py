"""What a file says of an array before it is read, and how much memory reading may take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SPARE = 1 << 24  # bytes of memory


class Stored(NamedTuple):
    """An array in a file, as announced; `read` gives its values."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """The bytes of memory of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def memory_of_json(text: bytes) -> int:
    """About the bytes of memory that the objects in JSON take; measured, and rather too many."""
    marks = {b"[": 96, b'["': -96, b"{": 96, b",": 32, b'"': 48}  # a list of a key soon goes
    return sum(size * text.count(mark) for mark, size in marks.items())


def affordable(text: bytes, rest: int) -> bytes:
    """JSON with spaces that pay for the memory that reading it needs above its share.

    The share is twice the file, of `text` and `rest` bytes, and `SPARE`.  It ends after some 30,000
    short lists.
    """
    return text + b" " * max(0, (memory_of_json(text) - 2 * (len(text) + rest) - SPARE) // 2)
