"""Losses of classifiers: cross entropy of logits, of log-probabilities and of binary logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.checks import number, warn
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.functional.activations import log_softmax
from autograd_cnn.functional.layers import one_hot
from autograd_cnn.functional.losses import alike, check_shapes, reduced
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import log, power, sigmoid
from autograd_cnn.ops.formulas import functional
from autograd_cnn.ops.loss import check_classes, sigmoid_cross_entropy, softmax_cross_entropy
from autograd_cnn.ops.reduce import sum
from autograd_cnn.ops.shape import floating
from autograd_cnn.ops.signatures import quiet_function

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss",
    "sigmoid_focal_loss",
]  # fmt: skip

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
"""The warning, by loss and by the op that made its input."""


def _warn_of_probabilities(name: str, input: Array) -> None:
    if isinstance(input, Node) and input.op is not None:
        advice = _APPLIED_TWICE.get((name, input.op.name))
        if advice is not None:
            warn(f"{name}: the input is the result of {input.op.name}, {advice}")


def _settings(name: str, argument: str, value: Any, input: Array) -> np.ndarray:
    """The array behind weights, which get no gradient, in the dtype of the input."""
    if isinstance(value, Node) and value.tracked:
        raise TypeError(f"{name}: {argument} gets no gradient; pass .detach() of it")
    dtype = _floating(input)
    return np.asarray(as_numbers(name, argument, value, dtype), dtype)


def _floating(input: Array) -> Any:
    """The dtype that targets and weights take beside these logits."""
    return input.dtype if input.dtype.kind == "f" else get_default_dtype()


def _class_weight(name: str, weight: Any, logits: Array) -> Any:
    if weight is None:
        return None
    weight = _settings(name, "weight", weight, logits)
    if weight.shape != (logits.shape[1],):
        raise ValueError(
            f"{name}: weight must have shape ({logits.shape[1]},), one per class, got "
            f"{weight.shape}"
        )
    return weight


def _classes(name: str, input: Array, target: Any, ignore_index: int) -> tuple[np.ndarray, Any]:
    """Integer targets, with class 0 for the ignored ones, and where these are (None: nowhere)."""
    target = np.array(values(target))  # as checked, whatever another thread writes
    every = check_classes(name, input, target, ignore_index, single=True)
    if every and not 0 <= ignore_index < input.shape[1]:
        return target, None
    ignored = target == ignore_index
    return (np.where(ignored, 0, target), ignored) if ignored.any() else (target, None)


def _loss_of_one(
    loss: Any, input: Array, target: Any, weight: Any, ignored: int, reduction: str, *more: Any
) -> Array:
    """The loss of a single sample, with logits (K,)."""
    if loss is nll_loss or np.shape(values(target)) != input.shape:
        check_classes(loss.__name__, input, target, ignored, single=True)
    batch = input.reshape((1, *input.shape)), target.reshape((1, *target.shape))
    out = loss(*batch, weight, ignored, reduction, *more)
    return out.reshape(()) if reduction == "none" else out


def _reduce_classes(
    name: str,
    losses: Array,
    target: np.ndarray,
    weight: Any,
    ignored: Any,
    reduction: str,
    weighted: bool = False,
) -> Array:
    """The losses without ignored samples, multiplied by the weights of their classes unless they
    are `weighted` already; the mean divides by the sum of these weights.
    """
    if weight is None and ignored is None:
        return reduced(name, losses, reduction)
    factors = np.ones(target.shape, losses.dtype) if weight is None else weight[target]
    if ignored is not None:
        factors = np.where(ignored, np.zeros((), losses.dtype), factors)
        losses = where(ignored, 0.0, losses)
    if not weighted:
        losses = losses * factors
    if reduction != "mean":
        return reduced(name, losses, reduction)
    total = sum(factors)
    if not total and target.size:
        warn(f"{name}: every target is ignored or has weight 0, so the mean is NaN")
    return sum(losses) * (1.0 / total if total else np.nan)


def _of_probabilities(input: Array, target: Array, weight: Any, smoothing: float) -> Array:
    """-sum(weight * target * log_softmax(input)) over the classes, with the target mixed with the
    uniform distribution: (N, ...).
    """
    logs = log_softmax(input, 1)
    as_numbers("cross_entropy", "target", target, logs.dtype)
    target = target.astype(logs.dtype)
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / input.shape[1]
    if weight is not None:
        target = target * weight.reshape((-1, *(1,) * (input.ndim - 2)))  # (K, 1, ...)
    nothing = (values(target) == 0) & (values(logs) == -np.inf)
    return -sum(where(nothing, 0.0, logs) * target, axis=1)


@quiet_function
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Softmax cross entropy of logits (N, K, ...) with targets.  Do not apply softmax first.

    `target` holds integer classes (N, ...), or probabilities or one-hot rows (N, K, ...).  Logits
    (K,) of a single sample go with a 0-d target or with probabilities (K,).  `weight` (K,) weighs
    classes, and the mean divides by the sum of the weights of the targets.  Targets equal to
    `ignore_index` do not count; if all are ignored, the mean is NaN, with a warning.
    `label_smoothing` in [0, 1] mixes the target with the uniform distribution (Szegedy et al.,
    2016).  `reduction` is 'mean', 'sum' or 'none' (N, ...).

    >>> F.cross_entropy(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """
    name = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        number(name, "label_smoothing", label_smoothing, 0, 1)
    _warn_of_probabilities(name, input)
    if input.ndim == 1:
        settings = (weight, ignore_index, reduction, label_smoothing)
        return _loss_of_one(cross_entropy, input, target, *settings)
    if np.shape(values(target)) == input.shape and input.ndim:
        weight = _class_weight(name, weight, input)
        return reduced(name, _of_probabilities(input, target, weight, label_smoothing), reduction)
    target, ignored = _classes(name, input, target, ignore_index)
    weight = _class_weight(name, weight, input)
    if ignored is not None:  # ignored rows may hold infinite logits, which must not reach softmax
        input = where(np.expand_dims(ignored, 1), 0.0, input)
    if not label_smoothing:
        losses = softmax_cross_entropy(input, target=target)
        return _reduce_classes(name, losses, target, weight, ignored, reduction)
    rows = np.moveaxis(one_hot(target, input.shape[1]), -1, 1)  # (N, K, ...)
    losses = _of_probabilities(input, rows, weight, label_smoothing)
    return _reduce_classes(name, losses, target, weight, ignored, reduction, weighted=True)


@quiet_function
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """Negative log likelihood: minus the log-probability (N, K, ...) of the target class (N, ...),
    or (K,) of a 0-d target.

    ``nll_loss(log_softmax(input, 1), target)`` is `cross_entropy`, with the same settings.

    >>> F.nll_loss(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """
    _warn_of_probabilities("nll_loss", input)
    if input.ndim == 1:
        return _loss_of_one(nll_loss, input, target, weight, ignore_index, reduction)
    target, ignored = _classes("nll_loss", input, target, ignore_index)
    weight = _class_weight("nll_loss", weight, input)
    n, *rest = np.indices(target.shape, sparse=True)
    losses = -floating(input)[(n, target, *rest)]
    return _reduce_classes("nll_loss", losses, target, weight, ignored, reduction)


@quiet_function
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """``-(pos_weight * t * log(s) + (1 - t) * log(1 - s))`` of logits `input` and targets t in
    [0, 1] of the same shape, with s = sigmoid(input).  Do not apply sigmoid first.

    `pos_weight` weighs the positive class and `weight` each value; both broadcast against the
    input.  The mean divides by the number of values.  Finite logits give finite losses.
    `reduction` is 'mean', 'sum' or 'none'.

    >>> x, t = np.array([0.0, 1000.0]), np.array([1.0, 1.0])
    >>> F.binary_cross_entropy_with_logits(x, t).round(4)
    np.float64(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    check_shapes(name, input, target)
    _warn_of_probabilities(name, input)
    if values(target).dtype != _floating(input):
        as_numbers(name, "target", target, _floating(input))
        target = target.astype(_floating(input))
    factor = None if weight is None else _factor(name, "weight", weight, input)
    positive = 1.0 if pos_weight is None else _factor(name, "pos_weight", pos_weight, input)
    losses = sigmoid_cross_entropy(input, target, pos_weight=positive)
    return reduced(name, losses if factor is None else losses * factor, reduction)


def _log(x: Array) -> Array:
    """log(x), at least -100; the gradient is 0 where it would be less."""
    small = x < math.exp(-100.0)
    return where(small, -100.0, log(where(small, 1.0, x)))


def _of_chances(name: str, input: Array, target: Array, weight: Array | None) -> Array:
    p, t = alike(name, input, target)
    wrong = (values(p) < 0) | (values(p) > 1)
    if wrong.any():
        found = values(p)[wrong].flat[0]
        raise ValueError(f"{name}: input must lie between 0 and 1, got {found:g}; apply sigmoid")
    losses = -(t * _log(p) + (1.0 - t) * _log(1.0 - p))
    return losses if weight is None else losses * _factor(name, "weight", weight, p)


def _focal(inputs: Array, targets: Array, alpha: float, gamma: float) -> Array:
    x, t = alike("sigmoid_focal_loss", inputs, targets)
    wrong = t + sigmoid(x) * (1.0 - 2.0 * t)  # the probability of the other class
    losses = sigmoid_cross_entropy(x, t) * power(wrong, gamma)
    return losses if alpha < 0 else losses * (t * alpha + (1.0 - t) * (1.0 - alpha))


# fmt: off
binary_cross_entropy = functional(
    lambda input, target, weight=None, reduction="mean": reduced(
        "binary_cross_entropy",
        _of_chances("binary_cross_entropy", input, target, weight), reduction),
    "``-(t * log(p) + (1 - t) * log(1 - p))`` of probabilities p, the input, and targets t.\n\n"
    "A logarithm is at least -100, with gradient 0 below.  Logits are more exact, by\n"
    "`binary_cross_entropy_with_logits`, whose settings these are.",
    "binary_cross_entropy([0.5, 0.0], [1.0, 1.0], None, 'none').round(4) -> [  0.6931, 100.    ]")
sigmoid_focal_loss = functional(
    lambda inputs, targets, alpha=0.25, gamma=2.0, reduction="none": reduced(
        "sigmoid_focal_loss", _focal(inputs, targets, alpha, gamma), reduction),
    "`binary_cross_entropy_with_logits` times ``(1 - p) ** gamma``, with p the probability of the\n"
    "target, and times `alpha` for class 1 and 1 - alpha for class 0, unless that is negative.\n\n"
    "Lin and others, \"Focal loss for dense object detection\" (2017); torchvision's signature.",
    "sigmoid_focal_loss([0.0, 3.0], [1.0, 1.0]).round(4) -> [0.0433, 0.    ]")
# fmt: on


def _factor(name: str, argument: str, value: Any, input: Array) -> np.ndarray:
    """A constant array that broadcasts against the input, in its dtype."""
    array = _settings(name, argument, value, input)
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
