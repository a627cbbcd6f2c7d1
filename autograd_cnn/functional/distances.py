"""Lengths, distances and angles between vectors, and the losses of pairs and triplets."""

from __future__ import annotations

import numpy as np

from autograd_cnn.checks import misfit, normal_axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.losses import alike, reduced
from autograd_cnn.ops.arithmetic import clip, minimum, where
from autograd_cnn.ops.matrix import norm
from autograd_cnn.ops.reduce import sum
from autograd_cnn.ops.shape import broadcast_to
from autograd_cnn.ops.signatures import quiet_function

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


@quiet_function
def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """Vectors along `dim` divided by their p-norms, or by `eps` where these are smaller.

    >>> F.normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    return _normalize("normalize", input, p, dim, eps)


@quiet_function
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angles between vectors along `dim`; the inputs broadcast.

    A length below `eps` counts as `eps`.

    >>> F.cosine_similarity(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]])).round(4)
    array([0.6])
    """
    name = "cosine_similarity"
    one, other = (_normalize(name, x, 2.0, dim, eps) for x in _together(name, x1, x2))
    return sum(one * other, axis=dim)


@quiet_function
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Array:
    """The p-norm of ``x1 - x2 + eps`` along the last axis.

    >>> F.pairwise_distance(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])).round(4)
    array([5.])
    """
    x1, x2 = _together("pairwise_distance", x1, x2)
    return norm(x1 - x2 + eps, ord=p, axis=-1, keepdims=keepdim)


@quiet_function
def margin_ranking_loss(
    input1: Array, input2: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    """``max(0, -target * (input1 - input2) + margin)``: target 1 wants the first input larger, -1
    the second.

    The gradient at the margin is that inside; reductions as in `mse_loss`.

    >>> F.margin_ranking_loss(np.array([1.0]), np.array([3.0]), np.array([1])).item()
    2.0
    """
    input1, input2 = alike("margin_ranking_loss", input1, input2)
    input1, target = alike("margin_ranking_loss", input1, target)
    return reduced("margin_ranking_loss", clip(target * (input2 - input1) + margin, 0.0), reduction)


@quiet_function
def cosine_embedding_loss(
    input1: Array, input2: Array, target: Array, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    """1 - c where the target is 1, ``max(0, c - margin)`` where it is -1, with c the
    `cosine_similarity` of vectors (N, D) or (D,), and targets (N,) or ().

    >>> x1, x2 = np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]])
    >>> F.cosine_embedding_loss(x1, x2, np.array([1])).round(4)
    np.float64(0.4)
    """
    input1, input2 = alike("cosine_embedding_loss", input1, input2)
    if not input1.ndim or target.shape != input1.shape[:-1]:
        raise misfit("cosine_embedding_loss", "needs (N, D) and targets (N,)", input1, target)
    cosine, target = cosine_similarity(input1, input2, -1), values(target)
    far = where(target == -1, clip(cosine - margin, 0.0), 0.0)
    return reduced("cosine_embedding_loss", where(target == 1, 1.0 - cosine, far), reduction)


@quiet_function
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Array:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` of vectors (N, D) or (D,).

    d is the `pairwise_distance`.  With `swap` the negative's distance from the positive counts, if
    that is smaller.  Balntas and others, "Learning local feature descriptors" (2016).

    >>> a, p, n = np.array([[0.0]]), np.array([[2.0]]), np.array([[-1.0]])
    >>> F.triplet_margin_loss(a, p, n).round(4)
    np.float64(2.0)
    """
    anchor, positive = alike("triplet_margin_loss", anchor, positive)
    anchor, negative = alike("triplet_margin_loss", anchor, negative)
    near, far = (pairwise_distance(anchor, x, p, eps) for x in (positive, negative))
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced("triplet_margin_loss", clip(near - far + margin, 0.0), reduction)
