"""Primitive operations with their backward rules, registered in `engine.op.OPS`, and what is
composed of them.
"""

from autograd_cnn.ops import (
    arithmetic,
    conv,
    exponential,
    join,
    loss,
    matrix,
    norm,
    pick,
    pool,
    product,
    reduce,
    shape,
    sort,
    trigonometry,
)

__all__ = [
    "arithmetic",
    "conv",
    "exponential",
    "join",
    "loss",
    "matrix",
    "norm",
    "pick",
    "pool",
    "product",
    "reduce",
    "shape",
    "sort",
    "trigonometry",
]
