"""Pooling over any number of spatial axes.

Max pooling gathers the winner of each window; its gradient scatters back to the winners.  Average
pooling sums windows and scales; its gradient spreads over the windows.  Windows are as in
`ops.conv`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.copies import locked
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.op import op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.kernels.window import Window
from autograd_cnn.ops.shape import misshapen


def winners(x: Array, out: Array, window: Window) -> np.ndarray:
    """The offset within its window, in row-major order, of each value of ``out = max_pool(x)``; a
    tie goes to the first.
    """
    return kernels.window_winners(values(x), values(out), window)


def _max_pool_x(g: Array, out: Array, x: Array, window: Window) -> Array:
    """By kernel on arrays; on tensors as a scatter, which can be differentiated again."""
    if isinstance(g, Node) or isinstance(x, Node):
        return window_scatter(g, winners=winners(x, out, window), window=window)
    return kernels.window_max_grad(g, x, out, window)


@op(x=lambda g, out, x, *, window: _max_pool_x(g, out, x, window))
def max_pool(x: Array, *, window: Window) -> Array:
    """The largest value in each window of x (N, C, H, W): (N, C, OH, OW).

    NaN propagates, a tie goes to the first offset in row-major order, and padding never wins.

    >>> window = kernels.window.pool_window((4,), 2, None, 0, 1, False)
    >>> max_pool(np.array([[[1.0, 3.0, 4.0, 2.0]]]), window=window)
    array([[[3., 4.]]])
    """
    if x.shape[2:] != window.size:
        raise misshapen("max_pool", "x", x, "N", "C", *window.size)
    return kernels.window_max(x, window)


@op(g=lambda gx, out, g, *, winners, window: window_gather(gx, winners=winners, window=window))
def window_scatter(g: Array, *, winners: np.ndarray, window: Window) -> Array:
    """Each value of g (N, C, OH, OW) added to an image (N, C, H, W) at the winning offset of its
    window.

    >>> window = kernels.window.pool_window((4,), 2, None, 0, 1, False)
    >>> window_scatter(np.array([[[5.0, 6.0]]]), winners=np.array([[[1, 0]]]), window=window)
    array([[[0., 5., 6., 0.]]])
    """
    if g.shape[2:] != window.out:
        raise misshapen("window_scatter", "g", g, "N", "C", *window.out)
    if winners.shape[2:] != window.out:
        raise misshapen("window_scatter", "winners", winners, "N", "C", *window.out)
    return kernels.window_scatter(g, winners, window)


@op(x=lambda g, out, x, *, winners, window: window_scatter(g, winners=winners, window=window))
def window_gather(x: Array, *, winners: np.ndarray, window: Window) -> Array:
    """The value of x (N, C, H, W) at the winning offset of each window: (N, C, OH, OW).

    >>> window = kernels.window.pool_window((4,), 2, None, 0, 1, False)
    >>> x = np.array([[[1.0, 3.0, 4.0, 2.0]]])
    >>> window_gather(x, winners=np.array([[[1, 0]]]), window=window)
    array([[[3., 4.]]])
    """
    if x.shape[2:] != window.size:
        raise misshapen("window_gather", "x", x, "N", "C", *window.size)
    if winners.shape[2:] != window.out:
        raise misshapen("window_gather", "winners", winners, "N", "C", *window.out)
    return kernels.window_gather(x, winners, window)


@functools.lru_cache(maxsize=256)
def _share(
    window: Window, count_include_pad: bool, divisor_override: int | None, dtype: Any
) -> np.ndarray:
    """1 / the number of cells that each window counts: (), or (OH, OW) where windows differ."""
    counts = []
    for axis, size in enumerate(window.size):
        before = window.before[axis]
        start = np.arange(window.out[axis]) * window.stride[axis] - before
        end = start + window.kernel[axis]
        low, high = (-before, size + before) if count_include_pad else (0, size)
        counts.append(np.minimum(end, high) - np.maximum(start, low))
    cells = functools.reduce(np.multiply.outer, counts)
    if divisor_override is not None:
        cells = np.array(divisor_override)
    elif cells.size and (cells == cells.flat[0]).all():
        cells = cells.flat[0]
    return locked(np.asarray(1.0 / cells, dtype if dtype.kind == "f" else None))


@op(x=lambda g, out, x, **settings: avg_pool_grad(g, **settings))
def avg_pool(
    x: Array,
    *,
    window: Window,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of x (N, C, H, W): (N, C, OH, OW).

    Padding counts as zeros unless `count_include_pad` is False; `divisor_override` replaces the
    number of cells.

    >>> window = kernels.window.pool_window((4,), 2, None, 0, 1, False)
    >>> avg_pool(np.array([[[1.0, 3.0, 4.0, 2.0]]]), window=window)
    array([[[2., 3.]]])
    """
    if x.shape[2:] != window.size:
        raise misshapen("avg_pool", "x", x, "N", "C", *window.size)
    half = x.dtype.char == "e"
    if half or x.dtype.kind in "biu":  # their sums would overflow
        x = x.astype(np.float32 if half else np.float64)
    share = _share(window, bool(count_include_pad), divisor_override, x.dtype)
    out = kernels.window_sum(x, window)
    out *= share
    return out.astype(np.float16) if half else out


@op(g=lambda gx, out, g, **settings: avg_pool(gx, **settings))
def avg_pool_grad(
    g: Array,
    *,
    window: Window,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The gradient of `avg_pool`: each value of g (N, C, OH, OW), divided, is added to its window
    in (N, C, H, W).

    >>> window = kernels.window.pool_window((4,), 2, None, 0, 1, False)
    >>> avg_pool_grad(np.array([[[2.0, 6.0]]]), window=window)
    array([[[1., 1., 3., 3.]]])
    """
    if g.shape[2:] != window.out:
        raise misshapen("avg_pool_grad", "g", g, "N", "C", *window.out)
    share = _share(window, bool(count_include_pad), divisor_override, g.dtype)
    return kernels.window_spread(g if divisor_override == 1 else g * share, window)


@op(x=lambda g, out, x, *, axis, matrix: banded(g, axis=axis, matrix=matrix.T))
def banded(x: Array, *, axis: int, matrix: np.ndarray) -> Array:
    """`matrix` (out, size), whose rows are 0 but for a band each, applied to x along an axis.

    >>> banded(np.array([1.0, 3.0]), axis=0, matrix=np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([1., 2.])
    """
    if not 0 <= axis < x.ndim or matrix.shape[1:] != x.shape[axis : axis + 1]:
        raise ValueError(
            f"banded: matrix must have one column per value of axis {axis} of shape {x.shape}, got "
            f"shape {matrix.shape}"
        )
    if x.dtype.kind == "f":
        matrix = matrix.astype(x.dtype, copy=False)
    return in_float32(kernels.banded, x, axis, matrix)
