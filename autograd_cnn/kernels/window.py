"""The geometry of sliding windows: the cells of the image that each kernel offset meets.

An image has any number of spatial axes: one (L), two (H, W) or three (D, H, W) in practice.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

Sizes = tuple[int, ...]
Slices = tuple[slice, ...]


class Window(NamedTuple):
    """A window of `kernel` cells sliding over an image of `size` cells; a number per spatial axis.

    `before` and `after` count the padding cells; `out` is the number of positions.  Along each
    axis, offset i of the window at position r meets image cell ``r * stride + i * dilation -
    before``.
    """

    size: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    before: Sizes
    after: Sizes
    out: Sizes

    def overlaps(self) -> tuple[tuple[int, Slices, Slices], ...]:
        """For every kernel offset in row-major order: its number, the positions at which it meets
        the image, and the cells it meets.
        """
        kept = math.prod(self.kernel) <= _KEPT
        return _overlaps(self) if kept else _overlaps.__wrapped__(self)

    def split(self) -> tuple[Window, Window]:
        """The window along the first axis, and along the others; a single axis follows a first one
        of size 1.
        """
        if len(self.size) == 1:
            return Window((1,), (1,), (1,), (1,), (0,), (0,), (1,)), self
        return Window(*(field[:1] for field in self)), Window(*(field[1:] for field in self))

    def disjoint(self) -> bool:
        """Whether every cell belongs to at most one position."""
        reach = zip(self.stride, self.kernel, self.dilation)
        return all(s > d * (k - 1) for s, k, d in reach)

    def meet(self, axis: int, offset: int) -> tuple[slice, slice]:
        """Along one axis, the positions at which a kernel offset meets the image, and the cells."""
        stride = self.stride[axis]
        shift = offset * self.dilation[axis] - self.before[axis]  # cell = position * stride + shift
        first = max(0, -(shift // stride))
        last = min(self.out[axis] - 1, (self.size[axis] - 1 - shift) // stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * stride + shift
        return slice(first, last + 1), slice(start, last * stride + shift + 1, stride)


_KEPT = 1024  # larger windows, such as whole images, would fill the memory with slices


@lru_cache(maxsize=256)
def _overlaps(window: Window) -> tuple[tuple[int, Slices, Slices], ...]:
    """Cached, because this takes as long as a small kernel."""
    axes = [[window.meet(axis, i) for i in range(k)] for axis, k in enumerate(window.kernel)]
    found = []
    for number, meets in enumerate(itertools.product(*axes)):
        positions, cells = zip(*meets)
        found.append((number, positions, cells))
    return tuple(found)


def sizes(name: str, value: Any, low: int, axes: int) -> Sizes:
    """An int for all axes, or one for each, as a tuple, checked to be at least `low`."""
    if type(value) is int:
        found: Any = (value,) * axes
    elif isinstance(value, (tuple, list)):
        found = tuple(value)
    else:
        found = (value,) * axes
    if len(found) != axes or not all(_whole(v) for v in found):
        several = "an int" if axes == 1 else f"an int or {axes} ints"
        raise TypeError(f"{name} must be {several}, got {value!r}")
    if min(found) < low:
        raise ValueError(f"{name} must be at least {low}, got {value!r}")
    return tuple(map(int, found))


def _whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _shape(values: Iterable[int]) -> str:
    return "x".join(map(str, values))


def kept(make: Callable[..., Window]) -> Callable[..., Window]:
    """Cache windows by their settings, unless these are unhashable, such as lists.

    Checking settings takes 3.4 us of a convolution's 16.
    """
    cached = lru_cache(maxsize=4096, typed=True)(make)

    @functools.wraps(make)
    def window(*settings: Any, **named: Any) -> Window:
        try:
            return cached(*settings, **named)
        except TypeError:
            return make(*settings, **named)

    return window


@kept
def conv_window(size: Sizes, kernel: Sizes, stride: Any, padding: Any, dilation: Any) -> Window:
    """The window of a convolution.

    `stride`, `dilation` and `padding` are an int or one per axis; `padding` may also be 'valid'
    (none) or 'same' (output ceil(size / stride), an odd cell goes behind the image).
    """
    axes = len(size)
    if not isinstance(padding, str):
        padding = sizes("padding", padding, 0, axes)
    elif padding not in ("same", "valid"):
        raise ValueError(f"padding must be an int, {axes} ints, 'same' or 'valid', got {padding!r}")
    stride = sizes("stride", stride, 1, axes)
    dilation = sizes("dilation", dilation, 1, axes)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    if padding == "same":
        total = [max(0, (-(-n // s) - 1) * s + r - n) for n, s, r in zip(size, stride, reach)]
        before, after = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    else:
        before = after = (0,) * len(size) if padding == "valid" else padding
    padded = [n + b + a for n, b, a in zip(size, before, after)]
    spans = [n - r for n, r in zip(padded, reach)]
    if min(spans) < 0:
        raise ValueError(
            f"the kernel reaches over {_shape(reach)} cells, more than the padded image of "
            f"{_shape(padded)}; use more padding, a smaller kernel or a larger image"
        )
    out = tuple(span // s + 1 for span, s in zip(spans, stride))
    return Window(size, kernel, stride, dilation, before, after, out)


@kept
def transpose_window(
    out: Sizes, kernel: Sizes, stride: Any, padding: Any, output_padding: Any, dilation: Any
) -> Window:
    """The window of the convolution whose input gradient is a transposed convolution.

    `out` is the size of the transposed convolution's input; its output, the window's size, is
    ``(out - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1``.
    """
    axes = len(out)
    stride = sizes("stride", stride, 1, axes)
    padding = sizes("padding", padding, 0, axes)
    extra = sizes("output_padding", output_padding, 0, axes)
    dilation = sizes("dilation", dilation, 1, axes)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation, got "
            f"output_padding={_shape(extra)}, stride={_shape(stride)}, dilation={_shape(dilation)}"
        )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, e, d in zip(out, kernel, stride, padding, extra, dilation)
    )
    if min(size) < 1:
        raise ValueError(
            f"an input of {_shape(out)} gives an output of {_shape(size)}; use less padding, a "
            "larger kernel or a larger input"
        )
    return Window(size, kernel, stride, dilation, padding, padding, out)


@kept
def pool_window(
    size: Sizes, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    """The window of a pooling: stride defaults to the kernel; ceil_mode keeps a last, partial
    position.
    """
    axes = len(size)
    kernel = sizes("kernel_size", kernel, 1, axes)
    stride = kernel if stride is None else sizes("stride", stride, 1, axes)
    padding = sizes("padding", padding, 0, axes)
    dilation = sizes("dilation", dilation, 1, axes)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(f"padding must be at most half the kernel size {kernel}, got {padding}")
    out, after = [], []
    for n, k, s, d, p in zip(size, kernel, stride, dilation, padding):
        span = n + 2 * p - d * (k - 1) - 1
        if span < 0 and not (ceil_mode and span > -s):
            raise ValueError(
                f"the kernel reaches over {d * (k - 1) + 1} cells, more than the padded size "
                f"{n + 2 * p}; use a smaller kernel or a larger image"
            )
        positions = (-(-span // s) if ceil_mode else span // s) + 1
        # A last window must start inside the image or in the padding before it.
        if ceil_mode and (positions - 1) * s >= n + p:
            positions -= 1
        out.append(positions)
        after.append(max(p, (positions - 1) * s + d * (k - 1) + 1 - n - p))
    return Window(size, kernel, stride, dilation, padding, tuple(after), tuple(out))
