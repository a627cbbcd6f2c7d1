"""PyTorch's names for ops, and what calls with PyTorch's keywords mean.

``max(x, axis=1)`` is NumPy's and ``max(x, dim=1)`` PyTorch's, which gives values and positions.
`_in_torch` hangs PyTorch's meaning on an op.  Where both mean the same, `checks.OTHER_NAMES` is all
that a keyword needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.checks import integer, is_whole, normal_axis, unpacked_in_two
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.op import composition
from autograd_cnn.ops import arithmetic, join, matrix, reduce, shape, sort
from autograd_cnn.ops import trigonometry as tri
from autograd_cnn.ops.exponential import power
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.pick import Picked, take_along_axis
from autograd_cnn.ops.product import matmul, outer
from autograd_cnn.ops.shape import floating, ravel
from autograd_cnn.ops.signatures import checked_late, list_function

__all__ = [
    "absolute", "acos", "acosh", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "asin",
    "asinh", "atan", "atan2", "atanh", "baddbmm", "bmm", "cat", "chunk", "clamp", "concat", "dist",
    "div", "frac", "inverse", "lerp", "masked_fill", "mm", "movedim", "mul", "neg", "permute",
    "pow", "repeat_interleave", "std_mean", "sub", "unsqueeze", "var_mean",
]  # fmt: skip

cat = concat = join.concatenate
mul, div, sub = arithmetic.multiply, arithmetic.divide, arithmetic.subtract
neg, pow, absolute, clamp = arithmetic.negative, power, arithmetic.abs, arithmetic.clip
mm = bmm = matmul
permute, unsqueeze, movedim = shape.transpose, shape.expand_dims, shape.moveaxis
inverse, repeat_interleave = matrix.inv, join.repeat
acos, asin, atan, atan2 = tri.arccos, tri.arcsin, tri.arctan, tri.arctan2
acosh, asinh, atanh = tri.arccosh, tri.arcsinh, tri.arctanh


def cut(name: str, x: Array, size: Any, axis: int) -> list[Array]:
    """x cut along `axis` into parts of `size`, or of the sizes in a list, as PyTorch splits."""
    length = x.shape[normal_axis(name, axis, x.ndim)]
    if is_whole(size):
        ends = list(range(integer(name, "split_size", size, 1), max(length, 1), int(size)))
    else:
        ends = [int(end) for end in np.cumsum(size)]
        if not ends or ends.pop() != length:
            raise ValueError(f"{name}: sizes {size} do not add up to the {length} of axis {axis}")
    return join.array_split(x, indices_or_sections=ends, axis=axis)


@list_function
@composition
def chunk(x: Array, *, chunks: int, axis: int = 0) -> list[Array]:
    """x cut along `axis` into `chunks` parts of one size, of which the last may be smaller.

    There may be fewer parts, as in PyTorch: see `array_split`.

    >>> ag.chunk(np.arange(5.0), 2)
    [array([0., 1., 2.]), array([3., 4.])]
    """
    length = x.shape[normal_axis("chunk", axis, x.ndim)]
    return cut("chunk", x, max(-(-length // integer("chunk", "chunks", chunks, 1)), 1), axis)


# fmt: off
masked_fill = composed(
    lambda x, mask, value: arithmetic.where(mask, value, x),
    "x with `value` where `mask` is true; the values replaced get gradient 0.",
    "masked_fill([1.0, 2.0], [True, False], 0.0) -> [0., 2.]")
frac = composed(
    lambda x: x - arithmetic.trunc(x),
    "The fraction of x, with its sign.", "frac([1.5, -1.25]) -> [ 0.5 , -0.25]")
lerp = composed(
    lambda x, end, weight: x + weight * (end - floating(x)),
    "x + weight * (end - x).", "lerp([0.0, 1.0], [1.0, 3.0], 0.5) -> [0.5, 2. ]")
addcmul = composed(
    lambda x, tensor1, tensor2, *, value=1.0: _weighted(x, 1, tensor1 * tensor2, value),
    "x + value * tensor1 * tensor2.", "addcmul([1.0], [2.0], [3.0], value=0.5) -> [4.]")
addcdiv = composed(
    lambda x, tensor1, tensor2, *, value=1.0: _weighted(x, 1, tensor1 / tensor2, value),
    "x + value * tensor1 / tensor2.", "addcdiv([1.0], [2.0], [4.0], value=3) -> [2.5]")
addmm = addmv = baddbmm = composed(
    lambda x, mat1, mat2, *, beta=1.0, alpha=1.0: _weighted(x, beta, matmul(mat1, mat2), alpha),
    "beta * x + alpha * the product of matrices, stacks of them, or a matrix and a vector.",
    "addmm([[1.0]], [[2.0]], [[3.0]], beta=0.5) -> [[6.5]]")
addbmm = composed(
    lambda x, batch1, batch2, *, beta=1.0, alpha=1.0: _weighted(
        x, beta, reduce.sum(matmul(batch1, batch2), axis=0), alpha),
    "beta * x + alpha * the sum of the products of pairs of matrices.",
    "addbmm([[1.0]], [[[2.0]], [[3.0]]], [[[2.0]], [[3.0]]]) -> [[14.]]")
addr = composed(
    lambda x, vec1, vec2, *, beta=1.0, alpha=1.0: _weighted(x, beta, outer(vec1, vec2), alpha),
    "beta * x + alpha * the outer product of two vectors.",
    "addr([[1.0]], [2.0], [3.0]) -> [[7.]]")
dist = composed(
    lambda x, y, *, p=2.0: matrix.norm(ravel(floating(x) - y), ord=p),
    "The p-norm of all of x - y.", "dist([[3.0], [0.0]], [[0.0], [4.0]]).reshape(1) -> [5.]")
var_mean = composed(
    lambda x, *, dim=None, keepdim=False, correction=1.0, unbiased=True: _spread_and_mean(
        reduce.var, x, dim, keepdim, correction if unbiased else 0),
    "The variance over `dim`, divided by the count less `correction`, and the mean.",
    "var_mean([[1.0, 3.0]], dim=1)[0] -> [2.]")
std_mean = composed(
    lambda x, *, dim=None, keepdim=False, correction=1.0, unbiased=True: _spread_and_mean(
        reduce.std, x, dim, keepdim, correction if unbiased else 0),
    "The standard deviation over `dim`, the root of that of `var_mean`, and the mean.",
    "std_mean([[1.0, 1.0]], dim=1)[1] -> [1.]")
# fmt: on


def _weighted(x: Array, beta: float, product: Array, alpha: float) -> Array:
    """beta * x + alpha * product; for a beta of 0 the values of x do not count."""
    product = product if alpha == 1 else alpha * product
    return (x if beta == 1 else beta * x) + product if beta else product


def _spread_and_mean(spread: Any, x: Array, axis: Axis, keepdims: bool, ddof: float) -> Any:
    out = spread(x, axis=axis, keepdims=keepdims, ddof=ddof)
    return out, reduce.mean(x, axis=axis, keepdims=keepdims)


# ------------------------------------------------------------------------------- PyTorch's keywords


def _in_torch(
    function: Any, by_place: Callable[[Any], str] | None = None
) -> Callable[[Callable[..., Any]], None]:
    """Decorate what the calls of a function with PyTorch's keywords mean.

    `by_place` gives the problem with settings given by position, or an empty string.
    """

    def declare(meaning: Callable[..., Any]) -> None:
        meaning.__name__ = meaning.__qualname__ = function.__name__
        function.arguments.torch = lambda *args, **given: checked_late(meaning)(*args, **given)
        function.arguments.by_place = by_place

    return declare


def _one_result(extra: Any) -> str:
    """The problem with ``values, indices = max(x, 1)``, and with ``max(x, y)``."""
    if getattr(values(extra[0]), "ndim", 0):
        return "takes one array and an axis; for two arrays write ag.maximum or ag.minimum"
    pair = unpacked_in_two()
    words = "a call by position gives values only, as in NumPy; for values and indices write dim="
    return words if pair else ""


def _add_extreme(function: Any, position: Any) -> None:
    @_in_torch(function, _one_result)
    def meaning(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return function(x, keepdims=keepdim)
        reduce.check_some(function.__name__, x, dim)
        dim = normal_axis(function.__name__, dim, x.ndim)
        found = position(values(x), axis=dim, keepdims=True)
        out = take_along_axis(x, indices=found, axis=dim)
        return Picked(*(part if keepdim else part.squeeze(axis=dim) for part in (out, found)))


_add_extreme(reduce.max, np.argmax)
_add_extreme(reduce.min, np.argmin)


@_in_torch(sort.sort, _one_result)
def _(x: Array, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    size = x.shape[normal_axis("sort", dim, x.ndim)]
    return sort.topk(x, k=size, axis=dim, largest=descending)


@_in_torch(sort.median, _one_result)
def _(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    raise TypeError(
        "median: PyTorch's dim= gives the lower of two middle values; write axis= for their mean, "
        "or ag.topk(x, k, largest=False) for values in order"
    )


def _add_spread(function: Any) -> None:
    @_in_torch(function)
    def meaning(
        x: Array,
        dim: Axis = None,
        keepdim: bool = False,
        ddof: float | None = None,
        unbiased: bool = True,
        correction: float = 1,
    ) -> Any:
        ddof = (correction if unbiased else 0) if ddof is None else ddof
        return function(x, axis=dim, keepdims=keepdim, ddof=ddof)


_add_spread(reduce.var)
_add_spread(reduce.std)


@_in_torch(matrix.norm)
def _(x: Array, p: Any = None, dim: Axis = None, keepdim: bool = False) -> Any:
    line = reduce.last("norm", x, dim)
    out = matrix.norm(line, ord=None if p == "fro" else p, axis=-1)
    return reduce.reduced(out, x, dim, keepdim)


join.repeat.arguments.by_place = lambda extra: (  # type: ignore[attr-defined]
    "repeats single values, as in NumPy; to lay x side by side write ag.tile(x, sizes)"
    if len(extra) > 2
    else ""
)
for _axes in (shape.flip, shape.transpose):
    vars(_axes)["arguments"].by_place = lambda extra: (
        "takes all axes in one tuple, as (0, 1); ag.swapaxes exchanges two" if extra[1:] else ""
    )


@_in_torch(join.split)
def _(x: Array, split_size_or_sections: Any, dim: int = 0) -> list[Array]:
    return cut("split", x, split_size_or_sections, dim)


@_in_torch(arithmetic.add)
def _(x: Array, y: Array, alpha: float = 1) -> Any:
    return x + alpha * y
