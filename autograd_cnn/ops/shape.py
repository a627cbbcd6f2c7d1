"""Axes and shapes: reshape, broadcast, transpose, flip."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import misfit, normal_axes, normal_axis
from autograd_cnn.config import floating_dtype, get_default_dtype
from autograd_cnn.engine.annotations import Axis
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.engine.op import composition, op
from autograd_cnn.kernels.precision import in_float32
from autograd_cnn.ops.signatures import array_function

__all__ = [
    "broadcast_to", "expand_dims", "flatten", "flip", "fliplr", "flipud", "matrix_transpose",
    "moveaxis", "ravel", "reshape", "squeeze", "swapaxes", "transpose", "unflatten",
]  # fmt: skip


P = ParamSpec("P")


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of axis `axis` and all of the axes before it."""
    return (slice(None),) * axis + (part,)


@op(x=lambda g, out, x, *, shape: g.reshape(x.shape))
def reshape(x: Array, *, shape: int | tuple[int, ...]) -> Array:
    """The same values in row-major order under another shape; one size may be -1.

    >>> ag.reshape(np.arange(6.0), shape=(2, -1))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    x = np.asarray(x)
    try:
        if min(sizes, default=0) < -1:  # NumPy takes any negative size for -1
            raise ValueError
        return x.reshape(sizes)
    except ValueError:
        raise ValueError(
            f"reshape: {x.size} values of shape {x.shape} do not fit into shape {shape}"
        ) from None


@op(x=lambda g, out, x, *, axes: g.transpose(None if axes is None else _inverse(axes)))
def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """Axes in another order, reversed by default: axis i of the result is axis ``axes[i]`` of `x`.

    >>> ag.transpose(np.ones((2, 3, 4)), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    try:
        return np.transpose(x, axes)
    except ValueError:
        raise ValueError(
            f"transpose: axes must name each of the {np.ndim(x)} axes of shape {np.shape(x)} once, "
            f"got {axes}; swapaxes exchanges two axes"
        ) from None


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    order = [a % len(axes) for a in axes]
    return tuple(order.index(i) for i in range(len(axes)))


def misshapen(name: str, argument: str, x: Array, *wanted: int | str) -> ValueError:
    """The error for an argument that lacks the `wanted` shape, given as sizes and names."""
    shape = ", ".join(map(str, wanted)) + "," * (len(wanted) == 1)
    return ValueError(f"{name}: {argument} must have shape ({shape}), got {x.shape}")


def floating(x: Array) -> Array:
    """Floats unchanged; integers in float64, those of a tensor in the default dtype."""
    if x.dtype.kind not in "biu":
        return x
    return x.astype(get_default_dtype() if isinstance(x, Node) else np.float64)


def statistic(function: Callable[P, Any]) -> Callable[P, Any]:
    """Let a composition compute integers in floats, and float16 in float32."""

    @functools.wraps(function)
    def call(x: Any, *more: Any, **settings: Any) -> Any:
        if x.dtype.char in "fd":
            return function(x, *more, **settings)
        if floating_dtype((x, *more)) != np.float16:
            return function(floating(x), *more, **settings)
        wide: Any = [v if v is None else v.astype(np.float32) for v in (x, *more)]
        return function(*wide, **settings).astype(np.float16)

    return call  # type: ignore[return-value]


def unbroadcast(g: Array, x: Array) -> Array:
    """Sum the gradient of a broadcast result back to the shape of the input `x`."""
    return g if g.shape == x.shape else sum_to(g, shape=x.shape)


def channel_sum(g: Array) -> Array:
    """The sum of g (N, C, ...) over all axes but C: by kernel on arrays, without an op's call."""
    axes = (0, *range(2, g.ndim))
    return kernels.axis_sum(g, axes, False) if isinstance(g, np.ndarray) else g.sum(axis=axes)


@op(x=lambda g, out, x, *, shape: broadcast_to(g, shape=x.shape))
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Sum `x` over the axes along which an array of `shape` would be broadcast to it.

    >>> sum_to(np.ones((2, 3)), shape=(3,))
    array([2., 2., 2.])
    """
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, (n, m) in enumerate(zip(shape, x.shape[max(lead, 0) :])) if n == 1 != m
    )
    if x.dtype.char in "fd":
        out = kernels.axis_sum(x, axes, True)
    else:
        out = in_float32(np.sum, x, axis=axes, keepdims=True)
    if lead < 0 or out.shape[lead:] != shape:
        raise ValueError(f"sum_to: an array of shape {shape} does not broadcast to {x.shape}")
    return out.reshape(shape)


@op(x=lambda g, out, x, *, shape: unbroadcast(g, x))
def broadcast_to(x: Array, *, shape: int | tuple[int, ...]) -> Array:
    """Repeat `x` to `shape` by NumPy's broadcasting rules; the values are not copied.

    >>> ag.broadcast_to(np.array([1.0, 2.0]), shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"broadcast_to: an input of shape {np.shape(x)} does not broadcast to {shape}"
        ) from None


@composition
def ravel(x: Array) -> Array:
    """All values along one axis, in row-major order.

    >>> ag.ravel(np.ones((2, 3))).shape
    (6,)
    """
    flat = x.reshape((x.size,))
    return flat if values(flat).flags.c_contiguous else flat.copy()  # as in NumPy


def line(name: str, x: Array, axis: int | None) -> tuple[Array, int]:
    """x, or all its values in a row when `axis` is None, and the axis counted from the front.

    A single value is a row of one, as in NumPy.
    """
    if axis is None or not x.ndim:
        x, axis = x.reshape((x.size,)), axis or 0
    return x, normal_axis(name, axis, x.ndim)


@composition
def squeeze(x: Array, *, axis: Axis = None) -> Array:
    """x without its axes of size 1, or only without those in `axis`.

    >>> ag.squeeze(np.ones((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    if axis is None:
        return x.reshape(tuple(n for n in x.shape if n != 1))
    axes = normal_axes("squeeze", axis, max(x.ndim, 1))  # a single value has an axis, as in NumPy
    if any(x.shape[a] != 1 for a in axes if x.ndim):
        raise misfit("squeeze", f"axis {axis} must have size 1", x)
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))


@composition
def expand_dims(x: Array, *, axis: int | tuple[int, ...]) -> Array:
    """x with new axes of size 1 at `axis`, counted in the result.

    >>> ag.expand_dims(np.ones(3), axis=0).shape
    (1, 3)
    """
    rank = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes = normal_axes("expand_dims", axis, rank)
    sides = iter(x.shape)
    return x.reshape(tuple(1 if i in axes else next(sides) for i in range(rank)))


@composition
def swapaxes(x: Array, *, axis1: int, axis2: int) -> Array:
    """Two axes exchanged.

    >>> ag.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
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

    >>> ag.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
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

    >>> ag.matrix_transpose(np.ones((5, 2, 3))).shape
    (5, 3, 2)
    """
    return swapaxes(x, axis1=-1, axis2=-2)


@op(x=lambda g, out, x, *, axis: flip(g, axis=axis))
def flip(x: Array, *, axis: Axis = None) -> Array:
    """Values in reverse order along `axis` (all axes when None).

    >>> ag.flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return np.flip(x, axis)


@composition
def flipud(x: Array) -> Array:
    """Values in reverse order along the first axis.

    >>> ag.flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    return flip(x, axis=0)


@composition
def fliplr(x: Array) -> Array:
    """Values in reverse order along the second axis.

    >>> ag.fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    return flip(x, axis=1)


@array_function
def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """Axes `start_dim` to `end_dim` joined into one.

    >>> ag.flatten(np.ones((2, 3, 4, 5)), start_dim=1).shape
    (2, 60)
    """
    shape = input.shape
    if not shape:
        return input.reshape((1,))
    axes = len(shape)
    first = start_dim + axes if start_dim < 0 else start_dim
    last = end_dim + axes if end_dim < 0 else end_dim
    if not 0 <= first <= last < axes:
        raise ValueError(
            f"flatten: start_dim={start_dim} and end_dim={end_dim} must name a range of the "
            f"{axes} axes of {shape}"
        )
    return input.reshape((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@array_function
def unflatten(input: Array, dim: int, sizes: tuple[int, ...]) -> Array:
    """Axis `dim` split into axes of `sizes`, of which one may be -1: the reverse of `flatten`.

    >>> ag.unflatten(np.ones((2, 60)), 1, (3, 4, -1)).shape
    (2, 3, 4, 5)
    """
    if not -input.ndim <= dim < input.ndim:
        raise ValueError(f"unflatten: dim={dim} is out of range for shape {input.shape}")
    dim %= input.ndim
    known = math.prod(n for n in sizes if n != -1)
    length, free = input.shape[dim], list(sizes).count(-1)
    if free > 1 or (free and (not known or length % known)) or (not free and known != length):
        raise ValueError(
            f"unflatten: axis {dim} of shape {input.shape} does not split into {tuple(sizes)}"
        )
    sides = [length // known if n == -1 else n for n in sizes]
    return input.reshape((*input.shape[:dim], *sides, *input.shape[dim + 1 :]))
