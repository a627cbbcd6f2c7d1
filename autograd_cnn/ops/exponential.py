"""Powers, exponentials, logarithms and the error function; inputs broadcast as in NumPy.

At the end of a domain (log, sqrt and cbrt at 0, log1p at -1) the slope is infinite and NumPy warns.
Outside of it values are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import choice
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.op import Rule, op
from autograd_cnn.ops.arithmetic import clip, where
from autograd_cnn.ops.formulas import binary, composed, unary
from autograd_cnn.ops.shape import floating, unbroadcast

__all__ = [
    "cbrt", "erf", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp",
    "logaddexp2", "logit", "power", "rsqrt", "sigmoid", "sqrt", "square", "xlogy",
]  # fmt: skip


@op(x=lambda g, out, x: g * out, register=False)
def tiny_exp(x: Array) -> Array:
    """exp(x) inside of other functions, where NumPy does not report that it is too small and 0."""
    with np.errstate(under="ignore"):
        return np.exp(x)


def _quiet(function: Any) -> Any:
    return lambda x, y: np.errstate(under="ignore")(function)(x, y)


def curved(name: str, formula: Callable[[Array, Array, Array], Array]) -> Rule:
    """The rule of a function that kernels know by name: by kernel on arrays, else by formula."""

    def rule(g: Array, out: Array, x: Array) -> Array:
        if isinstance(g, Node) or isinstance(x, Node):
            return formula(g, out, x)
        return kernels.curve_grad(name, g, out, x)

    return rule


# fmt: off
exp = unary(
    partial(kernels.curve, "exp"), curved("exp", lambda g, out, x: g * out),
    "e to the power x.", "exp([0.0, -np.inf]) -> [1., 0.]")
exp2 = unary(
    np.exp2, lambda g, out, x: g * (out * math.log(2.0)),
    "2 to the power x.", "exp2([0.0, 3.0]) -> [1., 8.]")
expm1 = unary(
    np.expm1, lambda g, out, x: g * tiny_exp(x),
    "exp(x) - 1, exact for small x.", "expm1([0.0, 1e-20]) -> [0.e+00, 1.e-20]")
log = unary(
    partial(kernels.curve, "log"), curved("log", lambda g, out, x: g / x),
    "Natural logarithm; -inf at 0.", "log([1.0, np.inf]) -> [ 0., inf]")
log2 = unary(
    np.log2, lambda g, out, x: g / (x * math.log(2.0)),
    "Logarithm to base 2; -inf at 0.", "log2([1.0, 8.0]) -> [0., 3.]")
log10 = unary(
    np.log10, lambda g, out, x: g / (x * math.log(10.0)),
    "Logarithm to base 10; -inf at 0.", "log10([1.0, 100.0]) -> [0., 2.]")
log1p = unary(
    np.log1p, lambda g, out, x: g / (1.0 + x),
    "log(1 + x), exact for small x; -inf at -1.", "log1p([0.0, 1e-20]) -> [0.e+00, 1.e-20]")
square = composed(
    lambda x: power(x, 2),
    "x times x.", "square([-3.0, 2.0]) -> [9., 4.]")
sqrt = unary(
    np.sqrt, lambda g, out, x: g * 0.5 / out,
    "Square root.", "sqrt([0.0, 9.0]) -> [0., 3.]")
cbrt = unary(
    np.cbrt, lambda g, out, x: g / (3.0 * out * out),
    "Cube root, of negative values too.", "cbrt([-8.0, 27.0]) -> [-2.,  3.]")
logaddexp = binary(
    _quiet(np.logaddexp),
    lambda g, out, x, y: g * _weight(x, y), lambda g, out, x, y: g * _weight(y, x),
    "log(exp(x) + exp(y)) without overflow; -inf for two -inf, with half the gradient to each.",
    "logaddexp([1000.0, -np.inf], [1000.0, -np.inf]).round(2) -> [1000.69,    -inf]")
logaddexp2 = binary(
    _quiet(np.logaddexp2),
    lambda g, out, x, y: g * _weight(x * math.log(2.0), y * math.log(2.0)),
    lambda g, out, x, y: g * _weight(y * math.log(2.0), x * math.log(2.0)),
    "log2(2^x + 2^y), as `logaddexp`.", "logaddexp2([0.0, 3.0], [0.0, 3.0]) -> [1., 4.]")
rsqrt = composed(
    lambda x: 1.0 / sqrt(x),
    "1 / sqrt(x).", "rsqrt([1.0, 4.0]) -> [1. , 0.5]")
logit = composed(
    lambda x, *, eps=None: log((p := x if eps is None else clip(x, eps, 1.0 - eps)) / (1.0 - p)),
    "log(x / (1 - x)), with x limited to [eps, 1 - eps] if `eps` is given.",
    "logit([0.5, 1.0], eps=0.25).round(4) -> [0.    , 1.0986]")
xlogy = composed(
    lambda x, y: x * log(where(_nothing(x, y), 1.0, y)),
    "x * log(y), and 0 with gradient 0 where x is 0 and y is 0, negative or infinite.",
    "xlogy([0.0, 2.0], [0.0, 1.0]) -> [0., 0.]")
# fmt: on


def _nothing(x: Array, y: Array) -> Any:
    return (values(x) == 0) & ((values(y) <= 0) | np.isinf(values(y)))


def _weight(x: Array, y: Array) -> Array:
    """exp(x) / (exp(x) + exp(y)); a half where both are the same infinity."""
    same = (values(x) == values(y)) & np.isinf(values(x))
    if np.any(same):
        x, y = where(same, 0.0, x), where(same, 0.0, y)
    return sigmoid(x - y)


@op(x=curved("sigmoid", lambda g, out, x: g * out * (1.0 - out)))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), computed from exp(-|x|) so that nothing overflows.

    >>> ag.sigmoid([0.0, -1000.0])
    array([0.5, 0. ], dtype=float32)
    """
    return kernels.curve("sigmoid", floating(np.asarray(x)))


# ------------------------------------------------------------------------------------------- powers


@op(
    x=lambda g, out, x, y: _power_x(g, x, y),
    y=lambda g, out, x, y: unbroadcast(_power_y(g, out, x, y), y),
)
def power(x: Array, y: Array) -> Array:
    """x ** y.  The slope in x is y * x ** (y - 1); where y is 0 it is 0, even at x = 0.

    Whole Python exponents multiply, so bases may be negative or 0.  The slope in y is NaN at
    negative bases.  At base 0 it is 0, and infinite for negative y.

    >>> ag.power([2.0, -3.0], 3)
    array([  8., -27.], dtype=float32)
    """
    if isinstance(y, int) and 1 <= y <= 64:
        return _whole_power(x, y)
    return np.power(x, y)


def _whole_power(x: np.ndarray, n: int) -> Any:
    """x ** n by repeated squaring: 3 to 20 times faster than np.power, and exact for small
    integers.
    """
    out, square = None, x
    while True:
        if n & 1:
            out = square if out is None else np.multiply(out, square)
        n >>= 1
        if not n:
            return np.positive(out) if out is x else out
        square = np.multiply(square, square)


def _power_x(g: Array, x: Array, y: Array) -> Array | None:
    if isinstance(y, (int, float)):
        return g * (y * power(x, y - 1)) if y != 0 else None
    zero = values(y) == 0
    slope = where(zero, 0.0, y * power(x, where(zero, 1.0, y - 1)))
    return unbroadcast(g * slope, x)


def _power_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    zero = (values(x) == 0) & (values(y) >= 0)
    with np.errstate(invalid="ignore"):
        return where(zero, 0.0, g * out * log(where(zero, 1.0, x)))


# ----------------------------------------------------------------- error function, activations


@op(x=curved("erf", lambda g, out, x: g * (tiny_exp(-x * x) * (2.0 / math.sqrt(math.pi)))))
def erf(x: Array) -> Array:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> ag.erf(np.array([0.0, 1.0, -np.inf])).round(6)
    array([ 0.      ,  0.842701, -1.      ])
    """
    return kernels.curve("erf", x)


def _bell(x: Array) -> Array:
    return tiny_exp(x * x * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))


def _tanh_slope(x: Array) -> Array:
    scale = 2.0 * math.sqrt(2.0 / math.pi)
    share = sigmoid(scale * (x + 0.044715 * x * x * x))
    return share + x * (share * (1.0 - share)) * (scale * (1.0 + 3.0 * 0.044715 * x * x))


_SLOPES: dict[str, Callable[..., Array]] = {
    "gelu": lambda x, *_: 0.5 * (1.0 + erf(x * math.sqrt(0.5))) + x * _bell(x),
    "gelu_tanh": lambda x, *_: _tanh_slope(x),
    "silu": lambda x, *_: sigmoid(x) * (1.0 + x * sigmoid(-x)),
    "softplus": lambda x, beta, threshold: where(
        values(x) * beta > threshold, 1.0, sigmoid(x * beta)
    ),
}


def _curve_grad(
    g: Array, out: Array, x: Array, *, name: str, beta: float, threshold: float
) -> Array:
    half = x.dtype == np.float16  # in which `out` has too few digits to find the slope from
    wide = x.astype(np.float32) if half else x
    if isinstance(g, Node) or isinstance(x, Node):
        return g * _SLOPES[name](wide, beta, threshold)
    if half:
        out = kernels.curve(name, wide, beta, threshold)
    return kernels.curve_grad(name, g, out, wide, beta, threshold)


@op(x=_curve_grad)
def curve(x: Array, *, name: str, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """The activation of this name: gelu, gelu_tanh, silu, or softplus with its two settings.

    >>> curve(np.array([0.0, 1.0]), name="silu").round(4)
    array([0.    , 0.7311])
    """
    if name not in _SLOPES:
        choice("curve", "name", name, (*_SLOPES,))
    return kernels.curve(name, floating(np.asarray(x)), beta, threshold)
