"""Primitive operations with backward rules, registered in `engine.op.OPS`, and compositions."""

from autograd_cnn.ops import (
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
    "arithmetic", "batch_norm", "conv", "exponential", "join", "loss", "matrix", "pick", "pool",
    "product", "reduce", "shape", "sort", "trigonometry",
]  # fmt: skip
