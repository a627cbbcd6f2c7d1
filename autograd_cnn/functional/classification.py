"""Losses of classifiers: cross entropy of logits, of log-probabilities, of yes-or-no logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.checks import number
from autograd_cnn.config import default_array
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.watch import warn
from autograd_cnn.functional.activations import log_softmax
from autograd_cnn.functional.losses import check_shapes, reduced
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.loss import check_classes, sigmoid_cross_entropy, softmax_cross_entropy

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"]

_APPLIED_TWICE = {
    ("cross_entropy", "softmax"): (
        "which cross_entropy applies itself; pass the logits, before softmax"
    ),
    ("cross_entropy", "log_softmax"): (
        "which cross_entropy applies itself; nll_loss takes log-probabilities"
    ),
    ("nll_loss", "softmax"): (
        "but log-probabilities are expected; use log_softmax, or cross_entropy on the logits"
    ),
    ("binary_cross_entropy_with_logits", "sigmoid"): (
        "which binary_cross_entropy_with_logits applies itself; pass the values before sigmoid"
    ),
}
"""What to say of a loss whose input is the result of an op."""


def _warn_of_probabilities(name: str, input: Array) -> None:
    if isinstance(input, Node) and input.op is not None:
        advice = _APPLIED_TWICE.get((name, input.op.name))
        if advice is not None:
            warn(f"{name}: the input is the result of {input.op.name}, {advice}")


def _constant(name: str, argument: str, value: Any) -> Any:
    """The array behind weights, which get no gradient."""
    if isinstance(value, Node) and value.requires_grad:
        raise TypeError(f"{name}: {argument} gets no gradient; pass .detach() of it")
    return values(value)


def _weighted(
    name: str, losses: Array, target: np.ndarray, weight: Array | None, ignored: Any, reduction: str
) -> Array:
    """Losses per sample, weighted by class, without the ignored ones; the mean divides by the sum
    of weights.
    """
    if weight is None and ignored is None:
        return reduced(name, losses, reduction)
    factors: Any = np.ones(target.shape, losses.dtype)
    if weight is not None:
        factors = weight[np.where(target < 0 if ignored is None else ignored, 0, target)]
    if ignored is not None:
        factors = np.where(ignored, np.zeros((), losses.dtype), factors)
        losses = where(ignored, 0.0, losses)
    losses = losses * factors
    if reduction != "mean":
        return reduced(name, losses, reduction)
    total = factors.sum()
    if not total and target.size:
        warn(f"{name}: every target is ignored or has weight 0, so the mean is NaN")
    return losses.sum() * (1.0 / total if total else np.nan)


def _class_weight(name: str, weight: Any, logits: Array) -> Any:
    if weight is None:
        return None
    weight = default_array(_constant(name, "weight", weight)).astype(logits.dtype, copy=False)
    if weight.shape != (logits.shape[1],):
        raise ValueError(
            f"{name}: weight must have shape ({logits.shape[1]},), one per class, got "
            f"{weight.shape}"
        )
    return weight


@checked
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Softmax cross entropy of logits (N, K, ...) with targets.  Do not apply softmax first.

    `target` holds integer classes (N, ...) of any integer dtype, or probabilities or one-hot rows
    (N, K, ...).  `weight` (K,) weighs classes, and the mean then divides by the sum of the weights
    met.  Targets equal to `ignore_index` count nowhere; if all are, the mean is NaN, with a
    warning.  `label_smoothing` in [0, 1] mixes the target with the uniform distribution (Szegedy et
    al., 2016).  `reduction` is 'mean', 'sum' or 'none' (N, ...).

    Warns when `input` is the result of softmax or log_softmax.

    >>> F.cross_entropy(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """
    name = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        number(name, "label_smoothing", label_smoothing, 0, 1)
    _warn_of_probabilities(name, input)
    if np.shape(values(target)) == input.shape and input.ndim > 1:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    target = np.asarray(values(target))
    every = check_classes(name, input, target, ignore_index)
    weight = _class_weight(name, weight, input)
    ignored = None if every and not 0 <= ignore_index < input.shape[1] else target == ignore_index
    if ignored is None or not ignored.any():
        ignored = None
    else:  # ignored rows may hold infinite logits: replace them before they reach the softmax
        input = where(np.expand_dims(ignored, 1), 0.0, input)
        target = np.where(ignored, 0, target)
    losses = softmax_cross_entropy(input, target=target)
    main = _weighted(name, losses, target, weight, ignored, reduction)
    if not label_smoothing:
        return main
    spread = _against_every_class(input, target, weight, ignored, reduction)
    return (1.0 - label_smoothing) * main + label_smoothing * spread


def _against_every_class(
    input: Array, target: Any, weight: Any, ignored: Any, reduction: str
) -> Array:
    """The loss against the uniform distribution, whose mean divides as that of the targets does."""
    k = input.shape[1]
    uniform = np.ones(k, input.dtype) if weight is None else weight
    shape = (1, k, *(1,) * (input.ndim - 2))
    spread = -(log_softmax(input, 1) * (uniform.reshape(shape) / k)).sum(axis=1)
    if ignored is not None:
        spread = where(ignored, 0.0, spread)
    if reduction != "mean":
        return reduced("cross_entropy", spread, reduction)
    total = np.sum(uniform[target], where=True if ignored is None else ~ignored)
    return spread.sum() * (1.0 / total if total else np.nan)


def _soft_cross_entropy(
    input: Array, target: Array, weight: Any, reduction: str, smoothing: float
) -> Array:
    """-sum(target * log_softmax(input)) over the classes; the mean divides by the number of
    samples.
    """
    k = input.shape[1]
    target = target.astype(input.dtype)
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / k
    weight = _class_weight("cross_entropy", weight, input)
    if weight is not None:
        target = target * weight.reshape((1, k, *(1,) * (input.ndim - 2)))
    logs = log_softmax(input, 1)
    nothing = (values(target) == 0) & (values(logs) == -np.inf)
    terms = where(nothing, 0.0, logs) * target
    return reduced("cross_entropy", -terms.sum(axis=1), reduction)


@checked
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Negative log likelihood: minus the log-probability (N, K, ...) of the target class (N, ...).

    The arguments are those of `cross_entropy`, which is ``nll_loss(log_softmax(input, 1),
    target)``.

    >>> F.nll_loss(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """
    _warn_of_probabilities("nll_loss", input)
    target = np.asarray(values(target))
    check_classes("nll_loss", input, target, ignore_index)
    weight = _class_weight("nll_loss", weight, input)
    ignored = target == ignore_index
    if ignored.any():
        target = np.where(ignored, 0, target)
    else:
        ignored = None
    n, *rest = np.indices(target.shape, sparse=True)
    losses = -input[(n, target, *rest)]
    return _weighted("nll_loss", losses, target, weight, ignored, reduction)


@checked
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """``-(pos_weight * t * log(s) + (1 - t) * log(1 - s))`` of logits `input` and targets t in
    [0, 1] of the same shape, with s = sigmoid(input).  Do not apply sigmoid first.

    `pos_weight` and `weight` broadcast against the input: the first weighs the positive class, the
    second whole values; the mean divides by the number of values.  Finite for any finite logits.
    `reduction` is 'mean', 'sum' or 'none'.

    Warns when `input` is the result of a sigmoid.

    >>> x, t = np.array([0.0, 1000.0]), np.array([1.0, 1.0])
    >>> F.binary_cross_entropy_with_logits(x, t).round(4)
    np.float64(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    check_shapes(name, input, target)
    _warn_of_probabilities(name, input)
    if values(target).dtype != input.dtype:
        target = target.astype(input.dtype)
    factor = None if weight is None else _factor(name, "weight", weight, input)
    positive = 1.0 if pos_weight is None else _factor(name, "pos_weight", pos_weight, input)
    losses = sigmoid_cross_entropy(input, target, pos_weight=positive)
    return reduced(name, losses if factor is None else losses * factor, reduction)


def _factor(name: str, argument: str, value: Any, input: Array) -> np.ndarray:
    """A constant array that broadcasts against the input, in its dtype."""
    array = np.asarray(_constant(name, argument, value), input.dtype)
    try:
        fits = np.broadcast_shapes(array.shape, input.shape) == input.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: {argument} of shape {array.shape} does not broadcast to the input's shape "
            f"{input.shape}"
        )
    return array
