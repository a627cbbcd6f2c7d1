"""Convolution, pooling and normalisation by their definitions, one position at a time: slow and plain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _padding(size, kernel, stride, padding, dilation):
    """((top, bottom), (left, right))"""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding != "same":
        return tuple((p, p) for p in _pair(padding))
    pads = []
    for n, k, s, d in zip(size, kernel, _pair(stride), _pair(dilation)):
        total = max(0, (math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def _taps(size, kernel, stride, padding, dilation, groups, filters, channels) -> Iterator[tuple]:
    """Every product of the convolution: filter, channel, weight channel, kernel cell, position, image cell."""
    pads = _padding(size, kernel, stride, padding, dilation)
    s, d = _pair(stride), _pair(dilation)
    out = [
        (n + sum(p) - dd * (k - 1) - 1) // ss + 1
        for n, p, k, ss, dd in zip(size, pads, kernel, s, d)
    ]
    per_group, each = filters // groups, channels // groups
    for f in range(filters):
        for c in range(each):
            for place in np.ndindex(*out):
                for cell in np.ndindex(*kernel):
                    at = tuple(
                        r * ss + i * dd - p[0] for r, ss, i, dd, p in zip(place, s, cell, d, pads)
                    )
                    if all(0 <= a < n for a, n in zip(at, size)):
                        yield f, f // per_group * each + c, c, cell, place, at
    yield out  # the last item is the output size


def conv2d(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1):
    *taps, out = _taps(
        x.shape[2:], w.shape[2:], stride, padding, dilation, groups, w.shape[0], x.shape[1]
    )
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for f, channel, c, cell, place, at in taps:
        y[:, f, *place] += w[f, c, *cell] * x[:, channel, *at]
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def conv2d_input_grad(g, w, *, size, stride=1, padding=0, dilation=1, groups=1):
    channels = w.shape[1] * groups
    *taps, _ = _taps(size, w.shape[2:], stride, padding, dilation, groups, w.shape[0], channels)
    x = np.zeros((g.shape[0], channels, *size))
    for f, channel, c, cell, place, at in taps:
        x[:, channel, *at] += w[f, c, *cell] * g[:, f, *place]
    return x


def conv2d_weight_grad(x, g, *, size, stride=1, padding=0, dilation=1, groups=1):
    *taps, _ = _taps(x.shape[2:], size, stride, padding, dilation, groups, g.shape[1], x.shape[1])
    w = np.zeros((g.shape[1], x.shape[1] // groups, *size))
    for f, channel, c, cell, place, at in taps:
        w[f, c, *cell] += (x[:, channel, *at] * g[:, f, *place]).sum()
    return w


def _positions(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """PyTorch's rule: with ceil_mode the last window must start inside the image or the padding before it."""
    span = (n + 2 * p - d * (k - 1) - 1) / s
    count = (math.ceil(span) if ceil_mode else math.floor(span)) + 1
    return count - 1 if ceil_mode and (count - 1) * s >= n + p else count


def _windows(size, kernel_size, stride, padding, dilation, ceil_mode) -> Iterator[tuple]:
    """Each position with [(offset number, cell, inside the image)]."""
    k, p, d = _pair(kernel_size), _pair(padding), _pair(dilation)
    s = k if stride is None else _pair(stride)
    out = [_positions(n, kk, ss, pp, dd, ceil_mode) for n, kk, ss, pp, dd in zip(size, k, s, p, d)]
    for place in np.ndindex(*out):
        cells = []
        for number, cell in enumerate(np.ndindex(*k)):
            at = tuple(r * ss + i * dd - pp for r, ss, i, dd, pp in zip(place, s, cell, d, p))
            cells.append((number, at, all(0 <= a < n for a, n in zip(at, size))))
        yield place, cells


def _output(x, settings):
    *_, (last, _) = _windows(x.shape[2:], *settings)
    return np.zeros((*x.shape[:2], *(n + 1 for n in last)))


def max_pool2d(x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    y = _output(x, settings)
    for place, cells in _windows(x.shape[2:], *settings):
        values = [x[:, :, *at] for _, at, inside in cells if inside]
        y[:, :, *place] = np.max(values, axis=0) if values else -np.inf
    return y


def window_gather(x, *, winners, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    y = np.zeros(winners.shape)
    for place, cells in _windows(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode):
        for number, at, inside in cells:
            if inside:
                y[:, :, *place] += np.where(winners[:, :, *place] == number, x[:, :, *at], 0.0)
    return y


def window_scatter(
    g, *, winners, size, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    x = np.zeros((*g.shape[:2], *size))
    for place, cells in _windows(size, kernel_size, stride, padding, dilation, ceil_mode):
        for number, at, inside in cells:
            if inside:
                x[:, :, *at] += np.where(winners[:, :, *place] == number, g[:, :, *place], 0.0)
    return x


def _counted(size, cells, padding, count_include_pad, divisor_override):
    if divisor_override is not None:
        return divisor_override
    if not count_include_pad:
        return sum(inside for _, _, inside in cells)
    p = _pair(padding)
    return sum(all(-pp <= a < n + pp for a, n, pp in zip(at, size, p)) for _, at, _ in cells)


def avg_pool2d(
    x,
    *,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    y = _output(x, (kernel_size, stride, padding, 1, ceil_mode))
    for place, cells in _windows(x.shape[2:], kernel_size, stride, padding, 1, ceil_mode):
        total = sum(x[:, :, *at] for _, at, inside in cells if inside)
        y[:, :, *place] = total / _counted(
            x.shape[2:], cells, padding, count_include_pad, divisor_override
        )
    return y


def avg_pool2d_grad(
    g,
    *,
    size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    x = np.zeros((*g.shape[:2], *size))
    for place, cells in _windows(size, kernel_size, stride, padding, 1, ceil_mode):
        count = _counted(size, cells, padding, count_include_pad, divisor_override)
        for _, at, inside in cells:
            if inside:
                x[:, :, *at] += g[:, :, *place] / count
    return x


def batch_norm(x, weight=None, bias=None, *, eps):
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        values = x[:, c]
        normal = (values - values.mean()) / math.sqrt(values.var() + eps)
        y[:, c] = normal * (1.0 if weight is None else weight[c]) + (
            0.0 if bias is None else bias[c]
        )
    return y
