"""Sums of products: matmul, the linear layer, einsum, tensordot."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import misfit, mistake, normal_axes
from autograd_cnn.config import floating_dtype
from autograd_cnn.engine.arguments import as_input
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import composition, op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.ops import reduce
from autograd_cnn.ops.formulas import composed
from autograd_cnn.ops.pick import diagonal
from autograd_cnn.ops.shape import channel_sum, unbroadcast
from autograd_cnn.ops.signatures import join_function

__all__ = ["contract", "dot", "einsum", "inner", "linear", "matmul", "outer", "tensordot", "vdot"]


def _column(v: Array) -> Array:
    return v.reshape((*v.shape, 1))


def _matmul_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    if y.ndim == 1:
        return _column(g) * y
    if x.ndim == 1:
        return unbroadcast((y @ _column(g))[..., 0], x)
    return unbroadcast(matmul(g, y.mT), x)


def _matmul_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    if x.ndim == 1:
        return x * g if y.ndim == 1 else _column(x) * g.reshape((*g.shape[:-1], 1, -1))
    if y.ndim == 1:
        return unbroadcast((x.mT @ _column(g))[..., 0], y)
    return unbroadcast(_by_rows(x.mT, g), y)


def _by_rows(x: Array, y: Array) -> Array:
    """x @ y; arrays are given back row by row in memory, as weights lie."""
    return kernels.matmul(x, y, True) if isinstance(x, np.ndarray) else matmul(x, y)


@op(x=_matmul_x, y=_matmul_y)
def matmul(x: Array, y: Array) -> Array:
    """Matrix product over the last two axes; leading axes broadcast, 1-D inputs are vectors.

    >>> ag.matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    inner_x, inner_y = x.shape[-1:], y.shape[-2:-1] if y.ndim > 1 else y.shape
    if not inner_x or not inner_y:
        raise ValueError(
            f"matmul: needs at least 1-D inputs, got shapes {x.shape} and {y.shape}; use *"
        )
    if inner_x != inner_y:
        raise ValueError(
            "matmul: the last axis of x must match the "
            f"{'last' if y.ndim == 1 else 'second-to-last'} axis of y, got shapes {x.shape} and "
            f"{y.shape}"
        )
    return kernels.matmul(x, y) if x.ndim > 1 < y.ndim else np.matmul(x, y)


def _rows(x: Array) -> Array:
    """(..., K) as (rows, K)."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def check_linear(x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None) -> None:
    """Raise ValueError unless input, weight and bias of these shapes fit each other."""
    if len(w) != 2:
        raise ValueError(f"linear: weight must have shape (out, in), got {w}")
    if not x or x[-1] != w[1]:
        raise ValueError(
            f"linear: input of shape {x} has {x[-1] if x else 'no'} features, weight of shape "
            f"{w} expects {w[1]}{'; flatten it first' if len(x) > 2 else ''}"
        )
    if b is not None and b != w[:1]:
        raise ValueError(f"linear: bias must have shape {w[:1]}, one value per output, got {b}")


@op(
    x=lambda g, out, x, w, b: matmul(g, w),
    w=lambda g, out, x, w, b: _by_rows(_rows(g).mT, _rows(x)),
    b=lambda g, out, x, w, b: channel_sum(_rows(g)),
    one_dtype=True,
)
def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """``x @ w.T + b``: x (..., in), weights w (out, in), bias b (out,) -> (..., out).

    For x (N, in) the result is batch-innermost in memory, for other inputs it lies row by row.

    >>> ag.linear(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    array([[3., 7.]])
    """
    check_linear(x.shape, w.shape, None if b is None else b.shape)
    return kernels.linear(x, w, b)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _factor_gradient(g: Array, xs: tuple[Array, ...], position: int, subscripts: str) -> Array:
    """The same contraction with the gradient in the place of one factor."""
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    target, terms[position] = terms[position], output
    factors = (*xs[:position], g, *xs[position + 1 :])
    return contract(*factors, subscripts=f"{','.join(terms)}->{target}")


def _contracted(*xs: np.ndarray, subscripts: str) -> np.ndarray:
    """`contract`: two factors with common sums as a stack of matrix products, others by NumPy."""
    terms, output = subscripts.split("->")
    x, _, y = terms.partition(",")
    stack, inside = [c for c in output if c in x and c in y], [c for c in x if c not in output]
    rows, columns = [c for c in x if c not in y], [c for c in y if c not in x]
    if "," in y or not inside or not rows + columns:
        return np.einsum(subscripts, *xs, optimize=len(xs) > 2)
    sizes = dict(zip(x + y, xs[0].shape + xs[1].shape))
    lead, high, deep, wide = ([sizes[c] for c in names] for names in (stack, rows, inside, columns))
    left = xs[0].transpose(tuple(map(x.index, stack + rows + inside)))
    right = xs[1].transpose(tuple(map(y.index, stack + inside + columns)))
    left = left.reshape((*lead, math.prod(high), math.prod(deep)))
    right = right.reshape((*lead, math.prod(deep), math.prod(wide)))
    out = kernels.matmul(left, right, True).reshape((*lead, *high, *wide))
    return out.transpose(tuple(map((stack + rows + columns).index, output)))


@join_function
@op(xs=lambda g, out, *xs, position, subscripts: _factor_gradient(g, xs, position, subscripts))
def contract(*xs: Array, subscripts: str) -> Array:
    """The core of `einsum`, for an explicit output and indices that occur at least twice.

    Such forms are linear in each factor, and their gradients are forms of the same kind.

    >>> ag.contract(np.array([1.0, 2.0]), np.array([3.0, 4.0]), subscripts="i,i->").item()
    11.0
    """
    return in_float32(_contracted, *xs, subscripts=subscripts)


@join_function
def einsum(subscripts: str, *operands: Array) -> Array:
    """Sum of products over named axes (Einstein's notation), for any number of operands.

    ``"ij,jk->ik"`` names the axes of each operand and of the result.  Without ``->`` the result has
    the names that occur once, in alphabetical order.  A name that occurs twice in one operand takes
    the diagonal.  Names that the result lacks are summed over.  ``...`` stands for other axes,
    which broadcast.

    >>> ag.einsum("ij,j->i", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    if not isinstance(subscripts, str):
        raise TypeError('einsum: give the axes first, as in einsum("ij,jk->ik", x, y)')
    dtype = floating_dtype(operands)
    xs = [as_input("einsum", f"operand {k}", x, dtype) for k, x in enumerate(operands)]
    names, output, sizes = _read_form(subscripts, *(x.shape for x in xs))
    parts = [_distinct(x, term, sizes) for x, term in zip(xs, names)]
    xs, terms = [x for x, _ in parts], [term for _, term in parts]
    for position, (x, term) in enumerate(zip(xs, terms)):
        elsewhere = output + "".join(terms[:position] + terms[position + 1 :])
        alone = tuple(i for i, name in enumerate(term) if name not in elsewhere)
        if alone:
            xs[position] = reduce.sum(x, axis=alone)
            terms[position] = "".join(name for name in term if name in elsewhere)
    return contract(*xs, subscripts=f"{','.join(terms)}->{output}")


@functools.lru_cache(maxsize=256)  # 12 of 40 us
def _read_form(subscripts: str, *shapes: tuple[int, ...]) -> tuple[list[str], str, dict[str, int]]:
    """The names of every operand's axes and of the result's, with '...' spelled out; sizes."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ValueError(
            f"einsum: {subscripts!r} names {len(terms)} operands, but {len(shapes)} were given"
        )
    counts = [len(shape) - len(t.replace("...", "")) for shape, t in zip(shapes, terms)]
    free = [c for c in _LETTERS if c not in text]
    most = max((n for n, t in zip(counts, terms) if "..." in t), default=0)
    dots = "".join(free[:most])
    for shape, term, n in zip(shapes, terms, counts):
        if n < 0 or (n and "..." not in term):
            raise ValueError(
                f"einsum: {term!r} does not name the axes of its operand, got shape {shape}"
            )
    once = sorted(c for c in set(inputs) - set(".,") if inputs.count(c) == 1)
    result = output if arrow else ("..." if "..." in inputs else "") + "".join(once)
    if most and "..." not in result:
        raise ValueError(f"einsum: the result in {subscripts!r} lacks the '...' of the operands")
    names = [t.replace("...", dots[len(dots) - n :] if n else "") for t, n in zip(terms, counts)]
    result = result.replace("...", dots)
    known = set("".join(names))
    if not set("".join(names) + result) <= set(_LETTERS):
        raise ValueError(f"einsum: {subscripts!r} may hold letters, ',', '...' and '->' only")
    if len(set(result)) != len(result) or not set(result) <= known:
        raise ValueError(
            f"einsum: each name in the result of {subscripts!r} must occur in an operand, and once"
        )
    return names, result, _sizes(subscripts, shapes, names)


def _sizes(subscripts: str, shapes: Any, terms: list[str]) -> dict[str, int]:
    """The size of every named axis; 1 gives way to any other."""
    sizes: dict[str, int] = {}
    for shape, term in zip(shapes, terms):
        for name, n in zip(term, shape):
            if sizes.setdefault(name, n) == 1:
                sizes[name] = n
            if n not in (1, sizes[name]):
                raise ValueError(
                    f"einsum: axis {name!r} of {subscripts!r} has sizes {sizes[name]} and {n}, "
                    f"operand shapes are {list(shapes)}"
                )
    return sizes


def _distinct(x: Array, term: str, sizes: dict[str, int]) -> tuple[Array, str]:
    """An operand without broadcast axes of size 1, with diagonals in place of repeated names."""
    kept = [i for i, name in enumerate(term) if x.shape[i] == sizes[name]]
    if len(kept) < len(term):
        x = x.reshape(tuple(x.shape[i] for i in kept))
        term = "".join(term[i] for i in kept)
    for name in dict.fromkeys(term):
        while term.count(name) > 1:
            first = term.index(name)
            second = term.index(name, first + 1)
            x = diagonal(x, axis1=first, axis2=second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + name
    return x, term


@composition
def dot(x: Array, y: Array) -> Array:
    """np.dot: the sum over the last axis of x and the second-to-last (or only) axis of y.

    >>> ag.dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])).item()
    11.0
    """
    if not np.ndim(x) or not np.ndim(y):
        return x * y
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, axes=((x.ndim - 1,), (max(y.ndim - 2, 0),)))


@composition
def inner(x: Array, y: Array) -> Array:
    """The sum of products over the last axis of both.

    >>> ag.inner(np.array([1.0, 2.0]), np.array([3.0, 4.0])).item()
    11.0
    """
    if not np.ndim(x) or not np.ndim(y):
        return x * y
    return tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))


# fmt: off
vdot = composed(
    lambda x, y: matmul(x.reshape((x.size,)), y.reshape((y.size,))),
    "The sum of products of all values, in row-major order.",
    "vdot([[1.0, 2.0]], [[3.0], [4.0]]).reshape(1) -> [11.]")
outer = composed(
    lambda x, y: x.reshape((x.size, 1)) * y.reshape((1, y.size)),
    "Every value of x times every value of y, (x.size, y.size).",
    "outer([2.0], [3.0, 4.0]) -> [[6., 8.]]")
# fmt: on


@composition
def tensordot(x: Array, y: Array, *, axes: Any = 2) -> Array:
    """The sum of products over `axes`: the number of last axes of x and first axes of y, or a pair
    (axes of x, axes of y).

    >>> ag.tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise misfit("tensordot", f"cannot pair {axes} axes", x, y)
        left, right = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    elif isinstance(axes, (tuple, list)) and len(axes) == 2:
        left, right = (normal_axes("tensordot", a, z.ndim) for a, z in zip(axes, (x, y)))
    else:
        raise mistake("tensordot", "axes", "a number of axes, or (axes of x, axes of y)", axes)
    if [x.shape[a] for a in left] != [y.shape[a] for a in right]:
        raise misfit("tensordot", f"axes {left} of x do not match axes {right} of y", x, y)
    of_x, free = _LETTERS[: x.ndim], iter(_LETTERS[x.ndim :])
    paired = dict(zip(right, (of_x[a] for a in left)))
    of_y = "".join(paired.get(a) or next(free) for a in range(y.ndim))
    output = "".join(c for c in of_x + of_y if c not in paired.values())
    return contract(x, y, subscripts=f"{of_x},{of_y}->{output}")
