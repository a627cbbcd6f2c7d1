"""Trigonometric and hyperbolic functions and their inverses; inputs broadcast as in NumPy.

Angles are in radians.  At the end of a domain (arcsin, arccosh and arctanh at 1) the slope is
infinite and NumPy warns.  Outside of it values are NaN.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import op
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import curved, sqrt
from autograd_cnn.ops.formulas import binary, composed, unary
from autograd_cnn.ops.shape import unbroadcast

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh",
    "degrees", "hypot", "radians", "sin", "sinh", "tan", "tanh",
]  # fmt: skip

# fmt: off
sin = unary(
    np.sin, lambda g, out, x: g * cos(x),
    "Sine of an angle in radians.", "sin([0.0, np.pi / 2]) -> [0., 1.]")
cos = unary(
    np.cos, lambda g, out, x: -g * sin(x),
    "Cosine of an angle in radians.", "cos([0.0, np.pi]) -> [ 1., -1.]")
tan = unary(
    np.tan, lambda g, out, x: g * (1.0 + out * out),
    "Tangent of an angle in radians.", "tan([0.0, 1.0]).round(4) -> [0.    , 1.5574]")
arcsin = unary(
    np.arcsin, lambda g, out, x: g / _leg(x),
    "Inverse sine of -1 to 1, between -pi/2 and pi/2.",
    "arcsin([0.0, 1.0]).round(4) -> [0.    , 1.5708]")
arccos = unary(
    np.arccos, lambda g, out, x: -g / _leg(x),
    "Inverse cosine of -1 to 1, between 0 and pi.",
    "arccos([1.0, 0.0]).round(4) -> [0.    , 1.5708]")
arctan = unary(
    np.arctan, lambda g, out, x: g / hypot(x, 1.0) / hypot(x, 1.0),  # 1 + x^2 could overflow
    "Inverse tangent, between -pi/2 and pi/2.",
    "arctan([0.0, 1.0]).round(4) -> [0.    , 0.7854]")
sinh = unary(
    np.sinh, lambda g, out, x: g * cosh(x),
    "Hyperbolic sine.", "sinh([0.0, 1.0]).round(4) -> [0.    , 1.1752]")
cosh = unary(
    np.cosh, lambda g, out, x: g * sinh(x),
    "Hyperbolic cosine.", "cosh([0.0, 1.0]).round(4) -> [1.    , 1.5431]")
tanh = unary(
    partial(kernels.curve, "tanh"), curved("tanh", lambda g, out, x: g * (1.0 - out * out)),
    "Hyperbolic tangent.", "tanh([0.0, np.inf]) -> [0., 1.]")
arcsinh = unary(
    np.arcsinh, lambda g, out, x: g / hypot(x, 1.0),
    "Inverse hyperbolic sine.", "arcsinh([0.0, 1.0]).round(4) -> [0.    , 0.8814]")
arccosh = unary(
    np.arccosh, lambda g, out, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    "Inverse hyperbolic cosine of values from 1.",
    "arccosh([1.0, 2.0]).round(4) -> [0.   , 1.317]")
arctanh = unary(
    np.arctanh, lambda g, out, x: g / ((1.0 - x) * (1.0 + x)),
    "Inverse hyperbolic tangent of values between -1 and 1.",
    "arctanh([0.0, 0.5]).round(4) -> [0.    , 0.5493]")
hypot = binary(
    np.hypot, lambda g, out, x, y: g * _share(x, out), lambda g, out, x, y: g * _share(y, out),
    "sqrt(x^2 + y^2) without overflow; the gradient at (0, 0) is 0.",
    "hypot([3.0, 0.0], [4.0, 0.0]) -> [5., 0.]")
degrees = composed(
    lambda x: x * (180.0 / math.pi),
    "Radians as degrees.", "degrees([np.pi]) -> [180.]")
radians = composed(
    lambda x: x * (math.pi / 180.0),
    "Degrees as radians.", "radians([180.0]).round(4) -> [3.1416]")
# fmt: on


def _leg(x: Array) -> Array:
    """sqrt(1 - x^2), factored so that nothing cancels near 1."""
    return sqrt((1.0 - x) * (1.0 + x))


def _share(x: Array, length: Array) -> Array:
    """x / length, and x where the length is 0."""
    return x / where(length == 0, 1.0, length)


@op(
    y=lambda g, out, y, x: unbroadcast(g * _share(_share(x, hypot(x, y)), hypot(x, y)), y),
    x=lambda g, out, y, x: unbroadcast(-g * _share(_share(y, hypot(x, y)), hypot(x, y)), x),
)
def arctan2(y: Array, x: Array) -> Array:
    """The angle of the point (x, y), between -pi and pi; the gradient at (0, 0) is 0.

    >>> ag.arctan2([1.0, 0.0], [0.0, -1.0]).round(4)
    array([1.5708, 3.1416], dtype=float32)
    """
    return np.arctan2(y, x)
