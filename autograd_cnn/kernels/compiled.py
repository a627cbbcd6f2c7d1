"""The compiled kernels behind the signatures of reference.py.

Every function takes what its twin takes.  The compiled loops take arrays of float32 or float64 that
lie as the kernels leave them, and answer False for others; those are copied, or handed to the twin:
other and mixed dtypes, more than three spatial axes, empty arrays.  Shapes have been checked by the
ops.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.kernels import _compiled, reference
from autograd_cnn.kernels.reference import batch_first, laid_out
from autograd_cnn.kernels.window import Window

_AXES = 3

LARGE_PRODUCT = 1 << 27
"""Multiply-adds from which BLAS computes a matrix product: about a millisecond on two cores."""

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
    """Whether the compiled loops take such arrays: float32 or float64, all alike, none empty."""
    given = [a for a in arrays if a is not None]
    dtype = given[0].dtype
    return dtype.char in "fd" and all(a.dtype == dtype and a.size for a in given)


# Axes of (C, H, W, N) as (N, C, H, W), for every number of axes that NumPy knows.
_FIRST = [(ndim - 1, *range(ndim - 1)) for ndim in range(65)]


def _images(n: int, c: int, size: tuple[int, ...], dtype: Any) -> np.ndarray:
    """New images (N, C, H, W), batch-innermost."""
    return np.empty((c, *size, n), dtype).transpose(_FIRST[2 + len(size)])


def _like(x: np.ndarray) -> np.ndarray:
    """New images of the shape and dtype of x, batch-innermost."""
    n, *rest = x.shape
    return batch_first(np.empty((*rest, n), x.dtype))


def _plain(v: np.ndarray | None) -> np.ndarray | None:
    """v, copied to lie in the order of its axes if it does not."""
    return None if v is None else np.ascontiguousarray(v)


def _otherwise(kernel: Callable[..., Any], *args: Any) -> Any:
    """What `kernel` gives for arrays that its loop did not take: from copies that lie as the loop
    likes it, or by its twin where copies are of no use.
    """
    names = kernel.__code__.co_varnames
    floats = [x for name, x in zip(names, args) if isinstance(x, np.ndarray) and name != "target"]
    copies = [_fitted(name, x) for name, x in zip(names, args)] if _serves(*floats) else args
    if all(copy is x for copy, x in zip(copies, args)):
        return getattr(reference, kernel.__name__)(*args)
    return kernel(*copies)


def _fitted(name: str, x: Any) -> Any:
    """An argument as the loops like it: images and class numbers batch-innermost, other arrays in
    the order of their axes; itself if it lies so already.
    """
    if not isinstance(x, np.ndarray):
        return x
    if name == "target":
        return laid_out(x.astype(np.int64, copy=False))
    return laid_out(x) if name in _IMAGES else np.ascontiguousarray(x)


_IMAGES = frozenset({"x", "g", "out", "logits", "probabilities"})


@functools.lru_cache(maxsize=4096)
def _numbers(window: Window, turned: bool = False) -> np.ndarray:
    """A window as compiled.c reads it, (7, axes): size, kernel, stride, dilation, before, insert,
    out.

    `turned` is the window of the gradient in the images, which is a correlation as well: of
    gradients with stride - 1 zeros between them, with the filters turned around.  More than three
    axes give no numbers, which no loop takes.
    """
    if len(window.size) > _AXES:
        return np.empty(0, np.int64)
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
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    window: Window,
    groups: int,
    relu: bool = False,
    pool: Window | None = None,
    scale: np.ndarray | None = None,
) -> np.ndarray:
    """See reference.conv."""
    halved = pool is not None and _halves(pool)
    if pool is not None and not halved:
        out = window_max(conv(x, w, b, window, groups, False, None, scale), pool)
        return reference.relu(out) if relu else out
    size = window.out if pool is None else pool.out
    out, numbers = _images(len(x), len(w), size, x.dtype), _numbers(window)
    if not _compiled.correlate(x, w, b, scale, numbers, out, groups, relu, halved):
        return _otherwise(conv, x, w, b, window, groups, relu, pool, scale)
    return out


@functools.lru_cache(maxsize=4096)
def _halves(pool: Window) -> bool:
    """Whether a pooling parts its images into squares of 2 x 2, which the convolution can do."""
    halves = tuple(n // 2 for n in pool.size)
    window = (pool.kernel, pool.stride, pool.dilation, pool.before, pool.out)
    return window == ((2, 2), (2, 2), (1, 1), (0, 0), halves)


def conv_input_grad(g: np.ndarray, w: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv_input_grad."""
    f, each = w.shape[:2]
    cells = math.prod(window.kernel)
    turned = w.reshape(groups, f // groups, each, cells)[..., ::-1]
    turned = np.ascontiguousarray(turned.swapaxes(1, 2))  # (G, C / G, F / G, KH * KW)
    x, numbers = _images(len(g), groups * each, window.size, g.dtype), _numbers(window, True)
    if not _compiled.correlate(g, turned, None, None, numbers, x, groups, False, False):
        return _otherwise(conv_input_grad, g, w, window, groups)
    return x


def conv_weight_grad(x: np.ndarray, g: np.ndarray, window: Window, groups: int) -> np.ndarray:
    """See reference.conv_weight_grad."""
    w = np.empty((g.shape[1], x.shape[1] // groups, *window.kernel), x.dtype)
    numbers = _numbers(window)
    if not _compiled.weights(x, g, w, numbers, groups):
        return _otherwise(conv_weight_grad, x, g, window, groups)
    return w


# ---------------------------------------------------------------------------------- matrix products


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """See reference.matmul."""
    if x.size * y.shape[1] >= LARGE_PRODUCT:
        return reference.matmul(x, y)
    if x.flags.f_contiguous and not x.flags.c_contiguous:  # in the memory order of x
        out = _product(y.T, x.T, None)
        return reference.matmul(x, y) if out is None else out.T
    out = _product(x, y, None)
    return reference.matmul(x, y) if out is None else out


def linear(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    relu: bool = False,
    scale: np.ndarray | None = None,
) -> np.ndarray:
    """See reference.linear."""
    out = _product(w, x.T, b, relu, scale) if x.size * len(w) < LARGE_PRODUCT else None
    return reference.linear(x, w, b, relu, scale) if out is None else out.T


def _product(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None,
    relu: bool = False,
    scale: np.ndarray | None = None,
) -> np.ndarray | None:
    """a (M, K) @ b (K, N) * scale (M,) + bias (M,), contiguous (M, N), and relu of it; None if the
    loops do not serve.
    """
    out = np.empty((len(a), b.shape[1]), a.dtype)
    if _compiled.product(a, b, bias, scale, out, relu):
        return out
    if not _serves(a, b, bias, scale):
        return None
    copies = map(_plain, (a, b, bias, scale))
    return out if _compiled.product(*copies, out, relu) else None


# ------------------------------------------------------------------------------------------ pooling


def window_max(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_max."""
    out = _images(len(x), x.shape[1], window.out, x.dtype)
    if not _compiled.window_max(x, out, _numbers(window)):
        return _otherwise(window_max, x, window)
    return out


def window_max_grad(g: np.ndarray, x: np.ndarray, out: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_max_grad."""
    dx = _images(len(x), x.shape[1], window.size, x.dtype)
    if not _compiled.window_max_grad(g, x, out, dx, _numbers(window)):
        return _otherwise(window_max_grad, g, x, out, window)
    return dx


def window_sum(x: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_sum."""
    out = _images(len(x), x.shape[1], window.out, x.dtype)
    if not _compiled.window_sum(x, out, _numbers(window)):
        return _otherwise(window_sum, x, window)
    return out


def window_spread(g: np.ndarray, window: Window) -> np.ndarray:
    """See reference.window_spread."""
    dx = _images(len(g), g.shape[1], window.size, g.dtype)
    if not _compiled.window_spread(g, dx, _numbers(window)):
        return _otherwise(window_spread, g, window)
    return dx


# ------------------------------------------------------------------------------------ normalisation


def running_affine(
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    before: np.ndarray | None,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """See reference.running_affine."""
    found = np.empty_like(mean), np.empty_like(mean)
    if not _compiled.running_affine(mean, var, weight, bias, before, *found, eps):
        return _otherwise(running_affine, mean, var, weight, bias, before, eps)
    return found


def channel_affine(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray | None, relu: bool
) -> np.ndarray:
    """See reference.channel_affine."""
    out = _like(x)
    if not _compiled.channel_affine(x, scale, shift, out, relu):
        return _otherwise(channel_affine, x, scale, shift, relu)
    return out


def channel_sum(x: np.ndarray) -> np.ndarray:
    """See reference.channel_sum."""
    out = np.empty(x.shape[1], x.dtype)
    if not _compiled.channel_sum(x, out):
        return _otherwise(channel_sum, x)
    return out


def batch_norm(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
    relu: bool,
    pool: Window | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """See reference.batch_norm; where pooling parts the images into squares of 2 x 2, nothing is
    kept for the gradient, which computes it again.
    """
    c, halved = x.shape[1], pool is not None and _halves(pool)
    if pool is not None and not halved:
        before, mean, var, _ = batch_norm(x, weight, bias, eps, False)
        out = window_max(before, pool)
        return (reference.relu(out) if relu else out), mean, var, before
    out = _like(x) if pool is None else _images(len(x), c, pool.out, x.dtype)
    mean, var = np.empty(c, x.dtype), np.empty(c, x.dtype)
    if not _compiled.batch_norm(x, weight, bias, out, mean, var, eps, relu, halved):
        return _otherwise(batch_norm, x, weight, bias, eps, relu, pool)
    return out, mean, var, None


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
    """See reference.batch_norm_grad."""
    if pool is not None and before is not None:
        g = window_max_grad(relu_grad(g, out) if relu else g, before, out, pool)
        relu, pool = False, None
    c = x.shape[1]
    found = _like(x), np.empty(c, x.dtype), np.empty(c, x.dtype)
    halved = pool is not None
    if not _compiled.batch_norm_grad(g, x, weight, bias, mean, var, *found, eps, relu, halved):
        return _otherwise(
            batch_norm_grad, g, out, x, weight, bias, mean, var, before, eps, relu, pool
        )
    return found


# -------------------------------------------------------------------------- elementwise and updates


def relu(x: np.ndarray) -> np.ndarray:
    """See reference.relu."""
    if not isinstance(x, np.ndarray):
        return reference.relu(x)
    out = np.empty_like(x)  # in the memory order of x
    return out if _compiled.relu(x, out) else reference.relu(x)


def relu_grad(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """See reference.relu_grad."""
    if not isinstance(x, np.ndarray) or not isinstance(g, np.ndarray):
        return reference.relu_grad(g, x)
    out = np.empty_like(x)
    return out if _compiled.relu_grad(g, x, out) else reference.relu_grad(g, x)


def sgd(
    updates: list[Any], numbers: tuple[float, float, float, float], nesterov: bool, maximize: bool
) -> None:
    """See reference.sgd."""
    if not _compiled.sgd(updates, *numbers, nesterov, maximize):
        for update in updates:  # those that the compiled loops take are done by them
            if not _compiled.sgd([update], *numbers, nesterov, maximize):
                reference.sgd([update], numbers, nesterov, maximize)


def adam(
    updates: list[Any], numbers: tuple[float, float, float, float, float, float], maximize: bool
) -> None:
    """See reference.adam."""
    if not _compiled.adam(updates, *numbers, maximize):
        for update in updates:
            if not _compiled.adam([update], *numbers, maximize):
                reference.adam([update], numbers, maximize)


# ------------------------------------------------------------------------------------ cross entropy


def first_outside(classes: np.ndarray, k: int) -> int | None:
    """See reference.first_outside."""
    found = _compiled.first_outside(classes, k)
    return reference.first_outside(classes, k) if found is False else found


def cross_entropy(logits: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See reference.cross_entropy."""
    n, _, *rest = logits.shape
    losses, probabilities = batch_first(np.empty((*rest, n), logits.dtype)), _like(logits)
    if not _compiled.cross_entropy(logits, target, losses, probabilities):
        return _otherwise(cross_entropy, logits, target)
    return losses, probabilities


def cross_entropy_grad(g: np.ndarray, probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """See reference.cross_entropy_grad."""
    dx = _like(probabilities)
    if not _compiled.cross_entropy_grad(g, target, probabilities, dx):
        return _otherwise(cross_entropy_grad, g, probabilities, target)
    return dx
