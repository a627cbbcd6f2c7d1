"""A check that the small classes share."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.graph import values


def single(owner: str, name: str, value: Any) -> float:
    """`value`, a number or an array or tensor of one number, as a float; TypeError if not.

    >>> single("Progress.update", "loss", np.ones(3))
    Traceback (most recent call last):
        ...
    TypeError: Progress.update: loss must be a single number, got ndarray of shape (3,)
    """
    array = np.asarray(values(value))
    if array.size != 1 or array.dtype.kind not in "biuf":
        found = type(value).__name__ + (f" of shape {array.shape}" if array.ndim else "")
        raise TypeError(f"{owner}: {name} must be a single number, got {found}")
    return float(array.item())
