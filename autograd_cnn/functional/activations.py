"""Activations, softmax and its logarithm."""

from __future__ import annotations

from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array
from autograd_cnn.ops import activation, reduce
from autograd_cnn.ops.activation import relu
from autograd_cnn.ops.exponential import sigmoid
from autograd_cnn.ops.trigonometry import tanh

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


@checked
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x where it is positive, `negative_slope` times x elsewhere; see `ops.activation.leaky_relu`.

    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    return activation.leaky_relu(input, negative_slope=negative_slope)


@checked
def elu(input: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere; see `ops.activation.elu`.

    >>> import numpy as np
    >>> elu(np.array([-1000.0, 2.0]), 3.0)
    array([-3.,  2.])
    """
    return activation.elu(input, alpha=alpha)


@checked
def selu(input: Array) -> Array:
    """`elu` scaled to keep mean 0 and variance 1; see `ops.activation.selu`.

    >>> import numpy as np
    >>> selu(np.array([-1.0, 1.0])).round(4)
    array([-1.1113,  1.0507])
    """
    return activation.selu(input)


@checked
def gelu(input: Array, approximate: str = "none") -> Array:
    """x times the normal distribution function of x, or its approximation by 'tanh'; see
    `ops.activation.gelu`.

    >>> import numpy as np
    >>> gelu(np.array([-1.0, 1.0])).round(4)
    array([-0.1587,  0.8413])
    """
    return activation.gelu(input, approximate=approximate)


@checked
def silu(input: Array) -> Array:
    """x * sigmoid(x), also called swish; see `ops.activation.silu`.

    >>> import numpy as np
    >>> silu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """
    return activation.silu(input)


@checked
def mish(input: Array) -> Array:
    """x * tanh(softplus(x)); see `ops.activation.mish`.

    >>> import numpy as np
    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    return activation.mish(input)


@checked
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x where beta x is above `threshold`; see
    `ops.activation.softplus`.

    >>> import numpy as np
    >>> softplus(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """
    return activation.softplus(input, beta=beta, threshold=threshold)


@checked
def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]; see `ops.activation.hardtanh`.

    >>> import numpy as np
    >>> hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    return activation.hardtanh(input, min_val=min_val, max_val=max_val)


@checked
def logsigmoid(input: Array) -> Array:
    """log(sigmoid(x)), finite for every finite x; see `ops.activation.log_sigmoid`.

    >>> import numpy as np
    >>> logsigmoid(np.array([-1000.0]))
    array([-1000.])
    """
    return activation.log_sigmoid(input)


@checked
def softmax(input: Array, dim: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along `dim`; see `ops.softmax`.

    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return reduce.softmax(input, axis=dim)


@checked
def log_softmax(input: Array, dim: int = -1) -> Array:
    """log(softmax(x)) along `dim`; see `ops.log_softmax`.

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return reduce.log_softmax(input, axis=dim)
