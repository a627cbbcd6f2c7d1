"""Automatic differentiation on NumPy: tensors, ops with their own backward rules, layers, SGD,
gradient checks.

>>> import autograd_cnn as ag
>>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = (x ** 2).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from autograd_cnn import data, functional, nn, optim
from autograd_cnn.backward import grad
from autograd_cnn.graph import OPS, GraphError, Op, op
from autograd_cnn.modes import (
    enable_grad,
    get_default_dtype,
    is_grad_enabled,
    no_grad,
    set_default_dtype,
    set_grad_enabled,
)
from autograd_cnn.ops.broadcast import broadcast_to
from autograd_cnn.ops.conv import conv2d
from autograd_cnn.ops.elementwise import (
    abs,
    add,
    astype,
    clip,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    sigmoid,
    sign,
    sqrt,
    subtract,
    tanh,
    where,
)
from autograd_cnn.ops.indexing import getitem, scatter_add
from autograd_cnn.ops.linalg import linear, matmul
from autograd_cnn.ops.loss import softmax_cross_entropy
from autograd_cnn.ops.norm import batch_norm
from autograd_cnn.ops.pool import avg_pool2d, max_pool2d
from autograd_cnn.ops.reduction import (
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    softmax,
    sum,
    var,
)
from autograd_cnn.ops.shaping import concatenate, flip, pad, reshape, stack, transpose
from autograd_cnn.random import manual_seed
from autograd_cnn.tensor import Tensor, tensor
from autograd_cnn.version import __version__

__all__ = [
    "OPS",
    "GraphError",
    "Op",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "astype",
    "avg_pool2d",
    "batch_norm",
    "broadcast_to",
    "clip",
    "concatenate",
    "conv2d",
    "data",
    "divide",
    "enable_grad",
    "exp",
    "flip",
    "functional",
    "get_default_dtype",
    "getitem",
    "grad",
    "is_grad_enabled",
    "linear",
    "log",
    "log_softmax",
    "logsumexp",
    "manual_seed",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "nn",
    "no_grad",
    "op",
    "optim",
    "pad",
    "power",
    "relu",
    "reshape",
    "scatter_add",
    "set_default_dtype",
    "set_grad_enabled",
    "sigmoid",
    "sign",
    "softmax",
    "softmax_cross_entropy",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "tanh",
    "tensor",
    "transpose",
    "var",
    "where",
]
