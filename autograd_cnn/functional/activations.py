"""Activations, softmax and its logarithm.

Each activation stands here once; its layer is a class of a few lines in `nn.activations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import choice, misfit, normal_axis, number
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import COMPOSITIONS, OPS
from autograd_cnn.ops import loss
from autograd_cnn.ops.arithmetic import abs, clip, relu, where
from autograd_cnn.ops.exponential import curve, expm1, logaddexp, sigmoid
from autograd_cnn.ops.formulas import functional
from autograd_cnn.ops.join import array_split
from autograd_cnn.ops.signatures import quiet_function
from autograd_cnn.ops.trigonometry import tanh

if TYPE_CHECKING:
    pass

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "log_softmax", "logsigmoid", "mish", "relu", "relu6", "rrelu", "selu", "sigmoid",
    "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold",
]  # fmt: skip

P = ParamSpec("P")


def _exponential_unit(x: Array, scale: float, alpha: float, steep: float = 1.0) -> Array:
    """scale * x where x is positive, scale * alpha * (exp(steep * x) - 1) elsewhere."""
    positive = x > 0
    below = where(positive, 0.0, x)
    below = expm1(below if steep == 1.0 else below * steep) * (scale * alpha)
    return where(positive, x if scale == 1.0 else x * scale, below)


@quiet_function
def gelu(input: Array, approximate: str = "none") -> Array:
    """x times the normal distribution function of x, exact or approximated by 'tanh'.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    >>> gelu(np.array([-1.0, 1.0])).round(4)
    array([-0.1587,  0.8413])
    """
    if approximate == "none":
        return curve(input, name="gelu", beta=1.0, threshold=20.0)
    choice("gelu", "approximate", approximate, ("none", "tanh"))
    return curve(input, name="gelu_tanh", beta=1.0, threshold=20.0)


@quiet_function
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above `threshold`.

    >>> softplus(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """
    if beta == 0.0:
        raise ValueError("softplus: beta must not be 0")
    return curve(input, name="softplus", beta=beta, threshold=threshold)


@quiet_function
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]; the gradient is 1 inside, 0 at a bound and outside.

    >>> hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must be at most max_val {max_val}")
    dtype = np.result_type(values(input), min_val, max_val)
    limit = where(input <= min_val, min_val, max_val).astype(dtype)
    return where((input <= min_val) | (input >= max_val), limit, input)


# fmt: off
leaky_relu = functional(
    lambda input, negative_slope=0.01: where(input > 0, input, input * negative_slope),
    "x where it is positive, `negative_slope` times x elsewhere.\n\n"
    "Maas, Hannun and Ng, \"Rectifier nonlinearities improve acoustic models\" (2013).",
    "leaky_relu([-1.0, 2.0], 0.5) -> [-0.5,  2. ]")
elu = functional(
    lambda input, alpha=1.0: _exponential_unit(input, 1.0, alpha),
    "x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.\n\n"
    "Clevert, Unterthiner and Hochreiter, \"Fast and accurate deep network learning by\n"
    "exponential linear units\" (2015).", "elu([-1000.0, 2.0], 3.0) -> [-3.,  2.]")
selu = functional(
    lambda input: _exponential_unit(input, 1.0507009873554805, 1.6732632423543772),
    "`elu` with the alpha and the scale that keep mean 0 and variance 1.\n\n"
    "Klambauer and others, \"Self-normalizing neural networks\" (2017).",
    "selu([-1.0, 1.0]).round(4) -> [-1.1113,  1.0507]")
silu = functional(
    lambda input: curve(input, name="silu", beta=1.0, threshold=20.0),
    "x * sigmoid(x), also called swish; NaN at -inf.\n\n"
    "Elfwing, Uchibe and Doya, \"Sigmoid-weighted linear units\" (2018).",
    "silu([0.0, 1.0]).round(4) -> [0.    , 0.7311]")
mish = functional(
    lambda input: input * tanh(logaddexp(input, 0.0)),
    "x * tanh(softplus(x)); NaN at -inf.\n\n"
    "Misra, \"Mish: a self regularized non-monotonic activation function\" (2019).",
    "mish([0.0, 1.0]).round(4) -> [0.    , 0.8651]")
logsigmoid = functional(
    lambda input: -logaddexp(input * -1.0, 0.0),  # the negative of an unsigned integer would wrap
    "log(sigmoid(x)), finite for every finite x.", "logsigmoid([-1000.0]) -> [-1000.]")
relu6 = functional(
    lambda input: hardtanh(input, 0.0, 6.0),
    "x limited to [0, 6]; the gradient is 1 inside, 0 at a bound and outside.",
    "relu6([-1.0, 3.0, 9.0]) -> [0., 3., 6.]")
hardsigmoid = functional(
    lambda input: relu6(input + 3.0) / 6.0,
    "relu6(x + 3) / 6; the gradient is 0 at a bound.",
    "hardsigmoid([-4.0, 0.0, 3.0]) -> [0. , 0.5, 1. ]")
hardswish = functional(
    lambda input: input * hardsigmoid(input),
    "x * hardsigmoid(x), of Howard and others, \"Searching for MobileNetV3\" (2019).",
    "hardswish([-3.0, 0.0, 3.0]) -> [-0.,  0.,  3.]")
softshrink = functional(
    lambda input, lambd=0.5: (
        input - clip(input, -number("softshrink", "lambd", lambd, 0), lambd)),
    "x moved towards 0 by `lambd`, but not past it.",
    "softshrink([-2.0, 0.2, 1.0]) -> [-1.5,  0. ,  0.5]")
hardshrink = functional(
    lambda input, lambd=0.5: where((input <= lambd) & (input >= -lambd), 0.0, input),
    "x, and 0 where its absolute value is at most `lambd`.",
    "hardshrink([-2.0, 0.2, 1.0]) -> [-2.,  0.,  1.]")
threshold = functional(
    lambda input, threshold, value: where(input <= threshold, value, input),
    "x where it is above `threshold`, `value` elsewhere.",
    "threshold([0.0, 2.0], 1.0, -5.0) -> [-5.,  2.]", numbers=2)
celu = functional(
    lambda input, alpha=1.0: _exponential_unit(
        input, 1.0, number("celu", "alpha", alpha, above=0), 1.0 / alpha),
    "x where it is positive, alpha * (exp(x / alpha) - 1) elsewhere (Barron, 2017).",
    "celu([-2.0, 3.0], 2.0).round(4) -> [-1.2642,  3.    ]")
softsign = functional(
    lambda input: input / (abs(input) + 1.0),
    "x / (1 + |x|).", "softsign([-1.0, 3.0]) -> [-0.5 ,  0.75]")
tanhshrink = functional(
    lambda input: input - tanh(input),
    "x - tanh(x).", "tanhshrink([0.0, 1.0]).round(4) -> [0.    , 0.2384]")
rrelu = functional(
    lambda input, lower=1.0 / 8.0, upper=1.0 / 3.0, training=False: where(
        input > 0, input, input * _slopes(input, lower, upper, training)),
    "`leaky_relu` with the slope (lower + upper) / 2; in training with random ones in between.",
    "rrelu([-2.0, 3.0], 0.2, 0.3) -> [-0.5,  3. ]")
softmin = functional(
    lambda input, dim=-1: softmax(input * -1.0, dim),
    "`softmax` of -x along `dim`.", "softmin([0.0, 0.0]) -> [0.5, 0.5]")
# fmt: on


def _slopes(x: Array, lower: float, upper: float, training: bool) -> Any:
    if not training:
        return (lower + upper) / 2.0
    dtype = x.dtype if x.dtype.kind == "f" else np.float32
    return random.generator().uniform(lower, upper, x.shape).astype(dtype)


@quiet_function
def glu(input: Array, dim: int = -1) -> Array:
    """The first half along `dim` times the sigmoid of the second half.

    Dauphin and others, "Language modeling with gated convolutional networks" (2017).

    >>> F.glu(np.array([3.0, 0.0]))
    array([1.5])
    """
    axis = normal_axis("glu", dim, input.ndim)
    if input.shape[axis] % 2:
        raise misfit("glu", f"axis {dim} must have an even size", input)
    half, gate = array_split(input, indices_or_sections=2, axis=axis)
    return half * sigmoid(gate)


@quiet_function
def softmax(input: Array, dim: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along `dim`; see `ops.softmax`.

    >>> F.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return loss.softmax(input, axis=dim)


@quiet_function
def log_softmax(input: Array, dim: int = -1) -> Array:
    """log(softmax(x)) along `dim`; see `ops.log_softmax`.

    >>> F.log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return loss.log_softmax(input, axis=dim)


COMPOSITIONS |= {name: globals()[name] for name in __all__ if name not in OPS}
