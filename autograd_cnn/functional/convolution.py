"""Convolutions of one, two and three spatial axes, their transposes, unfold and fold."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from autograd_cnn import kernels
from autograd_cnn.checks import per_axis
from autograd_cnn.config import in_dtype_of_weights
from autograd_cnn.engine.node import Array, Node, wrap
from autograd_cnn.functional.geometry import batch_of_one, check_images, kept, of_rank
from autograd_cnn.kernels.window import Window, conv_window, transpose_window
from autograd_cnn.ops import conv
from autograd_cnn.ops.signatures import array_function

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "fold", "unfold",
]  # fmt: skip

Shape = tuple[int, ...]


@kept
def conv_geometry(
    axes: int,
    x: Shape,
    w: Shape,
    b: Shape | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    transposed: bool = False,
    output_padding: Any = 0,
) -> Window:
    """Check the shapes of images, weight and bias; returns the window."""
    name = f"conv_transpose{axes}d" if transposed else f"conv{axes}d"
    first, second = ("channels", "filters") if transposed else ("filters", "channels")
    if len(w) != axes + 2:
        cells = ", ".join(("planes", "rows", "columns")[-axes:])
        raise ValueError(
            f"{name}: weight must have shape ({first}, {second} / groups, {cells}), got {w}"
        )
    if type(groups) is not int or groups < 1 or w[0] % groups:
        raise ValueError(f"{name}: groups must divide the {w[0]} {first} of weight, got {groups!r}")
    check_images(name, x, axes)
    channels, filters = (w[0], w[1] * groups) if transposed else (w[1] * groups, w[0])
    if x[1] != channels:
        each = f" in each of {groups} groups" if groups > 1 and not transposed else ""
        expected = w[0] if transposed else w[1]
        raise ValueError(f"{name}: input has {x[1]} channels, weight expects {expected}{each}")
    if b is not None and b != (filters,):
        raise ValueError(
            f"{name}: bias must have one value per filter, shape {(filters,)}, got {b}"
        )
    if transposed:
        return transpose_window(x[2:], w[2:], stride, padding, output_padding, dilation, name)
    return conv_window(x[2:], w[2:], stride, padding, dilation, name)


def _conv(
    axes: int,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Array:
    x = input.array if isinstance(input, Node) else input
    w = weight.array if isinstance(weight, Node) else weight
    b = bias.array if isinstance(bias, Node) else bias
    settings = (stride, padding, dilation, groups)
    if x.ndim == axes + 1:
        return batch_of_one(partial(_conv, axes), input, weight, bias, *settings)
    window = conv_geometry(axes, x.shape, w.shape, None if b is None else b.shape, *settings)
    if w is not weight and (x is input or not input.tracked):
        # Copy images that need no gradient here to be batch-innermost: otherwise the kernels of
        # forward and backward would both do it (a tenth of a step of A1 at batch 32).
        laid_out = kernels.laid_out(x)
        input = input if laid_out is x else wrap(laid_out)
    return conv.conv(input, weight, bias, window=window, groups=groups)


@array_function
@of_rank(1, _conv)
def conv1d() -> None:
    """Cross-correlation of input (N, C, L) with weight (F, C / groups, K), plus bias (F,): (N, F,
    OL); see `conv2d`.

    >>> F.conv1d(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 3)))
    array([[[3., 6., 9.]]])
    """


@array_function
@of_rank(2, _conv)
def conv2d() -> None:
    """Cross-correlation of input (N, C, H, W) with weight (F, C / groups, KH, KW), plus bias (F,):
    (N, F, OH, OW).

    `stride` and `dilation` are an int or one each for rows and columns; `padding` too, or 'valid'
    (none), or 'same' (OH = ceil(H / stride), an odd padding row goes to the bottom, an odd column
    to the right).  Otherwise ``OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1``.
    `groups` splits the channels into parts that are convolved separately.  An input (C, H, W) gives
    (F, OH, OW); so do all convolutions and poolings without a batch axis.  In float32, results
    round relative to the largest values of a neighbourhood of 4 x 4 cells.

    >>> F.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), padding="same")[0, 0]
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]])
    """


@array_function
@of_rank(3, _conv)
def conv3d() -> None:
    """Cross-correlation of input (N, C, D, H, W) with weight (F, C / groups, KD, KH, KW), plus bias
    (F,): (N, F, OD, OH, OW); see `conv2d`.

    >>> F.conv3d(np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 3, 3, 3))).item()
    27.0
    """


def _transpose(
    axes: int,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Array:
    x, w, b = input, weight, bias
    if x.ndim == axes + 1:
        settings = (stride, padding, output_padding, groups, dilation)
        return batch_of_one(partial(_transpose, axes), x, w, b, *settings)
    shapes = x.shape, w.shape, None if b is None else b.shape
    sizes = (stride, padding, dilation, groups)
    window = conv_geometry(axes, *shapes, *sizes, True, output_padding)
    if x.dtype is not w.dtype or (b is not None and b.dtype is not w.dtype):
        x, w, b = in_dtype_of_weights(f"conv_transpose{axes}d", x, w, b)
    out = conv.conv_input_grad(x, w, window=window, groups=groups)
    return out if b is None else out + b.reshape((1, -1, *(1,) * axes))


@array_function
@of_rank(1, _transpose)
def conv_transpose1d() -> None:
    """Transposed convolution of input (N, C, L) with weight (C, F / groups, K): (N, F, OL); see
    `conv_transpose2d`.

    >>> F.conv_transpose1d(np.ones((1, 1, 2)), np.ones((1, 1, 3)), stride=2)
    array([[[1., 1., 2., 1., 1.]]])
    """


@array_function
@of_rank(2, _transpose)
def conv_transpose2d() -> None:
    """Transposed convolution of input (N, C, H, W) with weight (C, F / groups, KH, KW), plus bias
    (F,): (N, F, OH, OW).

    The gradient of `conv2d` in its input: each value adds the filter, scaled, to the output.
    ``OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + output_padding + 1``.  A strided
    `conv2d` maps several sizes to H; `output_padding` chooses among them.  Zeiler et al.,
    "Deconvolutional networks" (2010).

    >>> F.conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """


@array_function
@of_rank(3, _transpose)
def conv_transpose3d() -> None:
    """Transposed convolution of input (N, C, D, H, W) with weight (C, F / groups, KD, KH, KW): (N,
    F, OD, OH, OW); see `conv_transpose2d`.

    >>> F.conv_transpose3d(np.ones((1, 1, 1, 2, 2)), np.ones((1, 1, 1, 2, 2)))[0, 0, 0, 1]
    array([2., 4., 2.])
    """


@array_function
def unfold(
    input: Array,
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> Array:
    """The windows of input (N, C, H, W) as columns, padding as zeros: (N, C * KH * KW, OH * OW).

    Settings as in `conv2d`, without 'same'; rows count channels, then kernel cells row by row.
    ``weight.reshape(F, -1) @ unfold(input, ...)`` is `conv2d`, flattened.

    >>> F.unfold(np.arange(6.0).reshape(1, 1, 2, 3), 2)[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    if input.ndim == 3:
        return batch_of_one(unfold, input, kernel_size, dilation, padding, stride)
    check_images("unfold", input.shape, 2)
    settings = (kernel_size, stride, padding, dilation)
    return conv.unfold(input, window=_column_geometry("unfold", input.shape[2:], *settings))


@kept
def _column_geometry(
    name: str, size: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Window:
    """The window of `unfold` and `fold`."""
    kernel = per_axis(name, "kernel_size", kernel_size, 1, len(size))
    return conv_window(size, kernel, stride, padding, dilation, name)


@array_function
def fold(
    input: Array,
    output_size: int | tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> Array:
    """Columns (N, C * KH * KW, OH * OW) added up in images (N, C, *output_size): the adjoint of
    `unfold`.  Values on the padding are lost.

    >>> F.fold(np.ones((1, 4, 2)), (2, 3), 2)[0, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    size = per_axis("fold", "output_size", output_size, 1, 2)
    window = _column_geometry("fold", size, kernel_size, stride, padding, dilation)
    kernel = window.kernel
    cells, positions = math.prod(kernel), math.prod(window.out)
    if input.ndim not in (2, 3) or input.shape[-2] % cells or input.shape[-1] != positions:
        raise ValueError(
            f"fold: input must have shape (N, C * {cells}, {positions}) for an image of "
            f"{size[0]}x{size[1]} and a kernel of {kernel[0]}x{kernel[1]}, got {input.shape}"
        )
    if input.ndim == 2:
        return batch_of_one(conv.fold, input, window)
    return conv.fold(input, window=window)
