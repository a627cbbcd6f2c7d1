"""Images resized by nearest values, or by linear or cubic interpolation along each axis."""

from __future__ import annotations

import functools
import math
from operator import index
from typing import Any

import numpy as np

from autograd_cnn.engine.copies import locked
from autograd_cnn.engine.node import Array
from autograd_cnn.functional.geometry import SHAPES
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.ops.pool import avg_pool_grad, banded
from autograd_cnn.ops.shape import along, floating
from autograd_cnn.ops.signatures import array_function

__all__ = ["interpolate"]

_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def check_settings(
    name: str, size: Any, scale_factor: Any, mode: str, align_corners: bool | None
) -> None:
    """Raise ValueError for settings that no input can have."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: give either size or scale_factor")
    label, value = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    least = 1 if scale_factor is None else 0.0
    for v in value if isinstance(value, (tuple, list)) else (value,):
        if not (least <= v < math.inf and v):
            raise ValueError(f"{name}: {label} must be positive and finite, got {value!r}")
    if mode != "nearest" and mode not in _AXES:
        listed = ", ".join(map(repr, ("nearest", *_AXES)))
        raise ValueError(f"{name}: mode must be one of {listed}, got {mode!r}")
    if mode == "nearest" and align_corners is not None:
        raise ValueError(f"{name}: align_corners has no meaning for mode='nearest'")


def _target(x: Array, size: Any, scale_factor: Any) -> tuple[list[int], list[float]]:
    """Output sizes, and the number of input cells per output cell, along each axis."""
    axes = x.ndim - 2
    name, value = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    given: Any = list(value) if isinstance(value, (tuple, list)) else [value] * axes
    if len(given) != axes:
        raise ValueError(f"interpolate: {name} must be a number or {axes} of them, got {value!r}")
    sides = x.shape[2:]
    if scale_factor is None:
        out = [index(v) for v in given]
    else:
        out = [math.floor(n * v) for n, v in zip(sides, given)]
    if min(*sides, *out) < 1 or max(out) >= 1 << 60:
        raise ValueError(
            f"interpolate: sizes must be at least 1 and below 2**60, got {name}={value!r} "
            f"for an input of shape {x.shape}"
        )
    steps = [1.0 / v for v in given] if size is None else [n / o for n, o in zip(sides, out)]
    return out, steps


@array_function
def interpolate(
    input: Array,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Images (N, C, ...) resized to `size`, or by `scale_factor`: a number or one per axis.

    Sizes are rounded down.  `mode` 'nearest' repeats values: output cell i takes input cell
    floor(i / scale).  'linear' (N, C, L), 'bilinear' (N, C, H, W) and 'trilinear' (N, C, D, H, W)
    interpolate between the two nearest cells of each axis.  Cell i lies at ``(i + 0.5) / scale -
    0.5``, but not below 0.  With `align_corners` it lies at ``i * (input size - 1) / (output size -
    1)``, so that corners keep their values.  'bicubic' (N, C, H, W) takes the four nearest cells,
    by cubic convolution with a = -0.75; cells outside have the values of the edge.  Keys, "Cubic
    convolution interpolation for digital image processing" (1981).

    >>> F.interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2)
    array([[[1., 1., 3., 3.]]])
    >>> F.interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    x = input
    check_settings("interpolate", size, scale_factor, mode, align_corners)
    if x.ndim - 2 not in SHAPES:
        wanted = " or ".join(SHAPES.values())
        raise ValueError(f"interpolate: input must have shape {wanted}, got {x.shape}")
    out, steps = _target(x, size, scale_factor)
    if mode == "nearest":
        return _nearest(x, out, steps)
    if _AXES.get(mode) != x.ndim - 2:
        fitting = " or ".join(repr(m) for m, axes in _AXES.items() if axes == x.ndim - 2)
        raise ValueError(
            f"interpolate: mode must be 'nearest' or {fitting} for an input of shape {x.shape}, "
            f"got {mode!r}"
        )
    x = floating(x)
    for axis in range(len(out) + 1, 1, -1):  # rows first: later passes have longer runs of memory
        o, step = out[axis - 2], steps[axis - 2]
        settings = o, step, bool(align_corners), mode == "bicubic"
        weights = _weights(x.shape[axis], *settings, x.dtype)
        x = banded(x, axis=axis, matrix=weights)
    return x


@functools.lru_cache(maxsize=256)
def _weights(
    n: int, out: int, step: float, align_corners: bool, cubic: bool, dtype: np.dtype
) -> np.ndarray:
    """The matrix (out, n) whose rows weigh the two or four cells around each output cell."""
    places = np.arange(out)
    if align_corners:
        at = places * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        at = np.maximum((places + 0.5) * step - 0.5, -np.inf if cubic else 0.0)
    low = np.floor(at).astype(np.intp)
    weights = np.zeros((out, n))
    for cell in range(-1, 3) if cubic else range(2):
        distance = np.abs(at - low - cell)
        share = _cubic(distance) if cubic else 1.0 - distance
        np.add.at(weights, (places, np.clip(low + cell, 0, n - 1)), share)
    return locked(weights.astype(dtype))


def _cubic(x: np.ndarray) -> np.ndarray:
    """The weight of a cell at a distance up to 2, in cubic convolution with a = -0.75."""
    near, far = (1.25 * x - 2.25) * x * x + 1.0, 0.75 * (2.0 - x) ** 2 * (1.0 - x)
    return np.where(x < 1.0, near, far)


@functools.lru_cache(maxsize=256)
def _nearest_cells(n: int, out: int, step: float) -> tuple[np.ndarray, int]:
    """The input cell of each output cell, and how often all are repeated, or 0 if unequally."""
    cells = np.minimum(np.floor(np.arange(out) * step).astype(np.intp), n - 1)
    times = out // n
    return locked(cells), times if np.array_equal(cells, np.arange(n).repeat(times)) else 0


def _nearest(x: Array, out: list[int], steps: list[float]) -> Array:
    """Whole multiples spread each value over its window; other sizes pick by position."""
    picked = [_nearest_cells(n, o, step) for n, o, step in zip(x.shape[2:], out, steps)]
    times = tuple(repeats for _, repeats in picked)
    if all(times) and x.dtype.kind == "f":
        window = pool_geometry("avg", len(out), (*x.shape[:2], *out), times)
        return avg_pool_grad(x, window=window, divisor_override=1)
    for axis, (cells, _) in enumerate(picked, 2):
        x = x[along(axis, cells)]
    return x
