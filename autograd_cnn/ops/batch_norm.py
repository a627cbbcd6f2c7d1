"""Batch normalisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine import watch
from autograd_cnn.engine.modes import recording
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.engine.op import op
from autograd_cnn.kernels.window import Window
from autograd_cnn.ops.arithmetic import relu_grad
from autograd_cnn.ops.exponential import sqrt
from autograd_cnn.ops.pool import window_scatter, winners
from autograd_cnn.ops.reduce import mean, var
from autograd_cnn.ops.shape import channel_sum, floating

__all__ = ["batch_norm", "channel_affine"]


def _over_channels(v: Array, x: Array) -> Array:
    """(C,) shaped to broadcast against x (N, C, ...)."""
    return v.reshape((1, -1, *(1,) * (x.ndim - 2)))


def _channels(name: str, x: Array, **values: Array | None) -> None:
    """Raise ValueError unless x is (N, C, ...) and each of the values is (C,) or None."""
    if x.ndim < 2:
        raise ValueError(f"{name}: input must have shape (N, C, ...), got {x.shape}")
    for argument, v in values.items():
        if v is not None and v.shape != x.shape[1:2]:
            raise ValueError(
                f"{name}: {argument} must have shape ({x.shape[1]},), one value per channel, got "
                f"{v.shape}"
            )


def _through_relu(g: Array, out: Array, relu: bool) -> Array:
    """The gradient before the final relu, if the op has one."""
    return relu_grad(g, out) if relu else g


@op(
    x=lambda g, out, x, scale, shift, *, relu: channel_affine(_through_relu(g, out, relu), scale),
    scale=lambda g, out, x, scale, shift, *, relu: channel_sum(_through_relu(g, out, relu) * x),
    shift=lambda g, out, x, scale, shift, *, relu: channel_sum(_through_relu(g, out, relu)),
    one_dtype=True,
)
def channel_affine(
    x: Array, scale: Array, shift: Array | None = None, *, relu: bool = False
) -> Array:
    """Each channel of x (N, C, ...) times `scale` (C,), plus `shift` (C,), then relu if wanted.

    Batch normalisation by fixed statistics, in a fourth of the time of two broadcast operations.

    >>> channel_affine(np.ones((1, 2)), np.array([2.0, 3.0]), np.array([0.0, 10.0]))
    array([[ 2., 13.]])
    """
    _channels("channel_affine", x, scale=scale, shift=shift)
    return kernels.channel_affine(x, scale, shift, relu)


def _batch_norm_grads(
    g: Array,
    out: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    *,
    eps: float,
    relu: bool,
    pool: Window | None,
    mean_: np.ndarray,
    var_: np.ndarray,
    before_: np.ndarray | None,
    wanted: tuple[bool, bool, bool],
) -> Sequence[Array | None]:
    """All three gradients, which share their sums: by kernel on arrays, by formula on tensors.

    The formula recomputes mean and variance, because higher derivatives flow through them.
    """
    if not any(isinstance(t, Node) for t in (g, out, x)):
        return kernels.batch_norm_grad(
            g, out, x, weight, bias, mean_, var_, before_, eps, relu, pool
        )
    g = _through_relu(g, out, relu)
    if pool is not None:
        before = kernels.batch_norm(values(x), values(weight), values(bias), eps, False)[0]
        best = winners(before, kernels.window_max(before, pool), pool)
        g = window_scatter(g, winners=best, window=pool)
    if x.dtype == np.float16:  # where sums and squares have no room
        g, x = g.astype(np.float32), x.astype(np.float32)
    axes = (0, *range(2, x.ndim))
    means = functools.partial(mean, axis=axes, keepdims=True)
    scale = 1.0 / sqrt(var(x, axis=axes, keepdims=True) + eps)
    normal = (x - means(x)) * scale
    dx = None
    if wanted[0]:
        h = g if weight is None else g * _over_channels(weight, x)
        dx = scale * (h - (means(h) + normal * means(h * normal)))
    return (
        dx,
        (g * normal).sum(axis=axes) if wanted[1] else None,
        g.sum(axis=axes) if wanted[2] else None,
    )


@op(joint=_batch_norm_grads, saves=("mean_", "var_", "before_"), one_dtype=True)
def batch_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
    relu: bool = False,
    pool: Window | None = None,
) -> Any:
    """Normalise each channel of x (N, C, ...) to mean 0 and variance 1, then scale by `weight` (C,)
    and shift by `bias` (C,).

    `eps` is added to the biased variance.  Max pooling over the windows of `pool` and relu may
    follow in the same pass.  Ioffe and Szegedy, "Batch normalization" (2015).

    >>> batch_norm(np.array([[1.0], [3.0]]), eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    _channels("batch_norm", x, weight=weight, bias=bias)
    if pool is not None and x.shape[2:] != pool.size:
        raise ValueError(f"batch_norm: x must have shape (N, C, *{pool.size}), got {x.shape}")
    if x.dtype.kind in "biu":
        x = floating(x)
    out, mean_, var_, before_ = kernels.batch_norm(x, weight, bias, eps, relu, pool)
    return out, {"mean_": mean_, "var_": var_, "before_": before_}


def _row_norm_grads(
    g: Array,
    out: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    *,
    lead: int,
    groups: int,
    eps: float,
    wanted: tuple[bool, bool, bool],
) -> Sequence[Array | None]:
    """All three gradients: by kernel on arrays, by the formula of batch norm on tensors."""
    if not any(isinstance(t, Node) for t in (g, out, x)):
        weighted = wanted[1] or wanted[2]
        return kernels.row_norm_grad(g, x, weight, lead, groups, eps, weighted)
    leading = (*x.shape[:lead], groups) if groups else x.shape[:lead]
    shape = (*x.shape[1:2], *(1,) * (x.ndim - 2)) if groups else x.shape[lead:]
    axes = (0, *range(2, x.ndim)) if groups else tuple(range(lead))
    if not math.prod(x.shape):  # no values have no statistics
        return g, (g * x).sum(axis=axes), g.sum(axis=axes)
    if x.dtype == np.float16:
        g, x = g.astype(np.float32), x.astype(np.float32)
    h = g if weight is None else g * weight.reshape(shape)
    rows = x.reshape((*leading, math.prod(x.shape) // max(1, math.prod(leading))))
    scale = 1.0 / sqrt(var(rows, axis=-1, keepdims=True) + eps)
    normal = (rows - mean(rows, axis=-1, keepdims=True)) * scale
    h = h.reshape(rows.shape)
    shared = mean(h, axis=-1, keepdims=True) + normal * mean(h * normal, axis=-1, keepdims=True)
    return (
        (scale * (h - shared)).reshape(x.shape),
        (g * normal.reshape(x.shape)).sum(axis=axes) if wanted[1] else None,
        g.sum(axis=axes) if wanted[2] else None,
    )


@op(joint=_row_norm_grads, one_dtype=True)
def row_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    lead: int,
    groups: int,
    eps: float = 1e-5,
) -> Array:
    """Normalise rows of x to mean 0 and variance 1, then scale by `weight` and shift by `bias`.

    A row is what stands behind the first `lead` axes, with a weight for each value.  Or `groups` is
    not 0, x is (N, C, ...) with a weight for each channel, and a row is a group of channels of an
    image.  The op behind layer, group and instance normalisation.

    >>> row_norm(np.array([[1.0, 3.0]]), lead=1, groups=0, eps=0.0)
    array([[-1.,  1.]])
    """
    shape = x.shape[1:2] if groups else x.shape[lead:]
    for name, w in (("weight", weight), ("bias", bias)):
        if w is not None and w.shape != shape:
            raise ValueError(f"row_norm: {name} must have shape {shape}, got {w.shape}")
    return kernels.row_norm(floating(x), weight, bias, lead, groups, eps)


def batch_norm_with_statistics(
    x: Array, weight: Array | None, bias: Array | None, **settings: Any
) -> tuple[Array, np.ndarray, np.ndarray]:
    """The result of `batch_norm`, and the mean and biased variance of the batch, arrays (C,).

    >>> batch_norm_with_statistics(np.array([[1.0], [3.0]]), None, None, eps=0.0)[1:]
    (array([2.]), array([1.]))
    """
    if x.dtype.kind in "biu" and weight is None:
        x = floating(x)
    record, args = batch_norm.op, (x, weight, bias)  # type: ignore[attr-defined]
    tracked = False
    for v in args:  # any() would take three calls
        tracked = tracked or (isinstance(v, Node) and v.tracked)
    if tracked and recording.get():
        out = batch_norm(*args, **settings)
        return out, out.params["mean_"], out.params["var_"]
    # An unrecorded op keeps only its result, so its forward is called here.
    compute = functools.partial(record.forward, *map(values, args), **settings)
    out, saved = watch.watched("operation", compute, record, args)
    if not all(v is values(v) for v in args):
        out = wrap(out)
        watch.tell("made", out, record, args)
    return out, saved["mean_"], saved["var_"]
