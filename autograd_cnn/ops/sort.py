"""Sorting, the largest few, and the median: gathers whose order is a constant."""

from __future__ import annotations

import numpy as np

from autograd_cnn.checks import normal_axis
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition
from autograd_cnn.ops.pick import Picked, take_along_axis
from autograd_cnn.ops.reduce import last, mean, reduced
from autograd_cnn.ops.signatures import pair_function

__all__ = ["median", "sort", "topk"]


@composition
def sort(x: Array, *, axis: int | None = -1) -> Array:
    """Values in ascending order along `axis` (all values when None), NaN last.  The sort is stable.

    >>> ag.sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    axis = normal_axis("sort", axis, x.ndim)
    order = np.argsort(values(x), axis=axis, kind="stable")
    return take_along_axis(x, indices=order, axis=axis)


@pair_function
@composition
def topk(x: Array, *, k: int, axis: int = -1, largest: bool = True) -> Picked:
    """The `k` largest (or smallest) values along `axis` in order, and their integer positions.

    Among equal values the first wins; NaN counts as the largest.

    >>> ag.topk(np.array([1.0, 5.0, 3.0]), k=2)
    Picked(values=array([5., 3.]), indices=array([1, 2]))
    """
    axis = normal_axis("topk", axis, x.ndim)
    size = x.shape[axis]
    if not 0 <= k <= size:
        raise ValueError(f"topk: k must be between 0 and {size}, the size of axis {axis}, got {k}")
    plain = np.moveaxis(values(x), axis, -1)
    if largest:  # the reversed line, sorted and read backwards, puts the first of equals first
        order = size - 1 - np.argsort(plain[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(plain, axis=-1, kind="stable")
    where = np.ascontiguousarray(np.moveaxis(order[..., :k], -1, axis))
    return Picked(take_along_axis(x, indices=where, axis=axis), where)


@composition
def median(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The middle value over `axis`, or the mean of the two middle ones; NaN propagates.

    The gradient goes to the middle value of a stable sort, or half to each of the two.  The median
    of nothing is NaN.

    >>> ag.median(np.array([4.0, 1.0, 2.0, 8.0])).item()
    3.0
    """
    line = last("median", x, axis)
    size = line.shape[-1]
    if not size:
        return mean(x, axis=axis, keepdims=keepdims)
    plain = values(line)
    order = np.argsort(plain, axis=-1, kind="stable")
    middle = order[..., (size - 1) // 2 : size // 2 + 1]
    if plain.dtype.kind == "f":
        middle = np.where(np.isnan(plain).any(axis=-1, keepdims=True), order[..., -1:], middle)
    out = mean(take_along_axis(line, indices=middle, axis=-1), axis=-1)
    return reduced(out, x, axis, keepdims)
