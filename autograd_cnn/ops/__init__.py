"""Primitive operations with their backward rules, registered in `engine.op.OPS`, and what is
composed of them.
"""

from autograd_cnn.ops import (
    activation,
    arithmetic,
    batch_norm,
    conv,
    exponential,
    join,
    loss,
    matrix,
    pick,
    pool,
    product,
    reduce,
    shape,
    sort,
    trigonometry,
)

__all__ = [
    "activation",
    "arithmetic",
    "batch_norm",
    "conv",
    "exponential",
    "join",
    "loss",
    "matrix",
    "pick",
    "pool",
    "product",
    "reduce",
    "shape",
    "sort",
    "trigonometry",
]
