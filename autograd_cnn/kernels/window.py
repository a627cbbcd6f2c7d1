"""The geometry of sliding windows: the cells of the image that each kernel offset meets.

An image has any number of spatial axes: one (L), two (H, W) or three (D, H, W) in practice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from autograd_cnn.checks import choice, per_axis

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

    def overlaps(self) -> Iterable[tuple[int, Slices, Slices]]:
        """For every kernel offset that meets the image, in row-major order: its number, the
        positions at which it does so, and the cells it meets.
        """
        return _kept(self) if math.prod(self.kernel) <= _FEW else _overlaps(self)

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

    def offsets(self, axis: int) -> Iterable[int]:
        """Along one axis, the kernel offsets that meet the image: few of a much larger kernel."""
        size, stride, dilation = self.size[axis], self.stride[axis], self.dilation[axis]
        kernel, out, before = self.kernel[axis], self.out[axis], self.before[axis]
        if kernel <= out * (size // dilation + 1):
            return range(kernel)
        starts = (r * stride - before for r in range(out))
        firsts = ((max(0, -(s // dilation)), (size - 1 - s) // dilation) for s in starts)
        return sorted({i for first, last in firsts for i in range(first, min(last + 1, kernel))})

    def wasteful(self, axis: int) -> bool:
        """Whether a padded axis has more cells than the image and all windows together, as with
        a large dilation.
        """
        padded = self.before[axis] + self.size[axis] + self.after[axis]
        return padded > max(64, self.size[axis] + self.out[axis] * self.kernel[axis])

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


_FEW = 1024  # larger windows, such as whole images, would fill the memory with slices


def _overlaps(window: Window) -> Iterator[tuple[int, Slices, Slices]]:
    axes = []
    for axis in range(len(window.kernel)):
        inner = math.prod(window.kernel[axis + 1 :])
        axes.append([(i * inner, *window.meet(axis, i)) for i in window.offsets(axis)])
    for meets in itertools.product(*axes):
        numbers, positions, cells = zip(*meets)
        yield sum(numbers), positions, cells


@lru_cache(maxsize=256)
def _kept(window: Window) -> tuple[tuple[int, Slices, Slices], ...]:
    """Cached, because this takes as long as a small kernel."""
    return tuple(_overlaps(window))


def _shape(values: Iterable[int]) -> str:
    return "x".join(map(str, values))


LARGEST = 2**60  # sizes below, and products of them, fit in NumPy's integers


def _checked(name: str, window: Window) -> Window:
    if min(window.kernel) < 1:
        cells = _shape(window.kernel)
        raise ValueError(f"{name}: the kernel must have cells along each axis, got {cells}")
    if any(math.prod(max(1, v) for v in values) >= LARGEST for values in window):
        shown = ", ".join(f"{k}={_shape(v)}" for k, v in window._asdict().items())
        raise ValueError(
            f"{name}: sizes, and their products over the axes, must be below 2**60, got {shown}"
        )
    return window


def conv_window(
    size: Sizes, kernel: Sizes, stride: Any, padding: Any, dilation: Any, name: str = "conv"
) -> Window:
    """The window of a convolution; errors start with `name`.

    `stride`, `dilation` and `padding` are an int or one per axis; `padding` may also be 'valid'
    (none) or 'same' (output ceil(size / stride), an odd cell goes behind the image).
    """
    axes = len(size)
    if isinstance(padding, str):
        choice(name, "padding", padding, ("valid", "same"))
    else:
        padding = per_axis(name, "padding", padding, 0, axes)
    stride = per_axis(name, "stride", stride, 1, axes)
    dilation = per_axis(name, "dilation", dilation, 1, axes)
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
            f"{name}: the kernel reaches over {_shape(reach)} cells, more than the padded image of "
            f"{_shape(padded)}; use more padding, a smaller kernel or a larger image"
        )
    out = tuple(span // s + 1 for span, s in zip(spans, stride))
    return _checked(name, Window(size, kernel, stride, dilation, before, after, out))


def check_output_padding(name: str, extra: Sizes, stride: Sizes, dilation: Sizes) -> None:
    """Raise ValueError where a transposed convolution has more output padding than it can have."""
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ValueError(
            f"{name}: output_padding must be smaller than stride or dilation, got "
            f"output_padding={_shape(extra)}, stride={_shape(stride)}, dilation={_shape(dilation)}"
        )


def transpose_window(
    out: Sizes,
    kernel: Sizes,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    name: str = "conv_transpose",
) -> Window:
    """The window of the convolution whose input gradient is a transposed convolution.

    `out` is the size of the transposed convolution's input; its output, the window's size, is
    ``(out - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1``.
    """
    axes = len(out)
    stride = per_axis(name, "stride", stride, 1, axes)
    padding = per_axis(name, "padding", padding, 0, axes)
    extra = per_axis(name, "output_padding", output_padding, 0, axes)
    dilation = per_axis(name, "dilation", dilation, 1, axes)
    check_output_padding(name, extra, stride, dilation)
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, e, d in zip(out, kernel, stride, padding, extra, dilation)
    )
    if min(size) < 1:
        raise ValueError(
            f"{name}: an input of {_shape(out)} gives an output of {_shape(size)}; use less "
            "padding, a larger kernel or a larger input"
        )
    return _checked(name, Window(size, kernel, stride, dilation, padding, padding, out))


def pool_sizes(
    name: str, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """The settings of a pooling, one per axis each; stride defaults to the kernel."""
    kernel = per_axis(name, "kernel_size", kernel, 1, axes)
    stride = kernel if stride is None else per_axis(name, "stride", stride, 1, axes)
    padding = per_axis(name, "padding", padding, 0, axes)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(
            f"{name}: padding must be at most half the kernel size {kernel}, got {padding}"
        )
    return kernel, stride, padding, per_axis(name, "dilation", dilation, 1, axes)


def pool_window(
    size: Sizes,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    name: str = "pool",
) -> Window:
    """The window of a pooling; ceil_mode keeps a last, partial position."""
    settings = pool_sizes(name, len(size), kernel, stride, padding, dilation)
    kernel, stride, padding, dilation = settings
    out, after = [], []
    for n, k, s, d, p in zip(size, kernel, stride, dilation, padding):
        span = n + 2 * p - d * (k - 1) - 1
        if span < 0 and not (ceil_mode and span > -s):
            raise ValueError(
                f"{name}: the kernel reaches over {d * (k - 1) + 1} cells, more than the padded "
                f"size {n + 2 * p}; use a smaller kernel or a larger image"
            )
        positions = (-(-span // s) if ceil_mode else span // s) + 1
        # A last window must start inside the image or in the padding before it.
        if ceil_mode and (positions - 1) * s >= n + p:
            positions -= 1
        out.append(positions)
        after.append(max(p, (positions - 1) * s + d * (k - 1) + 1 - n - p))
    return _checked(name, Window(size, kernel, stride, dilation, padding, tuple(after), tuple(out)))
