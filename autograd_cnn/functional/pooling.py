"""Pooling over one, two and three spatial axes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Array, Node
from autograd_cnn.functional.geometry import batch_of_one, check_images, kept, of_rank
from autograd_cnn.kernels.window import Window, pool_window
from autograd_cnn.ops import pool
from autograd_cnn.ops.signatures import array_function, pool_function

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]


def winning_cells(x: Array, out: Array, window: Window) -> np.ndarray:
    """The cell of each value of ``out = max_pool(x)``, counted row by row in the image."""
    offsets = np.unravel_index(pool.winners(x, out, window).astype(np.intp), window.kernel)
    cells: Any = 0
    for axis, (size, positions) in enumerate(zip(window.size, window.out)):
        start = np.arange(positions) * window.stride[axis] - window.before[axis]
        start = start.reshape((-1, *(1,) * (len(window.out) - 1 - axis)))
        cells = cells * size + start + offsets[axis] * window.dilation[axis]
    return cells


@kept
def pool_geometry(
    kind: str,
    axes: int,
    x: tuple[int, ...],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Window:
    """The window of 'max' or 'avg' pooling over that many axes, for images of shape x."""
    name = f"{kind}_pool{axes}d"
    check_images(name, x, axes)
    return pool_window(x[2:], kernel_size, stride, padding, dilation, ceil_mode, name)


def _max_pool(
    axes: int,
    input: Array,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    shape = (input.array if isinstance(input, Node) else input).shape
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    if len(shape) == axes + 1:
        return batch_of_one(partial(_max_pool, axes), input, *settings, return_indices)
    window = pool_geometry("max", axes, shape, *settings)
    out = pool.max_pool(input, window=window)
    return (out, winning_cells(input, out, window)) if return_indices else out


@pool_function
@of_rank(1, _max_pool)
def max_pool1d() -> None:
    """The largest value in each window of input (N, C, L): (N, C, OL); see `max_pool2d`.

    >>> F.max_pool1d(np.array([[[1.0, 3.0, 4.0, 2.0]]]), 2)
    array([[[3., 4.]]])
    """


@pool_function
@of_rank(2, _max_pool)
def max_pool2d() -> None:
    """The largest value in each window of input (N, C, H, W): (N, C, OH, OW).

    Settings are an int, or one each for rows and columns; `stride` defaults to `kernel_size`.
    Padding (at most half the kernel) never wins, NaN propagates, and a tie goes to the first cell.
    With `ceil_mode` a last window may reach beyond the padded image, if it starts inside.
    `return_indices` adds an array of the cells of the values, counted row by row in (H, W).

    >>> out, where = F.max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2, return_indices=True)
    >>> where[0, 0]
    array([[ 5,  7],
           [13, 15]])
    """


@pool_function
@of_rank(3, _max_pool)
def max_pool3d() -> None:
    """The largest value in each window of input (N, C, D, H, W): (N, C, OD, OH, OW); see
    `max_pool2d`.

    >>> F.max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
    7.0
    """


def _avg_pool(
    axes: int,
    input: Array,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    shape = input.shape
    divided: Any = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    if len(shape) == axes + 1:
        pooled = partial(_avg_pool, axes, **divided)
        return batch_of_one(pooled, input, kernel_size, stride, padding, ceil_mode)
    if divisor_override == 0:
        raise ValueError(f"avg_pool{axes}d: divisor_override must not be 0")
    window = pool_geometry("avg", axes, shape, kernel_size, stride, padding, 1, ceil_mode)
    return pool.avg_pool(input, window=window, **divided)


@array_function
def avg_pool1d(
    input: Array,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of each window of input (N, C, L): (N, C, OL); see `avg_pool2d`.

    >>> F.avg_pool1d(np.array([[[1.0, 3.0, 4.0, 2.0]]]), 2)
    array([[[2., 3.]]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@array_function
@of_rank(2, _avg_pool)
def avg_pool2d() -> None:
    """The mean of each window of input (N, C, H, W): (N, C, OH, OW).

    Settings as in `max_pool2d`.  Padding counts as zeros unless `count_include_pad` is False;
    `divisor_override` replaces the number of cells.

    >>> F.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """


@array_function
@of_rank(3, _avg_pool)
def avg_pool3d() -> None:
    """The mean of each window of input (N, C, D, H, W): (N, C, OD, OH, OW); see `avg_pool2d`.

    >>> F.avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item()
    3.5
    """
