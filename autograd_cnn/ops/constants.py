"""Positions and truth values: plain arrays, which carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, values
from autograd_cnn.ops.reduce import check_some
from autograd_cnn.ops.sort import order

__all__ = ["all", "any", "argmax", "argmin", "argsort", "count_nonzero", "nonzero"]


def _plain(name: str, summary: str, shown: str) -> Any:
    """NumPy's function `name` of the values; `shown` is what it gives for an example."""
    theirs = getattr(np, name)

    def function(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
        if name.startswith("arg"):
            check_some(name, values(x), axis)
        return theirs(values(x), axis=axis, keepdims=keepdims)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}\n\n>>> ag.tensor([[0.0, 3.0], [5.0, 2.0]]).{name}(axis=1)"
    function.__doc__ += f"\n{shown}\n"
    return checked(function)


argmax = _plain("argmax", "Position of the first largest value over `axis`.", "array([1, 0])")
argmin = _plain("argmin", "Position of the first smallest value over `axis`.", "array([0, 1])")
all = _plain("all", "Whether all values over `axis` are true or not 0.", "array([False,  True])")
any = _plain("any", "Whether a value over `axis` is true or not 0.", "array([ True,  True])")
count_nonzero = _plain("count_nonzero", "How many values over `axis` are not 0.", "array([1, 2])")


@checked
def argsort(x: Array, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Any:
    """Positions in ascending or descending order along `axis`, plain integers; always stable.

    >>> ag.tensor([3.0, 1.0, 2.0]).argsort()
    array([1, 2, 0])
    """
    plain = values(x).ravel() if axis is None else values(x)
    return order(plain, -1 if axis is None else axis, descending)


@checked
def nonzero(x: Array) -> tuple[np.ndarray, ...]:
    """Positions of the values that are not 0, one plain array per axis.

    >>> ag.tensor([3.0, 0.0, 2.0]).nonzero()
    (array([0, 2]),)
    """
    return np.nonzero(values(x))
