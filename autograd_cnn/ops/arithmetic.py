"""Arithmetic, comparison, selection and rounding of single values; inputs broadcast as in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.kinds import DType, Numbers
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.ops.shape import unbroadcast


@op(
    x=lambda g, out, x, y: unbroadcast(g, x),
    y=lambda g, out, x, y: unbroadcast(g, y),
)
def add(x: Array, y: Array) -> Array:
    """x + y.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> add(np.array([[1.0], [2.0]]), np.array([10.0, 20.0]))
    array([[11., 21.],
           [12., 22.]])
    """
    return np.add(x, y)


@op(
    x=lambda g, out, x, y: unbroadcast(g, x),
    y=lambda g, out, x, y: unbroadcast(-g, y),
)
def subtract(x: Array, y: Array) -> Array:
    """x - y.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> subtract(np.array([3.0, 1.0]), 1.0)
    array([2., 0.])
    """
    return np.subtract(x, y)


@op(
    x=lambda g, out, x, y: unbroadcast(g * y, x),
    y=lambda g, out, x, y: unbroadcast(g * x, y),
)
def multiply(x: Array, y: Array) -> Array:
    """x * y.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> multiply(np.array([3.0, 1.0]), 2.0)
    array([6., 2.])
    """
    return np.multiply(x, y)


@op(
    x=lambda g, out, x, y: unbroadcast(g / y, x),
    y=lambda g, out, x, y: unbroadcast(-g * out / y, y),
)
def divide(x: Array, y: Array) -> Array:
    """x / y; integers divide to floats.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> divide(np.array([3, 1]), 2)
    array([1.5, 0.5])
    """
    return np.divide(x, y)


@op(x=lambda g, out, x: -g)
def negative(x: Array) -> Array:
    """-x.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> negative(np.array([3.0, -1.0]))
    array([-3.,  1.])
    """
    return np.negative(x)


@op(x=lambda g, out, x: g * sign(x))
def abs(x: Array) -> Array:
    """Absolute value, with gradient 0 at 0.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> abs(np.array([-2.0, 3.0]))
    array([2., 3.])
    """
    return np.abs(x)


@op(x=None)
def sign(x: Array) -> Array:
    """-1, 0 or 1, with gradient 0.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> sign(np.array([-2.0, 0.0, 5.0]))
    array([-1.,  0.,  1.])
    """
    return np.sign(x)


@composition
def reciprocal(x: Array) -> Array:
    """1 / x, a float for integers too (NumPy's own would round to 0).

    Any shape.  Raises TypeError for what holds no numbers.

    >>> import numpy as np
    >>> reciprocal(np.array([2.0, -4.0]))
    array([ 0.5 , -0.25])
    """
    return 1.0 / x


def _winning(won: Array, tied: Array, g: Array) -> Array:
    return where(won, g, where(tied, 0.5 * g, 0.0))


@op(
    x=lambda g, out, x, y: unbroadcast(_winning(x > y, x == y, g), x),
    y=lambda g, out, x, y: unbroadcast(_winning(y > x, x == y, g), y),
)
def maximum(x: Array, y: Array) -> Array:
    """The larger of x and y; NaN propagates; a tie gives half the gradient to each.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> maximum(np.array([1.0, 5.0]), 3.0)
    array([3., 5.])
    """
    return np.maximum(x, y)


@op(
    x=lambda g, out, x, y: unbroadcast(_winning(x < y, x == y, g), x),
    y=lambda g, out, x, y: unbroadcast(_winning(y < x, x == y, g), y),
)
def minimum(x: Array, y: Array) -> Array:
    """The smaller of x and y; NaN propagates; a tie gives half the gradient to each.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> minimum(np.array([1.0, 5.0]), 3.0)
    array([1., 3.])
    """
    return np.minimum(x, y)


@op(
    condition=None,
    x=lambda g, out, condition, x, y: unbroadcast(where(condition, g, 0.0), x),
    y=lambda g, out, condition, x, y: unbroadcast(where(condition, 0.0, g), y),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where `condition` holds, y elsewhere; the branch not taken gets gradient 0.

    What that branch's own functions make of a gradient of 0 may still be NaN (0 * inf).  Guard
    their argument too: ``where(x > 0, log(where(x > 0, x, 1.0)), 0.0)`` is differentiable
    everywhere.

    All three broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """
    return np.where(condition, x, y)


def _within(x: Array, low: Any, high: Any) -> Any:
    x = values(x)
    inside = np.ones(x.shape, bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return inside


@op(x=lambda g, out, x, *, min, max: where(_within(x, min, max), g, 0.0))
def clip(x: Array, *, min: Numbers | None = None, max: Numbers | None = None) -> Array:
    """x limited to [min, max]; the gradient is 1 inside and at a bound, 0 outside.

    `min` and `max` are numbers or arrays that broadcast to the shape of `x`; None leaves that side
    open.  Raises ValueError for other shapes, and without either bound.

    The dtype of x.

    >>> import numpy as np
    >>> clip(np.array([-2.0, 0.5, 3.0]), min=-1.0, max=1.0)
    array([-1. ,  0.5,  1. ])
    """
    if min is None and max is None:
        raise ValueError("clip: give min, max or both")
    bounds = [np.shape(bound) for bound in (min, max) if bound is not None]
    try:
        fits = np.broadcast_shapes(np.shape(x), *bounds) == np.shape(x)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"clip: min and max must broadcast to the shape {np.shape(x)} of x, got shapes "
            f"{' and '.join(map(str, bounds))}"
        )
    out = x if min is None else np.maximum(x, min)
    return out if max is None else np.minimum(out, max)


@op(x=None)
def floor(x: Array) -> Array:
    """The largest whole number up to x, with gradient 0, also at the steps.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> floor(np.array([1.7, -1.2]))
    array([ 1., -2.])
    """
    return np.floor(x)


@op(x=None)
def ceil(x: Array) -> Array:
    """The smallest whole number from x, with gradient 0, also at the steps.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> ceil(np.array([1.2, -1.7]))
    array([ 2., -1.])
    """
    return np.ceil(x)


@op(x=None)
def trunc(x: Array) -> Array:
    """x without its fraction, with gradient 0, also at the steps.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> trunc(np.array([1.7, -1.7]))
    array([ 1., -1.])
    """
    return np.trunc(x)


@op(x=None)
def round(x: Array, *, decimals: int = 0) -> Array:
    """x to `decimals` places, halves to the even digit, with gradient 0, also at the steps.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> round(np.array([0.5, 1.5, 2.6]))
    array([0., 2., 3.])
    """
    return np.round(x, decimals)


@op(x=None, y=None)
def floor_divide(x: Array, y: Array) -> Array:
    """The largest whole number up to x / y, with gradient 0, also at the steps.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> floor_divide(np.array([7.0, -7.0]), 2.0)
    array([ 3., -4.])
    """
    return np.floor_divide(x, y)


@op(
    x=lambda g, out, x, y: unbroadcast(g, x),
    y=lambda g, out, x, y: unbroadcast(-g * floor_divide(x, y), y),
)
def remainder(x: Array, y: Array) -> Array:
    """x - y * floor(x / y), with the sign of y; at a step the slopes are those of the right side.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> remainder(np.array([7.0, -7.0]), 4.0)
    array([3., 1.])
    """
    return np.remainder(x, y)


@op(x=lambda g, out, x, *, dtype: g.astype(x.dtype))
def astype(x: Array, *, dtype: DType) -> Array:
    """x converted to `dtype`; integers and bools round, so the gradient through them is 0.

    Any shape.  Raises TypeError for what names no dtype of numbers.

    >>> import numpy as np
    >>> astype(np.array([1.5, 2.0]), dtype="float32")
    array([1.5, 2. ], dtype=float32)
    """
    return np.asarray(x).astype(dtype)
