"""Matrix products."""

from __future__ import annotations

import numpy as np

from autograd_cnn.graph import Array, op
from autograd_cnn.ops.broadcast import unbroadcast


def _column(v: Array) -> Array:
    return v.reshape((*v.shape, 1))


def _matmul_x(g: Array, x: Array, y: Array) -> Array:
    if y.ndim == 1:
        return _column(g) * y
    if x.ndim == 1:
        return unbroadcast((y @ _column(g))[..., 0], x)
    return unbroadcast(g @ y.mT, x)


def _matmul_y(g: Array, x: Array, y: Array) -> Array:
    if x.ndim == 1:
        return (
            x * g if y.ndim == 1 else unbroadcast(_column(x) * g.reshape((*g.shape[:-1], 1, -1)), y)
        )
    if y.ndim == 1:
        return unbroadcast((x.mT @ _column(g))[..., 0], y)
    return unbroadcast(x.mT @ g, y)


@op(
    x=lambda g, out, x, y: _matmul_x(g, x, y),
    y=lambda g, out, x, y: _matmul_y(g, x, y),
)
def matmul(x: Array, y: Array) -> Array:
    """Matrix product over the last two axes; leading axes broadcast; 1-D inputs are vectors, as in NumPy.

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
            f"matmul: the last axis of x must match the {'last' if y.ndim == 1 else 'second-to-last'} axis "
            f"of y, got shapes {x.shape} and {y.shape}"
        )
    return np.matmul(x, y)
