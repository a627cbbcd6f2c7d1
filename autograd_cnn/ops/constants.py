"""Positions and truth values: plain arrays, which carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, values
from autograd_cnn.ops.reduce import check_some

__all__ = ["all", "any", "argmax", "argmin", "argsort", "nonzero"]


@checked
def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    """Position of the largest value over `axis`; a tie goes to the first.

    >>> ag.tensor([[1.0, 3.0], [5.0, 2.0]]).argmax(axis=1)
    array([1, 0])
    """
    check_some("argmax", values(x), axis)
    return np.argmax(values(x), axis=axis, keepdims=keepdims)


@checked
def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    """Position of the smallest value over `axis`; a tie goes to the first.

    >>> ag.tensor([[1.0, 3.0], [5.0, 2.0]]).argmin(axis=1)
    array([0, 1])
    """
    check_some("argmin", values(x), axis)
    return np.argmin(values(x), axis=axis, keepdims=keepdims)


@checked
def argsort(x: Array, axis: int | None = -1) -> Any:
    """Positions in ascending order along `axis`, plain integers; the sort is stable.

    >>> ag.tensor([3.0, 1.0, 2.0]).argsort()
    array([1, 2, 0])
    """
    return np.argsort(values(x), axis=axis, kind="stable")


@checked
def nonzero(x: Array) -> tuple[np.ndarray, ...]:
    """Positions of the values that are not 0, one plain array per axis.

    >>> ag.tensor([3.0, 0.0, 2.0]).nonzero()
    (array([0, 2]),)
    """
    return np.nonzero(values(x))


@checked
def all(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all values over `axis` are true or not 0, a plain array.

    >>> ag.tensor([[1.0, 0.0], [5.0, 2.0]]).all(axis=1)
    array([False,  True])
    """
    return np.all(values(x), axis=axis, keepdims=keepdims)


@checked
def any(x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether a value over `axis` is true or not 0, a plain array.

    >>> ag.tensor([[0.0, 0.0], [5.0, 2.0]]).any(axis=1)
    array([False,  True])
    """
    return np.any(values(x), axis=axis, keepdims=keepdims)
