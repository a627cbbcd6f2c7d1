"""Compositions of ops that run only when NumPy's function is called on a tensor.

`numpy_functions.FUNCTIONS` lists them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake, normal_axes
from autograd_cnn.engine.arguments import as_input
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.ops import join, matrix, pick, product, reduce, running, shape
from autograd_cnn.ops.arithmetic import astype, where
from autograd_cnn.ops.pick import take_along_axis
from autograd_cnn.ops.reduce import guarded_sqrt, kept_shape, last
from autograd_cnn.ops.shape import floating
from autograd_cnn.ops.sort import sort

# ------------------------------------------------------------------------------- values without NaN


def _filled(x: Array, value: float) -> Array:
    return where(np.isnan(x), value, x) if x.dtype.kind == "f" else x


def _counts(x: Array, axis: Any, keepdims: bool) -> Any:
    """How many values over `axis` are not NaN."""
    return np.sum(~np.isnan(x), axis=axis, keepdims=keepdims)


def nanprod(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Product of the values that are not NaN; 1 where all are."""
    return reduce.prod(_filled(x, 1.0), axis=axis, keepdims=keepdims)


def nancumsum(x: Array, *, axis: int | None = None) -> Array:
    """Running sum in which NaN counts as 0."""
    return reduce.cumsum(_filled(x, 0.0), axis=axis)


def nancumprod(x: Array, *, axis: int | None = None) -> Array:
    """Running product in which NaN counts as 1."""
    return running.cumprod(_filled(x, 1.0), axis=axis)


def _extreme(
    choose: Any, other: float, x: Array, *, axis: Any = None, keepdims: bool = False
) -> Array:
    """The value that `choose` takes of those that are not NaN; NaN, without a warning, where all
    are.  It never takes `other`.
    """
    out = choose(_filled(x, other), axis=axis, keepdims=keepdims)
    none = _counts(x, axis, keepdims) == 0
    return where(none, np.nan, out) if np.any(none) else out


nanmax = functools.partial(_extreme, reduce.max, -np.inf)
nanmin = functools.partial(_extreme, reduce.min, np.inf)


@shape.statistic
def nanvar(x: Array, *, axis: Any = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """Variance of the values that are not NaN; NaN where at most `ddof` are left."""
    deviation = _filled(x - reduce.nanmean(x, axis=axis, keepdims=True), 0.0)
    squares = reduce.sum(deviation * deviation, axis=axis, keepdims=keepdims)
    freedom = _counts(x, axis, keepdims) - ddof
    share = np.where(freedom > 0, 1.0 / np.maximum(freedom, 1e-300), np.nan)
    return squares * np.asarray(share, x.dtype)


@shape.statistic
def nanstd(x: Array, *, axis: Any = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """The square root of `nanvar`, with gradient 0 at 0."""
    return guarded_sqrt(nanvar(x, axis=axis, keepdims=keepdims, ddof=ddof))


def nan_to_num(
    x: Array, *, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """Replace NaN and infinities by finite numbers, with gradient 0."""
    if not copy:
        raise TypeError("np.nan_to_num: copy=False would change a tensor in place; leave it out")
    plain = values(x)
    if plain.dtype.kind != "f":
        return astype(x, dtype=plain.dtype)
    largest = np.finfo(plain.dtype).max
    x = where(plain == np.inf, largest if posinf is None else posinf, _filled(x, nan))
    return where(plain == -np.inf, -largest if neginf is None else neginf, x)


# ---------------------------------------------------------------------------------------- quantiles


def quantile(
    x: Array,
    q: Any,
    *,
    axis: Any = None,
    keepdims: bool = False,
    whole: float = 1.0,
    skip_nan: bool = False,
) -> Array:
    """The value below which a share ``q / whole`` of the values over `axis` lies; NaN propagates.

    Interpolates linearly: type 7 of Hyndman and Fan, "Sample quantiles in statistical packages"
    (1996).  The axes of `q` come first in the result.
    """
    if isinstance(q, Node) and q.tracked:
        raise TypeError("quantile: q gets no gradient; pass .detach() of it")
    shares = np.true_divide(values(q), whole)
    if not ((shares >= 0.0) & (shares <= 1.0)).all():
        raise ValueError(f"quantile: q must lie between 0 and {whole:g}, got {q}")
    line = last("quantile", floating(as_input("quantile", "a", x)), axis)
    line = sort(line, axis=-1)  # NaN comes last
    rest, size = line.shape[:-1], line.shape[-1]
    if not size:
        raise ValueError(f"quantile: no values over axis {axis} of shape {x.shape}")
    missing = np.isnan(values(line))
    count = size - missing.sum(axis=-1) if skip_nan else np.full(rest, size)
    at = np.maximum(count[..., None] - 1, 0) * shares.reshape(-1)  # (*rest, K)
    low = np.floor(at).astype(np.intp)
    below = take_along_axis(line, indices=low, axis=-1)
    above = take_along_axis(line, indices=np.minimum(low + 1, size - 1), axis=-1)
    between = (at - low).astype(line.dtype if line.dtype.kind == "f" else float)
    out = where(between == 0.0, below, below + (above - below) * between)
    if missing.any() and not skip_nan:
        out = where(missing[..., -1:], np.nan, out)
    out = out.transpose((len(rest), *range(len(rest))))
    kept = kept_shape(x.shape, axis) if keepdims else rest
    return out.reshape((*shares.shape, *kept))


percentile = functools.partial(quantile, whole=100.0)
nanquantile = functools.partial(quantile, skip_nan=True)
nanpercentile = functools.partial(quantile, whole=100.0, skip_nan=True)
nanmedian = functools.partial(quantile, q=0.5, skip_nan=True)


# ---------------------------------------------------------------------------------- joined, divided


def append(x: Array, more: Any, *, axis: int | None = None) -> Array:
    """The values of x, then those of `more`, along `axis`; both are raveled when it is None."""
    parts = [x, more] if axis is not None else [shape.ravel(x), shape.ravel(more)]
    return join.concatenate(parts, axis=axis or 0)


def dstack(parts: Sequence[Any]) -> Array:
    """Arrays joined along their third axis; (n,) counts as (1, n, 1), (n, m) as (n, m, 1)."""
    return join.concatenate([np.atleast_3d(x) for x in parts], axis=2)


def hsplit(x: Array, *, indices_or_sections: Any) -> Any:
    """`split` along the second axis, or along the only one."""
    return join.split(x, indices_or_sections=indices_or_sections, axis=min(x.ndim - 1, 1))


vsplit = functools.partial(join.split, axis=0)
dsplit = functools.partial(join.split, axis=2)


def rot90(x: Array, *, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """x turned `k` times from the first of the two `axes` towards the second."""
    if len(pair := normal_axes("rot90", axes, x.ndim)) != 2:
        raise mistake("rot90", "axes", "two axes", axes)
    first, second = pair
    for _ in range(k % 4):
        x = shape.flip(x.swapaxes(first, second), axis=first)
    return x


# ----------------------------------------------------------------------------- products of matrices


def kron(x: Array, y: Array) -> Array:
    """The Kronecker product: every value of x times all of y, in blocks."""
    x, y = as_input("kron", "a", x), as_input("kron", "b", y)
    ndim = max(x.ndim, y.ndim)
    a, b = ((1,) * (ndim - v.ndim) + v.shape for v in (x, y))
    left = x.reshape(tuple(n for size in a for n in (size, 1)))  # (a0, 1, a1, 1, ...)
    right = y.reshape(tuple(n for size in b for n in (1, size)))  # (1, b0, 1, b1, ...)
    return (left * right).reshape(tuple(n * m for n, m in zip(a, b)))


def multi_dot(parts: Sequence[Any]) -> Array:
    """The product of several matrices, from left to right."""
    ranks = [np.ndim(x) for x in parts]
    if len(ranks) < 2 or not ({2} >= {*ranks[1:-1]} and {1, 2} >= {ranks[0], ranks[-1]}):
        raise ValueError(
            "multi_dot: parts must be two matrices or more, the first and the last may be vectors; "
            f"got arrays with {ranks} axes"
        )
    return functools.reduce(product.matmul, parts)


def vecdot(x: Array, y: Array, *, axis: int = -1) -> Array:
    """Sums of products of pairs of vectors along `axis`."""
    return reduce.sum(x * y, axis=axis)


matrix_diagonal = functools.partial(pick.diagonal, axis1=-2, axis2=-1)
matrix_trace = functools.partial(matrix.trace, axis1=-2, axis2=-1)
matrix_norm = functools.partial(matrix.norm, ord="fro", axis=(-2, -1))


def vector_norm(x: Array, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Length of the vectors over `axis`: the values of one axis, of several, or all."""
    out = matrix.norm(last("vector_norm", x, axis), ord=ord, axis=-1)
    return reduce.reduced(out, x, axis, keepdims)
