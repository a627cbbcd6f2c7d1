"""Matrix products in NumPy."""

from __future__ import annotations

import numpy as np

__all__ = ["linear", "matmul"]


def matmul(x: np.ndarray, y: np.ndarray, by_rows: bool = False, /) -> np.ndarray:
    """``x @ y`` for stacks of matrices, row by row in memory; but the product of two matrices lies
    like x, batch-innermost stays batch-innermost, unless it is wanted `by_rows`.
    """
    turned = x.ndim == y.ndim == 2 and x.flags.f_contiguous and not x.flags.c_contiguous
    return np.matmul(y.T, x.T).T if turned and not by_rows else np.matmul(x, y)


def linear(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    relu: bool = False,
    scale: np.ndarray | None = None,
    /,
) -> np.ndarray:
    """``x @ w.T * scale + b`` for x (..., in), w (out, in), b and scale (out,): (..., out); then
    relu, if wanted.  The result for x (N, in) is batch-innermost, others lie row by row.
    """
    if scale is not None:
        w = w * scale[:, None]
    out = np.matmul(w, x.T).T if x.ndim == 2 else np.matmul(x, w.T)
    if b is not None:
        out = np.add(out, b, out=out if b.dtype == out.dtype else None)
    return np.maximum(out, 0, out=out) if relu else out
