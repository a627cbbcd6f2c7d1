"""Batch, layer, group and instance normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import integer
from autograd_cnn.config import in_dtype_of_weights
from autograd_cnn.engine.modes import recomputing
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.ops import batch_norm as ops
from autograd_cnn.ops import reduce
from autograd_cnn.ops.exponential import power, sqrt
from autograd_cnn.ops.pool import banded, max_pool
from autograd_cnn.ops.shape import floating, statistic
from autograd_cnn.ops.signatures import array_function

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm",
]  # fmt: skip


@array_function
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

    Training normalises by the batch's mean and biased variance, and updates the running arrays
    (C,), where given, in place: ``running = (1 - momentum) * running + momentum * batch``, with the
    unbiased variance.  Evaluation normalises by the running arrays.  Ioffe and Szegedy, "Batch
    normalization" (2015).

    >>> F.batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    running = running_mean, running_var
    return batch_norm_fused(input, *running, weight, bias, training, momentum, eps)


def batch_norm_fused(
    input: Array,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool = False,
    pool: Sequence[Any] | None = None,
) -> Array:
    """`batch_norm`, then max pooling and relu if wanted, in one pass where that is faster.

    `pool` are the arguments of `max_pool2d`, or its form of another rank, from kernel_size on.
    """
    x = input.array if isinstance(input, Node) else input
    shape = x.shape
    if len(shape) < 2:
        raise ValueError(f"batch_norm: input must have shape (N, C, ...), got {shape}")
    _check_shapes("batch_norm", shape[1:2], running_mean=running_mean, running_var=running_var)
    window = None if pool is None else pool_geometry("max", x.ndim - 2, shape, *pool)
    if window is not None and not (training and kernels.pools_in_pass(x, window)):
        state = running_mean, running_var, weight, bias, training, momentum
        return max_pool(batch_norm_fused(input, *state, eps, relu), window=window)
    if not training:
        return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps, relu)
    count = x.size // max(shape[1], 1)
    if count == 1:
        raise ValueError(
            f"batch_norm: training on input of shape {shape} gives one value per channel, which "
            "has no variance; use a larger batch, or eval()"
        )
    settings: Any = {"eps": eps, "relu": relu, "pool": window}
    if running_mean is None or running_var is None or recomputing.get():
        return ops.batch_norm(input, weight, bias, **settings)
    out, mean, var = ops.batch_norm_with_statistics(input, weight, bias, **settings)
    follow(running_mean, running_var, mean, var, count, momentum)
    return out


def _by_running(
    name: str, input: Array, mean: Any, var: Any, weight: Any, bias: Any, eps: float, relu: bool
) -> Array:
    """`input` normalised by running statistics, in one affine map, then relu if wanted."""
    if mean is None or var is None:
        raise ValueError(f"{name}: evaluation (training=False) needs running_mean and running_var")
    input = _check_shapes(name, input.shape[1:2], input, weight=weight, bias=bias)
    if input.dtype.kind in "biu":
        input = floating(input)
    dtype = input.dtype
    scale = (1.0 / np.sqrt(var + eps)).astype(dtype, copy=False)
    factor = scale if weight is None else weight * scale
    offset = -mean.astype(dtype, copy=False) * factor
    return ops.channel_affine(input, factor, offset if bias is None else offset + bias, relu=relu)


shards: ContextVar[dict[int, list[Any]] | None] = ContextVar("autograd_cnn.shards", default=None)
"""What the running means, by their id, are given in a shard of a batch (`training.shards`)."""


def follow(running_mean: Any, running_var: Any, *batch: Any) -> None:
    """`move`, at the end of the batch if this is a shard of it."""
    found = shards.get()
    if found is not None and id(running_mean) in found:
        found[id(running_mean)].append((id(running_var), *batch))
    else:
        move(running_mean, running_var, *batch)


def move(
    running_mean: Any, running_var: Any, mean: Any, var: Any, count: int, momentum: float
) -> None:
    """Move running averages, where there are any, towards the mean and the unbiased variance of a
    batch: `var` is the biased one of `count` values per channel, or of none.
    """
    if running_mean is None or running_var is None or not count:
        return
    unbiased = var * (count / (count - 1))
    for running, batch in ((running_mean, mean), (running_var, unbiased)):
        running *= 1.0 - momentum
        running += momentum * batch


def _check_shapes(
    name: str, shape: tuple[int, ...], input: Array | None = None, **given: Array | None
) -> Any:
    """Check the shape of weights, then their dtype; the `input`, integers in this dtype."""
    for argument, v in given.items():
        if v is not None and v.shape != shape:
            raise ValueError(f"{name}: {argument} must have shape {shape}, got {v.shape}")
        if argument.startswith("running") and v is not None and v.dtype.kind != "f":
            raise TypeError(f"{name}: {argument} must hold floating numbers, got dtype {v.dtype}")
    for v in given.values():
        if input is not None and v is not None and v.dtype is not input.dtype:
            return in_dtype_of_weights(name, input, *given.values())[0]
    return input


def _last_axes(name: str, input: Array, given: Any) -> tuple[tuple[int, ...], int]:
    """normalized_shape as a tuple, and the number of axes of the input before it."""
    shape = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    leading = input.ndim - len(shape)
    if not shape or leading < 0 or input.shape[leading:] != shape:
        raise ValueError(
            f"{name}: input of shape {input.shape} does not end in normalized_shape {shape}"
        )
    return shape, leading


@statistic
def _by_rms(x: Array, *, axes: tuple[int, ...], eps: float) -> Array:
    return x / sqrt(reduce.mean(x * x, axis=axes, keepdims=True) + eps)


@array_function
def rms_norm(
    input: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Array | None = None,
    eps: float | None = None,
) -> Array:
    """Divide the last axes of input (..., *normalized_shape) by the root of their mean square plus
    `eps`, the smallest step of the dtype by default, then scale by `weight`.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).

    >>> F.rms_norm(np.array([[3.0, 3.0], [0.0, 0.0]]), 2, eps=0.1).round(3)
    array([[0.994, 0.994],
           [0.   , 0.   ]])
    """
    shape, leading = _last_axes("rms_norm", input, normalized_shape)
    input = floating(_check_shapes("rms_norm", shape, input, weight=weight))
    step = float(np.finfo(input.dtype).eps) if eps is None else eps
    out = _by_rms(input, axes=tuple(range(leading, input.ndim)), eps=step)
    return out if weight is None else out * weight


@array_function
def local_response_norm(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Input (N, C, ...) divided by ``(k + alpha * m) ** beta``, with m the mean square of `size`
    neighbouring channels; those outside count as 0.

    Krizhevsky, Sutskever and Hinton, "ImageNet classification" (2012).

    >>> F.local_response_norm(np.array([[[1.0], [2.0]]]), 1, alpha=3.0, beta=0.5).ravel().round(4)
    array([0.5   , 0.5547])
    """
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: needs shape (N, C, L, ...), got {input.shape}")
    x, c, n = floating(input), input.shape[1], integer("local_response_norm", "size", size, 1)
    band = np.tri(c, k=(n - 1) // 2) - np.tri(c, k=-(n // 2) - 1)
    return x / power(k + banded(x * x, axis=1, matrix=band * (alpha / n)), beta)


@array_function
def layer_norm(
    input: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise the last axes of input (..., *normalized_shape) to mean 0 and variance 1, then
    scale by `weight` and shift by `bias`, both of shape normalized_shape.

    `eps` is added to the biased variance.  Ba, Kiros and Hinton, "Layer normalization" (2016).

    >>> layer_norm(np.array([[1.0, 3.0], [5.0, 5.0]]), 2, eps=0.1).round(3)
    array([[-0.953,  0.953],
           [ 0.   ,  0.   ]])
    """
    shape, leading = _last_axes("layer_norm", input, normalized_shape)
    input = _check_shapes("layer_norm", shape, input, weight=weight, bias=bias)
    return ops.row_norm(input, weight, bias, lead=leading, groups=0, eps=eps)


@array_function
def group_norm(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalise each of `num_groups` groups of channels of each image of input (N, C, ...) to mean
    0 and variance 1, then scale by `weight` (C,) and shift by `bias` (C,).

    `eps` is added to the biased variance.  Wu and He, "Group normalization" (2018).

    >>> group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    if input.ndim < 2:
        raise ValueError(f"group_norm: input must have shape (N, C, ...), got {input.shape}")
    c = input.shape[1]
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"group_norm: num_groups must divide the {c} channels, got {num_groups}")
    input = _check_shapes("group_norm", (c,), input, weight=weight, bias=bias)
    return ops.row_norm(input, weight, bias, lead=1, groups=num_groups, eps=eps)


@array_function
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

    With `use_input_stats` it normalises by the image's mean and biased variance, and updates the
    running arrays (C,), where given, by their averages over the batch, as `batch_norm` does.
    Otherwise it normalises by the running arrays.  Ulyanov, Vedaldi and Lempitsky, "Instance
    normalization" (2016).

    >>> instance_norm(np.array([[[1.0, 3.0]], [[10.0, 30.0]]]), eps=0.0)
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]])
    """
    if input.ndim < 3:
        raise ValueError(f"instance_norm: input must have shape (N, C, L, ...), got {input.shape}")
    n, c, *rest = input.shape
    _check_shapes("instance_norm", (c,), running_mean=running_mean, running_var=running_var)
    input = _check_shapes("instance_norm", (c,), input, weight=weight, bias=bias)
    if not use_input_stats:
        running = running_mean, running_var, weight, bias, eps
        return _by_running("instance_norm", input, *running, False)
    count = math.prod(rest)
    if count == 1:
        raise ValueError(
            f"instance_norm: input of shape {input.shape} has one value per channel and image, "
            "which has no variance"
        )
    out = ops.row_norm(input, weight, bias, lead=1, groups=max(c, 1), eps=eps)
    if running_mean is not None and running_var is not None and n * count and not recomputing.get():
        each = values(input).reshape((n * c, count))
        each = each.astype(np.result_type(each, np.float32), copy=False)
        mean, var = each.mean(axis=1).reshape(n, c), each.var(axis=1).reshape(n, c)
        move(running_mean, running_var, mean.mean(axis=0), var.mean(axis=0), count, momentum)
    return out
