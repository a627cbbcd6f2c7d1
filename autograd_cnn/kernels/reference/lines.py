"""Softmax and its kin, and normalisation of rows, in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["row_norm", "row_norm_grad", "soften", "soften_grad"]


def soften(name: str, x: np.ndarray, axis: Any, keepdims: bool, /) -> Any:
    """softmax, log_softmax or logsumexp of x over `axis`; only logsumexp reduces it.

    The maximum is subtracted before exponentials; logsumexp subtracts only finite ones.
    """
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        peak = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        if name == "logsumexp":
            peak = np.where(np.isinf(peak), peak.dtype.type(0), peak)  # inf - inf would give NaN
        shifted = x - peak
        e = np.exp(shifted)
        total = np.sum(e, axis=axis, keepdims=True)
        if name == "softmax":
            e /= total
            return e
        if name == "log_softmax":
            return np.subtract(shifted, np.log(total), out=shifted)
        out = np.log(total) + peak
    return out if keepdims else np.squeeze(out, axis=axis)


def soften_grad(
    name: str, g: np.ndarray, out: np.ndarray, x: np.ndarray, axis: Any, /
) -> np.ndarray:
    """The gradient of `soften` in x, given that of its result `out`."""
    if name == "softmax":
        return out * (g - np.sum(g * out, axis=axis, keepdims=True))
    with np.errstate(under="ignore"):
        if name == "log_softmax":
            return g - np.exp(out) * np.sum(g, axis=axis, keepdims=True)
        if np.ndim(g) < x.ndim:
            axes = tuple(range(x.ndim)) if axis is None else axis
            g, out = np.expand_dims(g, axes), np.expand_dims(out, axes)
        return g * np.exp(x - out)


def _rows(x: np.ndarray, lead: int, groups: int) -> np.ndarray:
    """x with the values of each row along the last axis, a view where they lie so."""
    return x.reshape(*x.shape[:lead], *(groups,) * (groups > 0), -1)


def sums(rows: np.ndarray) -> np.ndarray:
    """The sum of each row; a product with ones takes a third of the time of np.sum."""
    if rows.strides[-1] == rows.itemsize and rows.dtype.char in "fd":
        return (rows @ np.ones(rows.shape[-1:], rows.dtype))[..., None]
    return np.sum(rows, axis=-1, keepdims=True)


def _normal(x: np.ndarray, lead: int, groups: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """The rows of x less their means, and their inverse deviations."""
    rows = _rows(x, lead, groups)
    off = rows - sums(rows) / rows.shape[-1]
    return off, 1.0 / np.sqrt(sums(off * off) / rows.shape[-1] + eps)


def _over_rows(v: np.ndarray, x: np.ndarray, lead: int, groups: int) -> np.ndarray:
    """Weights of channels, or of the places in a row, so that they broadcast to x."""
    return v.reshape(-1, *(1,) * (x.ndim - 2)) if groups else v.reshape(x.shape[lead:])


def row_norm(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    lead: int,
    groups: int,
    eps: float,
    /,
) -> np.ndarray:
    """Normalise the rows of x to mean 0 and variance 1, then scale by weight and shift by bias.

    A row is what stands behind the first `lead` axes, with a weight for each value.  With `groups`
    x is (N, C, ...) with a weight for each channel, and a row is a group of channels of an image.
    """
    if not x.size:
        return x.copy()
    off, scale = _normal(x, lead, groups, eps)
    off *= scale
    out = off.reshape(x.shape)
    if weight is not None:
        out = np.multiply(out, _over_rows(weight, x, lead, groups), out=out)
    return out if bias is None else np.add(out, _over_rows(bias, x, lead, groups), out=out)


def row_norm_grad(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    lead: int,
    groups: int,
    eps: float,
    weighted: bool,
    /,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Gradients of row_norm in x and, where `weighted`, in weight and bias, else None.

    With y the normalised rows, r the inverse deviation and h = g weight: dx = r (h - mean(h) -
    y mean(h y)).  Ba, Kiros and Hinton, "Layer normalization" (2016).
    """
    shape = x.shape[1:2] if groups else x.shape[lead:]
    if not x.size:
        return x.copy(), *((np.zeros(shape, x.dtype),) * 2 if weighted else (None, None))
    off, scale = _normal(x, lead, groups, eps)
    off *= scale
    normal, h = off.reshape(x.shape), g
    dw = db = None
    if weighted:
        axes = (0, *range(2, x.ndim)) if groups else tuple(range(lead))
        dw, db = np.sum(g * normal, axis=axes), np.sum(g, axis=axes)
    if weight is not None:
        h = g * _over_rows(weight, x, lead, groups)
    rows, count = _rows(h, lead, groups), math.prod(off.shape[-1:])
    off *= sums(rows * off) / -count
    off += rows
    off -= sums(rows) / count
    off *= scale
    return off.reshape(x.shape), dw, db
