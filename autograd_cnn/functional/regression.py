"""Losses between values, and between distributions."""

from __future__ import annotations

from typing import Any

from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.arguments import reduce_losses, same_shape
from autograd_cnn.ops.arithmetic import abs, clip, where
from autograd_cnn.ops.exponential import exp, log


def _difference(name: str, input: Any, target: Any) -> Array:
    return input - same_shape(name, input, target)


@checked
def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """Squared error (input - target)^2, averaged over all values; the shapes must be equal.

    Equal, because (N, 1) against (N,) would broadcast to (N, N) and train on nonsense.
    `reduction` is 'mean', 'sum' or 'none' (the shape of the input).  Dtypes promote as in NumPy.
    Raises ValueError otherwise.

    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """
    difference = _difference("mse_loss", input, target)
    return reduce_losses("mse_loss", difference * difference, reduction)


@checked
def l1_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """Absolute error |input - target|, with gradient 0 where they are equal.

    Shapes, reductions and errors as in `mse_loss`.

    >>> import numpy as np
    >>> l1_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    1.5
    """
    return reduce_losses("l1_loss", abs(_difference("l1_loss", input, target)), reduction)


def _huber(difference: Array, delta: float) -> Array:
    """d^2 / 2 up to |d| = delta, and on along the tangent: c * (d - c / 2) with c = clip(d)."""
    clipped = clip(difference, min=-delta, max=delta)
    return clipped * (difference - 0.5 * clipped)


@checked
def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    """``d^2 / 2`` where |d| = |input - target| is at most `delta`, ``delta * (|d| - delta / 2)``
    beyond.

    Huber, "Robust estimation of a location parameter" (1964).  Shapes, reductions and errors as in
    `mse_loss`; ValueError unless delta > 0.

    >>> import numpy as np
    >>> huber_loss(np.array([0.5, 4.0]), np.zeros(2), reduction="none")
    array([0.125, 3.5  ])
    """
    if not delta > 0.0:
        raise ValueError(f"huber_loss: delta must be greater than 0, got {delta}")
    losses = _huber(_difference("huber_loss", input, target), delta)
    return reduce_losses("huber_loss", losses, reduction)


@checked
def smooth_l1_loss(
    input: Array, target: Array, reduction: str = "mean", beta: float = 1.0
) -> Array:
    """``d^2 / (2 * beta)`` where |d| = |input - target| is below `beta`, ``|d| - beta / 2`` beyond;
    `l1_loss` for a beta of 0.

    Girshick, "Fast R-CNN" (2015).  Shapes, reductions and errors as in `mse_loss`; ValueError for a
    negative beta.

    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 4.0]), np.zeros(2), reduction="none", beta=2.0)
    array([0.0625, 3.    ])
    """
    if not beta >= 0.0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0, got {beta}")
    difference = _difference("smooth_l1_loss", input, target)
    losses = _huber(difference, beta) * (1.0 / beta) if beta else abs(difference)
    return reduce_losses("smooth_l1_loss", losses, reduction)


@checked
def kl_div(input: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """Kullback-Leibler divergence ``target * (log(target) - input)`` of log-probabilities `input`
    from probabilities `target`, value by value; 0 where the target is 0.

    With `log_target` the target holds log-probabilities too.  `reduction` is 'mean' over all
    values, 'batchmean' (the sum divided by the first axis, which is the mathematical divergence),
    'sum' or 'none'.  Kullback and Leibler, "On information and sufficiency" (1951).  Shapes, dtypes
    and errors as in `mse_loss`.

    >>> import numpy as np
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> round(kl_div(np.log(q), p, reduction="batchmean").item(), 6)
    0.143841
    """
    target = same_shape("kl_div", input, target)
    if log_target:
        nothing = values(target) == -float("inf")
        log_target_ = where(nothing, 0.0, target)
        share: Any = exp(target)
    else:
        nothing = values(target) == 0
        log_target_ = log(where(nothing, 1.0, target))
        share = target
    losses = where(nothing, 0.0, share * (log_target_ - input))
    if reduction == "batchmean":
        if not input.ndim:
            raise ValueError("kl_div: reduction='batchmean' needs a batch axis")
        return losses.sum() * (1.0 / input.shape[0] if input.shape[0] else float("nan"))
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"kl_div: reduction must be 'mean', 'batchmean', 'sum' or 'none', got {reduction!r}"
        )
    return reduce_losses("kl_div", losses, reduction)
