"""The compiled kernels behind the signatures of reference.py.

Every function takes what its twin takes, and hands the call on to its twin for what the compiled
loops do not do: dtypes other than float32 and float64, mixed dtypes, windows not over two axes,
empty arrays.  Shapes have been checked by the ops; contiguity is made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.kernels import _compiled, reference
from autograd_cnn.kernels.reference import batch_first, batch_innermost
from autograd_cnn.kernels.threads import matmul as matmul
from autograd_cnn.kernels.window import Window

_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_MOST_TAPS = 254  # winners are bytes, and one value says that nobody won
_threads = 1


def set_threads(threads: int) -> None:
    """Use this many threads; one where the build has no OpenMP."""
    global _threads
    _threads = threads if _compiled.parallel else 1
    _compiled.set_threads(_threads)


def get_threads() -> int:
    """How many threads are used."""
    return _threads


def _serves(*arrays: np.ndarray | None) -> bool:
    """Whether the compiled loops take these arrays: one of two dtypes, the same for all, none
    empty.
    """
    dtype = arrays[0].dtype  # type: ignore[union-attr]
    return dtype in _TYPES and all(a is None or (a.dtype == dtype and a.size) for a in arrays)


def _inner(x: np.ndarray) -> np.ndarray:
    """x (N, C, H, W) as a contiguous (C, H, W, N), copied if it lies otherwise."""
    return np.ascontiguousarray(batch_innermost(x))


def _geometry(n: int, c: int, f: int, groups: int, window: Window) -> tuple[int, ...]:
    """The numbers that compiled.c reads into its Geometry, in that order."""
    return (
        n,
        c,
        *window.size,
        f,
        groups,
        *window.kernel,
        *window.stride,
        *window.dilation,
        *window.before,
        1,
        1,
        *window.out,
    )


# -------------------------------------------------------------------------------------- convolution


def conv2d(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window, groups: int
) -> np.ndarray:
    """See reference.conv2d."""
    if not _serves(x, w, b) or len(window.size) != 2:
        return reference.conv2d(x, w, b, window, groups)
    out = np.empty((len(w), *window.out, len(x)), x.dtype)  # (F, OH, OW, N)
    bias = None if b is None else np.ascontiguousarray(b)
    geometry = _geometry(len(x), x.shape[1], len(w), groups, window)
    _compiled.correlate(_inner(x), np.ascontiguousarray(w), bias, out, *geometry)
    return batch_first(out)


def conv2d_input_grad(g: np.ndarray, w: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv2d_input_grad.

    A correlation as well: of g, with stride - 1 zeros between its values, with the filters turned
    around, from output channels to input channels.
    """
    if not _serves(g, w) or len(window.size) != 2:
        return reference.conv2d_input_grad(g, w, window, groups)
    f, each = w.shape[:2]
    turned = w.reshape(groups, f // groups, each, *window.kernel)[:, :, :, ::-1, ::-1]
    turned = np.ascontiguousarray(turned.swapaxes(1, 2))  # (G, C / G, F / G, KH, KW)
    x = np.empty((groups * each, *window.size, len(g)), g.dtype)  # (C, H, W, N)
    before = (d * (k - 1) - p for d, k, p in zip(window.dilation, window.kernel, window.before))
    geometry = (len(g), f, *window.out, groups * each, groups, *window.kernel, 1, 1)
    _compiled.correlate(
        _inner(g),
        turned,
        None,
        x,
        *geometry,
        *window.dilation,
        *before,
        *window.stride,
        *window.size,
    )
    return batch_first(x)


def conv2d_weight_grad(x: np.ndarray, g: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv2d_weight_grad."""
    if not _serves(x, g) or len(window.size) != 2:
        return reference.conv2d_weight_grad(x, g, window, groups)
    w = np.empty((g.shape[1], x.shape[1] // groups, *window.kernel), x.dtype)
    geometry = _geometry(len(x), x.shape[1], g.shape[1], groups, window)
    _compiled.weights(_inner(x), _inner(g), w, *geometry)
    return w


# ------------------------------------------------------------------------------------------ pooling


def _pools(window: Window, *arrays: np.ndarray) -> bool:
    return len(window.size) == 2 and math.prod(window.kernel) <= _MOST_TAPS and _serves(*arrays)


def _pool(
    name: str, images: Sequence[np.ndarray], shape: tuple[int, ...], dtype: Any, window: Window
) -> np.ndarray:
    """Call a pooling loop on images (N, C, ...) with an output (C, *shape, N)."""
    n, c = images[0].shape[:2]
    out = np.empty((c, *shape, n), dtype)
    inner = [_inner(image) for image in images]
    getattr(_compiled, name)(*inner, out, *_geometry(n, c, c, 1, window))
    return batch_first(out)


def window_max(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_max."""
    if not _pools(window, x):
        return reference.window_max(x, window)
    return _pool("window_max", (x,), window.out, x.dtype, window)


def window_winners(x: np.ndarray, out: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_winners."""
    if not _pools(window, x, out):
        return reference.window_winners(x, out, window)
    return _pool("window_winners", (x, out), window.out, np.uint8, window)


def window_gather(x: np.ndarray, winners: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_gather."""
    if not _pools(window, x) or winners.dtype != np.uint8:
        return reference.window_gather(x, winners, window)
    return _pool("window_gather", (x, winners), window.out, x.dtype, window)


def window_scatter(g: np.ndarray, winners: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_scatter."""
    if not _pools(window, g) or winners.dtype != np.uint8:
        return reference.window_scatter(g, winners, window)
    return _pool("window_scatter", (g, winners), window.size, g.dtype, window)


def window_sum(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_sum."""
    if not _pools(window, x):
        return reference.window_sum(x, window)
    return _pool("window_sum", (x,), window.out, x.dtype, window)


def window_spread(g: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_spread."""
    if not _pools(window, g):
        return reference.window_spread(g, window)
    return _pool("window_spread", (g,), window.size, g.dtype, window)


# ------------------------------------------------------------------------------------ normalisation


def batch_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See reference.batch_norm."""
    if not _serves(x, weight, bias):
        return reference.batch_norm(x, weight, bias, eps)
    rows = _inner(x)
    c = len(rows)
    out, mean, var = np.empty_like(rows), np.empty(c, x.dtype), np.empty(c, x.dtype)
    factor, offset = (None if v is None else np.ascontiguousarray(v) for v in (weight, bias))
    _compiled.batch_norm(rows, factor, offset, out, mean, var, np.float64(eps), c, rows.size // c)
    return batch_first(out), mean, var


def batch_norm_grad(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See reference.batch_norm_grad."""
    if not _serves(g, x, weight, mean, var):
        return reference.batch_norm_grad(g, x, weight, mean, var, eps)
    rows = _inner(x)
    c = len(rows)
    dx, dw, db = np.empty_like(rows), np.empty(c, x.dtype), np.empty(c, x.dtype)
    factor = None if weight is None else np.ascontiguousarray(weight)
    _compiled.batch_norm_grad(
        _inner(g), rows, factor, mean, var, dx, dw, db, np.float64(eps), c, rows.size // c
    )
    return batch_first(dx), dw, db


# -------------------------------------------------------------------------------------- elementwise


def _dense(x: np.ndarray) -> np.ndarray | None:
    """The values of x in the order of memory, if they lie in one piece in some order of axes."""
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    ordered = x.transpose(axes)
    return ordered if ordered.flags.c_contiguous else None


def relu(x: np.ndarray) -> np.ndarray:
    """See reference.relu."""
    flat = _dense(x) if isinstance(x, np.ndarray) and x.ndim and _serves(x) else None
    if flat is None:
        return reference.relu(x)
    out = np.empty_like(x)  # the same order of the axes
    _compiled.relu(flat, _dense(out), x.size)
    return out


def relu_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """See reference.relu_grad."""
    flat = _dense(x) if isinstance(x, np.ndarray) and x.ndim and _serves(x, g) else None
    if flat is None or g.strides != x.strides or g.shape != x.shape:
        return reference.relu_grad(g, x)
    out = np.empty_like(x)
    _compiled.relu_grad(_dense(g), flat, _dense(out), x.size)
    return out
