"""Whole Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.func.gradients import pushforward
from autograd_cnn.func.tracing import Traced, positions_of, trace
from autograd_cnn.ops import join, shape
from autograd_cnn.tensor import Tensor

Blocks = list[list[Any]]  # per output and variable, an array or tensor (*output, *variable)


@checked
def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the Jacobian of `f`, by `jacrev` or `jacfwd`, whichever is cheaper.

    For an output of shape S and an argument of shape T the result has shape (*S, *T).  If outputs
    or arguments are tuples, lists or dicts, the result has the structure of the output, with the
    structure of the argument in each place.  A tuple of `argnums` gives tuples there.  See `grad`.

    >>> ag.func.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _transform("jacobian", f, argnums, _cheaper)


@checked
def jacrev(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `jacobian`, by one backward pass per output value.

    >>> ag.func.jacrev(ag.sum)(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    return _transform("jacrev", f, argnums, _rows)


@checked
def jacfwd(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `jacobian`, by one `jvp` per input value.

    >>> ag.func.jacfwd(lambda x: ag.stack([x, x * x]))(3.0)
    array([1., 6.], dtype=float32)
    """
    return _transform("jacfwd", f, argnums, _columns)


@checked
def hessian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the Hessian of `f`: the Jacobian of its Jacobian.

    For a single value and an argument of shape T the result has shape (*T, *T); see `jacobian`.

    >>> ag.func.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return _transform("hessian", _transform("hessian", f, argnums, _rows), argnums, _rows)


def _transform(
    where: str, f: Function, argnums: int | Sequence[int], method: Callable[[Traced], Blocks]
) -> Function:
    several = isinstance(argnums, (tuple, list))

    def derivatives(*args: Any, **kwargs: Any) -> Any:
        traced = trace(where, f, args, positions_of(where, argnums, len(args)), kwargs)
        blocks = method(traced)
        return traced.rebuild([traced.arranged(row, several, traced.connected) for row in blocks])

    return derivatives


def _cheaper(traced: Traced) -> Blocks:
    rows = sum(o.size for o in traced.outputs)
    columns = sum(v.size for v in traced.variables)
    return _rows(traced) if rows <= 2 * columns else _columns(traced)


def _rows(traced: Traced) -> Blocks:
    blocks = []
    for n, output in enumerate(traced.outputs):
        found: Blocks = [[] for _ in traced.variables]
        for seeds in _units(traced.outputs, n):
            pulled = traced.pull(seeds, create_graph=traced.connected)
            for row, v, g in zip(found, traced.variables, pulled):
                row.append(np.zeros_like(v.array) if g is None else g)
        blocks.append([_joined(row, output, v, 0) for row, v in zip(found, traced.variables)])
    return blocks


def _columns(traced: Traced) -> Blocks:
    push = pushforward(traced, create_graph=traced.connected)
    blocks: Blocks = [[] for _ in traced.outputs]
    for n, v in enumerate(traced.variables):
        found: Blocks = [[] for _ in traced.outputs]
        for seeds in _units(traced.variables, n):
            for column, tangent in zip(found, push(seeds)):
                column.append(tangent)
        for block, column, output in zip(blocks, found, traced.outputs):
            block.append(_joined(column, output, v, -1))
    return blocks


def _units(tensors: Sequence[Tensor], n: int) -> Iterator[list[np.ndarray]]:
    """For every element of tensor `n`: zeros shaped like all tensors, with 1 at that element."""
    for element in range(tensors[n].size):
        zeros = [np.zeros(x.shape, x.dtype) for x in tensors]
        zeros[n].flat[element] = 1.0
        yield zeros


def _joined(parts: list[Any], output: Tensor, variable: Tensor, axis: int) -> Any:
    """Rows (axis 0) or columns (axis -1) as one array (*output, *variable)."""
    full = (*output.shape, *variable.shape)
    if not parts:
        return np.zeros(full, variable.dtype)
    return shape.reshape(join.stack(parts, axis=axis), shape=full)
