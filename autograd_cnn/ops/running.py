"""Along an axis: running products, extremes and sums of exponentials, and slopes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from autograd_cnn.checks import normal_axes, normal_axis
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition
from autograd_cnn.ops.exponential import logaddexp
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.join import concatenate
from autograd_cnn.ops.pick import Picked, picked_along
from autograd_cnn.ops.reduce import wide
from autograd_cnn.ops.shape import along, floating, line
from autograd_cnn.ops.signatures import pair_function

__all__ = ["cummax", "cummin", "cumprod", "gradient", "logcumsumexp"]


def _scan(name: str, x: Array, axis: int | None, combine: Any) -> Array:
    """The running results of an associative function; Hillis and Steele, "Data parallel
    algorithms" (1986).
    """
    x, axis = line(name, x, axis)
    step = 1
    if x.shape[axis] <= step:
        return x.copy()
    while step < x.shape[axis]:
        head, tail = along(axis, slice(None, step)), along(axis, slice(step, None))
        later = combine(x[tail], x[along(axis, slice(None, -step))])
        x = concatenate(x[head], later, axis=axis)
        step *= 2
    return x


def _running(name: str, x: Array, axis: int, extreme: Any) -> Picked:
    """Running extremes and their positions; the last of equals wins, and NaN is never beaten."""
    axis = normal_axis(name, axis, x.ndim)
    plain = values(x)
    own = (plain == extreme.accumulate(plain, axis=axis)) | np.isnan(plain)
    places = np.arange(x.shape[axis]).reshape((-1, *(1,) * (x.ndim - 1 - axis)))
    found = np.maximum.accumulate(np.where(own, places, 0), axis=axis)
    return Picked(picked_along(x, found, axis), found)


def _slope(x: Array, spacing: Any, axis: int, edge_order: int) -> Array:
    """NumPy's slopes, as sums of three neighbours times weights, which it gives for three combs."""
    every = np.arange(x.shape[axis])
    slopes: Any = functools.partial(np.gradient, edge_order=edge_order)
    combs = [slopes((every % 3 == k).astype(float), values(spacing)) for k in range(3)]
    first = np.clip(every - 1, 0, max(every.size - 3, 0))
    out: Any = 0.0
    for cells in (first + k for k in range(min(every.size, 3))):
        weights = np.choose(cells % 3, combs).reshape((-1, *(1,) * (x.ndim - 1 - axis)))
        out = out + x[along(axis, cells)] * weights.astype(x.dtype)
    return out


@composition
def gradient(x: Array, *, spacing: Any = 1.0, axis: Axis = None, edge_order: int = 1) -> Any:
    """NumPy's slopes of values on a grid: differences of neighbours, central but at the ends.

    `spacing` is a number or the places along an axis, or a list of these for several axes, of which
    the slopes are a list.  Ends take one neighbour, or two for an `edge_order` of 2.

    >>> ag.gradient(np.array([0.0, 1.0, 4.0]))
    array([1., 2., 3.])
    """
    axes = normal_axes("gradient", axis, x.ndim)
    steps = spacing if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise ValueError(f"gradient: spacing must be one or {len(axes)} of them, got {len(steps)}")
    found = [_slope(floating(x), h, a, edge_order) for h, a in zip(steps, axes)]
    return found[0] if len(found) == 1 else found


# fmt: off
cumprod = composed(
    lambda x, *, axis=None: _scan("cumprod", wide(x), axis, lambda later, early: later * early),
    "Running product along `axis`; of all values in row-major order when it is None.\n\n"
    "It takes no division, so zeros are exact.", "cumprod([2.0, 0.0, 3.0]) -> [2., 0., 0.]")
logcumsumexp = composed(
    lambda x, *, axis: _scan("logcumsumexp", floating(x), axis, logaddexp),
    "The logarithm of the running sum of exponentials along `axis`, without overflow.",
    "logcumsumexp([0.0, -np.inf, 0.0], 0).round(4) -> [0.    , 0.    , 0.6931]")
cummax = pair_function(composed(
    lambda x, *, axis: _running("cummax", x, axis, np.maximum),
    "The largest value so far along `axis`, and its position; the last of equals wins.",
    "cummax([1.0, 3.0, 2.0], 0).values -> [1., 3., 3.]"))
cummin = pair_function(composed(
    lambda x, *, axis: _running("cummin", x, axis, np.minimum),
    "The smallest value so far along `axis`, and its position; the last of equals wins.",
    "cummin([2.0, 3.0, 1.0], 0).values -> [2., 2., 1.]"))
# fmt: on
