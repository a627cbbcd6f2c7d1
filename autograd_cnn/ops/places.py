"""PyTorch's functions that pick along an axis by position, and put or add there."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.checks import choice, misfit, mistake, normal_axis
from autograd_cnn.engine.annotations import Index
from autograd_cnn.engine.node import Array, values
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.pick import plain_index, positions, put, scatter_add, take
from autograd_cnn.ops.shape import along, broadcast_to, moveaxis
from autograd_cnn.ops.signatures import array_function, list_function

__all__ = [
    "gather", "index_add", "index_put", "index_select", "masked_select", "narrow", "scatter",
    "select", "unbind",
]  # fmt: skip


def _part(x: Array, dim: int, start: int, length: int) -> Array:
    axis = normal_axis("narrow", dim, x.ndim)
    first = start + x.shape[axis] if start < 0 else start
    if not 0 <= first <= first + length <= x.shape[axis]:
        raise misfit("narrow", f"{length} positions from {start} do not fit axis {dim}", x)
    return x[along(axis, slice(first, first + length))]


def _selected(x: Array, mask: Array) -> Array:
    if mask.dtype != bool:
        raise mistake("masked_select", "mask", "an array of bools", mask)
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return broadcast_to(x, shape=shape)[np.broadcast_to(values(mask), shape)]


# fmt: off
select = index_select = composed(
    lambda x, *, dim, index: take(x, indices=index, axis=dim),
    "The values at an integer or integers `index` along axis `dim`, as `take` gives them.",
    "index_select([1.0, 2.0, 3.0], 0, [2, 0]) -> [3., 1.]")
narrow = composed(
    lambda x, *, dim, start, length: _part(x, dim, start, length),
    "`length` positions of axis `dim`, from `start` on.",
    "narrow([1.0, 2.0, 3.0], 0, 1, 2) -> [2., 3.]")
unbind = list_function(composed(
    lambda x, *, axis=0: list(moveaxis(x, source=axis, destination=0)),
    "A list of the parts of x along `axis`, which they lack.",
    "unbind([[1.0, 2.0], [3.0, 4.0]], 1)[0] -> [1., 3.]"))
masked_select = composed(
    lambda x, mask: _selected(x, mask),
    "The values where `mask` is true, in a row; both broadcast.",
    "masked_select([1.0, 2.0, 3.0], [True, False, True]) -> [1., 3.]")
# fmt: on


def _places(name: str, x: Array, dim: int, index: Array) -> tuple[Any, ...]:
    """The index of the cells that the integers `index` name along `dim`."""
    at, dim = np.atleast_1d(values(index)), normal_axis(name, dim, x.ndim)
    n = x.shape[dim]
    at = positions(name, "index", at, n, f"axis {dim} has {n} values")
    longer = [d for d, (k, n) in enumerate(zip(at.shape, x.shape)) if k > n and d != dim]
    if at.ndim != x.ndim or (longer and at.size):
        raise ValueError(
            f"{name}: index must fit into the input of shape {x.shape} along all axes but {dim}, "
            f"got {index.shape}"
        )
    places = list(np.ogrid[tuple(map(slice, at.shape))])
    places[dim] = at
    return tuple(places)


@array_function
def gather(input: Array, dim: int, index: Array) -> Array:
    """The values at the integers `index` along axis `dim`, in the shape of `index`.

    ``out[i, j] = input[i, index[i, j]]`` for `dim` 1.  `index` has as many axes as the input and
    may be shorter along all of them; along `dim` it may be longer.  `take_along_axis` broadcasts
    instead.  A value picked several times adds up its gradients.

    >>> ag.gather(np.array([[1.0, 2.0], [3.0, 4.0]]), 1, np.array([[1, 0, 1]]))
    array([[2., 1., 2.]])
    """
    x = input.reshape(input.shape or (1,))
    return x[_places("gather", x, dim, index)].reshape(index.shape)


def _added(x: Array, v: Array, index: Any) -> Array:
    """x with v, which broadcasts, added at the cells of an index, as often as these occur."""
    v = broadcast_to(v, shape=values(x)[index].shape)
    return x + scatter_add(v, index=index, shape=x.shape)


@array_function
def scatter(input: Array, dim: int, index: Array, src: Array, reduce: str = "none") -> Array:
    """The input with values of `src` at the integers `index` along axis `dim`, for each line.

    ``out[i, index[i, j]] = src[i, j]`` for `dim` 1: the reverse of `gather`.  `src` is a number, or
    as long as `index` or longer.  With ``reduce="add"`` they are added to the input; otherwise the
    last of several at one place stays.

    >>> ag.scatter(np.zeros((1, 3)), 1, np.array([[2, 0]]), np.array([[5.0, 7.0]]))
    array([[7., 0., 5.]])
    """
    choice("scatter", "reduce", reduce, ("none", "add"))
    x = input.reshape(input.shape or (1,))
    places = _places("scatter", x, dim, index)
    if src.ndim:
        if src.ndim != index.ndim or any(k > n for k, n in zip(index.shape, src.shape)):
            raise misfit("scatter", "src must be as long as index", src, index)
        src = src[tuple(map(slice, index.shape))]
    out = _added(x, src, places) if reduce == "add" else put(x, src, index=places)
    return out.reshape(input.shape)


@array_function
def index_add(input: Array, dim: int, index: Array, source: Array, alpha: float = 1) -> Array:
    """The input with `alpha` times part k of `source` added at position ``index[k]`` of axis `dim`.

    >>> ag.index_add(np.zeros(3), 0, [2, 0, 2], np.array([1.0, 10.0, 100.0]))
    array([ 10.,   0., 101.])
    """
    dim = normal_axis("index_add", dim, input.ndim)
    n = input.shape[dim]
    at = positions("index_add", "index", index, n, f"axis {dim} has {n} values")
    wanted = (*input.shape[:dim], at.size, *input.shape[dim + 1 :])
    if source.shape != wanted:
        raise misfit("index_add", f"source must have shape {wanted}", source)
    return _added(input, source if alpha == 1 else source * alpha, along(dim, at))


@array_function
def index_put(input: Array, indices: Index, values: Array, accumulate: bool = False) -> Array:
    """The input with `values` at ``input[indices]``, or with them added there; they broadcast.

    >>> ag.index_put(np.zeros(3), ([1, 1],), np.array([5.0, 7.0]), accumulate=True)
    array([ 0., 12.,  0.])
    """
    if accumulate:
        return _added(input, values, plain_index(indices))
    return put(input, values, index=indices)
