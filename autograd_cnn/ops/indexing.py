"""Picking values by position, and adding values back to where they came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.graph import Array, op, values


def plain_index(index: Any) -> Any:
    """An index without tensors: tensors of integers or booleans become arrays, lists too."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    if isinstance(index, list):
        return np.asarray(index, dtype=None if index else int)
    return values(index)


def _may_repeat(index: Any) -> bool:
    """Whether an index can name a position twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, np.ndarray) and i.dtype != bool for i in parts)


@op(x=lambda g, out, x, *, index: scatter_add(g, index=index, shape=x.shape))
def getitem(x: Array, *, index: Any) -> Array:
    """``x[index]`` for any NumPy index: integers, slices, None, Ellipsis, integer and boolean
    arrays.

    >>> import numpy as np
    >>> getitem(np.array([1.0, 2.0, 3.0]), index=np.array([2, 0, 2]))
    array([3., 1., 3.])
    """
    return x[plain_index(index)]


@op(g=lambda gx, out, g, *, index, shape: gx[index])
def scatter_add(g: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `g` added at `index`; positions named twice add up.  The adjoint of
    `getitem`.

    >>> import numpy as np
    >>> scatter_add(np.array([1.0, 10.0, 100.0]), index=np.array([2, 0, 2]), shape=(3,))
    array([ 10.,   0., 101.])
    """
    index = plain_index(index)
    out = np.zeros(shape, g.dtype)
    if _may_repeat(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out
