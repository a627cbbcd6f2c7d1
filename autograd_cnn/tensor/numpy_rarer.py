"""Compositions of ops for NumPy's rarer functions on tensors, with NumPy's arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, misfit
from autograd_cnn.config import floating_dtype
from autograd_cnn.engine.arguments import as_input
from autograd_cnn.engine.node import Array, values
from autograd_cnn.ops import arithmetic, exponential, join, matrix, pick, product, reduce, shape
from autograd_cnn.ops import trigonometry as tri
from autograd_cnn.ops.arithmetic import where


def _read(name: str, *xs: Any) -> list[Array]:
    """Numbers, lists, arrays and tensors as arrays and tensors; integers get the floating dtype."""
    dtype = floating_dtype(xs)
    found = (as_input(name, "an input", x, dtype) for x in xs)
    return [x.astype(dtype) if dtype and x.dtype.kind in "biu" else x for x in found]


# ---------------------------------------------------------------------------- values that only move


def _moved(name: str, arrange: Callable[..., Any], *xs: Any) -> Any:
    """The values of `xs` in the order in which `arrange` puts their positions."""
    xs = tuple(_read(name, *xs))
    ends = np.cumsum([0, *(x.size for x in xs)])
    places = arrange(*(np.arange(a, b).reshape(x.shape) for a, b, x in zip(ends, ends[1:], xs)))
    line = join.concatenate([shape.ravel(x) for x in xs])
    return tuple(line[p] for p in places) if isinstance(places, tuple) else line[places]


def moves(function: Callable[..., Any], before: int = 0) -> Callable[..., Any]:
    """A function of NumPy that moves the values of an array, with `before` settings before it."""

    def call(*args: Any, **settings: Any) -> Any:
        if settings.get("out") is not None or args[3 if before else 4 :]:
            raise TypeError(f"np.{function.__name__}: no op takes out=; write y = x[kept]")
        first, rest = (tuple(map(values, part)) for part in (args[:before], args[before + 1 :]))
        arrange = lambda p: function(*first, p, *rest, **settings)  # noqa: E731
        return _moved(function.__name__, arrange, args[before])

    return call


# ----------------------------------------------------------------------- lines through given points


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Array:
    """The values at x of lines through the points (xp, fp); a knot has the slope on its right."""
    x, xp, fp = _read("interp", x, xp, fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise misfit("interp", "xp and fp must be vectors of one size", xp, fp)
    if period is not None:
        x, xp = x % abs(period), xp % abs(period)
        order = np.argsort(values(xp))
        xp, fp, left, right = xp[order], fp[order], None, None
        xp = join.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = join.concatenate([fp[-1:], fp, fp[:1]])
    at, knots, last = values(x), values(xp), xp.size - 1
    i = np.clip(np.searchsorted(knots, at, "right") - 1, 0, max(last - 1, 0))
    j = np.minimum(i + 1, last)
    slope = (fp[j] - fp[i]) / where(i == j, 1.0, xp[j] - xp[i])
    out = where(at == knots[-1], fp[-1], fp[i] + (x - xp[i]) * slope)
    out = where(at < knots[0], fp[0] if left is None else left, out)
    return where(at > knots[-1], fp[-1] if right is None else right, out)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """The integral along `axis` of lines between the values, at x or `dx` apart."""
    y, dx = _read("trapezoid", y, dx if x is None else x)
    y = shape.moveaxis(y, source=axis, destination=-1)
    if x is not None:
        dx = reduce.diff(dx if dx.ndim < 2 else shape.moveaxis(dx, source=axis, destination=-1))
    elif dx.ndim > 1:
        dx = shape.moveaxis(dx, source=axis, destination=-1)
    return reduce.sum(0.5 * dx * (y[..., 1:] + y[..., :-1]), axis=-1)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Array:
    """Evenly spaced values from start to stop."""
    start, stop = _read("linspace", start, stop)
    span = shape.floating(stop - start)
    steps = np.linspace(0.0, 1.0, num, endpoint, dtype=span.dtype)
    out = start + steps.reshape((-1, *(1,) * span.ndim)) * span
    return shape.moveaxis(out, source=0, destination=axis)


# ---------------------------------------------------------------------- sliding sums, polynomials


def convolve(a: Any, v: Any, mode: str = "full") -> Array:
    """The products of the longer vector with the other one reversed, at every shift."""
    choice("convolve", "mode", mode, ("full", "same", "valid"))
    a, v = (shape.ravel(x) for x in _read("convolve", a, v))
    if not (a.size and v.size):
        raise misfit("convolve", "needs at least one value of each", a, v)
    a, v = (a, v) if a.size >= v.size else (v, a)
    n, m = a.size, v.size
    wide = join.pad(a, widths=((m - 1, m - 1),))
    rows = wide[np.arange(n + m - 1)[:, None] + np.arange(m)]  # (N + M - 1, M)
    out = product.matmul(rows, v[::-1])
    if mode == "full":
        return out
    return out[(m - 1) // 2 :][:n] if mode == "same" else out[m - 1 : n]


def correlate(a: Any, v: Any, mode: str = "valid") -> Array:
    """The products of one vector with the other at every shift; see `convolve`."""
    a, v = _read("correlate", a, v)
    return convolve(a, v[::-1], mode) if a.size >= v.size else correlate(v, a, mode)[::-1]


def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    """The differences of neighbours, between `to_begin` and `to_end`."""
    parts = (to_begin, reduce.diff(shape.ravel(ary)), to_end)
    found = _read("ediff1d", *(part for part in parts if part is not None))
    return join.concatenate([shape.ravel(part) for part in found])


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Array:  # noqa: N803
    """The powers of a vector, a column for each exponent."""
    powers = np.arange(x.size if N is None else N, dtype=x.dtype)
    return exponential.power(x.reshape((-1, 1)), powers if increasing else powers[::-1])


def polyval(p: Any, x: Any) -> Array:
    """The polynomial of the coefficients p, the highest power first, at x, by Horner's rule."""
    p, x = _read("polyval", p, x)
    out = 0.0 * x
    for coefficient in p:
        out = out * x + coefficient
    return out


def polyfit(x: Any, y: Any, deg: int) -> Array:
    """The coefficients of the nearest polynomial of a degree, by `pinv`."""
    x, y = _read("polyfit", x, y)
    left = vander(x, deg + 1)
    size = reduce.guarded_sqrt(reduce.sum(left * left, axis=0))
    return (product.matmul(matrix.pinv(left / size), y).T / size).T


def sinc(x: Array) -> Array:
    """sin(pi x) / (pi x), near 0 by its series, so that all derivatives there are right."""
    small = np.abs(values(x)) < 0.5
    apart, near = math.pi * where(small, 1.0, x), math.pi * where(small, x, 0.0)
    series: Any = 1.0
    for n in range(22, 0, -2):
        series = 1.0 - near * near * series / (n * (n + 1.0))
    return where(small, series, tri.sin(apart) / apart)


_COSINES = np.cos((np.arange(64) + 0.5) * math.pi / 128.0)


def i0(x: Array) -> Array:
    """The modified Bessel function of order 0, the mean of cosh(x cos t) over t, to rounding.

    Trefethen and Weideman, "The exponentially convergent trapezoidal rule" (2014).
    """
    return reduce.mean(tri.cosh(x[..., None] * _COSINES.astype(x.dtype)), axis=-1)


# --------------------------------------------------------------------------------- vectors and rows


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """The cross products of vectors of three values along an axis."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = _read("cross", a, b)
    a, b = (shape.moveaxis(x, source=n, destination=-1) for x, n in ((a, axisa), (b, axisb)))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise misfit("cross", "needs vectors of three values", a, b)
    ahead, behind = [1, 2, 0], [2, 0, 1]
    out = a[..., ahead] * b[..., behind] - a[..., behind] * b[..., ahead]
    return shape.moveaxis(out, source=-1, destination=axisc)


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None
) -> Array:
    """The covariances of rows, or of columns unless `rowvar`."""
    parts = _read("cov", *(x for x in (m, y) if x is not None))
    x = join.vstack([x if rowvar or x.ndim < 2 else x.T for x in parts])
    x = x - reduce.mean(x, axis=1, keepdims=True)
    count = x.shape[1] - (int(not bias) if ddof is None else ddof)
    with np.errstate(divide="ignore", invalid="ignore"):  # NumPy warns, and gives infinities
        return shape.squeeze(product.matmul(x, x.mT) / max(count, 0))


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **named: Any
) -> Array:
    """`func1d` of each line along `axis`."""
    lines = shape.moveaxis(arr, source=axis, destination=-1)
    rest, axis = lines.shape[:-1], axis % arr.ndim
    out = join.stack([func1d(x, *args, **named) for x in lines.reshape((-1, arr.shape[axis]))])
    new = range(out.ndim - 1)
    out = out.reshape((*rest, *out.shape[1:]))
    return shape.moveaxis(
        out, source=tuple(len(rest) + n for n in new), destination=tuple(axis + n for n in new)
    )


# fmt: off
RARER: dict[Any, Callable[..., Any]] = {
    **{f: moves(f) for f in (np.delete, np.resize, np.rollaxis)},
    **{f: moves(f, before=1) for f in (np.compress, np.extract)},
    np.insert: lambda arr, obj, values, axis=None: _moved(
        "insert", lambda p, q: np.insert(p, obj, q, axis), arr, values),
    np.choose: lambda a, choices, *, mode="raise": _moved(
        "choose", lambda *p: np.choose(values(a), p, mode=mode), *choices),
    np.select: lambda condlist, choicelist, default=0.0: _moved(
        "select", lambda d, *p: np.select([*map(values, condlist)], p, d), default, *choicelist),
    np.partition: lambda a, kth, axis=-1: pick.take_along_axis(
        a, indices=np.argpartition(values(a), kth, axis=axis), axis=axis),
    np.unwrap: lambda p, discont=None, axis=-1, *, period=2.0 * math.pi: (
        p + (np.unwrap(values(p), discont, axis, period=period) - values(p))),
    np.vander: vander, np.polyval: polyval, np.polyfit: polyfit, np.ediff1d: ediff1d,
    np.interp: interp, np.trapezoid: trapezoid, np.linspace: linspace, np.sinc: sinc, np.i0: i0,
    np.convolve: convolve, np.correlate: correlate, np.cross: cross, np.linalg.cross: cross,
    np.cov: cov, np.apply_along_axis: apply_along_axis,
    np.diagflat: lambda v, k=0: pick.diag(shape.ravel(v), k=k),
}
# fmt: on
if hasattr(np, "unstack"):
    RARER[np.unstack] = moves(np.unstack)
"""Functions by NumPy's, which are called with NumPy's arguments."""


def fmax(x: Any, y: Any) -> Array:
    """The larger value, or the one that is not NaN; half of the gradient to each at a tie."""
    x, y = _read("fmax", x, y)
    return where(np.isnan(values(x)), y, where(np.isnan(values(y)), x, arithmetic.maximum(x, y)))


RARER_UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.fmax: fmax,
    np.fmin: lambda x, y: -fmax(*(-v for v in _read("fmin", x, y))),
    np.heaviside: lambda x, h: where(values(x) == 0.0, h, 0.5 * (arithmetic.sign(x) + 1.0)),
}
"""heaviside passes a gradient to h at 0, and none to x."""
