"""Moving values without changing them: reshape, transpose, join, pad, flip."""

from __future__ import annotations

from itertools import accumulate
from operator import index

import numpy as np

from autograd_cnn.engine.kinds import Axis, Pads
from autograd_cnn.engine.op import Array, op


@op(x=lambda g, out, x, *, shape: g.reshape(x.shape))
def reshape(x: Array, *, shape: int | tuple[int, ...]) -> Array:
    """The same values in row-major order under another shape; one size may be -1.

    Any dtype, which stays.  Raises ValueError for a shape that holds another number of values.

    >>> import numpy as np
    >>> reshape(np.arange(6.0), shape=(2, -1))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    x = np.asarray(x)
    try:
        if min(sizes, default=0) < -1:  # NumPy takes any negative size for -1
            raise ValueError
        return x.reshape(sizes)
    except ValueError:
        raise ValueError(
            f"reshape: {x.size} values of shape {x.shape} do not fit into shape {shape}"
        ) from None


@op(x=lambda g, out, x, *, axes: g.transpose(None if axes is None else _inverse(axes)))
def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """Axes in another order, reversed by default: axis i of the result is axis ``axes[i]`` of `x`.

    Any dtype, which stays.  Raises ValueError for `axes` that do not name each axis once.

    >>> import numpy as np
    >>> transpose(np.ones((2, 3, 4)), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    try:
        return np.transpose(x, axes)
    except ValueError:
        raise ValueError(
            f"transpose: axes must name each of the {np.ndim(x)} axes of shape {np.shape(x)} once, "
            f"got {axes}"
        ) from None


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    order = [a % len(axes) for a in axes]
    return tuple(order.index(i) for i in range(len(axes)))


def _part(xs: tuple[Array, ...], position: int, axis: int) -> tuple[slice, ...]:
    """Where input `position` lies in the concatenation along `axis`."""
    ends = list(accumulate(x.shape[axis] for x in xs))
    start = ends[position - 1] if position else 0
    return (slice(None),) * (axis % xs[0].ndim) + (slice(start, ends[position]),)


def _misjoined(name: str, xs: tuple[Array, ...], axis: int, new: int) -> ValueError:
    """What is wrong with the parts of a join along `axis`, which adds `new` axes to them."""
    if not xs:
        return ValueError(f"{name}: give at least one array")
    shapes, rank = ", ".join(str(np.shape(x)) for x in xs), np.ndim(xs[0]) + new
    if not -rank <= axis < rank:
        return ValueError(f"{name}: axis {axis} is out of range for shapes {shapes}")
    which = "the same" if new else f"the same along all axes but {axis}"
    return ValueError(f"{name}: shapes must be {which}, got {shapes}")


@op(xs=lambda g, out, *xs, position, axis: g[_part(xs, position, axis)])
def concatenate(*xs: Array, axis: int = 0) -> Array:
    """Join along an existing axis.  Takes the arrays one by one or as one list.

    Any dtype, which stays.  Raises ValueError for no arrays, for an axis that is not there, and for
    shapes that differ along another axis.

    >>> import numpy as np
    >>> concatenate([np.zeros((1, 2)), np.ones((1, 2))], axis=1)
    array([[0., 0., 1., 1.]])
    """
    try:
        return np.concatenate(xs, axis=index(axis))
    except ValueError:
        raise _misjoined("concatenate", xs, axis, 0) from None


@op(xs=lambda g, out, *xs, position, axis: g[(slice(None),) * (axis % g.ndim) + (position,)])
def stack(*xs: Array, axis: int = 0) -> Array:
    """Join along a new axis.  Takes the arrays one by one or as one list.

    Any dtype, which stays.  Raises ValueError for no arrays, for an axis that is not there, and for
    shapes that differ.

    >>> import numpy as np
    >>> stack([np.zeros(2), np.ones(2)], axis=1)
    array([[0., 1.],
           [0., 1.]])
    """
    try:
        return np.stack(xs, axis=axis)
    except ValueError:
        raise _misjoined("stack", xs, axis, 1) from None


def _inside(shape: tuple[int, ...], widths: Pads) -> tuple[slice, ...]:
    """Where an array of `shape` lies after padding by `widths`."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths))


@op(x=lambda g, out, x, *, widths, value: g[_inside(x.shape, widths)])
def pad(x: Array, *, widths: Pads, value: float = 0.0) -> Array:
    """`x` surrounded by `value`: `widths` holds (before, after) for every axis.

    Any dtype, which stays.  Raises ValueError for another number of pairs and for a negative width.

    >>> import numpy as np
    >>> pad(np.ones(2), widths=((1, 2),))
    array([0., 1., 1., 0., 0.])
    """
    if len(widths) != x.ndim or any(len(w) != 2 or min(w) < 0 for w in widths):
        raise ValueError(
            f"pad: widths must be {x.ndim} pairs (before, after) of sizes >= 0, got {widths}"
        )
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, widths)], value, x.dtype)
    out[_inside(x.shape, widths)] = x
    return out


@op(x=lambda g, out, x, *, axis: flip(g, axis=axis))
def flip(x: Array, *, axis: Axis = None) -> Array:
    """Values in reverse order along `axis` (all axes when None).

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return np.flip(x, axis)
