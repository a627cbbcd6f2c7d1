"""Picking values by position, and adding values back to where they came from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.engine.checks import mistake
from autograd_cnn.engine.kinds import Index, holds_numbers
from autograd_cnn.engine.op import Array, op, values


def plain_index(index: Any) -> Any:
    """An index without tensors: tensors of integers or booleans become arrays, lists too."""
    if type(index) in (slice, int):
        return index
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    if isinstance(index, list):
        if not holds_numbers(index, "iub"):
            raise mistake("an index", "a list", "of integers or bools", index)
        return np.asarray(index, dtype=None if index else int)
    return np.asarray(index) if isinstance(index, np.ndarray) else values(index)


def _may_repeat(index: Any) -> bool:
    """Whether an index can name a position twice: only arrays of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, np.ndarray) and i.dtype != bool for i in parts)


@op(x=lambda g, out, x, *, index: scatter_add(g, index=index, shape=x.shape))
def getitem(x: Array, *, index: Index) -> Array:
    """``x[index]`` for any NumPy index: integers, slices, None, Ellipsis, integer and boolean
    arrays.

    Any dtype, which stays.  The shape is that of NumPy's indexing.  Raises IndexError for an index
    out of range, TypeError for what is none.

    >>> import numpy as np
    >>> getitem(np.array([1.0, 2.0, 3.0]), index=np.array([2, 0, 2]))
    array([3., 1., 3.])
    """
    return x[index if type(index) is slice else plain_index(index)]


@op(g=lambda gx, out, g, *, index, shape: gx[index])
def scatter_add(g: Array, *, index: Index, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with `g` added at `index`; positions named twice add up.  The adjoint of
    `getitem`.

    Any dtype, which stays.  Raises ValueError when g does not fit what the index selects,
    IndexError for an index out of range.

    >>> import numpy as np
    >>> scatter_add(np.array([1.0, 10.0, 100.0]), index=np.array([2, 0, 2]), shape=(3,))
    array([ 10.,   0., 101.])
    """
    index = plain_index(index)
    out = np.zeros(shape, g.dtype)
    try:
        if not _may_repeat(index):
            out[index] = g
        elif isinstance(index, np.ndarray) and g.shape == index.shape + out.shape[1:]:
            _add_rows(out, index, g)
        else:
            np.add.at(out, index, g)
    except ValueError:
        raise ValueError(
            f"scatter_add: g of shape {g.shape} does not fit what the index selects from shape "
            f"{shape}"
        ) from None
    return out


def _add_rows(out: np.ndarray, index: np.ndarray, g: np.ndarray) -> None:
    """``np.add.at(out, index, g)`` in flat memory.

    Measured with 4,096 rows of 64 values into 10,000 rows: 0.49 ms; np.add.at by rows takes 2.4,
    np.bincount 0.79, sorting and np.add.reduceat 1.6, a product with one-hot rows 17.5.
    """
    width = math.prod(out.shape[1:])
    cells = index.reshape(-1, 1).astype(np.intp) * width + np.arange(width)  # (rows, width)
    np.add.at(out.reshape(-1), cells.reshape(-1), g.reshape(-1))
