"""Lengths, distances and angles between vectors, and the losses of pairs and triplets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.checks import misfit, normal_axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.losses import alike, difference, of_pair, reduced
from autograd_cnn.ops.arithmetic import clip, minimum, subtract, where
from autograd_cnn.ops.formulas import functional
from autograd_cnn.ops.matrix import norm
from autograd_cnn.ops.reduce import sum
from autograd_cnn.ops.shape import broadcast_to

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "margin_ranking_loss", "normalize",
    "pairwise_distance", "triplet_margin_loss",
]  # fmt: skip


def _together(name: str, x1: Array, x2: Array) -> list[Array]:
    """Two inputs broadcast against each other."""
    if x1.shape == x2.shape:
        return [x1, x2]
    try:
        shape = np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise misfit(name, "the shapes must broadcast against each other", x1, x2) from None
    return [broadcast_to(x, shape=shape) for x in (x1, x2)]


def _normalize(name: str, x: Array, p: float, dim: int, eps: float) -> Array:
    axis = normal_axis(name, dim, x.ndim)
    return x / clip(norm(x, ord=p, axis=axis, keepdims=True), eps)


def _triplets(a: Array, p: Array, n: Array, distance: Any, swap: bool) -> Array:
    near, far = distance(a, p), distance(a, n)
    return near - (minimum(far, distance(p, n)) if swap else far)


def _angles(x1: Array, x2: Array, target: Array, margin: float) -> Array:
    name = "cosine_embedding_loss"
    x1, x2 = alike(name, x1, x2)
    if not x1.ndim or target.shape != x1.shape[:-1]:
        raise misfit(name, "needs (N, D) and targets (N,)", x1, target)
    cosine, signs = cosine_similarity(x1, x2, -1), values(target)
    return where(signs == 1, 1.0 - cosine, where(signs == -1, clip(cosine - margin, 0.0), 0.0))


# fmt: off
normalize = functional(
    lambda input, p=2.0, dim=1, eps=1e-12: _normalize("normalize", input, p, dim, eps),
    "Vectors along `dim` divided by their p-norms, or by `eps` where these are smaller.",
    "normalize([[3.0, 4.0]]) -> [[0.6, 0.8]]")
cosine_similarity = functional(
    lambda x1, x2, dim=1, eps=1e-8: sum(math.prod(
        _normalize("cosine_similarity", x, 2.0, dim, eps)
        for x in _together("cosine_similarity", x1, x2)), axis=dim),
    "The cosine of the angles between vectors along `dim`; a length below `eps` counts as `eps`.",
    "cosine_similarity([[1.0, 0.0]], [[3.0, 4.0]]).round(4) -> [0.6]")
pairwise_distance = functional(
    lambda x1, x2, p=2.0, eps=1e-6, keepdim=False: norm(
        subtract(*_together("pairwise_distance", x1, x2)) + eps, ord=p, axis=-1, keepdims=keepdim),
    "The p-norm of ``x1 - x2 + eps`` along the last axis.",
    "pairwise_distance([[3.0, 0.0]], [[0.0, 4.0]]).round(4) -> [5.]")
margin_ranking_loss = functional(
    lambda input1, input2, target, margin=0.0, reduction="mean": of_pair(
        "margin_ranking_loss", reduction, difference("margin_ranking_loss", input2, input1), target,
        lambda x, t: clip(x * t + margin, 0.0)),
    "``max(0, -target * (input1 - input2) + margin)``: target 1 wants the first input larger, -1\n"
    "the second.  The gradient at 0 is that inside.",
    "margin_ranking_loss([1.0], [3.0], [1], reduction='none') -> [2.]")
cosine_embedding_loss = functional(
    lambda input1, input2, target, margin=0.0, reduction="mean": reduced(
        "cosine_embedding_loss", _angles(input1, input2, target, margin), reduction),
    "1 - c where the target is 1, max(0, c - margin) where it is -1, with c the cosine of the\n"
    "angle between vectors (N, D) or (D,).",
    "cosine_embedding_loss([[1.0, 0.0]], [[3.0, 4.0]], [1], 0.0, 'none').round(4) -> [0.4]")
triplet_margin_loss = functional(
    lambda anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean":
        reduced("triplet_margin_loss", clip(margin + _triplets(
            *alike("triplet_margin_loss", anchor, positive),
            alike("triplet_margin_loss", anchor, negative)[1],
            lambda a, b: pairwise_distance(a, b, p, eps), swap), 0.0), reduction),
    "max(0, d(anchor, positive) - d(anchor, negative) + margin) with d the `pairwise_distance`.\n\n"
    "With `swap` d(positive, negative) counts, if that is smaller.  Balntas and others,\n"
    "\"Learning local feature descriptors with triplets\" (2016).",
    "triplet_margin_loss([[0.0]], [[2.0]], [[-1.0]], reduction='none').round(4) -> [2.]")
# fmt: on
