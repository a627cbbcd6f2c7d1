"""The operators of networks: convolution, pooling, normalisation, Gemm, Dropout."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.engine.node import values
from autograd_cnn.onnx.operators_resize import ints

Pairs = list[tuple[int, int]]


def _by_rank(functions, x):
    """The function for the number of spatial axes of x (N, C, ...)."""
    if not 3 <= x.ndim <= 5:
        raise ValueError(f"expected an input (N, C, ...) of 1 to 3 spatial axes, got {x.shape}")
    return functions[x.ndim - 3]


def _each(given, x):
    """A setting for each spatial axis; 1 where none is given."""
    return ints(given) if given else (1,) * (x.ndim - 2)


def _pads(sides, kernel, strides, dilations, pads, auto_pad):
    """Padding (before, after) for each spatial axis."""
    if auto_pad in ("NOTSET", "VALID"):
        given = ints(pads) if pads and auto_pad == "NOTSET" else (0,) * (2 * len(sides))
        return list(zip(given[: len(sides)], given[len(sides) :], strict=True))
    found = []
    for n, k, s, d in zip(sides, kernel, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        low = total // 2
        found.append({"SAME_UPPER": (low, total - low), "SAME_LOWER": (total - low, low)}[auto_pad])
    return found


def _padded(x, pads, most, value):
    """x and the padding that its function may do: `most` is how much on each side of an axis."""
    if all(a == b and a <= m for (a, b), m in zip(pads, most, strict=True)):
        return x, tuple(a for a, _ in pads)
    return F.pad(x, tuple(n for pair in reversed(pads) for n in pair), value=value), 0


def _conv(
    x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None,
    strides=None
):  # fmt: skip
    function = _by_rank((F.conv1d, F.conv2d, F.conv3d), x)
    steps, holes, kernel = _each(strides, x), _each(dilations, x), w.shape[2:]
    if kernel_shape and ints(kernel_shape) != kernel:
        raise ValueError(f"kernel_shape {ints(kernel_shape)} is not that of the weight {w.shape}")
    pairs = _pads(x.shape[2:], kernel, steps, holes, pads, auto_pad)
    x, padding = _padded(x, pairs, [math.inf] * len(pairs), 0.0)
    return function(x, w, b, steps, padding, holes, group)


def _conv_transpose(
    x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
    output_padding=None, output_shape=None, pads=None, strides=None
):  # fmt: skip
    function = _by_rank((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), x)
    steps, holes, sides = _each(strides, x), _each(dilations, x), x.shape[2:]
    more = ints(output_padding) if output_padding else (0,) * len(sides)
    rows = zip(sides, steps, w.shape[2:], holes, more, strict=True)
    whole = [s * (n - 1) + (k - 1) * d + 1 + extra for n, s, k, d, extra in rows]
    pairs = _pads(sides, whole, steps, holes, pads, "NOTSET")
    if output_shape or auto_pad.startswith("SAME"):
        wanted = ints(output_shape)[-len(sides) :] if output_shape else np.multiply(sides, steps)
        total = [max(n - int(m), 0) for n, m in zip(whole, wanted, strict=True)]
        low = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total]
        pairs = [(a, t - a) for a, t in zip(low, total)]
        more = tuple(e + max(int(m) - n, 0) for e, m, n in zip(more, wanted, whole))
    if all(a == b for a, b in pairs) and all(m < max(s, d) for m, s, d in zip(more, steps, holes)):
        return function(x, w, b, steps, tuple(a for a, _ in pairs), more, group, holes)
    out = function(x, w, None, steps, 0, 0, group, holes)
    cuts = [(-low, extra - high) for (low, high), extra in zip(pairs, more)]
    out = F.pad(out, tuple(n for pair in reversed(cuts) for n in pair))
    return out if b is None else out + b.reshape((-1, *(1,) * len(sides)))


def _pool_pads(x, kernel, steps, holes, settings):
    """Padding, and padding up to the end of the last windows.

    With ceil_mode these may reach beyond the padding, if they start before it.
    """
    pads, auto_pad, ceil_mode = settings
    pairs = _pads(x.shape[2:], kernel, steps, holes, pads, auto_pad)
    reached = []
    for n, k, s, d, (low, high) in zip(x.shape[2:], kernel, steps, holes, pairs, strict=True):
        width = (k - 1) * d + 1
        windows = (n + low + high - width) // s + 1
        if ceil_mode and auto_pad == "NOTSET":
            windows = -(-(n + low + high - width) // s) + 1
            windows -= (windows - 1) * s >= n + low
        reached.append((low, max(high, (windows - 1) * s + width - n - low)))
    return pairs, reached


def _max_pool(
    x, *, kernel_shape, outputs, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None,
    storage_order=0, strides=None
):  # fmt: skip
    function = _by_rank((F.max_pool1d, F.max_pool2d, F.max_pool3d), x)
    kernel, steps, holes = ints(kernel_shape), _each(strides, x), _each(dilations, x)
    _, reached = _pool_pads(x, kernel, steps, holes, (pads, auto_pad, ceil_mode))
    least = -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)
    sides = x.shape[2:]
    y, padding = _padded(x, reached, [k // 2 for k in kernel], least)
    if outputs == 1:
        return function(y, kernel, steps, padding, holes)
    out, cells = function(y, kernel, steps, padding, holes, return_indices=True)
    low = [0 if y is x else before for before, _ in reached]
    places = [at - a for at, a in zip(np.unravel_index(cells, y.shape[2:]), low)]
    flat = np.ravel_multi_index(places, sides, order="F" if storage_order else "C")
    images = np.arange(math.prod(x.shape[:2])).reshape((*x.shape[:2], *(1,) * len(sides)))
    return out, flat + images * math.prod(sides)


def _average_pool(
    x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0, dilations=None,
    pads=None, strides=None
):  # fmt: skip
    function = _by_rank((F.avg_pool1d, F.avg_pool2d, F.avg_pool3d), x)
    kernel, steps, holes = ints(kernel_shape), _each(strides, x), _each(dilations, x)
    pairs, reached = _pool_pads(x, kernel, steps, holes, (pads, auto_pad, ceil_mode))
    even = all(a == b and a <= k // 2 for (a, b), k in zip(reached, kernel))
    if even and pairs == reached and set(holes) == {1}:
        padding = tuple(a for a, _ in pairs)
        return function(x, kernel, steps, padding, False, bool(count_include_pad))
    counted = np.ones((1, 1, *x.shape[2:]), x.dtype)
    widths, ends = [(0, 0), (0, 0), *pairs], [(0, b - a) for (_, a), (_, b) in zip(pairs, reached)]
    counted = np.pad(counted, widths, constant_values=bool(count_include_pad))
    counted = np.pad(counted, [(0, 0), (0, 0), *ends])
    single = x.reshape((math.prod(x.shape[:2]), 1, *x.shape[2:]))
    padded, _ = _padded(single, reached, [-1] * len(kernel), 0.0)
    sums = _by_rank((F.conv1d, F.conv2d, F.conv3d), x)
    ones = np.ones((1, 1, *kernel), x.dtype)
    out = sums(padded, ones, None, steps, 0, holes) / sums(counted, ones, None, steps, 0, holes)
    return out.reshape((*x.shape[:2], *out.shape[2:]))


def _batch_norm(
    x, scale, bias, mean, var, *, outputs, training, moving=False, epsilon=1e-5, momentum=0.9,
    training_mode=0, spatial=1
):  # fmt: skip
    """By the statistics given; in training by those of the batch, which move the buffers, as in
    `nn.BatchNorm2d`.  With training_mode the moved ones are outputs.
    """
    if not spatial or (outputs > 1 and not training_mode):
        raise ValueError("only the form with one output and statistics per channel is known")
    if not training_mode:
        running = (values(mean), values(var)) if moving or not training else (None, None)
        return F.batch_norm(x, *running, scale, bias, training, 1.0 - momentum, epsilon)
    out = F.batch_norm(x, None, None, scale, bias, True, 0.0, epsilon)
    cells = values(x).astype(np.float64).swapaxes(0, 1).reshape((x.shape[1], -1))
    pairs = ((mean, cells.mean(axis=1)), (var, cells.var(axis=1)))
    moved = [values(old) * momentum + new * (1.0 - momentum) for old, new in pairs]
    return (out, *(m.astype(values(mean).dtype) for m in moved))


def _layer_norm(x, scale, bias=None, *, outputs, axis=-1, epsilon=1e-5, stash_type=1):
    axis %= max(x.ndim, 1)
    shape = x.shape[axis:]
    given = [p if p is None else ag.broadcast_to(p, shape=shape) for p in (scale, bias)]
    out = F.layer_norm(x, shape, *given, epsilon)
    over = tuple(range(axis, x.ndim))
    if outputs == 1:
        return out
    mean, var = (f(x, axis=over, keepdims=True) for f in (ag.mean, ag.var))
    return out, mean, 1.0 / ag.sqrt(var + epsilon)


def _group_norm(x, scale, bias, *, num_groups, opset, epsilon=1e-5, stash_type=1):
    if opset < 21:  # a scale and a bias for each group
        times = x.shape[1] // num_groups
        scale, bias = ag.repeat(scale, times), ag.repeat(bias, times)
    return F.group_norm(x, num_groups, scale, bias, epsilon)


def _gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):  # noqa: N803
    a = a.swapaxes(0, 1) if transA else a
    if transB and alpha == beta == 1.0 and (c is None or c.shape == (b.shape[0],)):
        return ag.linear(a, b, c)
    out = ag.matmul(a, b.swapaxes(0, 1) if transB else b)
    out = out if alpha == 1.0 else out * np.asarray(alpha, out.dtype)
    return out if c is None else out + (c if beta == 1.0 else c * np.asarray(beta, c.dtype))


def _dropout(x, ratio=0.5, training_mode=False, *, training, outputs, seed=None):
    """Drops values in training, or if the file says so."""
    p = float(values(ratio))
    drops = (training or bool(values(training_mode))) and p > 0
    if outputs == 1:
        return F.dropout(x, p, drops)
    kept = F.dropout(np.ones(x.shape, x.dtype), p, drops)
    return x * kept, kept > 0


def _over_images(function):
    return lambda x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


NETWORK: dict[str, Any] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "Gemm": _gemm,
    "GlobalAveragePool": _over_images(ag.mean),
    "GlobalMaxPool": _over_images(ag.amax),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": lambda x, scale, bias, *, epsilon=1e-5: F.instance_norm(
        x, None, None, scale, bias, eps=epsilon
    ),
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
}
