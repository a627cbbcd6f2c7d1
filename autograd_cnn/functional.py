"""PyTorch's functional signatures, composed from ops.  Import it as F.

Every function takes tensors or arrays and answers in kind, as ops do.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.graph import Array, values
from autograd_cnn.kernels import reference as kernels
from autograd_cnn.modes import default_array
from autograd_cnn.ops import conv, elementwise, linalg, norm, pool, reduction
from autograd_cnn.ops.elementwise import relu, sigmoid, tanh, where
from autograd_cnn.ops.loss import check_classes, softmax_cross_entropy

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "cross_entropy",
    "dropout",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]


# ------------------------------------------------------------------------------------------- layers


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """``input @ weight.T + bias``: input (..., in), weight (out, in), bias (out,) -> (..., out).

    Raises ValueError when the last axis of `input` is not `in`.

    >>> import numpy as np
    >>> linear(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    array([[3., 7.]])
    """
    return linalg.linear(input, weight, bias)


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of input (N, C, H, W) with weight (F, C / groups, KH, KW), plus bias (F,):
    (N, F, OH, OW).

    `ops.conv2d` describes the settings.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), padding="same")[0, 0]
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]])
    """
    return conv.conv2d(
        input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def max_pool2d(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window; see `ops.max_pool2d`.

    With `return_indices` also a plain array of where each came from, counted row by row in the (H,
    W) image.

    >>> import numpy as np
    >>> out, where = max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2, return_indices=True)
    >>> where[0, 0]
    array([[ 5,  7],
           [13, 15]])
    """
    settings = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    out = pool.max_pool2d(input, **settings)
    return (out, pool.winning_cells(input, out, **settings)) if return_indices else out


def avg_pool2d(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window; see `ops.avg_pool2d`.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return pool.avg_pool2d(
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """Axes `start_dim` to `end_dim` joined into one.

    >>> import numpy as np
    >>> flatten(np.ones((2, 3, 4, 5)), start_dim=1).shape
    (2, 60)
    """
    if not input.ndim:
        return input.reshape((1,))
    first, last = (d + input.ndim if d < 0 else d for d in (start_dim, end_dim))
    if not 0 <= first <= last < input.ndim:
        raise ValueError(
            f"flatten: start_dim={start_dim}, end_dim={end_dim} name no range of the {input.ndim} "
            f"axes of {input.shape}"
        )
    joined = int(np.prod(input.shape[first : last + 1]))
    return input.reshape((*input.shape[:first], joined, *input.shape[last + 1 :]))


def batch_norm(
    input: Array,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Batch normalisation of input (N, C, ...) per channel, with weight and bias (C,).

    In training the batch's own mean and biased variance normalise, and the running arrays (C,),
    where given, are updated in place: ``running = (1 - momentum) * running + momentum * batch``,
    with the unbiased variance. Otherwise the running arrays normalise.  Ioffe and Szegedy, "Batch
    normalization" (2015).

    Raises ValueError in training when a channel has a single value, which has no variance.

    >>> import numpy as np
    >>> batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    x = values(input)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: evaluation (training=False) needs running_mean and running_var"
            )
        shape = (1, -1, *(1,) * (x.ndim - 2))
        scale = (1.0 / np.sqrt(running_var + eps)).astype(x.dtype, copy=False)
        factor = scale if weight is None else weight * scale
        offset = -running_mean.astype(x.dtype, copy=False) * factor
        offset = offset if bias is None else offset + bias
        return input * factor.reshape(shape) + offset.reshape(shape)
    if x.ndim >= 2 and kernels.rows_count(x) == 1:
        raise ValueError(
            f"batch_norm: training on input of shape {x.shape} gives one value per channel, which "
            "has no variance; "
            f"use a larger batch, or eval()"
        )
    if running_mean is None or running_var is None:
        return norm.batch_norm(input, weight, bias, eps=eps)
    statistics = np.empty((2, *x.shape[1:2]), x.dtype)
    out = norm.batch_norm(input, weight, bias, eps=eps, statistics=statistics)
    if x.size:
        count = kernels.rows_count(x)
        for running, batch in (
            (running_mean, statistics[0]),
            (running_var, statistics[1] * (count / (count - 1))),
        ):
            running *= 1.0 - momentum
            running += momentum * batch
    return out


def dropout(input: Array, p: float = 0.5, training: bool = True) -> Array:
    """Zero each value with probability `p` and scale the others by 1 / (1 - p); nothing changes
    unless `training`.

    Draws from the generator that `manual_seed` seeds.  Srivastava et al., "Dropout" (2014).

    >>> import numpy as np
    >>> dropout(np.ones(3), p=0.5, training=False)
    array([1., 1., 1.])
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability between 0 and 1, got {p}")
    if not training or p == 0.0:
        return input
    x = values(input)
    kept = random.generator().random(x.shape, np.float32) >= p
    factor = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return input * (kept * x.dtype.type(factor))


# ------------------------------------------------------------------------------- softmax and losses


def softmax(input: Array, dim: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along `dim`; see `ops.softmax`.

    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return reduction.softmax(input, axis=dim)


def log_softmax(input: Array, dim: int = -1) -> Array:
    """log(softmax(x)) along `dim`; see `ops.log_softmax`.

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return reduction.log_softmax(input, axis=dim)


def one_hot(target: Any, num_classes: int = -1) -> np.ndarray:
    """Integer classes (...,) as rows of 0 and 1 (..., num_classes), a plain integer array.

    `num_classes` defaults to the largest class plus one.  Raises ValueError for a class out of
    range.

    >>> one_hot([2, 0])
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    target = np.asarray(values(target))
    if target.dtype.kind not in "iu":
        raise TypeError(f"one_hot: target must hold integer classes, got dtype {target.dtype}")
    k = num_classes if num_classes >= 0 else int(target.max(initial=-1)) + 1
    if target.size and not 0 <= target.min() <= target.max() < k:
        raise ValueError(
            f"one_hot: classes {target.min()} to {target.max()} do not fit into 0 to {k - 1}"
        )
    return (target[..., None] == np.arange(k)).astype(np.int64)


def _reduce(name: str, losses: Array, reduction: str) -> Array:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _weighted(
    name: str, losses: Array, target: np.ndarray, weight: Array | None, ignored: Any, reduction: str
) -> Array:
    """Losses per sample, weighted by class, without the ignored ones; the mean divides by the sum
    of weights.
    """
    if weight is None and ignored is None:
        return _reduce(name, losses, reduction)
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
        return _reduce(name, losses, reduction)
    total = factors.sum()
    if not total and target.size:
        warnings.warn(
            f"{name}: every target is ignored or has weight 0, so the mean is NaN", stacklevel=3
        )
    return losses.sum() * (1.0 / total if total else np.nan)


def _class_weight(name: str, weight: Any, logits: Array) -> Any:
    if weight is None:
        return None
    weight = default_array(values(weight)).astype(logits.dtype, copy=False)
    if weight.shape != (logits.shape[1],):
        raise ValueError(
            f"{name}: weight must have shape ({logits.shape[1]},), one per class, got "
            f"{weight.shape}"
        )
    return weight


def cross_entropy(
    input: Array,
    target: Any,
    weight: Any = None,
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
    targets.

    >>> import numpy as np
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(
            f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}"
        )
    target = np.asarray(values(target))
    if target.shape == input.shape and input.ndim > 1:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    check_classes("cross_entropy", input, target, ignore_index)
    weight = _class_weight("cross_entropy", weight, input)
    ignored = target == ignore_index
    if not ignored.any():
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
        spread = _reduce("cross_entropy", spread, kind)
    return (1.0 - smoothing) * main + smoothing * spread


def _soft_cross_entropy(
    input: Array, target: np.ndarray, weight: Any, kind: str, smoothing: float
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
    terms = where(target == 0, 0.0, log_softmax(input, 1)) * target
    return _reduce("cross_entropy", -terms.sum(axis=1), kind)


def nll_loss(
    input: Array, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Array:
    """Negative log likelihood: minus the log-probability (N, K, ...) of the target class (N, ...).

    The arguments are those of `cross_entropy`, which is ``nll_loss(log_softmax(input, 1),
    target)``.

    >>> import numpy as np
    >>> round(nll_loss(np.log([[0.25, 0.75]]), np.array([1])).item(), 4)  # -log(0.75)
    0.2877
    """
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


def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """Squared error (input - target)^2, averaged over all values; the shapes must be equal.

    Equal, because (N, 1) against (N,) would broadcast to (N, N) and train on nonsense.

    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """
    target = target if hasattr(target, "shape") else default_array(target)
    if input.shape != target.shape:
        raise ValueError(
            f"mse_loss: input and target must have the same shape, got {input.shape} and "
            f"{target.shape}; "
            f"reshape one of them"
        )
    difference = elementwise.subtract(input, target)
    return _reduce("mse_loss", difference * difference, reduction)
