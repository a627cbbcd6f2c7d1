"""Products, running sums and products, differences, spreads and weighted means over axes.

`axis` is None (all axes), an int or a tuple of ints; `keepdims` keeps reduced axes with size 1, as
in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.checks import normal_axes, normal_axis
from autograd_cnn.engine.composition import along, composition
from autograd_cnn.engine.kinds import Axis
from autograd_cnn.engine.op import Array, op, values
from autograd_cnn.ops import elementwise, reduction
from autograd_cnn.ops.broadcast import broadcast_to, kept_shape
from autograd_cnn.ops.elementwise import power, sqrt, where
from autograd_cnn.ops.reduction import mean, var
from autograd_cnn.ops.shaping import concatenate, flip


def last(name: str, x: Array, axis: Axis) -> Array:
    """x with the axes of a reduction flattened into one, at the end."""
    axes = normal_axes(name, axis, x.ndim)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    size = int(np.prod([x.shape[a] for a in axes], dtype=int))
    return x.transpose((*rest, *axes)).reshape((*(x.shape[i] for i in rest), size))


def _wide(x: Array) -> Array:
    """Whole numbers and bools in the dtype in which NumPy multiplies them; the rest as it is."""
    return x.astype(np.zeros(0, x.dtype).sum().dtype) if x.dtype.kind in "bui" else x


def reduced(out: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """The result of a reduction of x with the reduced axes back in place where `keepdims` asks."""
    return out.reshape(kept_shape(x.shape, axis)) if keepdims else out


@composition
def prod(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over `axis`, multiplied in pairs; 1 for nothing.

    The gradient is a product of the other values, exact when some are 0, at every order.

    Floats keep their dtype, integers get 64 bits.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> prod(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 0.])
    """
    rest = last("prod", _wide(x), axis)
    if not rest.shape[-1]:
        rest = 1 + reduction.sum(rest, axis=-1, keepdims=True)
    while rest.shape[-1] > 1:
        half = rest.shape[-1] // 2
        pairs = rest[..., :half] * rest[..., half : 2 * half]
        odd = rest[..., 2 * half :]
        rest = concatenate(pairs, odd, axis=-1) if odd.shape[-1] else pairs
    return reduced(rest[..., 0], x, axis, keepdims)


@op(
    x=lambda g, out, x, *, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis).reshape(
        x.shape
    )
)
def cumsum(x: Array, *, axis: int | None = None) -> Array:
    """Running sum along `axis`; of all values in row-major order when it is None.

    Floats keep their dtype, integers get 64 bits.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    return np.cumsum(x, axis=axis)


@composition
def cumprod(x: Array, *, axis: int | None = None) -> Array:
    """Running product along `axis`; of all values in row-major order when it is None.

    Doubling steps (Hillis and Steele, "Data parallel algorithms", 1986) divide by nothing, so zeros
    are exact at every order.

    Floats keep their dtype, integers get 64 bits.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> cumprod(np.array([2.0, 0.0, 3.0]))
    array([2., 0., 0.])
    """
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    axis = normal_axis("cumprod", axis, x.ndim)
    x, step = _wide(x), 1
    while step < x.shape[axis]:
        head, tail = along(axis, slice(None, step)), along(axis, slice(step, None))
        x = concatenate(x[head], x[tail] * x[along(axis, slice(None, -step))], axis=axis)
        step *= 2
    return x


@composition
def diff(x: Array, *, n: int = 1, axis: int = -1) -> Array:
    """Differences of neighbours along `axis`, taken `n` times.

    The dtype stays.  Raises ValueError for a negative `n` and an axis that is not there.

    >>> import numpy as np
    >>> diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    if n < 0:
        raise ValueError(f"diff: n must be 0 or more, got {n}")
    axis = normal_axis("diff", axis, x.ndim)
    for _ in range(n):
        x = x[along(axis, slice(1, None))] - x[along(axis, slice(None, -1))]
    return x


@composition
def nansum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over `axis` of the values that are not NaN; those that are get gradient 0.

    Floats keep their dtype, integers get 64 bits.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> nansum(np.array([1.0, np.nan, 2.0])).item()
    3.0
    """
    zero = x.dtype.type(0)
    return reduction.sum(where(np.isnan(values(x)), zero, x), axis=axis, keepdims=keepdims)


@composition
def nanmean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over `axis` of the values that are not NaN; NaN, without a warning, where all are.

    Floats keep their dtype, integers become floats.  ValueError for an axis that is not there.

    >>> import numpy as np
    >>> nanmean(np.array([1.0, np.nan, 2.0])).item()
    1.5
    """
    count = np.sum(~np.isnan(values(x)), axis=axis, keepdims=keepdims)
    share = np.where(count == 0, np.nan, 1.0 / np.maximum(count, 1))
    share = np.asarray(share, x.dtype if x.dtype.kind == "f" else None)
    return nansum(x, axis=axis, keepdims=keepdims) * share


def guarded_sqrt(square: Array) -> Array:
    """Square root with gradient 0 at 0, for lengths and deviations."""
    zero = values(square) == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, square))) if np.any(zero) else sqrt(square)


@composition
def std(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """Standard deviation over `axis`, the square root of `var`; the gradient where it is 0 is 0.

    Floats keep their dtype, integers become floats.  Raises ValueError when `axis` combines some
    values, but no more than `ddof`.

    >>> import numpy as np
    >>> std(np.array([1.0, 3.0])).item()
    1.0
    """
    return guarded_sqrt(var(x, axis=axis, keepdims=keepdims, ddof=ddof))


@composition
def ptp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest minus smallest value over `axis`; tied values share the gradient evenly.

    The dtype stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> ptp(np.array([1.0, 5.0, 3.0])).item()
    4.0
    """
    return reduction.max(x, axis=axis, keepdims=keepdims) - reduction.min(
        x, axis=axis, keepdims=keepdims
    )


@composition
def average(
    x: Array, weights: Array | None = None, *, axis: Axis = None, keepdims: bool = False
) -> Array:
    """Mean over `axis`, weighted by `weights` of the shape of x, or (n,) along a single axis.

    Floats keep their dtype, integers become floats.  Raises ValueError for weights of another
    shape; weights that sum to 0 divide by 0.

    >>> import numpy as np
    >>> average(np.array([1.0, 4.0]), np.array([3.0, 1.0])).item()
    1.75
    """
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.shape != x.shape[axis : axis + 1 or None]:
            raise ValueError(
                f"average: weights must have the shape {x.shape} of the values, or one value along "
                f"axis {axis}, got {weights.shape}"
            )
        sides = [1] * x.ndim
        sides[axis] = x.shape[axis]
        weights = broadcast_to(weights.reshape(tuple(sides)), shape=x.shape)
    return reduction.sum(x * weights, axis=axis, keepdims=keepdims) / reduction.sum(
        weights, axis=axis, keepdims=keepdims
    )


@composition
def norm(x: Array, *, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Length of vectors over `axis` (all values by default), or of matrices over two axes.

    Vectors: `ord` 2 (default), 1, inf, -inf, or any p > 0: sum(|x|^p)^(1/p).  Matrices (`axis` of
    two axes, or `ord` given for 2-D x): 'fro' (default), 1, -1, inf, -inf.  The gradient of a
    length of 0 is 0.

    Floats keep their dtype, integers become floats.  Raises ValueError for an `ord` that is not
    among these.

    >>> import numpy as np
    >>> norm(np.array([3.0, 4.0])).item()
    5.0
    """
    if axis is None and ord is not None and x.ndim == 2:
        axis = (0, 1)
    axes = normal_axes("norm", axis, x.ndim)
    if ord in (None, "fro") or (ord == 2 and (axis is None or len(axes) == 1)):
        return guarded_sqrt(reduction.sum(power(x, 2), axis=axes, keepdims=keepdims))
    if len(axes) == 1 and ord in (np.inf, -np.inf):
        return (reduction.max if ord > 0 else reduction.min)(
            elementwise.abs(x), axis=axes, keepdims=keepdims
        )
    if len(axes) == 1 and isinstance(ord, (int, float)) and ord > 0:
        return _p_norm(elementwise.abs(x), ord, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        row, column = axes if ord in (1, -1) else axes[::-1]
        sums = reduction.sum(elementwise.abs(x), axis=row, keepdims=True)
        out = (reduction.max if ord > 0 else reduction.min)(sums, axis=column, keepdims=True)
        return out if keepdims else out.reshape(reduction.sum(values(x), axis=axes).shape)
    raise ValueError(
        f"norm: ord={ord!r} over axes {axes} of shape {x.shape} is not supported; one axis takes "
        "inf, -inf or p > 0, two axes 'fro', 1, -1, inf or -inf"
    )


def _p_norm(size: Array, p: float, axes: tuple[int, ...], keepdims: bool) -> Array:
    """sum(size^p)^(1/p) with gradient 0 where all are 0; values that are 0 take no part."""
    if p == 1:
        return reduction.sum(size, axis=axes, keepdims=keepdims)
    none = values(size) == 0
    powers = where(none, 0.0, power(where(none, 1.0, size), p))
    sums = reduction.sum(powers, axis=axes, keepdims=keepdims)
    none = values(sums) == 0
    return where(none, 0.0, power(where(none, 1.0, sums), 1.0 / p))
