"""Pooling.  Max pooling gathers the winner of each window; the gradient scatters back to the
winners.

Average pooling sums windows and scales; the gradient spreads over the windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.graph import Array, op, values
from autograd_cnn.kernels import reference as kernels
from autograd_cnn.kernels.window import Window, pool_window


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def window_of(
    name: str,
    size: tuple[int, int],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Window:
    """The checked geometry of a pooling; errors start with the op's name."""
    settings = map(_plain, (kernel_size, stride, padding, dilation))
    try:
        return pool_window(tuple(size), *settings, bool(ceil_mode))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def _check_images(name: str, x: Array) -> None:
    if x.ndim != 4:
        hint = "; add a batch axis with x[None]" if x.ndim == 3 else ""
        raise ValueError(f"{name}: input must have shape (N, C, H, W), got {x.shape}{hint}")


def _check_positions(name: str, x: Array, expected: tuple[int, ...]) -> None:
    if x.ndim != 4 or tuple(x.shape[2:]) != tuple(expected):
        raise ValueError(
            f"{name}: expected an array of shape (N, C, {expected[0]}, {expected[1]}), got "
            f"{x.shape}"
        )


def winners(x: Array, out: Array, **settings: Any) -> np.ndarray:
    """Which offset of its window (counted in row-major order) each value of ``out = max_pool2d(x)``
    came from.

    A plain array (N, C, OH, OW) of small integers; at a tie the first offset.
    """
    window = window_of("max_pool2d", x.shape[2:], **settings)
    return kernels.window_winners(values(x), values(out), window)


def winning_cells(x: Array, out: Array, **settings: Any) -> np.ndarray:
    """Where each value of ``out = max_pool2d(x)`` came from, counted row by row in the (H, W)
    image.
    """
    window = window_of("max_pool2d", x.shape[2:], **settings)
    offsets = np.divmod(winners(x, out, **settings).astype(np.intp), window.kernel[1])
    row, column = (
        np.arange(window.out[axis]).reshape((-1, 1) if axis == 0 else (1, -1)) * window.stride[axis]
        + offsets[axis] * window.dilation[axis]
        - window.before[axis]
        for axis in (0, 1)
    )
    return row * window.size[1] + column


@op(
    x=lambda g, out, x, **settings: window_scatter(
        g, winners=winners(x, out, **settings), size=x.shape[2:], **settings
    )
)
def max_pool2d(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """The largest value in each window of x (N, C, H, W); NaN propagates, a tie goes to the first
    in row-major order.

    Settings are an int or a pair (rows, columns); `stride` defaults to `kernel_size`.  Padding
    never wins.  With `ceil_mode` a last window may reach beyond the padded image, if it starts
    inside.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    _check_images("max_pool2d", x)
    window = window_of("max_pool2d", x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    return kernels.window_max(x, window)


@op(
    g=lambda gx, out, g, *, winners, size, **settings: window_gather(
        gx, winners=winners, **settings
    )
)
def window_scatter(
    g: Array,
    *,
    winners: np.ndarray,
    size: tuple[int, int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Each value of g (N, C, OH, OW) added to an image (N, C, *size) at the winning offset of its
    window.
    """
    window = window_of("window_scatter", size, kernel_size, stride, padding, dilation, ceil_mode)
    _check_positions("window_scatter", g, window.out)
    return kernels.window_scatter(g, winners, window)


@op(
    x=lambda g, out, x, *, winners, **settings: window_scatter(
        g, winners=winners, size=x.shape[2:], **settings
    )
)
def window_gather(
    x: Array,
    *,
    winners: np.ndarray,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """The value of x (N, C, H, W) at the winning offset of each window: (N, C, OH, OW)."""
    _check_images("window_gather", x)
    window = window_of(
        "window_gather", x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode
    )
    _check_positions("window_gather", winners, window.out)
    return kernels.window_gather(x, winners, window)


def _divisor(window: Window, count_include_pad: bool, divisor_override: int | None) -> Any:
    """How many cells each window counts: one number, or (OH, OW) where windows overlap the edge."""
    if divisor_override is not None:
        return divisor_override
    counts = []
    for axis in (0, 1):
        size, before = window.size[axis], window.before[axis]
        start = np.arange(window.out[axis]) * window.stride[axis] - before
        end = start + window.kernel[axis]
        low, high = (-before, size + before) if count_include_pad else (0, size)
        counts.append(np.minimum(end, high) - np.maximum(start, low))
    cells = np.outer(*counts)
    return int(cells[0, 0]) if (cells == cells[0, 0]).all() else cells


@op(x=lambda g, out, x, **settings: avg_pool2d_grad(g, size=x.shape[2:], **settings))
def avg_pool2d(
    x: Array,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of each window of x (N, C, H, W), padding counted as zeros unless
    `count_include_pad` is False.

    Settings as in `max_pool2d`; `divisor_override` divides every sum by that number instead.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    _check_images("avg_pool2d", x)
    window = window_of("avg_pool2d", x.shape[2:], kernel_size, stride, padding, ceil_mode=ceil_mode)
    divisor = _divisor(window, count_include_pad, divisor_override)
    return kernels.window_sum(x, window) * np.asarray(1.0 / divisor, x.dtype)


@op(g=lambda gx, out, g, *, size, **settings: avg_pool2d(gx, **settings))
def avg_pool2d_grad(
    g: Array,
    *,
    size: tuple[int, int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The gradient of avg_pool2d: each value of g (N, C, OH, OW), divided, added to its window in
    (N, C, *size).
    """
    window = window_of("avg_pool2d_grad", size, kernel_size, stride, padding, ceil_mode=ceil_mode)
    _check_positions("avg_pool2d_grad", g, window.out)
    divisor = _divisor(window, count_include_pad, divisor_override)
    return kernels.window_spread(g * np.asarray(1.0 / divisor, g.dtype), window)
