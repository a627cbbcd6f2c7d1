"""Resize and Upsample: along each axis a choice of cells, or a matrix of weights."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import math
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn.engine.node import values
from autograd_cnn.ops.pool import banded
from autograd_cnn.ops.shape import along, floating


def ints(x):
    """A shape, axes or sizes: an attribute, or an array of integers, as a tuple."""
    found = np.asarray(values(x))
    if found.dtype.kind not in "iu" and found.size:
        raise ValueError(f"sizes and axes must be integers, got numbers of {found.dtype}")
    return tuple(found.reshape(-1).tolist())


def _resize(
    x, roi=None, scales=None, sizes=None, *, opset, antialias=0, axes=None,
    coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75, exclude_outside=0,
    extrapolation_value=0.0, keep_aspect_ratio_policy="stretch", mode="nearest",
    nearest_mode="round_prefer_floor"
):  # fmt: skip
    if opset < 11:  # Resize-10 and Upsample have no roi, and cells at i / scale
        roi, scales, nearest_mode = None, roi if scales is None else scales, "floor"
        coordinate_transformation_mode = "asymmetric"
    over = range(x.ndim) if axes is None else [a % x.ndim for a in ints(axes)]
    out, factors = _targets([x.shape[a] for a in over], scales, sizes, keep_aspect_ratio_policy)
    box = np.ravel(values(roi)) if roi is not None and np.size(values(roi)) else None
    outside = np.zeros((1,) * x.ndim, bool)
    for i, axis in enumerate(over):
        n, size, factor = x.shape[axis], out[i], factors[i]
        ends = (0.0, 1.0) if box is None else (float(box[i]), float(box[i + len(out)]))
        if size == n and factor == 1.0 and ends == (0.0, 1.0):
            continue
        at = _places(n, size, factor, coordinate_transformation_mode, ends)
        if coordinate_transformation_mode == "tf_crop_and_resize":
            beyond = (at < 0) | (at > n - 1)
            outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        if mode == "nearest":
            x = x[along(axis, np.clip(_rounded(at, nearest_mode), 0, n - 1))]
        else:
            step = min(factor, 1.0) if antialias else 1.0
            a = {"linear": None, "cubic": cubic_coeff_a}[mode]
            x = floating(x)
            x = banded(x, axis=axis, matrix=_weights(at, n, step, a, bool(exclude_outside)))
    return ag.where(outside, np.asarray(extrapolation_value, x.dtype), x) if outside.any() else x


def _targets(sides, scales, sizes, policy):
    """The sizes of the result, and by how much each axis grows."""
    if sizes is not None and np.size(sizes):
        out = list(ints(sizes))
        factors = [o / max(n, 1) for o, n in zip(out, sides, strict=True)]
        if policy != "stretch":
            factor = {"not_larger": min, "not_smaller": max}[policy](factors)
            factors = [factor] * len(sides)
            out = [math.floor(factor * n + 0.5) for n in sides]
    else:
        factors = np.ravel(values(scales)).astype(float).tolist() if scales is not None else []
        out = [math.floor(n * f) for n, f in zip(sides, factors, strict=True)]
    if min(factors, default=0) <= 0 or not sides or max(out) >= 1 << 31:
        raise ValueError(f"sizes {out} or scales {factors} are not possible for {sides}")
    return out, factors


def _places(n, size, factor, mode, ends):
    """Where each cell of the result lies between the cells of the input."""
    i, whole, one = np.arange(size), n * factor, n * factor == 1
    if mode == "asymmetric":
        return i / factor
    if mode == "align_corners":
        return i * (0.0 if one else (n - 1) / (whole - 1))
    if mode == "tf_crop_and_resize":
        start, span = ends[0] * (n - 1), (ends[1] - ends[0]) * (n - 1)
        return start + (np.full(size, span / 2) if one else i * span / (whole - 1))
    if mode == "pytorch_half_pixel" and one:
        return np.full(size, -0.5)
    if mode not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        raise ValueError(f"coordinate_transformation_mode {mode!r} is unknown")
    moved = n / 2 * (1 - size / whole) if mode == "half_pixel_symmetric" else 0.0
    return moved + (i + 0.5) / factor - 0.5


def _rounded(at, mode):
    """The nearest cells."""
    modes = {"floor": np.floor(at), "round_prefer_ceil": np.floor(at + 0.5)}
    modes |= {"ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - 0.5)}
    return modes[mode].astype(np.intp)


def _weights(at, n, step, a, inside):
    """The matrix whose rows weigh the cells around each place, by distance times `step`.

    `a` is that of cubic convolution, None for linear.  Cells outside have the value at the edge, or
    with `inside` no weight.
    """
    reach = math.ceil((1 if a is None else 2) / step)
    cells = np.floor(at).astype(np.intp)[:, None] + np.arange(-reach, reach + 1)
    x = np.abs(cells - at[:, None]) * step
    if a is None:
        share = np.maximum(1.0 - x, 0.0)
    else:
        near, far = ((a + 2) * x - a - 3) * x * x + 1, ((x - 5) * x + 8) * x * a - 4 * a
        share = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    if inside:
        share[(cells < 0) | (cells >= n)] = 0.0
    weights = np.zeros((len(at), n))
    share /= share.sum(axis=1, keepdims=True)
    np.add.at(weights, (np.arange(len(at))[:, None], np.clip(cells, 0, n - 1)), share)
    return weights


RESIZING: dict[str, Any] = {
    "Resize": _resize,
    "Upsample": lambda x, scales, *, mode="nearest": _resize(x, scales, opset=10, mode=mode),
}
