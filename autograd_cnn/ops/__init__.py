"""Primitive operations with their backward rules, registered in `graph.OPS`."""

from autograd_cnn.ops import (
    broadcast,
    conv,
    elementwise,
    indexing,
    linalg,
    loss,
    norm,
    pool,
    reduction,
    shaping,
)

__all__ = [
    "broadcast",
    "conv",
    "elementwise",
    "indexing",
    "linalg",
    "loss",
    "norm",
    "pool",
    "reduction",
    "shaping",
]
