"""Convolutions of one, two and three spatial axes, their transposes, and the columns they see."""

from __future__ import annotations

import math
from typing import Any

from autograd_cnn import kernels
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.functional.arguments import check_images, shape_of, window_of
from autograd_cnn.kernels.window import Window, conv_window, kept, sizes, transpose_window
from autograd_cnn.ops import conv

_FILTER = {1: "columns", 2: "rows, columns", 3: "planes, rows, columns"}


def _check_groups(name: str, groups: Any, what: str, count: int) -> None:
    if type(groups) is not int or groups < 1 or count % groups:
        raise ValueError(f"{name}: groups must divide the {count} {what} of weight, got {groups!r}")


def _check_bias(name: str, shape: tuple[int, ...] | None, filters: int) -> None:
    if shape is not None and shape != (filters,):
        raise ValueError(
            f"{name}: bias must have one value per filter, shape {(filters,)}, got {shape}"
        )


def _conv(
    axes: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    shapes = x.shape, w.shape, shape_of(b)
    window = conv_geometry(axes, *shapes, stride, padding, dilation, groups)
    return conv.conv(_laid_out(x, w), w, b, window=window, groups=groups)


@kept
def conv_geometry(
    axes: int,
    x: tuple[int, ...],
    w: tuple[int, ...],
    b: tuple[int, ...] | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Window:
    """The window for images, weights and a bias of these shapes, which are checked."""
    name = f"conv{axes}d"
    if len(w) != axes + 2:
        raise ValueError(
            f"{name}: weight must have shape (filters, channels / groups, {_FILTER[axes]}), got {w}"
        )
    _check_groups(name, groups, "filters", w[0])
    check_images(name, x, axes)
    if x[1] != w[1] * groups:
        each = f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(f"{name}: input has {x[1]} channels, weight expects {w[1]}{each}")
    _check_bias(name, b, w[0])
    return window_of(name, conv_window, x[2:], w[2:], stride, padding, dilation)


def _laid_out(x: Any, w: Any) -> Any:
    """Images that need no gradient, copied to be batch-innermost here: otherwise the kernels of
    forward and backward would each do it (a tenth of a step of A1 at batch 32).
    """
    if isinstance(w, Node) and not (isinstance(x, Node) and x.tracked):
        array = values(x)
        laid_out = kernels.laid_out(array)
        if laid_out is not array:
            return wrap(laid_out)
    return x


@checked
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of input (N, C, L) with weight (F, C / groups, K), plus bias (F,): (N, F,
    OL).

    Settings, sizes and errors as in `conv2d`.

    >>> import numpy as np
    >>> conv1d(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 3)))
    array([[[3., 6., 9.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@checked
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of input (N, C, H, W) with weight (F, C / groups, KH, KW), plus bias (F,):
    (N, F, OH, OW).

    `stride` and `dilation` are an int or one each for rows and columns; `padding` too, or 'valid'
    (none), or 'same' (OH = ceil(H / stride), an odd padding row goes to the bottom, an odd column
    to the right).  Otherwise ``OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1``.
    `groups` splits the channels into parts that are convolved separately.

    Raises ValueError for shapes or settings that do not fit, TypeError for settings that are not
    whole.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), padding="same")[0, 0]
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@checked
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of input (N, C, D, H, W) with weight (F, C / groups, KD, KH, KW), plus bias
    (F,): (N, F, OD, OH, OW).

    Settings, sizes and errors as in `conv2d`.

    >>> import numpy as np
    >>> conv3d(np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 3, 3, 3))).item()
    27.0
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    axes: int,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Array:
    name = f"conv_transpose{axes}d"
    if w.ndim != axes + 2:
        raise ValueError(
            f"{name}: weight must have shape (channels, filters / groups, {_FILTER[axes]}), got "
            f"{w.shape}"
        )
    check_images(name, x.shape, axes)
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"{name}: input has {x.shape[1]} channels, weight expects {w.shape[0]}")
    _check_groups(name, groups, "channels", w.shape[0])
    _check_bias(name, shape_of(b), w.shape[1] * groups)
    geometry = (x.shape[2:], w.shape[2:], stride, padding, output_padding, dilation)
    window = window_of(name, transpose_window, *geometry)
    out = conv.conv_input_grad(x, w, window=window, groups=groups)
    return out if b is None else out + b.reshape((1, -1, *(1,) * axes))


@checked
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Array:
    """Transposed convolution of input (N, C, L) with weight (C, F / groups, K): (N, F, OL).

    Settings, sizes and errors as in `conv_transpose2d`.

    >>> import numpy as np
    >>> conv_transpose1d(np.ones((1, 1, 2)), np.ones((1, 1, 3)), stride=2)
    array([[[1., 1., 2., 1., 1.]]])
    """
    return _conv_transpose(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@checked
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Array:
    """Transposed convolution of input (N, C, H, W) with weight (C, F / groups, KH, KW), plus bias
    (F,): (N, F, OH, OW).

    The gradient of `conv2d` in its input, for the same weight and settings: each value adds the
    filter, scaled, to the output.  ``OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) +
    output_padding + 1``; `output_padding` (smaller than stride or dilation) chooses among the
    output sizes that a strided `conv2d` maps to H.  Settings are an int or one for each axis.

    Raises ValueError for shapes or settings that do not fit, TypeError for settings that are not
    whole.  Zeiler et al., "Deconvolutional networks" (2010).

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return _conv_transpose(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@checked
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Array:
    """Transposed convolution of input (N, C, D, H, W) with weight (C, F / groups, KD, KH, KW): (N,
    F, OD, OH, OW).

    Settings, sizes and errors as in `conv_transpose2d`.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 2, 2)), np.ones((1, 1, 1, 2, 2)))[0, 0, 0, 1]
    array([2., 4., 2.])
    """
    return _conv_transpose(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@checked
def unfold(
    input: Array,
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> Array:
    """The windows of input (N, C, H, W) as columns, padding as zeros: (N, C * KH * KW, OH * OW).

    Settings as in `conv2d`, without 'same'; rows count channels, then kernel cells row by row.
    ``weight.reshape(F, -1) @ unfold(input, ...)`` is `conv2d`, flattened.  Raises ValueError for a
    kernel larger than the padded image.

    >>> import numpy as np
    >>> unfold(np.arange(6.0).reshape(1, 1, 2, 3), 2)[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """
    check_images("unfold", input.shape, 2)
    kernel = window_of("unfold", _kernel, kernel_size)
    geometry = (input.shape[2:], kernel, stride, padding, dilation)
    return conv.unfold(input, window=window_of("unfold", conv_window, *geometry))


@checked
def fold(
    input: Array,
    output_size: int | tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    stride: int | tuple[int, ...] = 1,
) -> Array:
    """Columns (N, C * KH * KW, OH * OW) added up in images (N, C, *output_size): the adjoint of
    `unfold`.

    Values that fall on the same cell add up, those on the padding are lost.  Floats keep their
    dtype.  Raises ValueError when the input's shape is not that of ``unfold`` on such an image.

    >>> import numpy as np
    >>> fold(np.ones((1, 4, 2)), (2, 3), 2)[0, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    kernel = window_of("fold", _kernel, kernel_size)
    size = window_of("fold", _kernel, output_size, "output_size")
    window = window_of("fold", conv_window, size, kernel, stride, padding, dilation)
    cells, positions = math.prod(kernel), math.prod(window.out)
    if input.ndim != 3 or input.shape[1] % cells or input.shape[2] != positions:
        raise ValueError(
            f"fold: input must have shape (N, C * {cells}, {positions}) for an image of "
            f"{size[0]}x{size[1]} and a kernel of {kernel[0]}x{kernel[1]}, got {input.shape}"
        )
    return conv.fold(input, window=window)


def _kernel(value: Any, name: str = "kernel_size") -> Any:
    return sizes(name, value, 1, 2)
