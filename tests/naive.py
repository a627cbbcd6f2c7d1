"""Convolution, pooling and normalisation by their definitions, one position at a time: slow and plain.

Any number of spatial axes.  A `Geometry` says what meets what; `conv_geometry`, `transpose_geometry` and
`pool_geometry` work it out from a caller's settings, independently of the library's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


class Geometry(NamedTuple):
    """The fields of the library's Window that define it."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    out: tuple[int, ...]


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def conv_geometry(size, kernel, stride=1, padding=0, dilation=1) -> Geometry:
    axes = len(size)
    s, d = _each(stride, axes), _each(dilation, axes)
    if padding == "same":
        total = [
            max(0, (math.ceil(n / ss) - 1) * ss + dd * (k - 1) + 1 - n)
            for n, k, ss, dd in zip(size, kernel, s, d)
        ]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in _each(0 if padding == "valid" else padding, axes)]
    out = [
        (n + sum(p) - dd * (k - 1) - 1) // ss + 1
        for n, p, k, ss, dd in zip(size, pads, kernel, s, d)
    ]
    return Geometry(tuple(size), tuple(kernel), s, d, tuple(p[0] for p in pads), tuple(out))


def transpose_geometry(out, kernel, stride=1, padding=0, output_padding=0, dilation=1) -> Geometry:
    axes = len(out)
    s, p, e, d = (_each(v, axes) for v in (stride, padding, output_padding, dilation))
    size = tuple(
        (n - 1) * s[i] - 2 * p[i] + d[i] * (kernel[i] - 1) + e[i] + 1 for i, n in enumerate(out)
    )
    return Geometry(size, tuple(kernel), s, d, p, tuple(out))


def pool_geometry(
    size, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
) -> Geometry:
    """PyTorch's rule: with ceil_mode the last window must start inside the image or the padding before it."""
    axes = len(size)
    kernel = _each(kernel_size, axes)
    s = kernel if stride is None else _each(stride, axes)
    p, d = _each(padding, axes), _each(dilation, axes)
    out = []
    for n, kk, ss, pp, dd in zip(size, kernel, s, p, d):
        span = (n + 2 * pp - dd * (kk - 1) - 1) / ss
        count = (math.ceil(span) if ceil_mode else math.floor(span)) + 1
        out.append(count - 1 if ceil_mode and (count - 1) * ss >= n + pp else count)
    return Geometry(tuple(size), kernel, s, d, p, tuple(out))


def _windows(window) -> Iterator[tuple]:
    """Each position with [(offset number, kernel cell, image cell, inside the image)]."""
    for place in np.ndindex(*window.out):
        cells = []
        for number, cell in enumerate(np.ndindex(*window.kernel)):
            at = tuple(
                r * s + i * d - p
                for r, s, i, d, p in zip(place, window.stride, cell, window.dilation, window.before)
            )
            cells.append((number, cell, at, all(0 <= a < n for a, n in zip(at, window.size))))
        yield place, cells


def _taps(window, groups, filters, each) -> Iterator[tuple]:
    """Every product of the convolution: filter, channel, weight channel, kernel cell, position, image cell."""
    for f in range(filters):
        for c in range(each):
            channel = f // (filters // groups) * each + c
            for place, cells in _windows(window):
                for _, cell, at, inside in cells:
                    if inside:
                        yield f, channel, c, cell, place, at


def conv(x, w, b=None, *, window, groups=1):
    y = np.zeros((x.shape[0], w.shape[0], *window.out))
    for f, channel, c, cell, place, at in _taps(window, groups, *w.shape[:2]):
        y[:, f, *place] += w[f, c, *cell] * x[:, channel, *at]
    return y if b is None else y + b.reshape(1, -1, *(1,) * (x.ndim - 2))


def conv_input_grad(g, w, *, window, groups=1):
    x = np.zeros((g.shape[0], w.shape[1] * groups, *window.size))
    for f, channel, c, cell, place, at in _taps(window, groups, *w.shape[:2]):
        x[:, channel, *at] += w[f, c, *cell] * g[:, f, *place]
    return x


def conv_weight_grad(x, g, *, window, groups=1):
    w = np.zeros((g.shape[1], x.shape[1] // groups, *window.kernel))
    for f, channel, c, cell, place, at in _taps(window, groups, *w.shape[:2]):
        w[f, c, *cell] += (x[:, channel, *at] * g[:, f, *place]).sum()
    return w


def unfold(x, *, window):
    n, c = x.shape[:2]
    y = np.zeros((n, c, *window.kernel, *window.out))
    for place, cells in _windows(window):
        for _, cell, at, inside in cells:
            if inside:
                y[:, :, *cell, *place] = x[:, :, *at]
    return y.reshape(n, c * math.prod(window.kernel), math.prod(window.out))


def fold(g, *, window):
    cells = math.prod(window.kernel)
    columns = g.reshape(len(g), g.shape[1] // cells, *window.kernel, *window.out)
    x = np.zeros((*columns.shape[:2], *window.size))
    for place, taps in _windows(window):
        for _, cell, at, inside in taps:
            if inside:
                x[:, :, *at] += columns[:, :, *cell, *place]
    return x


def max_pool(x, *, window):
    y = np.zeros((*x.shape[:2], *window.out))
    for place, cells in _windows(window):
        values = [x[:, :, *at] for _, _, at, inside in cells if inside]
        y[:, :, *place] = np.max(values, axis=0) if values else -np.inf
    return y


def window_gather(x, *, winners, window):
    y = np.zeros(winners.shape)
    for place, cells in _windows(window):
        for number, _, at, inside in cells:
            if inside:
                y[:, :, *place] += np.where(winners[:, :, *place] == number, x[:, :, *at], 0.0)
    return y


def window_scatter(g, *, winners, window):
    x = np.zeros((*g.shape[:2], *window.size))
    for place, cells in _windows(window):
        for number, _, at, inside in cells:
            if inside:
                x[:, :, *at] += np.where(winners[:, :, *place] == number, g[:, :, *place], 0.0)
    return x


def _counted(window, cells, count_include_pad, divisor_override):
    if divisor_override is not None:
        return divisor_override
    if not count_include_pad:
        return sum(inside for *_, inside in cells)
    return sum(
        all(-p <= a < n + p for a, n, p in zip(at, window.size, window.before))
        for _, _, at, _ in cells
    )


def avg_pool(x, *, window, count_include_pad=True, divisor_override=None):
    y = np.zeros((*x.shape[:2], *window.out))
    for place, cells in _windows(window):
        total = sum(x[:, :, *at] for _, _, at, inside in cells if inside)
        y[:, :, *place] = total / _counted(window, cells, count_include_pad, divisor_override)
    return y


def avg_pool_grad(g, *, window, count_include_pad=True, divisor_override=None):
    x = np.zeros((*g.shape[:2], *window.size))
    for place, cells in _windows(window):
        count = _counted(window, cells, count_include_pad, divisor_override)
        for _, _, at, inside in cells:
            if inside:
                x[:, :, *at] += g[:, :, *place] / count
    return x


def banded(x, *, axis, matrix):
    return np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)


def adaptive_pool(x, size, reduce):
    """`reduce` of window i along each axis: from floor(i * n / o) to ceil((i + 1) * n / o)."""
    y = np.zeros((*x.shape[:2], *size))
    for place in np.ndindex(*size):
        part = tuple(
            slice(math.floor(i * n / o), math.ceil((i + 1) * n / o))
            for i, n, o in zip(place, x.shape[2:], size)
        )
        y[:, :, *place] = reduce(x[:, :, *part], tuple(range(2, x.ndim)))
    return y


def normalize(x, axes, eps):
    """Mean 0 and variance 1 over `axes`."""
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


def channel_affine(x, scale, shift=None, *, relu=False):
    y = np.stack(
        [x[:, c] * scale[c] + (0.0 if shift is None else shift[c]) for c in range(x.shape[1])], 1
    )
    return np.maximum(y, 0) if relu else y


def batch_norm(x, weight=None, bias=None, *, eps, relu=False, pool=None):
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        values = x[:, c]
        if not values.size:
            continue  # the statistics of nothing
        normal = (values - values.mean()) / math.sqrt(values.var() + eps)
        y[:, c] = normal * (1.0 if weight is None else weight[c]) + (
            0.0 if bias is None else bias[c]
        )
    y = y if pool is None else max_pool(y, window=pool)
    return np.maximum(y, 0) if relu else y


def interpolate_linear(row, out, step, align_corners):
    """One row at `out` places, from the two values around each."""
    y = []
    for i in range(out):
        if align_corners:
            at = i * (len(row) - 1) / (out - 1) if out > 1 else 0.0
        else:
            at = max((i + 0.5) * step - 0.5, 0.0)
        low = min(int(at), len(row) - 1)
        high = min(low + 1, len(row) - 1)
        y.append(row[low] + (row[high] - row[low]) * min(at - low, 1.0))
    return np.array(y)
