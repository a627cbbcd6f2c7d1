"""Whole Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.kinds import Function
from autograd_cnn.func.gradients import pushforward
from autograd_cnn.func.tracing import Traced, kind_of, positions_of, show, trace
from autograd_cnn.ops import join, shape

Blocks = list[list[Any]]  # per output and variable, an array or tensor (*output, *variable)


@checked
def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives all partial derivatives of `f`, forward or backward as is cheaper.

    For an output of shape S and an argument of shape T the result has shape (*S, *T).  If outputs
    or arguments are tuples, lists or dicts, the result has the structure of the output, with the
    structure of the argument in each place; a tuple of `argnums` gives tuples there.  Kinds and
    errors as in `grad`.

    >>> import numpy as np
    >>> import autograd_cnn as ag
    >>> ag.func.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _transform("jacobian", f, argnums, _cheaper)


@checked
def jacrev(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `jacobian`, by one backward pass per output value.

    >>> import numpy as np
    >>> import autograd_cnn as ag
    >>> ag.func.jacrev(ag.sum)(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    return _transform("jacrev", f, argnums, _rows)


@checked
def jacfwd(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `jacobian`, by one `jvp` per input value.

    >>> import autograd_cnn as ag
    >>> ag.func.jacfwd(lambda x: ag.stack([x, x * x]))(3.0)
    array([1., 6.], dtype=float32)
    """
    return _transform("jacfwd", f, argnums, _columns)


@checked
def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives all second derivatives of `f`: the Jacobian of its Jacobian.

    For a single value and an argument of shape T the result has shape (*T, *T).  Structures, kinds
    and errors as in `jacobian`.

    >>> import numpy as np
    >>> import autograd_cnn as ag
    >>> ag.func.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return _transform("hessian", _transform("hessian", f, argnums, _rows), argnums, _rows)


def _transform(
    where: str, f: Function, argnums: int | Sequence[int], method: Callable[[Traced], Blocks]
) -> Function:
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        traced = trace(where, f, args, positions_of(where, argnums, len(args)), kwargs)
        several = isinstance(argnums, (tuple, list))
        return traced.rebuild([_arranged(traced, row, several) for row in method(traced)])

    return derivatives


def _arranged(traced: Traced, row: list[Any], several: bool) -> Any:
    """The blocks of one output in the structure of the arguments."""
    rest = iter(row)
    parts = []
    for argument in traced.lifted:
        leaves = [show(next(rest), kind_of([x]), traced.connected) for x in argument.originals]
        parts.append(argument.rebuild(leaves))
    return tuple(parts) if several else parts[0]


def _cheaper(traced: Traced) -> Blocks:
    rows = sum(o.size for o in traced.outputs)
    columns = sum(v.size for v in traced.variables)
    return _rows(traced) if rows <= 2 * columns else _columns(traced)


def _rows(traced: Traced) -> Blocks:
    blocks = []
    for n, output in enumerate(traced.outputs):
        found: Blocks = [[] for _ in traced.variables]
        for seeds in _directions([o.array for o in traced.outputs], n):
            for row, v, g in zip(
                found, traced.variables, traced.pull(seeds, create_graph=traced.connected)
            ):
                row.append(np.zeros_like(v.array) if g is None else g)
        blocks.append(
            [_joined(r, output.shape, v.shape, 0, v.dtype) for r, v in zip(found, traced.variables)]
        )
    return blocks


def _columns(traced: Traced) -> Blocks:
    push = pushforward(traced, create_graph=traced.connected)
    blocks: Blocks = [[] for _ in traced.outputs]
    for n, v in enumerate(traced.variables):
        found: Blocks = [[] for _ in traced.outputs]
        for seeds in _directions([x.array for x in traced.variables], n):
            for column, tangent in zip(found, push(seeds)):
                column.append(tangent)
        for block, column, o in zip(blocks, found, traced.outputs):
            block.append(_joined(column, o.shape, v.shape, -1, v.dtype))
    return blocks


def _directions(arrays: list[np.ndarray], n: int) -> Any:
    """For every element of array `n`: zeros for all arrays but that one element, which is 1."""
    for element in range(arrays[n].size):
        unit = np.zeros(arrays[n].size, arrays[n].dtype)
        unit[element] = 1.0
        zeros = [np.zeros_like(a) for a in arrays]
        zeros[n] = unit.reshape(arrays[n].shape)
        yield zeros


def _joined(
    parts: list[Any], output: tuple[int, ...], variable: tuple[int, ...], axis: int, dtype: Any
) -> Any:
    """Rows (axis 0) or columns (axis -1) as one array (*output, *variable)."""
    if not parts:
        return np.zeros((*output, *variable), dtype)
    return shape.reshape(join.stack(parts, axis=axis), shape=(*output, *variable))
