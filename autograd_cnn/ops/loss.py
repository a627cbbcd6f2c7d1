"""Softmax and its logarithm; softmax or sigmoid fused with cross entropy, which is cheaper and more
exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.annotations import Axis, Numbers
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.op import op
from autograd_cnn.ops import reduce
from autograd_cnn.ops.exponential import sigmoid, tiny_exp
from autograd_cnn.ops.reduce import expand
from autograd_cnn.ops.shape import floating

__all__ = ["log_softmax", "logsumexp", "softmax", "softmax_cross_entropy"]


_SLOPES: dict[str, Any] = {
    "softmax": lambda g, out, x, axis: out * (g - reduce.sum(g * out, axis=axis, keepdims=True)),
    "log_softmax": lambda g, out, x, axis: (
        g - tiny_exp(out) * reduce.sum(g, axis=axis, keepdims=True)
    ),
    "logsumexp": lambda g, out, x, axis: expand(g, x, axis) * tiny_exp(x - expand(out, x, axis)),
}


def _softened(name: str) -> Any:
    """The rule of a function that kernels know by name: by kernel on arrays, else by formula."""

    def rule(g: Array, out: Array, x: Array, *, axis: Axis, **_: Any) -> Array:
        if isinstance(g, Node) or isinstance(x, Node):
            return _SLOPES[name](g, out, x, axis)
        return kernels.soften_grad(name, g, out, x, axis)

    return rule


@op(x=_softened("logsumexp"))
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))) over `axis` without overflow; -inf where all values are -inf.

    Shifts by the maximum: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and
    softmax functions" (2021).

    >>> ag.logsumexp(np.array([1000.0, 1000.0])).item()
    1000.6931471805599
    """
    return kernels.soften("logsumexp", floating(np.asarray(x)), axis, keepdims)


@op(x=_softened("softmax"))
def softmax(x: Array, *, axis: Axis = -1) -> Array:
    """exp(x) / sum(exp(x)) over `axis`; NaN for a row of -inf, or one that holds inf.

    >>> ag.softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return kernels.soften("softmax", floating(np.asarray(x)), axis, True)


@op(x=_softened("log_softmax"))
def log_softmax(x: Array, *, axis: Axis = -1) -> Array:
    """log(softmax(x)) over `axis`, without overflow.

    >>> ag.log_softmax(np.array([[0.0, -1000.0]]))
    array([[    0., -1000.]])
    """
    return kernels.soften("log_softmax", floating(np.asarray(x)), axis, True)


def _one_hot(target: np.ndarray, like: Array) -> np.ndarray:
    """1 at the target class along axis 1, 0 elsewhere, with the layout of `like` (N, K, ...)."""
    found = np.zeros_like(values(like))
    np.put_along_axis(found, np.expand_dims(target, 1), 1, axis=1)
    return found


def _cross_entropy_logits(
    g: Array, out: Array, logits: Array, *, target: np.ndarray, probabilities: np.ndarray
) -> Array:
    """By kernel on arrays; on tensors by formula, which starts from the logits."""
    if isinstance(g, Node) or isinstance(logits, Node):
        per_class = g.reshape((g.shape[0], 1, *g.shape[1:]))  # (N, 1, ...)
        return per_class * (softmax(logits, axis=1) - _one_hot(target, logits))
    return kernels.cross_entropy_grad(g, probabilities, target)


@op(logits=_cross_entropy_logits, saves=("probabilities",))
def softmax_cross_entropy(logits: Array, *, target: np.ndarray) -> Any:
    """-log(softmax(logits)) of the target class, for each sample: (N, ...).

    `logits` (N, K, ...) are scores of K classes along axis 1; `target` (N, ...) holds classes 0 ...
    K - 1 as integers.  The op behind `functional.cross_entropy`.

    >>> ag.softmax_cross_entropy(np.zeros((1, 4)), target=np.array([2])).item()  # log(4)
    1.3862943611198906
    """
    check_classes("softmax_cross_entropy", logits, target)
    losses, probabilities = kernels.cross_entropy(floating(logits), target)
    return losses, {"probabilities": probabilities}


def _both_classes(logits: Array, pos_weight: Any) -> Array:
    """The derivative of the loss in its target: the loss of class 1 less that of class 0."""
    classes = np.ones_like(values(logits)), np.zeros_like(values(logits))
    one, zero = (sigmoid_cross_entropy(logits, c, pos_weight=pos_weight) for c in classes)
    return one - zero


@op(
    logits=lambda g, out, logits, target, *, pos_weight: (
        g * ((1.0 - target) * sigmoid(logits) - pos_weight * target * sigmoid(-logits))
    ),
    target=lambda g, out, logits, target, *, pos_weight: g * _both_classes(logits, pos_weight),
)
def sigmoid_cross_entropy(logits: Array, target: Array, *, pos_weight: Numbers = 1.0) -> Array:
    """-(p * t * log(s) + (1 - t) * log(1 - s)) of each value, with s = sigmoid(logits).

    t is `target`, of the same shape; p is `pos_weight`, which broadcasts.

    With log(s) = min(x, 0) - log1p(exp(-|x|)) nothing overflows or cancels.  The op behind
    `functional.binary_cross_entropy_with_logits`.

    >>> sigmoid_cross_entropy(np.array([-1000.0, 1000.0]), np.array([1.0, 1.0]))
    array([1000.,    0.])
    """
    if logits.shape != target.shape:
        raise ValueError(
            f"sigmoid_cross_entropy: logits and target must have the same shape, got "
            f"{logits.shape} and {target.shape}"
        )
    logits = floating(logits)
    with np.errstate(under="ignore"):
        present, absent = pos_weight * target, 1.0 - target
        tail = np.log1p(np.exp(-np.abs(logits)))
        out = present * (np.maximum(-logits, 0) + tail) + absent * (np.maximum(logits, 0) + tail)
    return np.asarray(out)


def check_classes(
    name: str,
    logits: Array,
    target: np.ndarray,
    ignore_index: int | None = None,
    single: bool = False,
) -> bool:
    """Whether all of `target` (N, ...) are classes of `logits` (N, K, ...); raises unless
    the others are the ignored value.  With `single`, one sample needs no batch axis.
    """
    if logits.ndim < 2 - single:
        shapes = "(K,) or (N, K, ...)" if single else "(N, K, ...)"
        raise ValueError(
            f"{name}: input must have shape {shapes} with K classes, got {logits.shape}"
        )
    axis = min(logits.ndim - 1, 1)
    k = logits.shape[axis]
    expected = (*logits.shape[:axis], *logits.shape[axis + 1 :])
    target = np.asarray(values(target))
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: target must hold integer classes, got dtype {target.dtype}")
    if target.shape != expected:
        raise ValueError(
            f"{name}: input of shape {logits.shape} needs class targets of shape {expected} or "
            f"probabilities of shape {logits.shape}, got {target.shape}"
        )
    if kernels.first_outside(target, k) is None:
        return True
    wrong = (target < 0) | (target >= k)
    if ignore_index is not None:
        wrong &= target != ignore_index
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = f" in row {where[0]}" if len(where) == 1 else f" in position {where}"
        raise ValueError(
            f"{name}: target {int(target[where])}{place * bool(where)} is not a class; the input "
            f"has {k} classes, 0 to {k - 1}"
        )
    return False
