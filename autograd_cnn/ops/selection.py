"""Values picked or put in place: take, diagonals, triangles, and assignment as an op."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.checks import misfit, normal_axis
from autograd_cnn.engine.composition import along, composition
from autograd_cnn.engine.kinds import Index, Integers
from autograd_cnn.engine.op import Array, op
from autograd_cnn.ops import reduction
from autograd_cnn.ops.broadcast import unbroadcast
from autograd_cnn.ops.elementwise import where
from autograd_cnn.ops.indexing import plain_index, scatter_add


def _written(shape: tuple[int, ...], index: Any) -> np.ndarray:
    """Which of the values assigned to ``x[index]`` stay: where a position repeats, the last."""
    writer = np.zeros(shape, np.intp)
    selected = writer[index].shape
    order = np.arange(int(np.prod(selected, dtype=int))).reshape(selected)
    writer[index] = order
    return writer[index] == order


@op(
    x=lambda g, out, x, v, *, index: put(g, 0.0, index=index),
    v=lambda g, out, x, v, *, index: unbroadcast(where(_written(x.shape, index), g[index], 0.0), v),
)
def put(x: Array, v: Array, *, index: Index) -> Array:
    """A copy of x with ``x[index] = v``: any NumPy index, v broadcasts to what it selects.

    Where an index names a position twice the last value stays and takes the gradient.  The result
    has the dtype of x.

    Any dtype, which stays.  Raises ValueError when v does not fit what the index selects.

    >>> import numpy as np
    >>> put(np.zeros(3), np.array([5.0, 7.0]), index=np.array([2, 0]))
    array([7., 0., 5.])
    """
    index = plain_index(index)
    out = np.array(x)
    if np.ndim(v) > out[index].ndim:
        raise misfit("put", f"the values must fit into shape {out[index].shape}", v)
    out[index] = v
    return out


@composition
def take(x: Array, *, indices: Integers, axis: int | None = None) -> Array:
    """The values at `indices` (integers of any shape) along `axis`, of all values when None.

    Any dtype, which stays.  Raises IndexError for an index out of range.

    >>> import numpy as np
    >>> take(np.array([1.0, 2.0, 3.0]), [2, 0])
    array([3., 1.])
    """
    index = np.asarray(plain_index(indices))
    if index.dtype.kind not in "iu":
        raise TypeError(f"take: indices must be integers, got dtype {index.dtype}")
    if axis is None:
        return x.reshape((x.size,))[index]
    return x[along(normal_axis("take", axis, x.ndim), index)]


@composition
def diagonal(x: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The values on a diagonal of axes `axis1` and `axis2`, along a new last axis.

    Any dtype, which stays.  Raises ValueError for less than two axes.

    >>> import numpy as np
    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
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

    Any dtype, which stays.  Raises ValueError for another number of axes.

    >>> import numpy as np
    >>> diag(np.array([1.0, 2.0]))
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


@composition
def trace(x: Array, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The sum of a diagonal of axes `axis1` and `axis2`.

    Floats keep their dtype, integers get 64 bits.  Raises ValueError for less than two axes.

    >>> import numpy as np
    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    return reduction.sum(diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1)


def _below(name: str, x: Array, k: int) -> np.ndarray:
    """Where the last two axes are on diagonal `k` or below."""
    if x.ndim < 2:
        raise misfit(name, "needs two axes or more", x)
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, k, dtype=bool)


@composition
def tril(x: Array, *, k: int = 0) -> Array:
    """The lower triangle of the last two axes up to diagonal `k`, zeros above.

    Any dtype, which stays.  Raises ValueError for less than two axes.

    >>> import numpy as np
    >>> tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    return where(_below("tril", x, k), x, x.dtype.type(0))


@composition
def triu(x: Array, *, k: int = 0) -> Array:
    """The upper triangle of the last two axes from diagonal `k`, zeros below.

    Any dtype, which stays.  Raises ValueError for less than two axes.

    >>> import numpy as np
    >>> triu(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    return where(_below("triu", x, k - 1), x.dtype.type(0), x)
