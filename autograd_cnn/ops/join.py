"""Arrays joined, split, repeated and padded."""

from __future__ import annotations

import functools
from itertools import accumulate
from operator import index
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, misfit, mistake, normal_axis, single, whole_numbers
from autograd_cnn.engine.annotations import Axis, Integers, Pads, is_array
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.pick import plain_index
from autograd_cnn.ops.shape import along, broadcast_to, line, ravel
from autograd_cnn.ops.signatures import join_function, list_function

__all__ = [
    "array_split", "column_stack", "concatenate", "hstack", "meshgrid", "pad", "repeat", "roll",
    "split", "stack", "tile", "vstack",
]  # fmt: skip


def _of_parts(join: Any) -> Any:
    """Let a single array stand for the list of its parts along the first axis, as in NumPy."""

    @functools.wraps(join)
    def call(*xs: Any, **settings: Any) -> Any:
        if len(xs) == 1 and is_array(xs[0]):
            if not xs[0].ndim:
                raise mistake(join.__name__, "xs", "a list of arrays, or one with axes", xs[0])
            xs = (list(xs[0]),)
        return join(*xs, **settings)

    return call


def _parts(g: Array, xs: tuple[Array, ...], axis: int) -> list[Array]:
    """The gradients of arrays joined along `axis`, which together cost what one costs."""
    ends = list(accumulate(x.shape[axis] for x in xs[:-1]))
    return array_split(g, indices_or_sections=ends, axis=axis)


def _misjoined(name: str, xs: tuple[Array, ...], axis: int, new: int) -> ValueError:
    """The error for parts that do not join along `axis`; a join adds `new` axes."""
    if not xs:
        return ValueError(f"{name}: give at least one array")
    shapes, rank = ", ".join(str(np.shape(x)) for x in xs), np.ndim(xs[0]) + new
    if not -rank <= axis < rank:
        return ValueError(f"{name}: axis {axis} is out of range for shapes {shapes}")
    which = "the same" if new else f"the same along all axes but {axis}"
    return ValueError(f"{name}: shapes must be {which}, got {shapes}")


@join_function
@_of_parts
@op(joint=lambda g, out, *xs, axis, wanted: _parts(g, xs, axis))
def concatenate(*xs: Array, axis: int = 0) -> Array:
    """Join along an existing axis.  Takes the arrays one by one or as one list.

    A single array stands for the list of its parts along the first axis, as in NumPy.

    >>> ag.concatenate([np.zeros((1, 2)), np.ones((1, 2))], axis=1)
    array([[0., 0., 1., 1.]])
    """
    try:
        return np.concatenate(xs, axis=index(axis))
    except ValueError:
        raise _misjoined("concatenate", xs, axis, 0) from None


@join_function
@_of_parts
@op(joint=lambda g, out, *xs, axis, wanted: [g[along(axis % g.ndim, k)] for k in range(len(xs))])
def stack(*xs: Array, axis: int = 0) -> Array:
    """Join along a new axis.  Takes the arrays one by one or as one list; see `concatenate`.

    >>> ag.stack([np.zeros(2), np.ones(2)], axis=1)
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

    >>> ag.pad(np.ones(2), widths=((1, 2),))
    array([0., 1., 1., 0., 0.])
    """
    if len(widths) != x.ndim or any(len(w) != 2 or min(w) < 0 for w in widths):
        raise ValueError(
            f"pad: widths must be {x.ndim} pairs (before, after) of sizes >= 0, got {widths}"
        )
    value = single("pad", "value", value)
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, widths)], value, x.dtype)
    out[_inside(x.shape, widths)] = x
    return out


@composition
def repeat(x: Array, *, repeats: Integers, axis: int | None = None) -> Array:
    """Each value `repeats` times (a number, or one per value) along `axis`, or of all when None.

    >>> ag.repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if isinstance(axis, int) and axis >= max(np.ndim(x), 1):
        raise misfit("repeat", f"there is no axis {axis}; ag.tile(x, sizes) lays x side by side", x)
    x, axis = line("repeat", x, axis)
    times, size = np.asarray(plain_index(repeats)), x.shape[axis]
    if times.shape not in ((), (1,), (size,)) or (times < 0).any():
        raise ValueError(
            f"repeat: repeats must be a number of 0 or more, or {size} of them, one per value of "
            f"axis {axis}, got {repeats}"
        )
    return x[along(axis, np.repeat(np.arange(size), times))]


@composition
def tile(x: Array, *, reps: int | tuple[int, ...]) -> Array:
    """x laid side by side `reps` times along every axis; missing numbers count as 1.

    >>> ag.tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    times = whole_numbers("tile", "reps", reps)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: reps must be 0 or more, got {reps}")
    rank = max(x.ndim, len(times))
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - x.ndim) + x.shape
    apart = x.reshape(tuple(side for n in shape for side in (1, n)))
    wide = broadcast_to(apart, shape=tuple(s for t, n in zip(times, shape) for s in (t, n)))
    tiled = wide.reshape(tuple(t * n for t, n in zip(times, shape)))
    return tiled if values(tiled).flags.writeable else tiled.copy()  # a view of x is read-only


@composition
def roll(x: Array, *, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    """Values moved by `shift` along `axis` (all values when None); those at the end come first.

    Several shifts go with as many axes.

    >>> ag.roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    if axis is None:
        return roll(ravel(x), shift=shift, axis=0).reshape(x.shape)
    steps, axes = whole_numbers("roll", "shift", shift), whole_numbers("roll", "axis", axis)
    if len(steps) != len(axes) != 1 != len(steps):
        raise ValueError(f"roll: shift {shift} and axis {axis} do not pair up")
    for step, a in np.broadcast(steps, axes):
        place = normal_axis("roll", a, x.ndim)
        cut = x.shape[place] - step % max(x.shape[place], 1)
        parts = [x[along(place, slice(cut, None))], x[along(place, slice(None, cut))]]
        x = concatenate(*parts, axis=place)
    return x


@list_function
@composition
def array_split(x: Array, *, indices_or_sections: Integers, axis: int = 0) -> list[Array]:
    """x cut along `axis` into a number of parts, or at the given positions.

    If the size does not divide, the first parts are longer by one.

    >>> ag.array_split(np.array([1.0, 2.0, 3.0]), 2)
    [array([1., 2.]), array([3.])]
    """
    axis = normal_axis("array_split", axis, x.ndim)
    size = x.shape[axis]
    if np.ndim(indices_or_sections):
        ends = [*(int(i) for i in indices_or_sections), size]
    else:
        sections = int(indices_or_sections)
        if sections < 1:
            raise ValueError(f"array_split: expected 1 part or more, got {sections}")
        ends = list(accumulate(size // sections + (i < size % sections) for i in range(sections)))
    return [x[along(axis, slice(a, b))] for a, b in zip([0, *ends], ends)]


@list_function
@composition
def split(x: Array, *, indices_or_sections: Integers, axis: int = 0) -> list[Array]:
    """x cut along `axis` into a number of equal parts, or at the given positions.

    >>> ag.split(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    [array([1., 2.]), array([3., 4.])]
    """
    size = x.shape[normal_axis("split", axis, x.ndim)]
    sections = indices_or_sections
    if not np.ndim(sections) and (sections < 1 or size % sections):
        raise misfit("split", f"axis {axis} does not divide into {sections} equal parts", x)
    return array_split(x, indices_or_sections=indices_or_sections, axis=axis)


@composition
def meshgrid(*xs: Array, indexing: str = "xy") -> Any:
    """Vectors spread over the axes of a grid, a list of arrays of one shape.

    With 'xy', NumPy's default, the first vector runs along axis 1 and the second along axis 0; with
    'ij', PyTorch's, vector i runs along axis i.

    >>> ag.meshgrid(np.array([1.0, 2.0]), np.array([3.0, 4.0]), indexing="ij")[0]
    array([[1., 1.],
           [2., 2.]])
    """
    choice("meshgrid", "indexing", indexing, ("xy", "ij"))
    places = list(range(len(xs)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    sides = [(1,) * a + (x.size,) + (1,) * (len(xs) - 1 - a) for x, a in zip(xs, places)]
    whole = np.broadcast_shapes(*sides)
    return [broadcast_to(x.reshape(side), shape=whole).copy() for x, side in zip(xs, sides)]


def _at_least(x: Array, ndim: int) -> Array:
    return x if x.ndim >= ndim else x.reshape((1,) * (ndim - x.ndim) + x.shape)


@join_function
@_of_parts
@composition
def vstack(*xs: Array) -> Array:
    """Arrays on top of each other, vectors as rows; for the arguments see `concatenate`.

    >>> ag.vstack([np.zeros(2), np.ones(2)])
    array([[0., 0.],
           [1., 1.]])
    """
    return concatenate([_at_least(x, 2) for x in xs], axis=0)


# fmt: off
hstack = join_function(_of_parts(composed(
    lambda *xs: concatenate([_at_least(x, 1) for x in xs], axis=int(bool(xs) and xs[0].ndim > 1)),
    "Arrays side by side: along axis 1, vectors along axis 0.",
    "hstack([[0.0, 0.0], [1.0]]) -> [0., 0., 1.]")))
column_stack = join_function(_of_parts(composed(
    lambda *xs: concatenate([x if x.ndim > 1 else x.reshape((x.size, 1)) for x in xs], axis=1),
    "Arrays side by side along axis 1, vectors as columns.",
    "column_stack([[0.0], [1.0]]) -> [[0., 1.]]")))
# fmt: on
