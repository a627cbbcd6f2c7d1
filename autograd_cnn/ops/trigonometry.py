"""Trigonometric and hyperbolic functions and their inverses; inputs broadcast as in NumPy.

Angles are in radians.  At the end of a domain (arcsin at 1, arccosh at 1, arctanh at 1) the slope
is infinite, as the mathematics says, with NumPy's warning; outside it values are NaN.
"""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import sqrt
from autograd_cnn.ops.shape import unbroadcast


@op(x=lambda g, out, x: g * cos(x))
def sin(x: Array) -> Array:
    """Sine of x in radians.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> sin(np.array([0.0, np.pi / 2]))
    array([0., 1.])
    """
    return np.sin(x)


@op(x=lambda g, out, x: -g * sin(x))
def cos(x: Array) -> Array:
    """Cosine of x in radians.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> cos(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """
    return np.cos(x)


@op(x=lambda g, out, x: g * (1.0 + out * out))
def tan(x: Array) -> Array:
    """Tangent of x in radians.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> tan(np.array([0.0, 0.0]))
    array([0., 0.])
    """
    return np.tan(x)


def _leg(x: Array) -> Array:
    """sqrt(1 - x^2), factored so that nothing cancels near 1."""
    return sqrt((1.0 - x) * (1.0 + x))


@op(x=lambda g, out, x: g / _leg(x))
def arcsin(x: Array) -> Array:
    """Inverse sine of -1 to 1, between -pi/2 and pi/2; infinitely steep at -1 and 1.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arcsin(np.array([0.0, 1.0])).round(4)
    array([0.    , 1.5708])
    """
    return np.arcsin(x)


@op(x=lambda g, out, x: -g / _leg(x))
def arccos(x: Array) -> Array:
    """Inverse cosine of -1 to 1, between 0 and pi; infinitely steep at -1 and 1.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arccos(np.array([1.0, 0.0])).round(4)
    array([0.    , 1.5708])
    """
    return np.arccos(x)


@op(x=lambda g, out, x: g / hypot(x, 1.0) / hypot(x, 1.0))
def arctan(x: Array) -> Array:
    """Inverse tangent, between -pi/2 and pi/2; its slope 1 / (1 + x^2) never overflows.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arctan(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7854])
    """
    return np.arctan(x)


@op(x=lambda g, out, x: g * cosh(x))
def sinh(x: Array) -> Array:
    """Hyperbolic sine.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> sinh(np.array([0.0, 1.0])).round(4)
    array([0.    , 1.1752])
    """
    return np.sinh(x)


@op(x=lambda g, out, x: g * sinh(x))
def cosh(x: Array) -> Array:
    """Hyperbolic cosine.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> cosh(np.array([0.0, 1.0])).round(4)
    array([1.    , 1.5431])
    """
    return np.cosh(x)


@op(x=lambda g, out, x: g * (1.0 - out * out))
def tanh(x: Array) -> Array:
    """Hyperbolic tangent.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> tanh(np.array([0.0, np.inf]))
    array([0., 1.])
    """
    return np.tanh(x)


@op(x=lambda g, out, x: g / hypot(x, 1.0))
def arcsinh(x: Array) -> Array:
    """Inverse hyperbolic sine.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arcsinh(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8814])
    """
    return np.arcsinh(x)


@op(x=lambda g, out, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)))
def arccosh(x: Array) -> Array:
    """Inverse hyperbolic cosine of values from 1; infinitely steep at 1.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arccosh(np.array([1.0, 2.0])).round(4)
    array([0.   , 1.317])
    """
    return np.arccosh(x)


@op(x=lambda g, out, x: g / ((1.0 - x) * (1.0 + x)))
def arctanh(x: Array) -> Array:
    """Inverse hyperbolic tangent of values between -1 and 1.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> arctanh(np.array([0.0, 0.5])).round(4)
    array([0.    , 0.5493])
    """
    return np.arctanh(x)


def _share(x: Array, length: Array) -> Array:
    """x / length, and x where the length is 0."""
    return x / where(values(length) == 0, 1.0, length)


@op(
    x=lambda g, out, x, y: unbroadcast(g * _share(x, out), x),
    y=lambda g, out, x, y: unbroadcast(g * _share(y, out), y),
)
def hypot(x: Array, y: Array) -> Array:
    """sqrt(x^2 + y^2) without overflow; the gradient at (0, 0) is 0.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> hypot(np.array([3.0, 0.0]), np.array([4.0, 0.0]))
    array([5., 0.])
    """
    return np.hypot(x, y)


@op(
    y=lambda g, out, y, x: unbroadcast(g * _share(_share(x, hypot(x, y)), hypot(x, y)), y),
    x=lambda g, out, y, x: unbroadcast(-g * _share(_share(y, hypot(x, y)), hypot(x, y)), x),
)
def arctan2(y: Array, x: Array) -> Array:
    """The angle of the point (x, y), between -pi and pi; y comes first, as in NumPy.

    The gradient at (0, 0) is 0.

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> arctan2(np.array([1.0, 0.0]), np.array([0.0, -1.0])).round(4)
    array([1.5708, 3.1416])
    """
    return np.arctan2(y, x)


@composition
def degrees(x: Array) -> Array:
    """Radians as degrees.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> degrees(np.array([np.pi]))
    array([180.])
    """
    return x * (180.0 / math.pi)


@composition
def radians(x: Array) -> Array:
    """Degrees as radians.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> radians(np.array([180.0])).round(4)
    array([3.1416])
    """
    return x * (math.pi / 180.0)
