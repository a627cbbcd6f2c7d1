"""Repeating values along axes and summing them back: the two ops behind every other op's
broadcasting.
"""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.kinds import Axis
from autograd_cnn.engine.op import Array, Node, op


def unbroadcast(g: Array, x: Array) -> Array:
    """Sum the gradient of a broadcast result back to the shape of the input `x`."""
    return g if g.shape == x.shape else sum_to(g, shape=x.shape)


def channel_sum(g: Array) -> Array:
    """g (N, C, ...) added up to (C,): by kernel on arrays (2 us where a sum over axes takes 10)."""
    if isinstance(g, np.ndarray):
        return kernels.channel_sum(g)
    return g.sum(axis=(0, *range(2, g.ndim)))


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """`shape` after a reduction over `axis` with keepdims."""
    if axis is None or not shape:  # NumPy lets a single value have the axes 0 and -1
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many values a reduction over `axis` combines into one."""
    if axis is None:
        return math.prod(shape)
    return math.prod(n for n, k in zip(shape, kept_shape(shape, axis)) if k == 1)


def expand(g: Array, x: Array, axis: Axis) -> Array:
    """Repeat a reduction's result (or its gradient) along the reduced axes, to the shape of `x`."""
    if axis is None and not isinstance(g, Node):
        return np.full(x.shape, g)  # in one piece, as kernels like it
    return broadcast_to(g.reshape(kept_shape(x.shape, axis)), shape=x.shape)


@op(x=lambda g, out, x, *, shape: broadcast_to(g, shape=x.shape))
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Sum `x` over the axes along which an array of `shape` would be broadcast to it.

    The dtype stays.  Raises ValueError for a shape that does not broadcast.

    >>> import numpy as np
    >>> sum_to(np.ones((2, 3)), shape=(3,))
    array([2., 2., 2.])
    """
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, (n, m) in enumerate(zip(shape, x.shape[max(lead, 0) :])) if n == 1 != m
    )
    out = np.sum(x, axis=axes, keepdims=True)
    if lead < 0 or out.shape[lead:] != shape:
        raise ValueError(f"sum_to: an array of shape {shape} does not broadcast to {x.shape}")
    return out.reshape(shape)


@op(x=lambda g, out, x, *, shape: unbroadcast(g, x))
def broadcast_to(x: Array, *, shape: int | tuple[int, ...]) -> Array:
    """Repeat `x` to `shape` by NumPy's broadcasting rules; the values are not copied.

    Any dtype, which stays.  Raises ValueError for a shape to which that of x does not broadcast.

    >>> import numpy as np
    >>> broadcast_to(np.array([1.0, 2.0]), shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"broadcast_to: an input of shape {np.shape(x)} does not broadcast to {shape}"
        ) from None
