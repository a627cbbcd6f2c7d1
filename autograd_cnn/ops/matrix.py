"""Norms, traces, inverses, linear systems and determinants over stacks of matrices.

Formulas: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); for the Cholesky factor also Murray, "Differentiation of the Cholesky
decomposition" (2016).  float16 is computed in float32, because LAPACK has no half precision.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from autograd_cnn.checks import misfit, normal_axes
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.ops import arithmetic, reduce
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.exponential import power
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.pick import diagonal, put, tril
from autograd_cnn.ops.product import matmul
from autograd_cnn.ops.reduce import guarded_sqrt
from autograd_cnn.ops.shape import statistic, unbroadcast
from autograd_cnn.ops.signatures import slogdet_function

__all__ = [
    "cholesky", "det", "inv", "logabsdet", "matrix_power", "norm", "pinv", "slogdet",
    "solve", "solve_columns", "trace",
]  # fmt: skip

T = TypeVar("T")


def _square(name: str, x: Array) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise misfit(name, "needs square matrices (..., n, n)", x)


def _stack(g: Array) -> Array:
    """One number per matrix as (..., 1, 1)."""
    return g.reshape((*g.shape, 1, 1))


@op(x=lambda g, out, x: -matmul(matmul(out.mT, g), out.mT))
def inv(x: Array) -> Array:
    """The inverse of each matrix in x (..., n, n).

    Prefer `solve` to a product with an inverse: it is faster and more accurate.

    >>> ag.inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    _square("inv", x)
    return in_float32(np.linalg.inv, x)


def _pinv_x(g: Array, p: Array, x: Array) -> Array:
    """Golub and Pereyra, "The differentiation of pseudo-inverses" (1973)."""
    left = matmul(g.mT, p)  # (..., m, m)
    right = matmul(p, g.mT)  # (..., n, n)
    rows = matmul(left - matmul(x, matmul(p, left)), p.mT)
    columns = matmul(p.mT, right - matmul(matmul(right, p), x))
    return rows + columns - matmul(p.mT, matmul(g, p.mT))


@op(x=lambda g, out, x: _pinv_x(g, out, x))
def pinv(x: Array) -> Array:
    """The pseudo-inverse of each matrix in x (..., m, n); it has a gradient where all matrices near
    x have the rank of x.

    >>> ag.pinv(np.array([[2.0], [0.0]]))
    array([[0.5, 0. ]])
    """
    if x.ndim < 2:
        raise misfit("pinv", "needs matrices (..., m, n)", x)
    return in_float32(np.linalg.pinv, x)


@op(
    a=lambda g, out, a, b: unbroadcast(-matmul(solve_columns(a.mT, g), out.mT), a),
    b=lambda g, out, a, b: unbroadcast(solve_columns(a.mT, g), b),
)
def solve_columns(a: Array, b: Array) -> Array:
    """x with a x = b: a (..., n, n), b (..., n, k) -> (..., n, k); the core of `solve`.

    >>> ag.solve_columns(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([[2.0], [2.0]]))
    array([[1. ],
           [0.5]])
    """
    _square("solve_columns", a)
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise misfit(
            "solve_columns", "the right side must have one row per row of the matrix", a, b
        )
    return in_float32(np.linalg.solve, a, b)


@composition
def solve(a: Array, b: Array) -> Array:
    """x with a x = b: a (..., n, n), b a vector (n,) or matrices (..., n, k), which broadcast.

    >>> ag.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    if b.ndim == 1:
        return solve_columns(a, b.reshape((*b.shape, 1)))[..., 0]
    return solve_columns(a, b)


@op(x=lambda g, out, x: _stack(g * out) * inv(x).mT)
def det(x: Array) -> Array:
    """The determinant of each matrix in x (..., n, n); singular ones have no gradient.

    >>> ag.det(np.array([[2.0, 1.0], [0.0, 4.0]])).round(4).item()
    8.0
    """
    _square("det", x)
    return in_float32(np.linalg.det, x)


@op(x=lambda g, out, x: _stack(g) * inv(x).mT)
def logabsdet(x: Array) -> Array:
    """log(|det|) of each matrix in x (..., n, n), without overflow; -inf for singular ones, which
    have no gradient.

    >>> ag.logabsdet(np.array([[2.0, 0.0], [0.0, -4.0]])).round(4).item()
    2.0794
    """
    _square("logabsdet", x)
    return in_float32(lambda x: np.linalg.slogdet(x)[1], x)


class SlogdetResult(NamedTuple, Generic[T]):
    """The result of `slogdet`: the sign of a determinant, and the logarithm of its size."""

    sign: np.ndarray
    logabsdet: T


@slogdet_function
@composition
def slogdet(x: Array) -> SlogdetResult[Any]:
    """Sign (a plain array) and `logabsdet` of each matrix in x (..., n, n).

    >>> ag.slogdet(np.array([[1.0, 0.0], [0.0, -1.0]])).sign.item()
    -1.0
    """
    _square("slogdet", x)
    sign = in_float32(lambda x: np.linalg.slogdet(x)[0], values(x))
    return SlogdetResult(sign, logabsdet(x))


def _cholesky_x(g: Array, factor: Array) -> Array:
    """L^-T phi(L^T g) L^-1, symmetrised; phi keeps the lower triangle and half the diagonal."""
    inverse = inv(factor)
    product = tril(matmul(factor.mT, g))
    half = where(np.eye(product.shape[-1], dtype=bool), 0.5 * product, product)
    found = matmul(matmul(inverse.mT, half), inverse)
    return 0.5 * (found + found.mT)


@op(x=lambda g, out, x: _cholesky_x(g, out))
def cholesky(x: Array) -> Array:
    """The lower triangular L with L L^T = x, for symmetric positive definite x (..., n, n).

    Uses the symmetric part of x, so the gradient is symmetric.

    >>> ag.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    _square("cholesky", x)
    return in_float32(np.linalg.cholesky, 0.5 * (x + x.mT))


# fmt: off
trace = composed(
    lambda x, *, offset=0, axis1=0, axis2=1: reduce.sum(
        diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1),
    "The sum of a diagonal of axes `axis1` and `axis2`.",
    "trace([[[1.0], [2.0]], [[3.0], [4.0]]]) -> [5.]")
# fmt: on


@composition
def matrix_power(x: Array, *, n: int) -> Array:
    """Each matrix in x (..., n, n) times itself, `n` times over; negative powers invert.

    >>> ag.matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3)
    array([[1., 3.],
           [0., 1.]])
    """
    _square("matrix_power", x)
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: n must be an integer, got {n!r}")
    if n < 0:
        x, n = inv(x), -n
    out, square = None, x
    while n:
        if n & 1:
            out = square if out is None else matmul(out, square)
        n >>= 1
        square = matmul(square, square) if n else square
    return put(x, np.eye(x.shape[-1], dtype=x.dtype), index=...) if out is None else out


@composition
@statistic
def norm(x: Array, *, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Length of vectors over `axis` (all values by default), or of matrices over two axes.

    Vectors: `ord` 2 (default), 1, inf, -inf, or any p > 0: sum(|x|^p)^(1/p).  Matrices (`axis` of
    two axes, or `ord` given for 2-D x): 'fro' (default), 1, -1, inf, -inf.  The gradient of a
    length of 0 is 0, so norm(x) ** 2 has the second derivative 0 there; that of sum(x * x) is 2.

    >>> ag.norm(np.array([3.0, 4.0])).item()
    5.0
    """
    if axis is None and ord is not None and x.ndim == 2:
        axis = (0, 1)
    axes = normal_axes("norm", axis, x.ndim)
    if not x.size and ord in (1, np.inf):  # as NumPy has it, the largest of no value is 0
        return reduce.sum(x, axis=axes, keepdims=keepdims)
    if ord in (None, "fro") or (ord == 2 and (axis is None or len(axes) == 1)):
        return guarded_sqrt(reduce.sum(power(x, 2), axis=axes, keepdims=keepdims))
    if len(axes) == 1 and ord in (np.inf, -np.inf):
        return (reduce.max if ord > 0 else reduce.min)(
            arithmetic.abs(x), axis=axes, keepdims=keepdims
        )
    if len(axes) == 1 and isinstance(ord, (int, float)) and ord > 0:
        return _p_norm(arithmetic.abs(x), ord, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        row, column = axes if ord in (1, -1) else axes[::-1]
        sums = reduce.sum(arithmetic.abs(x), axis=row, keepdims=True)
        out = (reduce.max if ord > 0 else reduce.min)(sums, axis=column, keepdims=True)
        return out if keepdims else out.reshape(reduce.sum(values(x), axis=axes).shape)
    raise ValueError(
        f"norm: ord={ord!r} over axes {axes} of shape {x.shape} is not supported; one axis takes "
        "inf, -inf or p > 0, two axes 'fro', 1, -1, inf or -inf; p= takes all values as one row"
    )


def _p_norm(size: Array, p: float, axes: tuple[int, ...], keepdims: bool) -> Array:
    """sum(size^p)^(1/p), with gradient 0 at values that are 0."""
    if p == 1:
        return reduce.sum(size, axis=axes, keepdims=keepdims)
    none = size == 0
    powers = where(none, 0.0, power(where(none, 1.0, size), p))
    sums = reduce.sum(powers, axis=axes, keepdims=keepdims)
    none = sums == 0
    return where(none, 0.0, power(where(none, 1.0, sums), 1.0 / p))
