"""Convolution in NumPy.

A convolution copies the offsets along W only.  In (H, C, KW, OW, N) the KH rows of images that a
row of windows sees are neighbours: one matrix without a copy, for one product of BLAS.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.kernels.reference.layout import batch_first, batch_innermost
from autograd_cnn.kernels.reference.pool import window_max
from autograd_cnn.kernels.window import Window

__all__ = ["conv", "conv_input_grad", "conv_weight_grad", "fold", "unfold"]


def _bands(x: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """The cells of x (N, C, H, W) that each row of windows sees, with padding zeros: a view (G, OH,
    KH, C/G, KW, OW, N) in which overlapping rows of windows share memory, unless most of the padded
    image would be memory that no window sees.

    The axes KH, C/G, KW merge without a copy, unless a dilation parts the rows.
    """
    head, tail = window.split()
    n, c, *size = len(x), x.shape[1] // groups, *head.size, *tail.size
    x = batch_innermost(x).reshape(groups, c, *size, n).swapaxes(1, 2)  # (G, H, C/G, W, N)
    if head.wasteful(0):
        shape = (groups, *head.out, *head.kernel, c, math.prod(tail.kernel), *tail.out, n)
        apart = np.zeros(shape, x.dtype)
        for row, at, met in head.overlaps():
            for offset, positions, cells in tail.overlaps():
                part: Any = (slice(None), *at, row, slice(None), offset)
                apart[part][:, :, :, *positions] = x[:, *met][:, :, :, *cells]
        return apart
    rows = head.before[0] + head.size[0] + head.after[0]
    bands = np.zeros((groups, rows, c, math.prod(tail.kernel), *tail.out, n), x.dtype)
    inside = bands[:, head.before[0] : rows - head.after[0]]
    for offset, positions, cells in tail.overlaps():
        inside[:, :, :, offset][:, :, :, *positions] = x[:, :, :, *cells]
    return _overlapping(bands, head.out[0], head.kernel[0], head.stride[0], head.dilation[0])


def _overlapping(rows: np.ndarray, out: int, kernel: int, stride: int, dilation: int) -> np.ndarray:
    """A view (G, out, kernel, ...) of rows (G, H, ...): windows over the second axis."""
    group, step, *rest = rows.strides
    shape = (len(rows), out, kernel, *rows.shape[2:])
    strides = (group, step * stride, step * dilation, *rest)
    return np.lib.stride_tricks.as_strided(rows, shape, strides, writeable=False)


def _filters(w: np.ndarray, groups: int) -> np.ndarray:
    """w (F, C/G, KH, KW) as (G, F/G, KH, C/G, KW), the axes of bands; a single axis is KW."""
    f, c, *kernel = w.shape
    rows = kernel[0] if len(kernel) > 1 else 1
    return w.reshape(groups, f // groups, c, rows, math.prod(kernel) // rows).swapaxes(2, 3)


def conv(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    window: Window,
    groups: int,
    relu: bool = False,
    pool: Window | None = None,
    scale: np.ndarray | None = None,
    /,
) -> np.ndarray:
    """Cross-correlate x (N, C, H, W) with w (F, C / groups, KH, KW), add b (F,): (N, F, OH, OW).

    Then, if wanted, the maximum of the windows of `pool`, and relu.  `scale` (F,) multiplies each
    filter's sums before b is added.
    """
    if scale is not None:
        w = w * scale.reshape(-1, *(1,) * (w.ndim - 1))
    n, f, bands = len(x), len(w), _bands(x, window, groups)
    k, rows = w[0].size, bands.shape[1]
    wide = math.prod(bands.shape[5:])
    columns = bands.reshape(groups, rows, k, wide)  # (G, OH, KH*C/G*KW, OW*N)
    out = np.empty((f, *window.out, n), np.result_type(x, w))
    split = out.reshape(groups, f // groups, rows, wide).swapaxes(1, 2)
    np.matmul(_filters(w, groups).reshape(groups, 1, f // groups, k), columns, out=split)
    if b is not None:
        b = b.reshape(-1, *(1,) * (out.ndim - 1))
        out = np.add(out, b, out=out if b.dtype == out.dtype else None)
    out = batch_first(out) if pool is None else window_max(batch_first(out), pool)
    return np.maximum(out, 0, out=out) if relu else out


def conv_input_grad(g: np.ndarray, w: np.ndarray, window: Window, groups: int, /) -> np.ndarray:
    """The adjoint of conv in x: g (N, F, OH, OW) spread through w to (N, C, H, W).

    Along H a correlation with turned filters, whose rows of g are a view; along W a sum.
    """
    n, f, c = len(g), len(w) // groups, w.shape[1]
    head, tail = window.split()
    if head.stride[0] > 1 or head.wasteful(0):  # a correlation would multiply mostly by zeros
        each, area = w[0].size, math.prod(window.out)
        split = batch_innermost(g).reshape(groups, f, area * n)
        columns = w.reshape(groups, f, each).mT @ split  # (G, C/G*KH*KW, OH*OW*N)
        return fold(batch_first(columns.reshape(groups * each, area, n)), window)
    reach = head.dilation[0] * (head.kernel[0] - 1)
    rows = np.zeros((groups, head.size[0] + reach, f, *tail.out, n), g.dtype)
    shifted = head._replace(size=(rows.shape[1],), before=(head.before[0] - reach,))
    positions, cells = shifted.meet(0, 0)
    split = batch_innermost(g).reshape(groups, f, *head.out, *tail.out, n).swapaxes(1, 2)
    rows[:, cells] = split[:, positions]
    bands = _overlapping(rows, head.size[0], head.kernel[0], 1, head.dilation[0])
    turned = _filters(w, groups)[:, :, ::-1].transpose(0, 3, 4, 2, 1)  # (G, C/G, KW, KH, F/G)
    k, wide = head.kernel[0] * f, c * math.prod(tail.kernel)
    bands = bands.reshape(groups, *head.size, k, math.prod(tail.out) * n)
    columns = turned.reshape(groups, 1, wide, k) @ bands  # (G, H, C/G*KW, OW*N)
    columns = columns.reshape(groups, *head.size, c, wide // c, *tail.out, n).swapaxes(1, 2)
    x = np.zeros((groups, c, *head.size, *tail.size, n), columns.dtype)
    for offset, kept, met in tail.overlaps():
        x[:, :, :, *met] += columns[:, :, :, offset][:, :, :, *kept]
    return batch_first(x.reshape(groups * c, *window.size, n))


def conv_weight_grad(x: np.ndarray, g: np.ndarray, window: Window, groups: int, /) -> np.ndarray:
    """The adjoint of conv in w: x (N, C, H, W) correlated with g (N, F, OH, OW) to (F, C /
    groups, KH, KW).
    """
    f, c = g.shape[1], x.shape[1] // groups
    bands = _bands(x, window, groups)
    rows, kernel = bands.shape[1:3]
    k, wide = c * math.prod(window.kernel), math.prod(bands.shape[5:])
    columns = bands.reshape(groups, rows, k, wide)  # (G, OH, KH*C/G*KW, OW*N)
    split = batch_innermost(g).reshape(groups, f // groups, rows, wide).swapaxes(1, 2)
    if f // groups > wide:  # the products of all rows would take more memory than the columns
        columns = columns.swapaxes(1, 2).reshape(groups, 1, k, rows * wide)
        split = split.swapaxes(1, 2).reshape(groups, 1, f // groups, rows * wide)
    # this way round BLAS is 1.6 times faster than with the factors exchanged
    found = (columns @ split.mT).sum(axis=1).mT  # (G, F/G, KH*C/G*KW)
    found = found.reshape(f, kernel, c, k // (kernel * c)).swapaxes(1, 2)
    return np.ascontiguousarray(found).reshape(f, c, *window.kernel)


def unfold(x: np.ndarray, window: Window) -> np.ndarray:
    """The windows of x (N, C, H, W), each flattened: (N, C*KH*KW, OH*OW)."""
    n, c = x.shape[:2]
    bands = _bands(x, window, 1)[0]  # (OH, KH, C, KW, OW, N)
    columns = np.moveaxis(bands, 0, 3).swapaxes(0, 1)  # (C, KH, KW, OH, OW, N)
    return batch_first(columns.reshape(c * math.prod(window.kernel), math.prod(window.out), n))


def fold(g: np.ndarray, window: Window) -> np.ndarray:
    """The adjoint of unfold: g (N, C*KH*KW, OH*OW) added up in images (N, C, H, W)."""
    cells = math.prod(window.kernel)
    columns = batch_innermost(g).reshape(g.shape[1] // cells, cells, *window.out, len(g))
    x = np.zeros((len(columns), *window.size, len(g)), g.dtype)  # (C, H, W, N)
    for offset, positions, met in window.overlaps():
        x[:, *met] += columns[:, offset][:, *positions]
    return batch_first(x)
