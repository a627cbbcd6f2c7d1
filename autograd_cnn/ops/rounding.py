"""Whole numbers and remainders: piecewise constant, so the gradient is 0 wherever it exists."""

from __future__ import annotations

import numpy as np

from autograd_cnn.engine.op import Array, op
from autograd_cnn.ops.broadcast import unbroadcast


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
