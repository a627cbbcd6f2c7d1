"""Sums, products, means and extremes over axes, and running sums and differences.

`axis` is None (all axes), an int or a tuple of ints; `keepdims` keeps reduced axes with size 1.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import normal_axes, normal_axis
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import sqrt
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.join import concatenate
from autograd_cnn.ops.shape import along, broadcast_to, flip, line, statistic

__all__ = [
    "amax", "amin", "average", "cumsum", "diff", "max", "mean", "min", "nanmean",
    "nansum", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """`shape` after a reduction over `axis` with keepdims."""
    if axis is None:
        return (1,) * len(shape)
    if not shape:  # NumPy lets a single value have the axes 0 and -1
        return normal_axes("", axis, 1)[:0]
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
        return np.full(x.shape, g)  # contiguous, for the kernels
    return broadcast_to(g.reshape(kept_shape(x.shape, axis)), shape=x.shape)


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis))
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over `axis`.

    >>> ag.sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    if x.dtype.char in "fd":
        return kernels.axis_sum(x, axis, keepdims)
    return in_float32(np.sum, x, axis=axis, keepdims=keepdims)


@op(
    x=lambda g, out, x, *, axis, keepdims: expand(
        g * (1.0 / builtins.max(count(x.shape, axis), 1)), x, axis
    )
)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Arithmetic mean over `axis`; the mean of nothing is NaN, without a warning.

    >>> ag.mean(np.array([1.0, 2.0, 6.0])).item()
    3.0
    """
    values = count(x.shape, axis)
    if values == 0:
        return np.sum(x, axis=axis, keepdims=keepdims) * np.nan
    if x.dtype.char in "fd":  # np.mean does the same 3 us slower
        return kernels.axis_sum(x, axis, keepdims) / values
    return np.mean(x, axis=axis if x.ndim else None, keepdims=keepdims)


def _deviation(x: Array, axis: Axis, ddof: float) -> Array:
    """(x - mean) / (count - ddof): half the derivative of the variance."""
    divisor = builtins.max(count(x.shape, axis) - ddof, 1)
    return (x - mean(x, axis=axis, keepdims=True)) * (1.0 / divisor)


@op(
    x=lambda g, out, x, *, axis, keepdims, ddof: (
        expand(g * 2.0, x, axis) * _deviation(x, axis, ddof)
    )
)
def var(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """Variance over `axis`: the sum of squared deviations divided by (count - ddof).

    The variance of nothing is NaN.

    >>> ag.var(np.array([1.0, 2.0, 6.0])).item()
    4.666666666666667
    """
    if count(x.shape, axis) == 0:
        return mean(x, axis=axis, keepdims=keepdims)
    if count(x.shape, axis) <= ddof:
        raise ValueError(
            f"var: axis {axis} of shape {x.shape} has {count(x.shape, axis)} values; ddof={ddof} "
            "needs more"
        )
    axis = axis if x.ndim else None
    return in_float32(np.var, x, axis=axis, keepdims=keepdims, ddof=ddof)


def guarded_sqrt(square: Array) -> Array:
    """Square root with gradient 0 at 0, for lengths and deviations."""
    zero = values(square) == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, square))) if np.any(zero) else sqrt(square)


@composition
@statistic
def std(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """Standard deviation over `axis`, the square root of `var`, with gradient 0 at 0.

    >>> ag.std(np.array([1.0, 3.0])).item()
    1.0
    """
    return guarded_sqrt(var(x, axis=axis, keepdims=keepdims, ddof=ddof))


def _tied(x: Array, out: Array, axis: Axis) -> np.ndarray:
    """1 / the number of ties where `x` equals its extreme `out` (NaN equals NaN), 0 elsewhere."""
    x, out = values(x), values(out)
    extreme = out.reshape(kept_shape(x.shape, axis))
    tied = x == extreme
    if np.isnan(extreme).any():
        tied |= np.isnan(x) & np.isnan(extreme)
    # Counted in integers: float16 overflows at 65,520 equal values.
    return tied * np.asarray(1.0 / np.sum(tied, axis=axis, keepdims=True), x.dtype)


def check_some(name: str, x: Any, axis: Axis) -> None:
    if np.size(x) == 0 and count(np.shape(x), axis) == 0:
        raise ValueError(f"{name}: no values to choose from over axis {axis} of shape {x.shape}")


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis) * _tied(x, out, axis))
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest value over `axis`.  NaN propagates; tied values share the gradient evenly.

    >>> ag.max(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([5., 7.])
    """
    check_some("max", x, axis)
    return np.max(x, axis=axis, keepdims=keepdims)


@op(x=lambda g, out, x, *, axis, keepdims: expand(g, x, axis) * _tied(x, out, axis))
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest value over `axis`.  NaN propagates; tied values share the gradient evenly.

    >>> ag.min(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    array([1., 2.])
    """
    check_some("min", x, axis)
    return np.min(x, axis=axis, keepdims=keepdims)


# fmt: off
amax = composed(
    lambda x, *, axis=None, keepdims=False: max(x, axis=axis, keepdims=keepdims),
    "Largest value over `axis`, as `max` gives it, under PyTorch's keywords too.",
    "amax([[1.0, 5.0]], dim=1) -> [5.]")
amin = composed(
    lambda x, *, axis=None, keepdims=False: min(x, axis=axis, keepdims=keepdims),
    "Smallest value over `axis`, as `min` gives it, under PyTorch's keywords too.",
    "amin([[1.0, 5.0]], dim=1) -> [1.]")
ptp = composed(
    lambda x, *, axis=None, keepdims=False: (
        max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)),
    "Largest minus smallest value over `axis`; tied values share the gradient evenly.",
    "ptp([[1.0, 5.0, 3.0]], axis=1) -> [4.]")
# fmt: on


def last(name: str, x: Array, axis: Axis) -> Array:
    """x with the axes of a reduction flattened into one, at the end."""
    axes = normal_axes(name, axis, builtins.max(x.ndim, 1))
    if not x.ndim:
        return x.reshape((1,))
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    size = math.prod(x.shape[a] for a in axes)
    return x.transpose((*rest, *axes)).reshape((*(x.shape[i] for i in rest), size))


def wide(x: Array) -> Array:
    """Integers and bools in the dtype in which NumPy multiplies them; floats unchanged."""
    return x.astype(np.zeros(0, x.dtype).sum().dtype) if x.dtype.kind in "bui" else x


def reduced(out: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """The result of a reduction of x, with the reduced axes put back if `keepdims`."""
    return out.reshape(kept_shape(x.shape, axis)) if keepdims else out


@composition
def prod(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over `axis`, multiplied in pairs.

    The gradient is the product of the other values, at every order exact even when some are 0.

    >>> ag.prod(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 0.])
    """
    rest = last("prod", wide(x), axis)
    if not rest.shape[-1]:
        rest = 1 + sum(rest, axis=-1, keepdims=True)
    elif rest.shape[-1] == 1:
        rest = rest.copy()  # the result is no view, as in NumPy
    while rest.shape[-1] > 1:
        half = rest.shape[-1] // 2
        pairs = rest[..., :half] * rest[..., half : 2 * half]
        odd = rest[..., 2 * half :]
        rest = concatenate(pairs, odd, axis=-1) if odd.shape[-1] else pairs
    return reduced(rest[..., 0], x, axis, keepdims)


@op(
    x=lambda g, out, x, *, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis).reshape(
        x.shape
    )
)
def cumsum(x: Array, *, axis: int | None = None) -> Array:
    """Running sum along `axis`; of all values in row-major order when it is None.

    >>> ag.cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    if x.dtype.char in "fd":
        x, axis = line("cumsum", x, axis)
        return kernels.cumsum(x, axis)
    return in_float32(np.cumsum, x, axis=axis)


@composition
def diff(x: Array, *, n: int = 1, axis: int = -1) -> Array:
    """Differences of neighbours along `axis`, taken `n` times.

    >>> ag.diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    if n < 0:
        raise ValueError(f"diff: n must be 0 or more, got {n}")
    axis = normal_axis("diff", axis, x.ndim)
    for _ in range(n):
        x = x[along(axis, slice(1, None))] - x[along(axis, slice(None, -1))]
    return x


@composition
def nansum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over `axis` of the values that are not NaN; NaNs get gradient 0.

    >>> ag.nansum(np.array([1.0, np.nan, 2.0])).item()
    3.0
    """
    zero = x.dtype.type(0)
    return sum(where(np.isnan(x), zero, x), axis=axis, keepdims=keepdims)


@composition
@statistic
def nanmean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over `axis` of the values that are not NaN; NaN where all are, without a warning.

    >>> ag.nanmean(np.array([1.0, np.nan, 2.0])).item()
    1.5
    """
    count = np.sum(~np.isnan(x), axis=axis, keepdims=keepdims)
    share = np.where(count == 0, np.nan, 1.0 / np.maximum(count, 1))
    return nansum(x, axis=axis, keepdims=keepdims) * np.asarray(share, x.dtype)


@composition
@statistic
def average(
    x: Array, weights: Array | None = None, *, axis: Axis = None, keepdims: bool = False
) -> Array:
    """Mean over `axis`, weighted by `weights` of the shape of x, or (n,) along a single axis.

    >>> ag.average(np.array([1.0, 4.0]), np.array([3.0, 1.0])).item()
    1.75
    """
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.shape != x.shape[axis : axis + 1 or None]:
            raise ValueError(
                f"average: weights must have the shape {x.shape} of the values, or one value along "
                f"axis {axis}, got {weights.shape}"
            )
        sides = [1] * x.ndim
        sides[axis] = x.shape[axis]
        weights = broadcast_to(weights.reshape(tuple(sides)), shape=x.shape)
    total, weight = (sum(v, axis=axis, keepdims=keepdims) for v in (x * weights, weights))
    return total / weight
