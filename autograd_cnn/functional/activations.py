"""Activations, softmax and its logarithm.

Each activation stands here once; its layer is a class of a few lines in `nn.activations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from autograd_cnn.checks import choice
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import COMPOSITIONS
from autograd_cnn.ops import loss
from autograd_cnn.ops.arithmetic import relu, where
from autograd_cnn.ops.exponential import curve, expm1, logaddexp, sigmoid
from autograd_cnn.ops.signatures import quiet_function
from autograd_cnn.ops.trigonometry import tanh

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import ArrayFunction

__all__ = [
    "elu", "gelu", "hardtanh", "leaky_relu", "log_softmax", "logsigmoid", "mish", "relu", "selu",
    "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip

P = ParamSpec("P")


def activation(function: Callable[P, Any]) -> ArrayFunction[P]:
    """Check the arguments of a function of single values, and list it among the compositions."""
    COMPOSITIONS[function.__name__] = found = quiet_function(function)
    return found


@activation
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x where it is positive, `negative_slope` times x elsewhere.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    return where(values(input) > 0, input, input * negative_slope)


def _exponential_unit(x: Array, scale: float, alpha: float) -> Array:
    """scale * x where x is positive, scale * alpha * (exp(x) - 1) elsewhere."""
    positive = values(x) > 0
    below = expm1(where(positive, 0.0, x)) * (scale * alpha)
    return where(positive, x if scale == 1.0 else x * scale, below)


@activation
def elu(input: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units" (2015).

    >>> elu(np.array([-1000.0, 2.0]), 3.0)
    array([-3.,  2.])
    """
    return _exponential_unit(input, 1.0, alpha)


@activation
def selu(input: Array) -> Array:
    """`elu` with the alpha and the scale that keep mean 0 and variance 1.

    Klambauer and others, "Self-normalizing neural networks" (2017).

    >>> selu(np.array([-1.0, 1.0])).round(4)
    array([-1.1113,  1.0507])
    """
    return _exponential_unit(input, 1.0507009873554805, 1.6732632423543772)


@activation
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


@activation
def silu(input: Array) -> Array:
    """x * sigmoid(x), also called swish; NaN at -inf.

    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units" (2018).

    >>> silu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """
    return curve(input, name="silu", beta=1.0, threshold=20.0)


@activation
def mish(input: Array) -> Array:
    """x * tanh(softplus(x)); NaN at -inf.

    Misra, "Mish: a self regularized non-monotonic activation function" (2019).

    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    return input * tanh(logaddexp(input, 0.0))


@activation
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above `threshold`.

    >>> softplus(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """
    if beta == 0.0:
        raise ValueError("softplus: beta must not be 0")
    return curve(input, name="softplus", beta=beta, threshold=threshold)


@activation
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]; the gradient is 1 inside, 0 at a bound and outside.

    >>> hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must be at most max_val {max_val}")
    plain = values(input)
    dtype = np.result_type(plain, min_val, max_val)
    limit = np.where(plain <= min_val, min_val, max_val).astype(dtype)
    return where((plain <= min_val) | (plain >= max_val), limit, input)


@activation
def logsigmoid(input: Array) -> Array:
    """log(sigmoid(x)), finite for every finite x.

    >>> logsigmoid(np.array([-1000.0]))
    array([-1000.])
    """
    return -logaddexp(input * -1.0, 0.0)  # the negative of an unsigned integer would wrap


@quiet_function
def softmax(input: Array, dim: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along `dim`; see `ops.softmax`.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return loss.softmax(input, axis=dim)


@quiet_function
def log_softmax(input: Array, dim: int = -1) -> Array:
    """log(softmax(x)) along `dim`; see `ops.log_softmax`.

    >>> log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return loss.log_softmax(input, axis=dim)
