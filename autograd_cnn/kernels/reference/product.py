"""Matrix products in NumPy."""

from __future__ import annotations

import numpy as np

__all__ = ["linear", "matmul"]


def matmul(x: np.ndarray, y: np.ndarray, /) -> np.ndarray:
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
    /,
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
