"""Matrix products and the fully connected layer."""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.op import Array, op
from autograd_cnn.ops.broadcast import channel_sum, unbroadcast


def _column(v: Array) -> Array:
    return v.reshape((*v.shape, 1))


def _matmul_x(g: Array, x: Array, y: Array) -> Array:
    if y.ndim == 1:
        return _column(g) * y
    if x.ndim == 1:
        return unbroadcast((y @ _column(g))[..., 0], x)
    return unbroadcast(matmul(g, y.mT), x)


def _matmul_y(g: Array, x: Array, y: Array) -> Array:
    if x.ndim == 1:
        return x * g if y.ndim == 1 else _column(x) * g.reshape((*g.shape[:-1], 1, -1))
    if y.ndim == 1:
        return unbroadcast((x.mT @ _column(g))[..., 0], y)
    return unbroadcast(matmul(x.mT, g), y)


@op(
    x=lambda g, out, x, y: _matmul_x(g, x, y),
    y=lambda g, out, x, y: _matmul_y(g, x, y),
)
def matmul(x: Array, y: Array) -> Array:
    """Matrix product over the last two axes; leading axes broadcast; 1-D inputs are vectors, as in
    NumPy.

    Dtypes promote as in NumPy.  Raises ValueError for sizes that do not fit.

    >>> import numpy as np
    >>> matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    inner_x, inner_y = x.shape[-1:], y.shape[-2:-1] if y.ndim > 1 else y.shape
    if not inner_x or not inner_y:
        raise ValueError(
            f"matmul: needs at least 1-D inputs, got shapes {x.shape} and {y.shape}; use *"
        )
    if inner_x != inner_y:
        raise ValueError(
            "matmul: the last axis of x must match the "
            f"{'last' if y.ndim == 1 else 'second-to-last'} axis "
            f"of y, got shapes {x.shape} and {y.shape}"
        )
    return kernels.matmul(x, y) if x.ndim == y.ndim == 2 else np.matmul(x, y)


def _rows(x: Array) -> Array:
    """(..., K) as (rows, K)."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def check_linear(x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None) -> None:
    """Raise ValueError unless input, weight and bias of these shapes fit each other."""
    if len(w) != 2:
        raise ValueError(f"linear: weight must have shape (out, in), got {w}")
    if not x or x[-1] != w[1]:
        raise ValueError(
            f"linear: input of shape {x} has {x[-1] if x else 'no'} features, weight of shape "
            f"{w} expects {w[1]}{'; flatten it first' if len(x) > 2 else ''}"
        )
    if b is not None and b != w[:1]:
        raise ValueError(f"linear: bias must have shape {w[:1]}, one value per output, got {b}")


@op(
    x=lambda g, out, x, w, b: matmul(g, w),
    w=lambda g, out, x, w, b: matmul(_rows(g).mT, _rows(x)),
    b=lambda g, out, x, w, b: channel_sum(_rows(g)),
)
def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """``x @ w.T + b``: x (..., in), weights w (out, in), bias b (out,) -> (..., out).

    One op rather than three (transpose, matmul, add).  For x (N, in) the result is batch-innermost
    in memory, and both gradients keep the memory order of their inputs.

    Dtypes promote as in NumPy.  Raises ValueError for sizes that do not fit.

    >>> import numpy as np
    >>> linear(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    array([[3., 7.]])
    """
    check_linear(x.shape, w.shape, None if b is None else b.shape)
    if x.ndim == 2:
        return kernels.linear(x, w, b)
    out = np.matmul(x, w.T)
    return out if b is None else np.add(out, b, out=out if b.dtype == out.dtype else None)
