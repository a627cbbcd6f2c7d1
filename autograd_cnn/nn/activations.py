"""Activations as modules; the functions of the same meaning are in `functional`."""

from __future__ import annotations

from autograd_cnn import functional as F
from autograd_cnn.checks import choice
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn.function import FunctionModule


class ReLU(FunctionModule):
    """max(x, 0) of each value, with gradient 0 at 0.

    Shapes, dtypes and errors: see `functional.relu`.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function = staticmethod(F.relu)


class LeakyReLU(FunctionModule):
    """x where it is positive, `negative_slope` times x elsewhere.

    Shapes, dtypes and errors: see `functional.leaky_relu`.

    >>> import numpy as np
    >>> LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    array([-0.5,  2. ])
    """

    function = staticmethod(F.leaky_relu)
    settings = ("negative_slope",)

    @checked
    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope


class ELU(FunctionModule):
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Shapes, dtypes and errors: see `functional.elu`.

    >>> import numpy as np
    >>> ELU()(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """

    function = staticmethod(F.elu)
    settings = ("alpha",)

    @checked
    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class SELU(FunctionModule):
    """`ELU` scaled to keep mean 0 and variance 1.

    Shapes, dtypes and errors: see `functional.selu`.

    >>> import numpy as np
    >>> SELU()(np.array([0.0, 1.0])).round(4)
    array([0.    , 1.0507])
    """

    function = staticmethod(F.selu)


class GELU(FunctionModule):
    """x times the normal distribution function of x; `approximate` is 'none' or 'tanh'.

    Shapes, dtypes and errors: see `functional.gelu`.  Raises ValueError for another.

    >>> import numpy as np
    >>> GELU()(np.array([-1.0, 1.0])).round(4)
    array([-0.1587,  0.8413])
    """

    function = staticmethod(F.gelu)
    settings = ("approximate",)

    @checked
    def __init__(self, approximate: str = "none") -> None:
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))


class SiLU(FunctionModule):
    """x * sigmoid(x), also called swish.

    Shapes, dtypes and errors: see `functional.silu`.

    >>> import numpy as np
    >>> SiLU()(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """

    function = staticmethod(F.silu)


class Mish(FunctionModule):
    """x * tanh(softplus(x)).

    Shapes, dtypes and errors: see `functional.mish`.

    >>> import numpy as np
    >>> Mish()(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """

    function = staticmethod(F.mish)


class Softplus(FunctionModule):
    """log(1 + exp(beta x)) / beta, and x where beta x is above `threshold`.

    Shapes, dtypes and errors: see `functional.softplus`.  Raises ValueError for a beta of 0.

    >>> import numpy as np
    >>> Softplus()(np.array([-1000.0, 0.0, 30.0])).round(4)
    array([ 0.    ,  0.6931, 30.    ])
    """

    function = staticmethod(F.softplus)
    settings = ("beta", "threshold")

    @checked
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        if beta == 0.0:
            raise ValueError("Softplus: beta must not be 0")
        self.beta = beta
        self.threshold = threshold


class Hardtanh(FunctionModule):
    """x limited to [min_val, max_val]; ValueError unless min_val is the smaller.

    Shapes, dtypes and errors: see `functional.hardtanh`.

    >>> import numpy as np
    >>> Hardtanh()(np.array([-2.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """

    function = staticmethod(F.hardtanh)
    settings = ("min_val", "max_val")

    @checked
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} must be less than max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val


class Tanh(FunctionModule):
    """Hyperbolic tangent of each value.

    Shapes, dtypes and errors: see `functional.tanh`.

    >>> import numpy as np
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    function = staticmethod(F.tanh)


class Sigmoid(FunctionModule):
    """1 / (1 + exp(-x)) of each value.

    Shapes, dtypes and errors: see `functional.sigmoid`.

    >>> import numpy as np
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    function = staticmethod(F.sigmoid)


class LogSigmoid(FunctionModule):
    """log(sigmoid(x)) of each value, finite for every finite x.

    Shapes, dtypes and errors: see `functional.logsigmoid`.

    >>> import numpy as np
    >>> LogSigmoid()(np.array([-1000.0]))
    array([-1000.])
    """

    function = staticmethod(F.logsigmoid)


class Softmax(FunctionModule):
    """exp(x) / sum(exp(x)) along axis `dim`, the last by default.

    Not for inputs of `CrossEntropyLoss`, which takes logits.  Shapes, dtypes and errors: see
    `functional.softmax`.

    >>> import numpy as np
    >>> Softmax()(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    function = staticmethod(F.softmax)
    settings = ("dim",)

    @checked
    def __init__(self, dim: int = -1) -> None:
        self.dim = dim


class LogSoftmax(Softmax):
    """log(softmax(x)) along axis `dim`, the last by default; the input of `NLLLoss`.

    Shapes, dtypes and errors: see `functional.log_softmax`.

    >>> import numpy as np
    >>> LogSoftmax()(np.array([[0.0, 0.0]])).round(3)
    array([[-0.693, -0.693]])
    """

    function = staticmethod(F.log_softmax)
