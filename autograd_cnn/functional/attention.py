"""Attention: values weighed by how well their keys fit a query."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.checks import misfit, mistake
from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.layers import dropout
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.loss import softmax
from autograd_cnn.ops.product import matmul
from autograd_cnn.ops.shape import floating
from autograd_cnn.ops.signatures import array_function

__all__ = ["scaled_dot_product_attention"]


@array_function
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """``softmax(query @ key.mT * scale) @ value``: query (..., L, E), key (..., S, E) and value
    (..., S, D) give (..., L, D).

    `scale` is 1 / sqrt(E) by default.  `attn_mask` broadcasts to (..., L, S): bools are True where
    a query may see a key, numbers are added before softmax.  With `is_causal` query i sees keys 0
    to i.  A query that sees nothing gives 0.  `dropout_p` drops weights, in evaluation too.
    Vaswani and others, "Attention is all you need" (2017).

    >>> q, v = np.zeros((2, 4)), np.array([[1.0], [3.0]])
    >>> F.scaled_dot_product_attention(q, q, v, is_causal=True)
    array([[1.],
           [2.]])
    """
    name = "scaled_dot_product_attention"
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: give either attn_mask or is_causal=True")
    if attn_mask is not None:
        attn_mask = added_mask(name, "attn_mask", attn_mask, visible=True)
    weights = attention_weights(name, query, key, value, attn_mask, is_causal, scale)
    return matmul(dropout(weights, dropout_p), value)


def attention_weights(
    name: str, query: Array, key: Array, value: Array, mask: Any, is_causal: bool, scale: Any = None
) -> Array:
    """How much of each value each query takes: (..., L, S), with sum 1, or 0 where it sees none.

    `mask` is added to the scores.
    """
    shapes = query.shape, key.shape, value.shape
    fits = min(map(len, shapes)) > 1 and query.shape[-1] == key.shape[-1]
    if not fits or key.shape[-2] != value.shape[-2]:
        wanted = "query must have shape (..., L, E), key (..., S, E) and value (..., S, D)"
        raise misfit(name, wanted, query, key, value)
    step = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = matmul(floating(query) * step, key.mT)
    if is_causal:
        later = np.triu(np.full(scores.shape[-2:], -np.inf), 1)
        mask = later if mask is None else mask + later
    if mask is None:
        return softmax(scores, axis=-1)
    sizes = zip(mask.shape[::-1], scores.shape[::-1])
    if mask.ndim > scores.ndim or any(m not in (1, n) for m, n in sizes):
        raise misfit(name, f"masks must broadcast to the shape {scores.shape} of the scores", mask)
    with np.errstate(over="ignore"):  # -1e9 is -inf in float16
        mask = mask.astype(scores.dtype)
    blind = (values(mask) == -np.inf).all(axis=-1, keepdims=True)
    if not blind.any():
        return softmax(scores + mask, axis=-1)
    scores = scores + where(blind, 0.0, mask)
    return where(blind, 0.0, softmax(scores, axis=-1))


def added_mask(name: str, argument: str, mask: Array, visible: bool, *shapes: Any) -> Array:
    """A mask, of one of `shapes` if any, as numbers to add: bools not `visible` become -inf."""
    if mask.dtype.kind not in "bf" or not mask.ndim:
        raise mistake(name, argument, "an array of bools, or of floats to add to scores", mask)
    if shapes and mask.shape not in shapes:
        raise misfit(name, f"{argument} must have shape {' or '.join(map(str, shapes))}", mask)
    return mask if mask.dtype.kind == "f" else where(mask == visible, 0.0, -np.inf)
