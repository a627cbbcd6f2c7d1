"""Normalisation over the batch, over layers, over groups of channels, over single images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.modes import again
from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.ops import arithmetic, norm
from autograd_cnn.ops.pool import max_pool


@checked
def batch_norm(
    input: Array,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    relu: bool = False,
    pool: Sequence[Any] | None = None,
) -> Array:
    """Batch normalisation of input (N, C, ...) per channel, with weight and bias (C,).

    In training the batch's own mean and biased variance normalise, and the running arrays (C,),
    where given, are updated in place: ``running = (1 - momentum) * running + momentum * batch``,
    with the unbiased variance. Otherwise the running arrays normalise.  `pool`, the
    arguments of `max_pool2d` or its form of another rank from kernel_size on, and `relu` are
    computed in the same pass, in less time and memory than afterwards.  Ioffe and Szegedy, "Batch
    normalization" (2015).

    Floats keep their dtype, the running arrays theirs.  Raises ValueError for shapes that do not
    fit, and in training when a channel has a single value, which has no variance.

    >>> import numpy as np
    >>> batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    >>> images = np.array([[[3.0, 5.0, 1.0, 3.0]]])
    >>> batch_norm(images, training=True, eps=2.0, relu=True, pool=[2])
    array([[[1., 0.]]])
    """
    x = values(input)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: input must have shape (N, C, ...), got {x.shape}")
    shape = x.shape[1:2]
    _check_shapes("batch_norm", shape, running_mean=running_mean, running_var=running_var)
    _check_shapes("batch_norm", shape, weight=weight, bias=bias)
    window = None
    if pool is not None:
        if x.ndim < 3:
            raise ValueError(f"batch_norm: there is nothing to pool in an input of {x.shape}")
        if not 1 <= len(pool) <= 5:
            raise ValueError(
                "batch_norm: pool must be kernel_size, and up to four more arguments of "
                f"max_pool2d, got {pool!r}"
            )
        window = pool_geometry("max", x.ndim - 2, x.shape, *pool)
    if not training:
        running = running_mean, running_var, weight, bias, eps
        if window is None:
            return _by_running("batch_norm", input, *running, relu)
        out = max_pool(_by_running("batch_norm", input, *running), window=window)
        return arithmetic.relu(out) if relu else out
    if kernels.rows_count(x) == 1:
        raise ValueError(
            f"batch_norm: training on input of shape {x.shape} gives one value per channel, which "
            "has no variance; use a larger batch, or eval()"
        )
    if running_mean is None or running_var is None or again.get():
        return norm.batch_norm(input, weight, bias, eps=eps, relu=relu, pool=window)
    statistics = np.empty((2, *shape), x.dtype)
    out = norm.batch_norm(
        input, weight, bias, eps=eps, statistics=statistics, relu=relu, pool=window
    )
    if x.size:
        _follow(running_mean, running_var, statistics, kernels.rows_count(x), momentum)
    return out


def _by_running(
    name: str,
    input: Array,
    mean: Any,
    var: Any,
    weight: Any,
    bias: Any,
    eps: float,
    relu: bool = False,
) -> Array:
    """`input` normalised by running statistics, as one product and one sum per channel."""
    if mean is None or var is None:
        raise ValueError(f"{name}: evaluation (training=False) needs running_mean and running_var")
    dtype = input.dtype
    scale = (1.0 / np.sqrt(var + eps)).astype(dtype, copy=False)
    factor = scale if weight is None else weight * scale
    offset = -mean.astype(dtype, copy=False) * factor
    offset = offset if bias is None else offset + bias
    return norm.channel_affine(input, factor, offset, relu=relu)


def _follow(mean: Any, var: Any, statistics: np.ndarray, count: int, momentum: float) -> None:
    """Move running mean and unbiased variance towards a batch of `count` values per channel."""
    for running, batch in ((mean, statistics[0]), (var, statistics[1] * (count / (count - 1)))):
        running *= 1.0 - momentum
        running += momentum * batch


def _scaled(x: Array, weight: Array | None, bias: Array | None, shape: tuple[int, ...]) -> Array:
    """x * weight + bias, each where given, in the shape to broadcast."""
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _check_shapes(name: str, shape: tuple[int, ...], **given: Array | None) -> None:
    for argument, v in given.items():
        if v is not None and v.shape != shape:
            raise ValueError(f"{name}: {argument} must have shape {shape}, got {v.shape}")
        if argument.startswith("running") and v is not None and v.dtype.kind != "f":
            raise TypeError(f"{name}: {argument} must hold floating numbers, got dtype {v.dtype}")


@checked
def layer_norm(
    input: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise the last axes of input (..., *normalized_shape) to mean 0 and variance 1, then
    scale by `weight` and shift by `bias`, both of shape normalized_shape.

    The variance is the biased one, `eps` is added to it.  Ba, Kiros and Hinton, "Layer
    normalization" (2016).  Floats keep their dtype.  Raises ValueError when `input` does not end in
    normalized_shape.

    >>> import numpy as np
    >>> layer_norm(np.array([[1.0, 3.0], [5.0, 5.0]]), 2, eps=0.1).round(3)
    array([[-0.953,  0.953],
           [ 0.   ,  0.   ]])
    """
    given = normalized_shape
    shape = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    leading = input.ndim - len(shape)
    if not shape or leading < 0 or input.shape[leading:] != shape:
        raise ValueError(
            f"layer_norm: input of shape {input.shape} does not end in normalized_shape {shape}"
        )
    _check_shapes("layer_norm", shape, weight=weight, bias=bias)
    rows = math.prod(input.shape[:leading])
    # The rows are the channels of one image: batch normalisation normalises each.
    flat = input.reshape((1, rows, math.prod(shape)))
    return _scaled(norm.batch_norm(flat, eps=eps).reshape(input.shape), weight, bias, shape)


@checked
def group_norm(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise each of `num_groups` groups of channels of each image of input (N, C, ...) to mean
    0 and variance 1, then scale by `weight` (C,) and shift by `bias` (C,).

    The variance is the biased one, `eps` is added to it.  Wu and He, "Group normalization" (2018).
    Floats keep their dtype.  Raises ValueError when num_groups does not divide C.

    >>> import numpy as np
    >>> group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    if input.ndim < 2:
        raise ValueError(f"group_norm: input must have shape (N, C, ...), got {input.shape}")
    n, c, *rest = input.shape
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"group_norm: num_groups must divide the {c} channels, got {num_groups}")
    _check_shapes("group_norm", (c,), weight=weight, bias=bias)
    flat = input.reshape((1, n * num_groups, c // num_groups * math.prod(rest)))
    out = norm.batch_norm(flat, eps=eps).reshape(input.shape)
    return _scaled(out, weight, bias, (1, c, *(1,) * len(rest)))


@checked
def instance_norm(
    input: Array,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalise each channel of each image of input (N, C, ...) to mean 0 and variance 1, then
    scale by `weight` (C,) and shift by `bias` (C,).

    With `use_input_stats` the image's own mean and biased variance normalise, and the running
    arrays (C,), where given, follow the batch's averages as in `batch_norm`; otherwise the running
    arrays normalise.  Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016).  Raises
    ValueError when a channel of an image has a single value, which has no variance.

    >>> import numpy as np
    >>> instance_norm(np.array([[[1.0, 3.0]], [[10.0, 30.0]]]), eps=0.0)
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]])
    """
    if input.ndim < 3:
        raise ValueError(f"instance_norm: input must have shape (N, C, L, ...), got {input.shape}")
    n, c, *rest = input.shape
    _check_shapes("instance_norm", (c,), running_mean=running_mean, running_var=running_var)
    _check_shapes("instance_norm", (c,), weight=weight, bias=bias)
    if not use_input_stats:
        return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)
    count = math.prod(rest)
    if count == 1:
        raise ValueError(
            f"instance_norm: input of shape {input.shape} has one value per channel and image, "
            "which has no variance"
        )
    statistics = np.empty((2, n * c), input.dtype)
    flat = norm.batch_norm(input.reshape((1, n * c, count)), eps=eps, statistics=statistics)
    tracked = running_mean is not None and running_var is not None
    if tracked and values(input).size and not again.get():
        averages = statistics.reshape(2, n, c).mean(axis=1)
        _follow(running_mean, running_var, averages, count, momentum)
    return _scaled(flat.reshape(input.shape), weight, bias, (1, c, *(1,) * len(rest)))
