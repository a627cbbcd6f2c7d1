"""Losses of classifiers: cross entropy of logits, of log-probabilities, of yes-or-no logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.checks import warn
from autograd_cnn.config import default_array
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.functional.activations import log_softmax
from autograd_cnn.functional.arguments import plain_value, reduce_losses, same_shape
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.loss import check_classes, sigmoid_cross_entropy, softmax_cross_entropy


def _maker(x: Any) -> str:
    """The name of the op that made a recorded tensor."""
    return x.op.name if isinstance(x, Node) and x.op is not None else ""


def _weighted(
    name: str, losses: Array, target: np.ndarray, weight: Array | None, ignored: Any, reduction: str
) -> Array:
    """Losses per sample, weighted by class, without the ignored ones; the mean divides by the sum
    of weights.
    """
    if weight is None and ignored is None:
        return reduce_losses(name, losses, reduction)
    factors: Any = np.ones(target.shape, losses.dtype)
    if weight is not None:
        factors = values(weight)[
            np.where(target < 0, 0, target) if ignored is None else np.where(ignored, 0, target)
        ]
    if ignored is not None:
        factors = np.where(ignored, np.zeros((), losses.dtype), factors)
        losses = where(ignored, 0.0, losses)
    losses = losses * factors
    if reduction != "mean":
        return reduce_losses(name, losses, reduction)
    total = factors.sum()
    if not total and target.size:
        warn(f"{name}: every target is ignored or has weight 0, so the mean is NaN")
    return losses.sum() * (1.0 / total if total else np.nan)


def _class_weight(name: str, weight: Any, logits: Array) -> Any:
    if weight is None:
        return None
    plain_value(name, "weight", weight)
    weight = default_array(values(weight)).astype(logits.dtype, copy=False)
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
    (N, K, ...). `weight` (K,) weighs classes, and the mean then divides by the sum of the weights
    met; targets equal to `ignore_index` count nowhere (all ignored: NaN and a warning);
    `label_smoothing` in [0, 1] mixes the target with the uniform distribution (Szegedy et al.,
    2016).  `reduction` is 'mean', 'sum' or 'none' (N, ...).

    Raises ValueError for a class out of range or shapes that do not fit, TypeError for float class
    targets.  Warns when `input` is the result of softmax or log_softmax.

    >>> import numpy as np
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(
            f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}"
        )
    maker = _maker(input)
    if maker in ("softmax", "log_softmax"):
        fix = "nll_loss takes log-probabilities" if maker == "log_softmax" else ""
        _warn_twice("cross_entropy", maker, fix or "pass the logits, before softmax")
    if np.shape(values(target)) == input.shape and input.ndim > 1:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    target = np.asarray(values(target))
    every = check_classes("cross_entropy", input, target, ignore_index)
    weight = _class_weight("cross_entropy", weight, input)
    ignored = None if every and not 0 <= ignore_index < input.shape[1] else target == ignore_index
    if ignored is None or not ignored.any():
        ignored = None
    else:  # ignored rows may hold infinite logits: replace them before they reach the softmax
        input = where(np.expand_dims(ignored, 1), 0.0, input)
        target = np.where(ignored, 0, target)
    losses = softmax_cross_entropy(input, target=target)
    if not label_smoothing:
        return _weighted("cross_entropy", losses, target, weight, ignored, reduction)
    return _smoothed(input, losses, target, weight, ignored, reduction, label_smoothing)


def _smoothed(
    input: Array, losses: Array, target: Any, weight: Any, ignored: Any, kind: str, smoothing: float
) -> Array:
    """(1 - s) of the class loss and s of the loss against every class alike."""
    k = input.shape[1]
    uniform = np.ones(k, input.dtype) if weight is None else weight
    shape = (1, k, *(1,) * (input.ndim - 2))
    spread = -(log_softmax(input, 1) * (uniform.reshape(shape) / k)).sum(axis=1)
    if ignored is not None:
        spread = where(ignored, 0.0, spread)
    main = _weighted("cross_entropy", losses, target, weight, ignored, kind)
    if kind == "mean":
        counted = uniform[target] if ignored is None else np.where(ignored, 0.0, uniform[target])
        spread = spread.sum() * (1.0 / counted.sum() if counted.sum() else np.nan)
    else:
        spread = reduce_losses("cross_entropy", spread, kind)
    return (1.0 - smoothing) * main + smoothing * spread


def _soft_cross_entropy(
    input: Array, target: Array, weight: Any, kind: str, smoothing: float
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
    return reduce_losses("cross_entropy", -terms.sum(axis=1), kind)


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

    >>> import numpy as np
    >>> nll_loss(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """
    if _maker(input) == "softmax":
        warn(
            "nll_loss: the input is the result of softmax, but log-probabilities are expected; use "
            "log_softmax, or cross_entropy on the logits"
        )
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

    Raises ValueError for shapes that do not fit.  Warns when `input` is the result of a sigmoid.

    >>> import numpy as np
    >>> binary_cross_entropy_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0])).round(4)
    np.float64(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    target = same_shape(name, input, target)
    if _maker(input) == "sigmoid":
        _warn_twice(name, "sigmoid", "pass the values before sigmoid")
    if values(target).dtype != input.dtype:
        target = target.astype(input.dtype)
    factors = [
        _factor(name, n, v, input) for n, v in (("weight", weight), ("pos_weight", pos_weight))
    ]
    losses = sigmoid_cross_entropy(
        input, target, pos_weight=1.0 if factors[1] is None else factors[1]
    )
    return reduce_losses(name, losses if factors[0] is None else losses * factors[0], reduction)


def _factor(name: str, argument: str, value: Any, input: Array) -> Any:
    """A constant array that broadcasts against the input, in its dtype."""
    if value is None:
        return None
    plain_value(name, argument, value)
    array = np.asarray(values(value), input.dtype)
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


def _warn_twice(name: str, applied: str, fix: str) -> None:
    warn(f"{name}: the input is the result of {applied}, which {name} applies itself; {fix}")
