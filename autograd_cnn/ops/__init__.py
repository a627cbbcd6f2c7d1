"""Primitive operations with their backward rules, registered in `graph.OPS`, and what is composed
of them.
"""

from autograd_cnn.engine import composition
from autograd_cnn.ops import (
    accumulation,
    activation,
    axes,
    broadcast,
    contraction,
    conv,
    elementwise,
    exponential,
    indexing,
    linalg,
    loss,
    matrix,
    norm,
    order,
    pool,
    reduction,
    rounding,
    selection,
    shaping,
    trigonometry,
)

__all__ = [
    "accumulation",
    "activation",
    "axes",
    "broadcast",
    "composition",
    "contraction",
    "conv",
    "elementwise",
    "exponential",
    "indexing",
    "linalg",
    "loss",
    "matrix",
    "norm",
    "order",
    "pool",
    "reduction",
    "rounding",
    "selection",
    "shaping",
    "trigonometry",
]
