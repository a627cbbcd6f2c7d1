"""Activation functions, composed of ops; settings are keyword-only and have PyTorch's defaults."""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import erf, expm1, logaddexp, sigmoid
from autograd_cnn.ops.trigonometry import tanh


@op(
    g=lambda gx, out, g, x: relu_grad(gx, x),
    x=None,
)
def relu_grad(g: Array, x: Array) -> Array:
    """Gradient of relu: g where x is positive, 0 elsewhere (selected, so 0 * inf is no NaN).

    Shapes broadcast, dtypes promote as in NumPy.  ValueError where shapes do not broadcast.

    >>> import numpy as np
    >>> relu_grad(np.array([2.0, np.inf]), np.array([1.0, -1.0]))
    array([2., 0.])
    """
    return kernels.relu_grad(g, x)


@op(x=lambda g, out, x: relu_grad(g, x))
def relu(x: Array) -> Array:
    """max(x, 0), with gradient 0 at 0; NaN stays NaN.

    Any shape and dtype of numbers; both stay.  TypeError for other than numbers.

    >>> import numpy as np
    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return kernels.relu(x)


@composition
def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    """x where it is positive, `negative_slope` times x elsewhere; at 0 the slope is that one.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models" (2013).
    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return where(values(x) > 0, x, x * negative_slope)


def _exponential_unit(x: Array, scale: float, alpha: float) -> Array:
    """scale * x where x is positive, scale * alpha * (exp(x) - 1) elsewhere."""
    positive = values(x) > 0
    below = expm1(where(positive, 0.0, x)) * (scale * alpha)
    return where(positive, x if scale == 1.0 else x * scale, below)


@composition
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """x where it is positive, alpha * (exp(x) - 1) elsewhere; at 0 the slope is alpha.

    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units" (2015).  Any shape; floats keep their dtype, integers become floats.  TypeError
    for other than numbers.

    >>> import numpy as np
    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return _exponential_unit(x, 1.0, alpha)


@composition
def selu(x: Array) -> Array:
    """elu with the alpha and the scale that keep mean 0 and variance 1; at 0 the slope is the left
    one.

    Klambauer and others, "Self-normalizing neural networks" (2017).  Any shape; floats keep their
    dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> selu(np.array([-1.0, 1.0])).round(4)
    array([-1.1113,  1.0507])
    """
    return _exponential_unit(
        x, 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    )


@composition
def gelu(x: Array, *, approximate: str = "none") -> Array:
    """x times the normal distribution function of x, exact or with 'tanh' as its approximation.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016).  Any shape; floats keep their dtype,
    integers become floats.  Raises ValueError for another `approximate`.

    >>> import numpy as np
    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    if approximate == "none":
        return x * (0.5 * (1.0 + erf(x * math.sqrt(0.5))))
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return x * (0.5 * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x))))


@composition
def silu(x: Array) -> Array:
    """x * sigmoid(x), also called swish; NaN at -inf.

    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units" (2018).  Any shape; floats keep their
    dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> silu(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """
    return x * sigmoid(x)


@composition
def softplus(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above `threshold`.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> softplus(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """
    if beta == 0.0:
        raise ValueError("softplus: beta must not be 0")
    scaled = x if beta == 1.0 else x * beta
    smooth = logaddexp(scaled, 0.0)
    return where(values(scaled) > threshold, x, smooth if beta == 1.0 else smooth * (1.0 / beta))


@composition
def log_sigmoid(x: Array) -> Array:
    """log(sigmoid(x)), finite for every finite x.

    Any shape; floats keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> log_sigmoid(np.array([-1000.0, 0.0])).tolist()
    [-1000.0, -0.6931471805599453]
    """
    return -logaddexp(x * -1.0, 0.0)  # the negative of an unsigned integer would wrap


@composition
def mish(x: Array) -> Array:
    """x * tanh(log(1 + exp(x))); NaN at -inf.

    Misra, "Mish: a self regularized non-monotonic activation function" (2019).  Any shape; floats
    keep their dtype, integers become floats.  TypeError for other than numbers.

    >>> import numpy as np
    >>> mish(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """
    return x * tanh(logaddexp(x, 0.0))


@composition
def hardtanh(x: Array, *, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]; the gradient is 1 inside, 0 at a bound and outside.

    Any shape; floats keep their dtype.  Raises ValueError unless min_val < max_val.

    >>> import numpy as np
    >>> hardtanh(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    if min_val >= max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must be less than max_val {max_val}")
    plain = values(x)
    dtype = np.result_type(plain, min_val, max_val)
    limit = np.where(plain <= min_val, min_val, max_val).astype(dtype)
    return where((plain <= min_val) | (plain >= max_val), limit, x)
