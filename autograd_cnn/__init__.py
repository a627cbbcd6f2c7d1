"""Automatic differentiation on NumPy: tensors, ops with their own backward rules, layers, SGD,
gradient checks.

>>> import autograd_cnn as ag
>>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = (x ** 2).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4., 6.])
"""

import importlib
from typing import TYPE_CHECKING, Any

from autograd_cnn import functional, nn, optim
from autograd_cnn.config import (
    __version__,
    get_default_dtype,
    get_num_threads,
    set_default_dtype,
    set_num_threads,
    show_config,
)
from autograd_cnn.engine.backward import grad
from autograd_cnn.engine.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from autograd_cnn.engine.node import GraphError
from autograd_cnn.engine.op import OPS, Op, op
from autograd_cnn.functional import avg_pool2d, conv2d, max_pool2d
from autograd_cnn.ops.activation import relu
from autograd_cnn.ops.arithmetic import (
    abs,
    add,
    astype,
    ceil,
    clip,
    divide,
    floor,
    floor_divide,
    maximum,
    minimum,
    multiply,
    negative,
    reciprocal,
    remainder,
    round,
    sign,
    subtract,
    trunc,
    where,
)
from autograd_cnn.ops.batch_norm import batch_norm, channel_affine
from autograd_cnn.ops.exponential import (
    cbrt,
    erf,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    power,
    sigmoid,
    sqrt,
    square,
)
from autograd_cnn.ops.join import (
    array_split,
    column_stack,
    concatenate,
    hstack,
    pad,
    repeat,
    roll,
    split,
    stack,
    tile,
    vstack,
)
from autograd_cnn.ops.loss import softmax_cross_entropy
from autograd_cnn.ops.matrix import (
    cholesky,
    det,
    inv,
    logabsdet,
    matrix_power,
    norm,
    slogdet,
    solve,
    solve_columns,
    trace,
)
from autograd_cnn.ops.pick import (
    diag,
    diagonal,
    getitem,
    put,
    scatter_add,
    take,
    take_along_axis,
    tril,
    triu,
)
from autograd_cnn.ops.product import (
    contract,
    dot,
    einsum,
    inner,
    linear,
    matmul,
    outer,
    tensordot,
    vdot,
)
from autograd_cnn.ops.reduce import (
    average,
    cumprod,
    cumsum,
    diff,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    nanmean,
    nansum,
    prod,
    ptp,
    softmax,
    std,
    sum,
    var,
)
from autograd_cnn.ops.reduce import max as amax
from autograd_cnn.ops.reduce import min as amin
from autograd_cnn.ops.shape import (
    broadcast_to,
    expand_dims,
    flip,
    fliplr,
    flipud,
    matrix_transpose,
    moveaxis,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    transpose,
)
from autograd_cnn.ops.sort import median, sort, topk
from autograd_cnn.ops.trigonometry import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    degrees,
    hypot,
    radians,
    sin,
    sinh,
    tan,
    tanh,
)
from autograd_cnn.random import manual_seed
from autograd_cnn.tensor import Tensor, tensor

if TYPE_CHECKING:
    from autograd_cnn import data, func
    from autograd_cnn import diagnose as diagnose
    from autograd_cnn import testing as testing
    from autograd_cnn import training as training
    from autograd_cnn.diagnose.anomaly import detect_anomaly
    from autograd_cnn.diagnose.drawing import draw
    from autograd_cnn.diagnose.profiling import profile
    from autograd_cnn.diagnose.summary import summary
    from autograd_cnn.diagnose.why import why_no_grad
    from autograd_cnn.func.checkpoint import checkpoint
    from autograd_cnn.func.custom import custom_gradient
else:
    # What no training step needs is imported when it is first asked for (PEP 562).
    _LAZY = dict.fromkeys(("data", "diagnose", "func", "testing", "training")) | dict.fromkeys(
        ("detect_anomaly", "draw", "profile", "summary", "why_no_grad"), "diagnose"
    )
    _LAZY |= {"checkpoint": "func.checkpoint", "custom_gradient": "func.custom"}

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = importlib.import_module(f"{__name__}.{_LAZY[name] or name}")
        globals()[name] = found if _LAZY[name] is None else getattr(found, name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})


__all__ = [
    "OPS",
    "GraphError",
    "Op",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "amax",
    "amin",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "array_split",
    "astype",
    "average",
    "avg_pool2d",
    "batch_norm",
    "broadcast_to",
    "cbrt",
    "ceil",
    "channel_affine",
    "checkpoint",
    "cholesky",
    "clip",
    "column_stack",
    "concatenate",
    "contract",
    "conv2d",
    "cos",
    "cosh",
    "cumprod",
    "cumsum",
    "custom_gradient",
    "data",
    "degrees",
    "det",
    "detect_anomaly",
    "diag",
    "diagonal",
    "diff",
    "divide",
    "dot",
    "draw",
    "einsum",
    "enable_grad",
    "erf",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "flip",
    "fliplr",
    "flipud",
    "floor",
    "floor_divide",
    "func",
    "functional",
    "get_default_dtype",
    "get_num_threads",
    "getitem",
    "grad",
    "hstack",
    "hypot",
    "inner",
    "inv",
    "is_grad_enabled",
    "linear",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logabsdet",
    "logaddexp",
    "logsumexp",
    "manual_seed",
    "matmul",
    "matrix_power",
    "matrix_transpose",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "median",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "nanmean",
    "nansum",
    "negative",
    "nn",
    "no_grad",
    "norm",
    "op",
    "optim",
    "outer",
    "pad",
    "power",
    "prod",
    "profile",
    "ptp",
    "put",
    "radians",
    "ravel",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "roll",
    "round",
    "scatter_add",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "slogdet",
    "softmax",
    "softmax_cross_entropy",
    "solve",
    "solve_columns",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "summary",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensor",
    "tensordot",
    "tile",
    "topk",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "var",
    "vdot",
    "vstack",
    "where",
    "why_no_grad",
]
