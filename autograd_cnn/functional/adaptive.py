"""Pooling whose windows adapt to the size of the output; an output of 1 is global pooling."""

from __future__ import annotations

import math
from functools import partial
from operator import index
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Array, values
from autograd_cnn.functional.geometry import batch_of_one, check_images, of_rank
from autograd_cnn.functional.pooling import pool_geometry, winning_cells
from autograd_cnn.kernels.window import LARGEST
from autograd_cnn.ops import pool
from autograd_cnn.ops.pool import banded
from autograd_cnn.ops.reduce import mean
from autograd_cnn.ops.shape import along, floating
from autograd_cnn.ops.signatures import array_function, pool_function

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d",
]  # fmt: skip


def output_sizes(name: str, given: Any, axes: int) -> tuple[int | None, ...]:
    """An int for all axes, or one for each, as a tuple; None keeps the input's size."""
    found = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    if len(found) != axes or not all(v is None or v >= 1 for v in found):
        raise ValueError(
            f"{name}: output_size must be positive, an int or {axes} of them or None, got {given!r}"
        )
    return found


def _output_size(name: str, axes: int, x: tuple[int, ...], given: Any) -> tuple[int, ...]:
    check_images(name, x, axes)
    if not all(x[2:]):
        raise ValueError(f"{name}: images of {'x'.join(map(str, x[2:]))} have no cells")
    wanted = output_sizes(name, given, axes)
    out = tuple(n if v is None else index(v) for n, v in zip(x[2:], wanted))
    if math.prod(out) >= LARGEST:
        raise ValueError(f"{name}: output_size must have fewer than 2**60 cells, got {given!r}")
    return out


def _bounds(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of window i: floor(i * size / out) and ceil((i + 1) * size / out)."""
    places = np.arange(out)
    return places * size // out, -(-(places + 1) * size // out)


def _adaptive_avg_pool(
    axes: int, input: Array, output_size: int | tuple[int | None, ...] | None
) -> Array:
    """Means of equal parts where the sizes divide, else an averaging matrix along each axis."""
    x, shape = input, input.shape
    if len(shape) == axes + 1:
        return batch_of_one(partial(_adaptive_avg_pool, axes), x, output_size)
    out = _output_size(f"adaptive_avg_pool{axes}d", axes, shape, output_size)
    if not any(n % o for n, o in zip(shape[2:], out)):
        parts = [side for n, o in zip(shape[2:], out) for side in (o, n // o)]
        split = x.reshape((*shape[:2], *parts))  # (N, C, OH, H/OH, OW, W/OW)
        return mean(split, axis=tuple(range(3, 3 + 2 * axes, 2)))
    x = floating(x)
    for axis, (n, o) in enumerate(zip(shape[2:], out), 2):
        start, end = _bounds(n, o)
        cell = np.arange(n)
        inside = (cell >= start[:, None]) & (cell < end[:, None])  # (O, size)
        x = banded(x, axis=axis, matrix=(inside / (end - start)[:, None]).astype(x.dtype))
    return x


@array_function
@of_rank(1, _adaptive_avg_pool)
def adaptive_avg_pool1d() -> None:
    """The mean of `output_size` windows that cover input (N, C, L); see `adaptive_avg_pool2d`.

    >>> F.adaptive_avg_pool1d(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[1., 3.]]])
    """


@array_function
@of_rank(2, _adaptive_avg_pool)
def adaptive_avg_pool2d() -> None:
    """The mean of ``OH x OW`` windows that cover input (N, C, H, W): (N, C, OH, OW).

    `output_size` is an int or one for each axis; None keeps the size.  Window i reaches from
    floor(i * H / OH) to ceil((i + 1) * H / OH), so windows overlap where OH does not divide H.

    >>> F.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), (1, None))
    array([[[[6., 7., 8., 9.]]]])
    """


@array_function
@of_rank(3, _adaptive_avg_pool)
def adaptive_avg_pool3d() -> None:
    """The mean of windows that cover input (N, C, D, H, W); see `adaptive_avg_pool2d`.

    >>> F.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 1).item()
    3.5
    """


def _adaptive_max_pool(
    axes: int,
    input: Array,
    output_size: int | tuple[int | None, ...] | None,
    return_indices: bool = False,
) -> Any:
    """Max pooling over equal windows: shorter ones repeat their last cell, which loses ties."""
    x, shape = input, input.shape
    if len(shape) == axes + 1:
        return batch_of_one(partial(_adaptive_max_pool, axes), x, output_size, return_indices)
    sides: tuple[int, ...] = shape[2:]
    picked, kernel = [], []
    out = _output_size(f"adaptive_max_pool{axes}d", axes, shape, output_size)
    for axis, (n, o) in enumerate(zip(sides, out), 2):
        start, end = _bounds(n, o)
        longest = int((end - start).max())
        cells = np.minimum(start[:, None] + np.arange(longest), end[:, None] - 1).reshape(-1)
        picked.append(cells)
        kernel.append(longest)
        if len(cells) != n:
            x = x[along(axis, cells)]
    window = pool_geometry("max", axes, x.shape, tuple(kernel))
    pooled = pool.max_pool(x, window=window)
    if not return_indices:
        return pooled
    found = winning_cells(values(x), values(pooled), window)
    places = zip(picked, np.unravel_index(found, x.shape[2:]))
    return pooled, np.ravel_multi_index(tuple(cells[at] for cells, at in places), sides)


@pool_function
@of_rank(1, _adaptive_max_pool)
def adaptive_max_pool1d() -> None:
    """The largest value of `output_size` windows that cover input (N, C, L); see
    `adaptive_max_pool2d`.

    >>> F.adaptive_max_pool1d(np.arange(5.0).reshape(1, 1, 5), 2)
    array([[[2., 4.]]])
    """


@pool_function
@of_rank(2, _adaptive_max_pool)
def adaptive_max_pool2d() -> None:
    """The largest value of ``OH x OW`` windows that cover input (N, C, H, W): (N, C, OH, OW).

    Windows as in `adaptive_avg_pool2d`; ties, NaN and indices as in `max_pool2d`.

    >>> F.adaptive_max_pool2d(np.arange(15.0).reshape(1, 1, 3, 5), 2)[0, 0]
    array([[ 7.,  9.],
           [12., 14.]])
    """


@pool_function
@of_rank(3, _adaptive_max_pool)
def adaptive_max_pool3d() -> None:
    """The largest value of windows that cover input (N, C, D, H, W); see `adaptive_max_pool2d`.

    >>> F.adaptive_max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 1).item()
    7.0
    """
