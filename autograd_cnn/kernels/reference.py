"""The array loops of convolution, pooling and normalisation in NumPy: the specification of every
kernel set.

Shapes are written N, C, H, W, but the number of spatial axes is the window's: the same loops serve
(N, C, L) and (N, C, D, H, W).  Memory is batch-innermost.  A kernel computes a C-contiguous
(C, H, W, N) array and returns its (N, C, H, W) view, elementwise NumPy keeps that order, and the
next kernel finds its rows of W * N values in one piece.  Inputs may have any strides; they are
copied at most once.  Loops run over kernel offsets, never over positions or images.

A convolution copies the offsets along W only: in (H, C, KW, OW, N) the KH rows of images that a row
of windows sees are neighbours, one matrix without a copy, and BLAS computes a product for each row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autograd_cnn.kernels.reference_training import adam as adam
from autograd_cnn.kernels.reference_training import cross_entropy as cross_entropy
from autograd_cnn.kernels.reference_training import cross_entropy_grad as cross_entropy_grad
from autograd_cnn.kernels.reference_training import first_outside as first_outside
from autograd_cnn.kernels.reference_training import sgd as sgd
from autograd_cnn.kernels.window import Slices, Window


def batch_innermost(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) seen as (C, ..., N); contiguous already when a kernel made it."""
    return x.transpose(*range(1, x.ndim), 0)


def batch_first(x: np.ndarray) -> np.ndarray:
    """(C, ..., N) seen as (N, C, ...)."""
    return x.transpose(-1, *range(x.ndim - 1))


def laid_out(x: np.ndarray) -> np.ndarray:
    """x (N, C, ...), or a copy of it that is batch-innermost if x is not."""
    inner = batch_innermost(x)
    return x if inner.flags.c_contiguous else batch_first(np.ascontiguousarray(inner))


def select(mask: np.ndarray, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """x where the mask holds, 0 elsewhere, whatever x is there (0 * inf would be NaN); in `out`.

    Multiplies bit patterns by 0 or 1: 13 times faster than np.where on 400,000 float32.
    """
    bits = f"u{x.itemsize}"
    into = None if out is None else out.view(bits)
    return np.multiply(x.view(bits), mask, out=into).view(x.dtype)


# -------------------------------------------------------------------------------------- convolution


def _bands(x: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """What each row of windows of x (N, C, H, W) sees, with padding zeros: (G, OH, KH, C/G, KW,
    OW, N), a view in which rows of windows that overlap share their memory.

    Only the offsets along the rows are copied, KW times x instead of KH * KW times.  The axes KH,
    C/G, KW merge without a copy, unless a dilation parts the rows.
    """
    head, tail = window.split()
    n, c, *size = len(x), x.shape[1] // groups, *head.size, *tail.size
    x = batch_innermost(x).reshape(groups, c, *size, n).swapaxes(1, 2)  # (G, H, C/G, W, N)
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
) -> np.ndarray:
    """Cross-correlate x (N, C, H, W) with w (F, C / groups, KH, KW), add b (F,): (N, F, OH, OW).

    Then, if wanted, the maximum of the windows of `pool`, and relu.  `scale` (F,) multiplies each
    filter's sums before b is added.
    """
    if scale is not None:
        w = w * scale.reshape(-1, *(1,) * (w.ndim - 1))
    n, f, bands = len(x), len(w), _bands(x, window, groups)
    k, rows = w[0].size, bands.shape[1]
    wide = math.prod(window.out) // rows * n
    columns = bands.reshape(groups, rows, k, wide)  # (G, OH, KH*C/G*KW, OW*N)
    out = np.empty((f, *window.out, n), np.result_type(x, w))
    split = out.reshape(groups, f // groups, rows, wide).swapaxes(1, 2)
    np.matmul(_filters(w, groups).reshape(groups, 1, f // groups, k), columns, out=split)
    if b is not None:
        b = b.reshape(-1, *(1,) * (out.ndim - 1))
        out = np.add(out, b, out=out if b.dtype == out.dtype else None)
    out = batch_first(out) if pool is None else window_max(batch_first(out), pool)
    return np.maximum(out, 0, out=out) if relu else out


def conv_input_grad(g: np.ndarray, w: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """The adjoint of conv in x: g (N, F, OH, OW) spread through w to (N, C, H, W).

    Along H a correlation with turned filters, whose rows of g are a view; along W a sum.
    """
    n, f, c = len(g), len(w) // groups, w.shape[1]
    head, tail = window.split()
    if head.stride[0] > 1:  # a correlation would multiply by zeros between the rows of g
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


def conv_weight_grad(x: np.ndarray, g: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """The adjoint of conv in w: x (N, C, H, W) correlated with g (N, F, OH, OW) to (F, C /
    groups, KH, KW).
    """
    n, f, c = len(x), g.shape[1], x.shape[1] // groups
    bands = _bands(x, window, groups)
    rows, kernel = bands.shape[1:3]
    k, wide = c * math.prod(window.kernel), math.prod(window.out) // rows * n
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


# ------------------------------------------------------------------------------------------ pooling


def _lowest(dtype: np.dtype) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def window_max(x: np.ndarray, window: Window) -> np.ndarray:
    """The largest value in each window of x (N, C, H, W); NaN propagates; padding never wins."""
    x = batch_innermost(x)
    out = np.full((x.shape[0], *window.out, x.shape[-1]), _lowest(x.dtype), x.dtype)
    for _, positions, cells in window.overlaps():
        part = out[:, *positions]
        np.maximum(part, x[:, *cells], out=part)
    return batch_first(out)


def _first_matches(
    x: np.ndarray, out: np.ndarray, window: Window
) -> Iterator[tuple[int, Slices, Slices, np.ndarray]]:
    """The kernel offsets with their positions and cells, and at which of the positions the maximum
    `out` of x (C, H, W, N) is reached there and at no offset before.
    """
    broken = bool(np.isnan(out).any())
    found = np.zeros(out.shape, bool)
    for offset, positions, cells in window.overlaps():
        first = x[:, *cells] == out[:, *positions]
        if broken:
            first |= np.isnan(x[:, *cells])
        first &= ~found[:, *positions]
        found[:, *positions] |= first
        yield offset, positions, cells, first


def window_winners(x: np.ndarray, out: np.ndarray, window: Window) -> np.ndarray:
    """The number of the kernel offset at which each window of x reaches its maximum `out`, the
    first at a tie.  A window over nothing but padding gets a number that no offset has.
    """
    x, out = batch_innermost(x), batch_innermost(out)
    count = math.prod(window.kernel)
    winners = np.full(out.shape, count, np.uint8 if count < 256 else np.intp)
    for offset, positions, _, first in _first_matches(x, out, window):
        winners[:, *positions] -= first * winners.dtype.type(count - offset)
    return batch_first(winners)


def window_gather(x: np.ndarray, winners: np.ndarray, window: Window) -> np.ndarray:
    """The value of x (N, C, H, W) at the winning offset of each window: (N, C, OH, OW)."""
    out = np.zeros((x.shape[1], *window.out, x.shape[0]), x.dtype)
    x, winners = batch_innermost(x), batch_innermost(winners)
    for offset, positions, cells in window.overlaps():
        out[:, *positions] += select(winners[:, *positions] == offset, x[:, *cells])
    return batch_first(out)


def window_scatter(g: np.ndarray, winners: np.ndarray, window: Window) -> np.ndarray:
    """The adjoint of window_gather: each value of g (N, C, OH, OW) added at the winning offset of
    its window.
    """
    out = np.zeros((g.shape[1], *window.size, g.shape[0]), g.dtype)
    g, winners = batch_innermost(g), batch_innermost(winners)
    for offset, positions, cells in window.overlaps():
        out[:, *cells] += select(winners[:, *positions] == offset, g[:, *positions])
    return batch_first(out)


def window_max_grad(g: np.ndarray, x: np.ndarray, out: np.ndarray, window: Window) -> np.ndarray:
    """The gradient of ``out = window_max(x)``: each value of g (N, C, OH, OW) added where its
    window reaches its maximum first.
    """
    dx = np.zeros((x.shape[1], *window.size, len(x)), g.dtype)
    g, x, out = batch_innermost(g), batch_innermost(x), batch_innermost(out)
    for _, positions, cells, first in _first_matches(x, out, window):
        if window.disjoint():
            select(first, g[:, *positions], out=dx[:, *cells])
        else:
            dx[:, *cells] += select(first, g[:, *positions])
    return batch_first(dx)


def window_sum(x: np.ndarray, window: Window) -> np.ndarray:
    """The sum of each window of x (N, C, H, W): (N, C, OH, OW)."""
    x = batch_innermost(x)
    out = np.zeros((x.shape[0], *window.out, x.shape[-1]), x.dtype)
    for _, positions, cells in window.overlaps():
        out[:, *positions] += x[:, *cells]
    return batch_first(out)


def window_spread(g: np.ndarray, window: Window) -> np.ndarray:
    """The adjoint of window_sum: g (N, C, OH, OW), each value added to all cells of its window."""
    g = batch_innermost(g)
    out = np.zeros((g.shape[0], *window.size, g.shape[-1]), g.dtype)
    for _, positions, cells in window.overlaps():
        out[:, *cells] += g[:, *positions]
    return batch_first(out)


# ------------------------------------------------------------------------------------ normalisation


def _rows(x: np.ndarray) -> np.ndarray:
    """x (N, C, ...) as one row per channel, (C, ...*N); a view of batch-innermost memory."""
    return batch_innermost(x).reshape(x.shape[1], rows_count(x))


def _like(rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Rows (C, ...*N) in the shape of x (N, C, ...)."""
    return batch_first(rows.reshape(*x.shape[1:], x.shape[0]))


def _sums(rows: np.ndarray) -> np.ndarray:
    """The sum of each row; a product with ones takes a third of the time of np.sum."""
    if rows.dtype.char not in "fd":
        return rows.sum(axis=1)
    return rows @ np.ones(rows.shape[1], rows.dtype)


def _relu(rows: np.ndarray) -> np.ndarray:
    """max(rows, 0) in place; a row of zeros takes 0.4 of the time of the number 0."""
    return np.maximum(rows, np.zeros(rows.shape[1], rows.dtype), out=rows)


def running_affine(
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    before: np.ndarray | None,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """What normalising by fixed statistics, then by weight and bias, multiplies the values of each
    channel by, and adds, if `before` was to be added to them; all are (C,).
    """
    scale = (1.0 / np.sqrt(var + eps)).astype(mean.dtype, copy=False)
    scale = scale if weight is None else scale * weight
    shift = (-mean if before is None else before - mean) * scale
    return scale, shift if bias is None else shift + bias


def channel_affine(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray | None, relu: bool
) -> np.ndarray:
    """Each channel of x (N, C, ...) times its scale, plus its shift, both (C,); then `relu`."""
    out = _rows(x) * scale[:, None]
    if shift is not None:
        out = np.add(out, shift[:, None], out=out if shift.dtype == out.dtype else None)
    return _like(_relu(out) if relu else out, x)


def channel_sum(x: np.ndarray) -> np.ndarray:
    """The sum of each channel of x (N, C, ...) over the rest: (C,)."""
    return _sums(_rows(x))


def batch_norm(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
    relu: bool,
    pool: Window | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Normalise each channel of x (N, C, ...) over the rest; then, if wanted, the maximum of the
    windows of `pool`, and relu.

    Returns the result, the means (C,), biased variances (C,), and what was there before pooling,
    for the gradient; None without pooling.
    """
    rows = _rows(x)
    if not rows.size:  # an empty batch has no statistics
        nothing, out = np.full(len(rows), np.nan, x.dtype), _like(rows.copy(), x)
        return (out if pool is None else window_max(out, pool)), nothing, nothing, None
    # a sum of float16 would overflow
    mean = _sums(rows) / rows.shape[1] if rows.dtype.char in "fd" else rows.mean(axis=1)
    out = rows - mean[:, None]
    var = np.vecdot(out, out) / rows.shape[1]
    scale = 1.0 / np.sqrt(var + eps)
    out *= (scale if weight is None else scale * weight)[:, None]
    if bias is not None:
        out += bias[:, None]
    if pool is None:
        return _like(_relu(out) if relu else out, x), mean, var, None
    before = _like(out, x)
    pooled = window_max(before, pool)
    return np.maximum(pooled, 0, out=pooled) if relu else pooled, mean, var, before


def batch_norm_grad(
    g: np.ndarray,
    out: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    before: np.ndarray | None,
    eps: float,
    relu: bool,
    pool: Window | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of batch_norm in x, weight and bias; with `relu`, g counts where the result was
    positive, with `pool`, at the first largest value of each window.

    With y = (x - mean) / sqrt(var + eps): dx = w / sqrt(var + eps) * (g - mean(g) - y * mean(g *
    y)). Ioffe and Szegedy, "Batch normalization" (2015), section 3.
    """
    if relu:
        g = relu_grad(g, out)
    if pool is not None:
        if before is None:
            before = batch_norm(x, weight, bias, eps, False)[0]
            out = window_max(before, pool)
        g = window_max_grad(g, before, out, pool)
    rows, count = _rows(g), rows_count(x)
    if not count:
        return _like(rows.copy(), x), np.zeros_like(mean), np.zeros_like(mean)
    scale = 1.0 / np.sqrt(var + eps)
    slope = (scale if weight is None else scale * weight)[:, None]
    dx = _rows(x) - mean[:, None]
    bias_grad, weight_grad = _sums(rows), np.vecdot(rows, dx) * scale
    dx *= (weight_grad * scale / -count)[:, None]
    dx += rows
    dx -= (bias_grad / count)[:, None]
    dx *= slope
    return _like(dx, x), weight_grad, bias_grad


def rows_count(x: np.ndarray) -> int:
    """How many values of x (N, C, ...) each channel has."""
    return x.size // max(x.shape[1], 1)


# ---------------------------------------------------------------------- matrix product, elementwise


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x @ y`` for matrices, in the memory order of x: batch-innermost stays batch-innermost."""
    if x.flags.f_contiguous and not x.flags.c_contiguous:
        return np.matmul(y.T, x.T).T
    return np.matmul(x, y)


def linear(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    relu: bool = False,
    scale: np.ndarray | None = None,
) -> np.ndarray:
    """``x @ w.T * scale + b`` for x (N, in), w (out, in), b and scale (out,): (N, out),
    batch-innermost; then relu, if wanted.
    """
    if scale is not None:
        w = w * scale[:, None]
    out = np.matmul(w, x.T)  # (out, N)
    if b is not None:
        out = np.add(out, b[:, None], out=out if b.dtype == out.dtype else None)
    return np.maximum(out, 0, out=out).T if relu else out.T


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0); NaN stays NaN."""
    return np.maximum(x, 0)


def relu_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """g where x is positive, 0 elsewhere."""
    return select(np.greater(x, 0), g)
