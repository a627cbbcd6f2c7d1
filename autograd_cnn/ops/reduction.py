"""Sums, means and extremes over axes.

`axis` is None (all axes), an int or a tuple of ints; `keepdims` keeps reduced axes with size 1, as
in NumPy.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from autograd_cnn.engine.kinds import Axis
from autograd_cnn.engine.op import Array, op, values
from autograd_cnn.ops.broadcast import count, expand, kept_shape
from autograd_cnn.ops.elementwise import exp

_add_up: Any = np.add.reduce  # what np.sum calls, after 2 us of looking at its arguments


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis))
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over `axis`.

    Floats keep their dtype, integers get 64 bits.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    return _add_up(x, axis=axis, keepdims=keepdims)


@op(
    x=lambda g, out, x, *, axis, keepdims: expand(
        g * (1.0 / builtins.max(count(x.shape, axis), 1)), x, axis
    )
)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Arithmetic mean over `axis`; the mean of nothing is NaN, without a warning.

    Floats keep their dtype, integers become floats.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> mean(np.array([1.0, 2.0, 6.0])).item()
    3.0
    """
    values = count(x.shape, axis)
    if values == 0:
        return np.sum(x, axis=axis, keepdims=keepdims) * np.nan
    if x.dtype.char in "fd":  # np.mean does the same, and takes 3 us more to find out how
        return _add_up(x, axis=axis, keepdims=keepdims) / values
    return np.mean(x, axis=axis, keepdims=keepdims)


def _deviation(x: Array, axis: Axis, ddof: int) -> Array:
    """(x - mean) / (count - ddof): half the derivative of the variance."""
    divisor = builtins.max(count(x.shape, axis) - ddof, 1)  # of nothing there is nothing to divide
    return (x - mean(x, axis=axis, keepdims=True)) * (1.0 / divisor)


@op(
    x=lambda g, out, x, *, axis, keepdims, ddof: (
        expand(g * 2.0, x, axis) * _deviation(x, axis, ddof)
    )
)
def var(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """Variance over `axis`: the sum of squared deviations divided by (count - ddof).

    The variance of nothing is NaN.  Raises ValueError when `axis` combines some values, but no more
    than `ddof`.

    Floats keep their dtype, integers become floats.

    >>> import numpy as np
    >>> var(np.array([1.0, 2.0, 6.0])).item()
    4.666666666666667
    """
    if count(x.shape, axis) == 0:
        return mean(x, axis=axis, keepdims=keepdims)
    if count(x.shape, axis) <= ddof:
        raise ValueError(
            f"var: axis {axis} of shape {x.shape} has {count(x.shape, axis)} values, which needs "
            "more than "
            f"ddof={ddof}"
        )
    return np.var(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _tied(x: Array, out: Array, axis: Axis) -> np.ndarray:
    """Where `x` equals its extreme `out` (NaN equals NaN), divided by how many do."""
    x, out = values(x), values(out)
    extreme = out.reshape(kept_shape(x.shape, axis))
    tied = x == extreme
    if np.isnan(extreme).any():
        tied |= np.isnan(x) & np.isnan(extreme)
    # Counted in integers: float16 overflows at 65,520 equal values.
    return tied * np.asarray(1.0 / np.sum(tied, axis=axis, keepdims=True), x.dtype)


def _check_some(name: str, x: Any, axis: Axis) -> None:
    if np.size(x) == 0 and count(np.shape(x), axis) == 0:
        raise ValueError(f"{name}: no values to choose from over axis {axis} of shape {x.shape}")


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis) * _tied(x, out, axis))
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest value over `axis`.  NaN propagates; tied values share the gradient evenly.

    The dtype stays; an axis that is not there is a ValueError too.  Raises ValueError where there
    is no value to choose from.

    >>> import numpy as np
    >>> max(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([5., 7.])
    """
    _check_some("max", x, axis)
    return np.max(x, axis=axis, keepdims=keepdims)


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis) * _tied(x, out, axis))
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest value over `axis`.  NaN propagates; tied values share the gradient evenly.

    The dtype stays; an axis that is not there is a ValueError too.  Raises ValueError where there
    is no value to choose from.

    >>> import numpy as np
    >>> min(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([1., 2.])
    """
    _check_some("min", x, axis)
    return np.min(x, axis=axis, keepdims=keepdims)


def _peak(x: np.ndarray, axis: Axis) -> Any:
    """The maximum to subtract before exponentials; 0 where it is infinite and would give NaN."""
    x = np.asarray(x, np.result_type(x, np.float16))  # integers have no infinity
    peak = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isinf(peak), x.dtype.type(0), peak)


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis) * exp(x - expand(out, x, axis)))
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))) over `axis`, finite wherever the result is; -inf for nothing but -inf.

    Shifts by the maximum: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and
    softmax functions" (2021).

    Floats keep their dtype, integers become floats.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> logsumexp(np.array([1000.0, 1000.0])).item()
    1000.6931471805599
    """
    peak = _peak(x, axis)
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - peak), axis=axis, keepdims=True)) + peak
    return out if keepdims else out.reshape(np.sum(x, axis=axis).shape)


@op(x=lambda g, out, x, *, axis: out * (g - sum(g * out, axis=axis, keepdims=True)))
def softmax(x: Array, *, axis: Axis = -1) -> Array:
    """exp(x) / sum(exp(x)) over `axis`; a row of -inf gives NaN.

    The shape of x; floats keep their dtype.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(x - _peak(x, axis))
    with np.errstate(invalid="ignore"):
        e /= np.sum(e, axis=axis, keepdims=True)
    return e


@op(x=lambda g, out, x, *, axis: g - exp(out) * sum(g, axis=axis, keepdims=True))
def log_softmax(x: Array, *, axis: Axis = -1) -> Array:
    """log(softmax(x)) over `axis`, finite wherever the result is.

    The shape of x; floats keep their dtype.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> log_softmax(np.array([[0.0, -1000.0]]))
    array([[    0., -1000.]])
    """
    shifted = x - _peak(x, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
