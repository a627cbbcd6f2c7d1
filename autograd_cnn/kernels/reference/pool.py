"""Pooling in NumPy: windows of images."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autograd_cnn.kernels.reference.layout import batch_first, batch_innermost, select
from autograd_cnn.kernels.window import Slices, Window

__all__ = [
    "window_gather", "window_max", "window_max_grad", "window_scatter", "window_spread",
    "window_sum", "window_winners",
]  # fmt: skip


def _lowest(dtype: np.dtype) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def window_max(x: np.ndarray, window: Window, /) -> np.ndarray:
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
    """The kernel offsets with their positions and cells, and a mask: the positions at which the
    maximum `out` of x (C, H, W, N) is first reached.
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
    """The first kernel offset at which each window of x reaches its maximum `out`.  A window over
    padding alone gets a number beyond all offsets.
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
    """The adjoint of window_gather: g (N, C, OH, OW) added at the winning offset of each window."""
    out = np.zeros((g.shape[1], *window.size, g.shape[0]), g.dtype)
    g, winners = batch_innermost(g), batch_innermost(winners)
    for offset, positions, cells in window.overlaps():
        out[:, *cells] += select(winners[:, *positions] == offset, g[:, *positions])
    return batch_first(out)


def window_max_grad(g: np.ndarray, x: np.ndarray, out: np.ndarray, window: Window, /) -> np.ndarray:
    """The gradient of ``out = window_max(x)``: g (N, C, OH, OW) added at the first maxima."""
    dx = np.zeros((x.shape[1], *window.size, len(x)), g.dtype)
    g, x, out = batch_innermost(g), batch_innermost(x), batch_innermost(out)
    for _, positions, cells, first in _first_matches(x, out, window):
        if window.disjoint():
            select(first, g[:, *positions], out=dx[:, *cells])
        else:
            dx[:, *cells] += select(first, g[:, *positions])
    return batch_first(dx)


def window_sum(x: np.ndarray, window: Window, /) -> np.ndarray:
    """The sum of each window of x (N, C, H, W): (N, C, OH, OW)."""
    x = batch_innermost(x)
    out = np.zeros((x.shape[0], *window.out, x.shape[-1]), x.dtype)
    for _, positions, cells in window.overlaps():
        out[:, *positions] += x[:, *cells]
    return batch_first(out)


def window_spread(g: np.ndarray, window: Window, /) -> np.ndarray:
    """The adjoint of window_sum: g (N, C, OH, OW), each value added to all cells of its window."""
    g = batch_innermost(g)
    out = np.zeros((g.shape[0], *window.size, g.shape[-1]), g.dtype)
    for _, positions, cells in window.overlaps():
        out[:, *cells] += g[:, *positions]
    return batch_first(out)
