"""The geometry of a sliding window: where each kernel offset meets the image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

Pair = tuple[int, int]


class Window(NamedTuple):
    """A window of `kernel` cells sliding over an image of `size` cells; each pair is (rows,
    columns).

    `before` counts the padding cells above and left of the image, `after` those below and right;
    `out` is the number of positions.  Offset (i, j) of the window at position (r, s) meets image
    cell ``(r * stride + i * dilation - before, ...)``.
    """

    size: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    out: Pair

    def overlaps(self) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """For every kernel offset: its number, the positions at which it meets the image, the cells
        it meets.
        """
        rows = [self._meet(0, i) for i in range(self.kernel[0])]
        columns = [self._meet(1, j) for j in range(self.kernel[1])]
        for i, (out_rows, in_rows) in enumerate(rows):
            for j, (out_columns, in_columns) in enumerate(columns):
                yield i * self.kernel[1] + j, (out_rows, out_columns), (in_rows, in_columns)

    def _meet(self, axis: int, offset: int) -> tuple[slice, slice]:
        stride = self.stride[axis]
        shift = offset * self.dilation[axis] - self.before[axis]  # cell = position * stride + shift
        first = max(0, -(shift // stride))
        last = min(self.out[axis] - 1, (self.size[axis] - 1 - shift) // stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * stride + shift
        return slice(first, last + 1), slice(start, last * stride + shift + 1, stride)


def pair(name: str, value: Any, low: int) -> Pair:
    """An int or a pair of ints as a pair, checked to be at least `low`."""
    if isinstance(value, int) and not isinstance(value, bool):
        found: Any = (value, value)
    else:
        found = tuple(value) if isinstance(value, (tuple, list)) else None
    if found is None or len(found) != 2 or not all(_whole(v) for v in found):
        raise TypeError(f"{name} must be an int or a pair of ints, got {value!r}")
    if min(found) < low:
        raise ValueError(f"{name} must be at least {low}, got {value!r}")
    return int(found[0]), int(found[1])


def _whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


@lru_cache(maxsize=4096)
def conv_window(size: Pair, kernel: Pair, stride: Any, padding: Any, dilation: Any) -> Window:
    """The window of a convolution; `padding` is an int, a pair, 'valid' or 'same' (output ceil(size
    / stride)).
    """
    stride, dilation = pair("stride", stride, 1), pair("dilation", dilation, 1)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    if padding == "same":
        total = [max(0, (-(-n // s) - 1) * s + r - n) for n, s, r in zip(size, stride, reach)]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(
            f"padding must be an int, a pair of ints, 'same' or 'valid', got {padding!r}"
        )
    else:
        before = after = list((0, 0) if padding == "valid" else pair("padding", padding, 0))
    spans = [n + b + a - r for n, b, a, r in zip(size, before, after, reach)]
    if min(spans) < 0:
        raise ValueError(
            f"the kernel reaches over {reach[0]}x{reach[1]} cells, more than the padded image of "
            f"{size[0] + before[0] + after[0]}x{size[1] + before[1] + after[1]}; use more "
            "padding, a smaller kernel "
            f"or a larger image"
        )
    out = [span // s + 1 for span, s in zip(spans, stride)]
    return Window(size, kernel, stride, dilation, *map(tuple, (before, after, out)))


@lru_cache(maxsize=4096)
def pool_window(
    size: Pair, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    """The window of a pooling: stride defaults to the kernel; ceil_mode keeps a last, partial
    position.
    """
    kernel = pair("kernel_size", kernel, 1)
    stride = kernel if stride is None else pair("stride", stride, 1)
    dilation, before = pair("dilation", dilation, 1), pair("padding", padding, 0)
    if any(2 * p > k for p, k in zip(before, kernel)):
        raise ValueError(f"padding must be at most half the kernel size {kernel}, got {padding!r}")
    out, after = [], []
    for n, k, s, d, p in zip(size, kernel, stride, dilation, before):
        span = n + 2 * p - d * (k - 1) - 1
        if span < 0 and not (ceil_mode and span > -s):
            raise ValueError(
                f"the kernel reaches over {d * (k - 1) + 1} cells, more than the padded size "
                f"{n + 2 * p}; use a "
                f"smaller kernel or a larger image"
            )
        positions = (-(-span // s) if ceil_mode else span // s) + 1
        if (
            ceil_mode and (positions - 1) * s >= n + p
        ):  # a last window must start inside the image or before it
            positions -= 1
        out.append(positions)
        after.append(max(p, (positions - 1) * s + d * (k - 1) + 1 - n - p))
    return Window(size, kernel, stride, dilation, before, tuple(after), tuple(out))
