"""Axes added, dropped, moved, joined and split: NumPy's names for reshape, transpose and slices."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from autograd_cnn.engine.checks import misfit, normal_axes, normal_axis, whole_numbers
from autograd_cnn.engine.composition import along, composition
from autograd_cnn.engine.kinds import Axis, Integers
from autograd_cnn.engine.op import Array
from autograd_cnn.ops.broadcast import broadcast_to
from autograd_cnn.ops.indexing import plain_index
from autograd_cnn.ops.shaping import concatenate, flip


@composition
def squeeze(x: Array, *, axis: Axis = None) -> Array:
    """x without its axes of size 1, or without those in `axis` only.

    Any dtype, which stays.  Raises ValueError when an axis in `axis` has another size.

    >>> import numpy as np
    >>> squeeze(np.ones((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    if axis is None:
        return x.reshape(tuple(n for n in x.shape if n != 1))
    axes = normal_axes("squeeze", axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise misfit("squeeze", f"axis {axis} must have size 1", x)
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))


@composition
def expand_dims(x: Array, *, axis: int | tuple[int, ...]) -> Array:
    """x with new axes of size 1 at `axis`, counted in the result.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> expand_dims(np.ones(3), axis=0).shape
    (1, 3)
    """
    rank = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes = normal_axes("expand_dims", axis, rank)
    sides = iter(x.shape)
    return x.reshape(tuple(1 if i in axes else next(sides) for i in range(rank)))


@composition
def ravel(x: Array) -> Array:
    """All values along one axis, in row-major order.

    Any dtype, which stays.  Raises TypeError for other than numbers.

    >>> import numpy as np
    >>> ravel(np.ones((2, 3))).shape
    (6,)
    """
    return x.reshape((x.size,))


@composition
def swapaxes(x: Array, *, axis1: int, axis2: int) -> Array:
    """Two axes exchanged.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    one, other = (normal_axis("swapaxes", a, x.ndim) for a in (axis1, axis2))
    axes = list(range(x.ndim))
    axes[one], axes[other] = other, one
    return x.transpose(tuple(axes))


@composition
def moveaxis(
    x: Array, *, source: int | tuple[int, ...], destination: int | tuple[int, ...]
) -> Array:
    """Axes `source` moved to the places `destination`; the others keep their order.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    start = normal_axes("moveaxis", source, x.ndim)
    end = normal_axes("moveaxis", destination, x.ndim)
    if len(start) != len(end):
        raise ValueError(f"moveaxis: source {source} and destination {destination} do not pair up")
    order = [a for a in range(x.ndim) if a not in start]
    for place, axis in sorted(zip(end, start)):
        order.insert(place, axis)
    return x.transpose(tuple(order))


@composition
def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> matrix_transpose(np.ones((5, 2, 3))).shape
    (5, 3, 2)
    """
    return swapaxes(x, axis1=-1, axis2=-2)


@composition
def repeat(x: Array, *, repeats: Integers, axis: int | None = None) -> Array:
    """Each value `repeats` times along `axis` (of all values when None); a number, or one per
    value.

    Any dtype, which stays.  Raises ValueError for a negative number and for another count of them.

    >>> import numpy as np
    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if axis is None:
        x, axis = ravel(x), 0
    axis = normal_axis("repeat", axis, x.ndim)
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

    Any dtype, which stays.  Raises ValueError for a negative number.

    >>> import numpy as np
    >>> tile(np.array([1.0, 2.0]), (2, 2))
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
    return wide.reshape(tuple(t * n for t, n in zip(times, shape)))


@composition
def roll(x: Array, *, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    """Values moved on by `shift` along `axis` (all values in row-major order when None), the last
    ones returning at the front.

    Several shifts go with as many axes.  Raises ValueError when they do not pair up.

    Any dtype, which stays.

    >>> import numpy as np
    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
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


@composition
def array_split(x: Array, *, indices_or_sections: Integers, axis: int = 0) -> list[Array]:
    """x cut along `axis` into so many parts, the first ones longer by one where it does not divide,
    or at the given positions.

    Any dtype, which stays.  Raises ValueError for less than one part.

    >>> import numpy as np
    >>> array_split(np.array([1.0, 2.0, 3.0]), 2)
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


@composition
def split(x: Array, *, indices_or_sections: Integers, axis: int = 0) -> list[Array]:
    """x cut along `axis` into so many equal parts, or at the given positions.

    Any dtype, which stays.  Raises ValueError when the size does not divide.

    >>> import numpy as np
    >>> split(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    [array([1., 2.]), array([3., 4.])]
    """
    size = x.shape[normal_axis("split", axis, x.ndim)]
    sections = indices_or_sections
    if not np.ndim(sections) and (sections < 1 or size % sections):
        raise misfit("split", f"axis {axis} does not divide into {sections} equal parts", x)
    return array_split(x, indices_or_sections=indices_or_sections, axis=axis)


def _at_least(x: Array, ndim: int) -> Array:
    return x if x.ndim >= ndim else x.reshape((1,) * (ndim - x.ndim) + x.shape)


@composition
def vstack(*xs: Array) -> Array:
    """Arrays on top of each other, vectors as rows.  Takes the arrays one by one or as one list.

    Dtypes promote as in NumPy.  Raises ValueError for sizes that differ along another axis.

    >>> import numpy as np
    >>> vstack([np.zeros(2), np.ones(2)])
    array([[0., 0.],
           [1., 1.]])
    """
    return concatenate(*(_at_least(x, 2) for x in xs), axis=0)


@composition
def hstack(*xs: Array) -> Array:
    """Arrays side by side: along axis 1, vectors along axis 0.

    Dtypes promote as in NumPy.  Raises ValueError for sizes that differ along another axis.

    >>> import numpy as np
    >>> hstack([np.zeros(2), np.ones(1)])
    array([0., 0., 1.])
    """
    return concatenate(*(_at_least(x, 1) for x in xs), axis=0 if not xs or xs[0].ndim < 2 else 1)


@composition
def column_stack(*xs: Array) -> Array:
    """Arrays side by side along axis 1, vectors as columns.

    Dtypes promote as in NumPy.  Raises ValueError for sizes that differ along another axis.

    >>> import numpy as np
    >>> column_stack([np.zeros(2), np.ones(2)])
    array([[0., 1.],
           [0., 1.]])
    """
    return concatenate(*(x if x.ndim > 1 else x.reshape((x.size, 1)) for x in xs), axis=1)


@composition
def flipud(x: Array) -> Array:
    """Values in reverse order along the first axis.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    return flip(x, axis=0)


@composition
def fliplr(x: Array) -> Array:
    """Values in reverse order along the second axis.

    Any dtype, which stays.  Raises ValueError for an axis that is not there.

    >>> import numpy as np
    >>> fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    return flip(x, axis=1)
