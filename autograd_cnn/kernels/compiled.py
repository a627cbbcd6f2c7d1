"""The compiled kernels behind the signatures of reference.py.

Every function takes what its twin takes, and hands the call on to its twin for what the compiled
loops do not do: dtypes other than float32 and float64, mixed dtypes, more than three spatial axes,
empty arrays.  Shapes have been checked by the ops; contiguity is made here.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from autograd_cnn.kernels import _compiled, reference
from autograd_cnn.kernels.reference import batch_first, batch_innermost
from autograd_cnn.kernels.window import Window

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)  # NumPy has one object of each
_AXES = 3

LARGE_PRODUCT = 1 << 27
"""Multiply-adds from which BLAS computes a matrix product: about a millisecond on two cores."""

_SHORT_SUM = 256  # terms below which turning a matrix around costs less than adding up the lanes
_threads = 1


def set_threads(threads: int) -> None:
    """Use this many threads."""
    global _threads
    _threads = threads
    _compiled.set_threads(_threads)


def get_threads() -> int:
    """How many threads are used."""
    return _threads


def _serves(*arrays: np.ndarray | None) -> bool:
    """Whether the compiled loops take these arrays: float32 or float64, all alike, none empty."""
    dtype = None if arrays[0] is None else arrays[0].dtype
    if dtype is not _SINGLE and dtype is not _DOUBLE:
        return False
    for a in arrays:  # noqa: SIM110 - all() takes three times as long
        if a is not None and (a.dtype is not dtype or not a.size):
            return False
    return True


def _inner(x: np.ndarray) -> np.ndarray:
    """x (N, C, H, W) as a contiguous (C, H, W, N), copied if it lies otherwise."""
    return np.ascontiguousarray(batch_innermost(x))


@functools.lru_cache(maxsize=4096)
def _numbers(window: Window, turned: bool = False) -> np.ndarray:
    """A window as compiled.c reads it, (7, axes): size, kernel, stride, dilation, before, insert,
    out.

    `turned` is the window of the gradient in the images, which is a correlation as well: of
    gradients with stride - 1 zeros between them, with the filters turned around.
    """
    one = (1,) * len(window.size)
    fields = [window.size, window.kernel, window.stride, window.dilation, window.before, one]
    fields.append(window.out)
    if turned:
        ends = zip(window.dilation, window.kernel, window.before)
        before = tuple(d * (k - 1) - p for d, k, p in ends)
        fields = [window.out, window.kernel, one, window.dilation, before, window.stride]
        fields.append(window.size)
    missing = _AXES - len(one)  # leading axes of size 1, without padding
    filled = [(*((0,) if row == 4 else (1,)) * missing, *f) for row, f in enumerate(fields)]
    return np.array(filled, np.int64)


# -------------------------------------------------------------------------------------- convolution


def conv(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window, groups: int
) -> np.ndarray:
    """See reference.conv."""
    if len(window.size) > _AXES or not _serves(x, w, b):
        return reference.conv(x, w, b, window, groups)
    n, c = x.shape[:2]
    out = np.empty((len(w), *window.out, n), x.dtype)  # (F, OH, OW, N)
    bias = None if b is None else np.ascontiguousarray(b)
    weight = np.ascontiguousarray(w)
    _compiled.correlate(_inner(x), weight, bias, out, _numbers(window), n, c, len(w), groups)
    return batch_first(out)


def conv_input_grad(g: np.ndarray, w: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv_input_grad."""
    if len(window.size) > _AXES or not _serves(g, w):
        return reference.conv_input_grad(g, w, window, groups)
    f, each = w.shape[:2]
    cells = math.prod(window.kernel)
    turned = w.reshape(groups, f // groups, each, cells)[..., ::-1]
    turned = np.ascontiguousarray(turned.swapaxes(1, 2))  # (G, C / G, F / G, KH * KW)
    n, c = len(g), groups * each
    x = np.empty((c, *window.size, n), g.dtype)  # (C, H, W, N)
    _compiled.correlate(_inner(g), turned, None, x, _numbers(window, True), n, f, c, groups)
    return batch_first(x)


def conv_weight_grad(x: np.ndarray, g: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv_weight_grad."""
    if len(window.size) > _AXES or not _serves(x, g):
        return reference.conv_weight_grad(x, g, window, groups)
    (n, c), f = x.shape[:2], g.shape[1]
    w = np.empty((f, c // groups, *window.kernel), x.dtype)
    _compiled.weights(_inner(x), _inner(g), w, _numbers(window), n, c, f, groups)
    return w


# ---------------------------------------------------------------------------------- matrix products


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """See reference.matmul."""
    m, k = x.shape
    n = y.shape[1]
    if m * n * k >= LARGE_PRODUCT or not _serves(x, y):
        return reference.matmul(x, y)
    if x.flags.f_contiguous and not x.flags.c_contiguous:
        return _product(y.T, x.T, None).T  # in the memory order of x
    return _product(np.ascontiguousarray(x), y, None)


def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    """See reference.linear."""
    if x.size * len(w) >= LARGE_PRODUCT or not _serves(x, w, b):
        return reference.linear(x, w, b)
    return _product(np.ascontiguousarray(w), x.T, None if b is None else np.ascontiguousarray(b)).T


def _product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """a (M, K) @ b (K, N) + bias (M,), contiguous (M, N)."""
    (m, k), n = a.shape, b.shape[1]
    out = np.empty((m, n), a.dtype)
    if a.flags.c_contiguous and b.flags.f_contiguous and (k >= _SHORT_SUM or n == 1):
        _compiled.dots(a, b.T, bias, out, m, n, k)
    else:
        left, a_turned = _line_up(a)
        right, b_turned = _line_up(b)
        _compiled.product(left, right, bias, out, m, n, k, a_turned, b_turned)
    return out


def _line_up(a: np.ndarray) -> tuple[np.ndarray, bool]:
    """The matrix, or its transpose (True), contiguous; copied if neither is."""
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        return a.T, True
    return np.ascontiguousarray(a), False


# ------------------------------------------------------------------------------------------ pooling


def _pools(window: Window, *arrays: np.ndarray) -> bool:
    return len(window.size) <= _AXES and _serves(*arrays)


def window_max(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_max."""
    if not _pools(window, x):
        return reference.window_max(x, window)
    n, c = x.shape[:2]
    out = np.empty((c, *window.out, n), x.dtype)
    _compiled.window_max(_inner(x), out, _numbers(window), n, c)
    return batch_first(out)


def window_max_grad(g: np.ndarray, x: np.ndarray, out: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_max_grad."""
    if not _pools(window, g, x, out):
        return reference.window_max_grad(g, x, out, window)
    n, c = x.shape[:2]
    dx = np.empty((c, *window.size, n), x.dtype)
    _compiled.window_max_grad(_inner(g), _inner(x), _inner(out), dx, _numbers(window), n, c)
    return batch_first(dx)


def window_sum(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_sum."""
    if not _pools(window, x):
        return reference.window_sum(x, window)
    n, c = x.shape[:2]
    out = np.empty((c, *window.out, n), x.dtype)
    _compiled.window_sum(_inner(x), out, _numbers(window), n, c)
    return batch_first(out)


def window_spread(g: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_spread."""
    if not _pools(window, g):
        return reference.window_spread(g, window)
    n, c = g.shape[:2]
    dx = np.empty((c, *window.size, n), g.dtype)
    _compiled.window_spread(_inner(g), dx, _numbers(window), n, c)
    return batch_first(dx)


# ------------------------------------------------------------------------------------ normalisation


def channel_affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray | None) -> np.ndarray:
    """See reference.channel_affine."""
    if not _serves(x, scale, shift):
        return reference.channel_affine(x, scale, shift)
    rows = _inner(x)
    out, c = np.empty_like(rows), len(rows)
    factor, offset = (None if v is None else np.ascontiguousarray(v) for v in (scale, shift))
    _compiled.channel_affine(rows, factor, offset, out, c, rows.size // c)
    return batch_first(out)


def channel_sum(x: np.ndarray) -> np.ndarray:
    """See reference.channel_sum."""
    if not _serves(x):
        return reference.channel_sum(x)
    rows = _inner(x)
    out = np.empty(len(rows), x.dtype)
    _compiled.channel_sum(rows, out, len(rows), rows.size // len(rows))
    return out


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


# -------------------------------------------------------------------------- elementwise and updates


def _order(x: np.ndarray) -> tuple[int, ...] | None:
    """The order of axes in which the values of x lie in memory, if they lie in one piece."""
    axes = tuple(range(x.ndim))
    if x.flags.c_contiguous:
        return axes
    axes = (*axes[1:], 0)  # batch-innermost
    if not x.transpose(axes).flags.c_contiguous:
        axes = tuple(sorted(axes, key=lambda axis: -x.strides[axis]))
    return axes if x.transpose(axes).flags.c_contiguous else None


def _together(*arrays: np.ndarray | None) -> list[np.ndarray | None] | None:
    """Arrays of one shape in the order of memory, if that is the same for all."""
    order = _order(arrays[0])  # type: ignore[arg-type]
    if order is None:
        return None
    rows = [None if a is None else a.transpose(order) for a in arrays]
    for a in rows:
        if a is not None and not a.flags.c_contiguous:
            return None
    return rows


def relu(x: np.ndarray) -> np.ndarray:
    """See reference.relu."""
    if type(x) is not np.ndarray or not x.ndim or not _serves(x):
        return reference.relu(x)
    out = np.empty_like(x)  # the same order of the axes
    rows = _together(x, out)
    if rows is None:
        return reference.relu(x)
    _compiled.relu(*rows, x.size)
    return out


def relu_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """See reference.relu_grad."""
    if type(x) is not np.ndarray or not x.ndim or g.shape != x.shape or not _serves(x, g):
        return reference.relu_grad(g, x)
    out = np.empty_like(x)
    rows = _together(g, x, out)
    if rows is None:
        return reference.relu_grad(g, x)
    _compiled.relu_grad(*rows, x.size)
    return out


# ------------------------------------------------------------------------ cross entropy and updates


def first_outside(classes: np.ndarray, k: int) -> int:
    """See reference.first_outside."""
    if classes.dtype != np.int64:
        return reference.first_outside(classes, k)
    return _compiled.first_outside(np.ascontiguousarray(classes), k)


def cross_entropy(logits: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See reference.cross_entropy."""
    if not _serves(logits):
        return reference.cross_entropy(logits, target)
    rows = _inner(logits)  # (K, ..., N)
    losses, probabilities = np.empty(rows.shape[1:], rows.dtype), np.empty_like(rows)
    k = len(rows)
    _compiled.cross_entropy(rows, _classes(target), losses, probabilities, k, losses.size)
    return batch_first(losses), batch_first(probabilities)


def cross_entropy_grad(g: np.ndarray, probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See reference.cross_entropy_grad."""
    if not _serves(probabilities, g):
        return reference.cross_entropy_grad(g, probabilities, target)
    rows = _inner(probabilities)
    dx = np.empty_like(rows)
    _compiled.cross_entropy_grad(_inner(g), _classes(target), rows, dx, len(rows), g.size)
    return batch_first(dx)


def _classes(target: np.ndarray) -> np.ndarray:
    """Class numbers (N, ...) as contiguous int64 (..., N)."""
    return np.ascontiguousarray(batch_innermost(target), np.int64)


def sgd(
    p: np.ndarray,
    g: np.ndarray,
    buffer: np.ndarray | None,
    numbers: tuple[float, float, float, float],
    nesterov: bool,
    maximize: bool,
) -> None:
    """See reference.sgd."""
    arrays = _together(p, g, buffer) if _serves(p, g, buffer) else None
    if arrays is None:
        reference.sgd(p, g, buffer, numbers, nesterov, maximize)
    else:
        _compiled.sgd(*arrays, np.array(numbers), nesterov, maximize, p.size)


def adam(
    p: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    largest: np.ndarray | None,
    numbers: tuple[float, float, float, float, float, float],
    maximize: bool,
) -> None:
    """See reference.adam."""
    arrays = _together(p, g, m, v, largest) if _serves(p, g, m, v, largest) else None
    if arrays is None:
        reference.adam(p, g, m, v, largest, numbers, maximize)
    else:
        _compiled.adam(*arrays, np.array(numbers, float), maximize, p.size)
