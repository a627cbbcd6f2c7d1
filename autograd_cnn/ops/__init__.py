"""Primitive operations with backward rules, registered in `engine.op.OPS`, and compositions."""

from autograd_cnn.ops import (
    arithmetic,
    batch_norm,
    constants,
    conv,
    exponential,
    join,
    loss,
    matrix,
    pick,
    places,
    pool,
    product,
    reduce,
    running,
    shape,
    sort,
    trigonometry,
    words,
)

__all__ = [
    "arithmetic", "batch_norm", "constants", "conv", "exponential", "join", "loss", "matrix",
    "pick", "places", "pool", "product", "reduce", "running", "shape", "sort", "trigonometry",
    "words",
]  # fmt: skip
