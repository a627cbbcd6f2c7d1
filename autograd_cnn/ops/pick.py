"""Values picked by position, put in place, or added back to where they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import misfit, mistake, normal_axis
from autograd_cnn.engine.annotations import Index, Integers, holds_numbers
from autograd_cnn.engine.copies import locked
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.shape import along, line, unbroadcast

__all__ = [
    "diag", "diagonal", "getitem", "put", "scatter_add", "take", "take_along_axis",
    "tril", "triu",
]  # fmt: skip


class Picked(NamedTuple):
    """Values along an axis and their positions, as PyTorch's ``max(dim=)`` names them."""

    values: Any
    indices: np.ndarray


def plain_index(index: Any) -> Any:
    """An index whose tensors and lists of integers or booleans are arrays.

    They are copies: NumPy checks an index, and reads it again while other threads may write to it.
    """
    if type(index) in (slice, int):
        return index
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    if isinstance(index, list):
        if not holds_numbers(index, "iub"):
            raise mistake("an index", "a list", "of integers or bools", index)
        return np.asarray(index, dtype=None if index else int)
    index = values(index)
    whole = hasattr(index, "__index__") and not isinstance(index, np.ndarray)
    if whole or index is None or index is ... or isinstance(index, slice):
        return index
    return locked(index)


def _may_repeat(index: Any) -> bool:
    """Whether an index can name a position twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, np.ndarray) and i.dtype != bool for i in parts)


@op(x=lambda g, out, x, *, index: scatter_add(g, index=index, shape=x.shape))
def getitem(x: Array, *, index: Index) -> Array:
    """``x[index]`` for any NumPy index: integers, slices, None, ..., integer and boolean arrays.

    >>> ag.getitem(np.array([1.0, 2.0, 3.0]), index=np.array([2, 0, 2]))
    array([3., 1., 3.])
    """
    index = index if type(index) is slice else plain_index(index)
    if type(index) is np.ndarray and index.dtype == np.intp and x.ndim and x.flags.c_contiguous:
        return x.take(index, 0)  # 3,200 rows of 64 values: 42 us, x[index] takes 118
    return x[index]


def _add_picked(total: np.ndarray, g: Any, out: Any, x: Any, *, index: Any) -> None:
    """Add the gradient of ``x[index]`` in place: the work of a piece, not of all of x."""
    _add_at(total, plain_index(index), values(g))


def _together(x: Any, total: Any, pieces: list[tuple[Any, Any, dict[str, Any]]]) -> Any:
    """A total and the gradients of many ``x[index]``: one array of the size of x, not one each."""
    _, gs, params = zip(*pieces)
    whole = scatter_all(*gs, indices=[given["index"] for given in params], shape=x.shape)
    return whole if total is None else total + whole


getitem.op.rules[0].adds = _add_picked  # type: ignore[attr-defined]
getitem.op.rules[0].together = _together  # type: ignore[attr-defined]


@op(g=lambda gx, out, g, *, index, shape: gx[index])
def scatter_add(g: Array, *, index: Index, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `g` added at `index`: the adjoint of `getitem`.

    Values at a repeated position add up.

    >>> ag.scatter_add(np.array([1.0, 10.0, 100.0]), index=np.array([2, 0, 2]), shape=(3,))
    array([ 10.,   0., 101.])
    """
    if g.dtype.char == "e":  # repeated positions are a sum
        return in_float32(scatter_add, g, index=index, shape=shape)
    index = plain_index(index)
    out = np.zeros(shape, g.dtype)
    try:
        if _may_repeat(index):
            _add_at(out, index, g)
        else:
            out[index] = g
    except ValueError:
        raise ValueError(
            f"scatter_add: g of shape {g.shape} does not fit what the index selects from shape "
            f"{shape}"
        ) from None
    return out


@op(
    register=False,
    joint=lambda gx, out, *gs, indices, shape, wanted: [
        gx[index] if want else None for index, want in zip(indices, wanted)
    ],
)
def scatter_all(*gs: Array, indices: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with each of `gs` added at its index."""
    if gs[0].dtype.char == "e":
        return in_float32(scatter_all, *gs, indices=indices, shape=shape)
    out = np.zeros(shape, gs[0].dtype)
    for g, index in zip(gs, indices):
        _add_at(out, plain_index(index), g)
    return out


def _add_at(out: np.ndarray, index: Any, g: np.ndarray) -> None:
    """Add `g` to ``out[index]`` in place, at a repeated position as often as it occurs."""
    rows = isinstance(index, np.ndarray) and g.shape == index.shape + out.shape[1:]
    if not _may_repeat(index):
        out[index] += g
    elif rows and out.flags.c_contiguous:
        kernels.add_rows(out, index, g)
    else:
        np.add.at(out, index, g)


def _written(shape: tuple[int, ...], index: Any) -> np.ndarray:
    """Which of the values assigned to ``x[index]`` stay: the last at each repeated position."""
    writer = np.zeros(shape, np.intp)
    selected = writer[index].shape
    order = np.arange(int(np.prod(selected, dtype=int))).reshape(selected)
    writer[index] = order
    return writer[index] == order


_PUT: dict[str, Any] = {
    "x": lambda g, out, x, v, *, index: put(g, 0.0, index=index),
    "v": lambda g, out, x, v, *, index: unbroadcast(
        where(_written(x.shape, index), g[index], 0.0), v
    ),
}


def _put_into(x: Array, v: Array, *, index: Index) -> Array:
    """x itself after ``x[index] = v``."""
    index = plain_index(index)
    if np.iscomplexobj(v) and not np.iscomplexobj(x):
        raise mistake("put", "v", "real where x is real", v)
    if np.ndim(v) > np.ndim(x[index]):
        raise misfit("put", f"the values must fit into shape {x[index].shape}", v)
    x[index] = v
    return x


@op(**_PUT)
def put(x: Array, v: Array, *, index: Index) -> Array:
    """A copy of x with ``x[index] = v``, for any NumPy index; v broadcasts to the selected values.

    At a repeated position the last value stays and takes the gradient.

    >>> ag.put(np.zeros(3), np.array([5.0, 7.0]), index=np.array([2, 0]))
    array([7., 0., 5.])
    """
    return _put_into(np.array(x), v, index=index)


put_into: Any = op(**_PUT, register=False)(_put_into)


@composition
def take(x: Array, *, indices: Integers, axis: int | None = None) -> Array:
    """The values at `indices` (integers of any shape) along `axis`, or of all values when None.

    >>> ag.take(np.array([1.0, 2.0, 3.0]), [2, 0])
    array([3., 1.])
    """
    index = np.asarray(plain_index(indices))
    if index.dtype.kind not in "iu":
        raise TypeError(f"take: indices must be integers, got dtype {index.dtype}")
    x, axis = line("take", x, axis)
    return x[along(axis, index)]


@composition
def take_along_axis(x: Array, *, indices: Integers, axis: int | None = -1) -> Array:
    """The values at `indices` along `axis`, as `argsort` gives them for each line.

    `indices` broadcasts against the other axes of x.  With axis None it counts all values in
    row-major order.

    >>> ag.take_along_axis(np.array([[3.0, 1.0], [2.0, 5.0]]), indices=np.array([[1], [0]]), axis=1)
    array([[1.],
           [2.]])
    """
    indices = np.asarray(plain_index(indices))
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    axis = normal_axis("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis: indices must have {x.ndim} axes as the values have, got shape "
            f"{indices.shape}"
        )
    index = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    index[axis] = indices
    return x[tuple(index)]


def picked_along(x: Array, indices: np.ndarray, axis: int) -> Array:
    """`take_along_axis` of indices that fit, by one index of all values.

    For 32 lines of 1,000 values this takes 60 us; an index for each axis takes 180.
    """
    starts = np.arange(x.size).reshape(x.shape)[along(axis, slice(1))]
    cells = starts + indices * math.prod(x.shape[axis + 1 :])
    return x.reshape((x.size,))[cells]


@composition
def diagonal(x: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The values on a diagonal of axes `axis1` and `axis2`, along a new last axis.

    >>> ag.diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    if x.ndim < 2:
        raise misfit("diagonal", "needs two axes or more", x)
    rows, columns = (normal_axis("diagonal", a, x.ndim) for a in (axis1, axis2))
    if rows == columns:
        raise ValueError(f"diagonal: axis1 and axis2 are the same, {axis1}")
    rest = tuple(i for i in range(x.ndim) if i not in (rows, columns))
    steps = np.arange(
        max(0, min(x.shape[rows] + min(offset, 0), x.shape[columns] - max(offset, 0)))
    )
    ordered = x.transpose((*rest, rows, columns))
    return ordered[..., steps + max(-offset, 0), steps + max(offset, 0)]


@composition
def diag(x: Array, *, k: int = 0) -> Array:
    """Diagonal `k` of a matrix, or a matrix with the vector x on its diagonal `k`.

    >>> ag.diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    if x.ndim == 2:
        return diagonal(x, offset=k)
    if x.ndim != 1:
        raise misfit("diag", "needs a vector or a matrix", x)
    steps = np.arange(x.shape[0])
    side = x.shape[0] + abs(k)
    index = (steps + max(-k, 0), steps + max(k, 0))
    return scatter_add(x, index=index, shape=(side, side))


def _below(name: str, x: Array, k: int) -> np.ndarray:
    """Where the last two axes are on diagonal `k` or below."""
    if x.ndim < 2:
        raise misfit(name, "needs two axes or more", x)
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, k, dtype=bool)


# fmt: off
tril = composed(
    lambda x, *, k=0: where(_below("tril", x, k), x, x.dtype.type(0)),
    "The lower triangle of the last two axes up to diagonal `k`, zeros above.",
    "tril([[1.0, 1.0]]) -> [[1., 0.]]")
triu = composed(
    lambda x, *, k=0: where(_below("triu", x, k - 1), x.dtype.type(0), x),
    "The upper triangle of the last two axes from diagonal `k`, zeros below.",
    "triu([[1.0], [1.0]]) -> [[1.],\n       [0.]]")
# fmt: on


def positions(name: str, argument: str, given: Any, count: int, known: str) -> np.ndarray:
    """`given` as an array of integers from 0 to `count` - 1; a `count` below 0 is no bound."""
    index = np.array(values(given), None if np.size(values(given)) else np.intp)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: {argument} must hold integers, got dtype {index.dtype}")
    bounded = count >= 0
    first = kernels.first_outside if bounded else kernels.reference.first_outside
    wrong = first(index, count if bounded else 2**64)  # which is no number in C
    if wrong is not None:
        known += f", 0 to {count - 1}" if count > 0 else ""
        raise ValueError(f"{name}: index {index.flat[wrong]} is out of range; {known}")
    return index
