"""Arithmetic, extremes, selection and rounding of single values; inputs broadcast as in NumPy."""

from __future__ import annotations

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.annotations import DType
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import op
from autograd_cnn.ops.formulas import binary, composed, unary
from autograd_cnn.ops.shape import unbroadcast

__all__ = [
    "abs", "add", "astype", "ceil", "clip", "copysign", "divide", "floor", "floor_divide", "fmod",
    "maximum", "minimum", "multiply", "negative", "reciprocal", "relu", "remainder", "round",
    "sign", "subtract", "trunc", "where",
]  # fmt: skip

# fmt: off
add = binary(
    np.add, lambda g, out, x, y: g, lambda g, out, x, y: g,
    "x + y.", "add([3.0, 1.0], 2.0) -> [5., 3.]")
subtract = binary(
    np.subtract, lambda g, out, x, y: g, lambda g, out, x, y: -g,
    "x - y.", "subtract([3.0, 1.0], 1.0) -> [2., 0.]")
multiply = binary(
    np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x,
    "x * y.", "multiply([3.0, 1.0], 2.0) -> [6., 2.]")
divide = binary(
    np.divide, lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y,
    "x / y; integers divide to floats.", "divide([3.0, 1.0], 2.0) -> [1.5, 0.5]")
negative = unary(
    np.negative, lambda g, out, x: -g,
    "-x.", "negative([3.0, -1.0]) -> [-3.,  1.]")
reciprocal = composed(
    lambda x: 1.0 / x,
    "1 / x, a float for integers too (np.reciprocal rounds to 0).",
    "reciprocal([2.0, -4.0]) -> [ 0.5 , -0.25]")
sign = unary(
    np.sign, None,
    "-1, 0 or 1, with gradient 0.", "sign([-2.0, 0.0, 5.0]) -> [-1.,  0.,  1.]")
abs = unary(
    np.abs, lambda g, out, x: g * sign(x),
    "Absolute value, with gradient 0 at 0.", "abs([-2.0, 3.0]) -> [2., 3.]")
maximum = binary(
    np.maximum,
    lambda g, out, x, y: _winning(x > y, x == y, g),
    lambda g, out, x, y: _winning(y > x, x == y, g),
    "The larger of x and y; NaN propagates; a tie gives half the gradient to each.",
    "maximum([1.0, 5.0], 3.0) -> [3., 5.]")
minimum = binary(
    np.minimum,
    lambda g, out, x, y: _winning(x < y, x == y, g),
    lambda g, out, x, y: _winning(y < x, x == y, g),
    "The smaller of x and y; NaN propagates; a tie gives half the gradient to each.",
    "minimum([1.0, 5.0], 3.0) -> [1., 3.]")
floor = unary(
    np.floor, None,
    "The largest whole number up to x, with gradient 0.",
    "floor([1.7, -1.2]) -> [ 1., -2.]")
ceil = unary(
    np.ceil, None,
    "The smallest whole number from x, with gradient 0.",
    "ceil([1.2, -1.7]) -> [ 2., -1.]")
trunc = unary(
    np.trunc, None,
    "x without its fraction, with gradient 0.",
    "trunc([1.7, -1.7]) -> [ 1., -1.]")
floor_divide = binary(
    np.floor_divide, None, None,
    "The largest whole number up to x / y, with gradient 0.",
    "floor_divide([7.0, -7.0], 2.0) -> [ 3., -4.]")
remainder = binary(
    np.remainder, lambda g, out, x, y: g, lambda g, out, x, y: -g * floor_divide(x, y),
    "x - y * floor(x / y), with the sign of y; at a jump the slope is that from the right.",
    "remainder([7.0, -7.0], 4.0) -> [3., 1.]")
fmod = binary(
    np.fmod, lambda g, out, x, y: g, lambda g, out, x, y: -g * trunc(x / y),
    "x - y * trunc(x / y), with the sign of x; at a jump the slope is that from outside.",
    "fmod([7.0, -7.0], 4.0) -> [ 3., -3.]")
copysign = binary(
    np.copysign, lambda g, out, x, y: g * (sign(x) * sign(out)), None,
    "|x| with the sign of y; the gradient is 0 at x = 0, and for y.",
    "copysign([1.0, -2.0], -1.0) -> [-1., -2.]")
# fmt: on


@op(x=lambda g, out, x: relu_grad(g, x))
def relu(x: Array) -> Array:
    """max(x, 0), with gradient 0 at 0; NaN stays NaN.

    >>> ag.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return kernels.relu(x)


@op(g=lambda gx, out, g, x: relu_grad(gx, x), x=None)
def relu_grad(g: Array, x: Array) -> Array:
    """Gradient of relu: g where x is positive, 0 elsewhere, also where g is infinite.

    >>> relu_grad(np.array([2.0, np.inf]), np.array([1.0, -1.0]))
    array([2., 0.])
    """
    return kernels.relu_grad(g, x)


@op(x=None)
def round(x: Array, *, decimals: int = 0) -> Array:
    """x rounded to `decimals` places, halves to the even digit, with gradient 0.

    >>> ag.round([0.5, 1.5, 2.6])
    array([0., 2., 3.], dtype=float32)
    """
    return np.round(x, decimals)


@op(
    condition=None,
    x=lambda g, out, condition, x, y: unbroadcast(where(condition, g, 0.0), x),
    y=lambda g, out, condition, x, y: unbroadcast(where(condition, 0.0, g), y),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where `condition` holds, y elsewhere; the branch not taken gets gradient 0.

    Functions inside that branch may still turn a gradient of 0 into NaN (0 * inf).  Guard their
    argument too: ``where(x > 0, log(where(x > 0, x, 1.0)), 0.0)`` is differentiable everywhere.

    >>> ag.where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """
    return np.where(condition, x, y)


def _winning(won: Array, tied: Array, g: Array) -> Array:
    return where(won, g, where(tied, 0.5 * g, 0.0))


def _clip_share(g: Array, out: Array, inputs: tuple[Array, ...], k: int) -> Array:
    """The gradient of x, min or max, the input `k`: that of the results which are its values."""
    x, low, high = map(values, inputs)
    above = high is not None and (x if low is None else np.maximum(x, low)) > high
    taken = x < low if k == 1 else x == values(out)
    chosen = above if k == 2 else taken & np.logical_not(above)
    return unbroadcast(where(chosen, g, 0.0), inputs[k])


@op(
    x=lambda g, out, *inputs: _clip_share(g, out, inputs, 0),
    min=lambda g, out, *inputs: _clip_share(g, out, inputs, 1),
    max=lambda g, out, *inputs: _clip_share(g, out, inputs, 2),
)
def clip(x: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """x limited to [min, max], which broadcast; None is no limit.  Where min > max it is max.

    At a bound x has the gradient 1 and the bound 0; outside, the bound has it.

    >>> ag.clip([-2.0, 0.5, 3.0], min=-1.0, max=1.0)
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    if min is None and max is None:
        raise ValueError("clip: give min, max or both")
    out = x if min is None else np.maximum(x, min)
    return out if max is None else np.minimum(out, max)


@op(x=lambda g, out, x, *, dtype: g.astype(x.dtype))
def astype(x: Array, *, dtype: DType) -> Array:
    """x converted to `dtype`; no gradient passes through integers and bools.

    >>> ag.astype(np.array([1.5, 2.0]), dtype="float32")
    array([1.5, 2. ], dtype=float32)
    """
    return as_numbers("astype", "x", x, dtype).astype(dtype)
