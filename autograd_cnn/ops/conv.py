"""Convolution: three partial maps of one trilinear form; each one's gradients are the others."""

from __future__ import annotations

from typing import Any

from autograd_cnn.graph import Array, op
from autograd_cnn.kernels import reference as kernels
from autograd_cnn.kernels.window import Window, conv_window, pair


def _window(name: str, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    """The checked geometry; errors start with the op's name."""
    try:
        if not isinstance(padding, str):
            padding = pair("padding", padding, 0)
        return conv_window(
            tuple(size),
            tuple(kernel),
            pair("stride", stride, 1),
            padding,
            pair("dilation", dilation, 1),
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def _check_filters(name: str, w: Array, groups: int) -> None:
    if w.ndim != 4:
        raise ValueError(
            f"{name}: weight must have shape (filters, channels / groups, rows, columns), got "
            f"{w.shape}"
        )
    if not isinstance(groups, int) or groups < 1 or w.shape[0] % groups:
        raise ValueError(
            f"{name}: groups must divide the {w.shape[0]} filters of weight, got {groups!r}"
        )


def _check_images(name: str, x: Array, channels: int, groups: int) -> None:
    if x.ndim != 4:
        hint = "; add a batch axis with x[None]" if x.ndim == 3 else ""
        raise ValueError(f"{name}: input must have shape (N, C, H, W), got {x.shape}{hint}")
    if x.shape[1] != channels * groups:
        each = f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{name}: input has {x.shape[1]} channels, weight expects {channels}{each}"
        )


def _check_gradient(name: str, g: Array, n: int | None, filters: int, window: Window) -> None:
    expected = ("N" if n is None else n, filters, *window.out)
    if g.ndim != 4 or g.shape[1:] != expected[1:] or g.shape[0] != (g.shape[0] if n is None else n):
        raise ValueError(
            f"{name}: g must have the shape of the convolution's output {expected}, got {g.shape}"
        )


@op(
    x=lambda g, out, x, w, b, **window: conv2d_input_grad(g, w, size=x.shape[2:], **window),
    w=lambda g, out, x, w, b, **window: conv2d_weight_grad(x, g, size=w.shape[2:], **window),
    b=lambda g, out, x, w, b, **window: g.sum(axis=(0, 2, 3)),
)
def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlate images x (N, C, H, W) with filters w (F, C / groups, KH, KW) and add a bias b
    (F,).

    `stride` and `dilation` are an int or a pair (rows, columns); `padding` too, or 'valid' (none),
    or 'same' (output ceil(H / stride), an odd padding row goes to the bottom, an odd column to the
    right).  The output (N, F, OH, OW) has OH = floor((H + 2 padding - dilation (KH - 1) - 1) /
    stride) + 1.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))).shape
    (1, 1, 2, 2)
    """
    _check_filters("conv2d", w, groups)
    _check_images("conv2d", x, w.shape[1], groups)
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(
            f"conv2d: bias must have one value per filter, shape {w.shape[:1]}, got {b.shape}"
        )
    window = _window("conv2d", x.shape[2:], w.shape[2:], stride, padding, dilation)
    return kernels.conv2d(x, w, b, window, groups)


@op(
    g=lambda gx, out, g, w, *, size, **window: conv2d(gx, w, **window),
    w=lambda gx, out, g, w, *, size, **window: conv2d_weight_grad(
        gx, g, size=w.shape[2:], **window
    ),
)
def conv2d_input_grad(
    g: Array,
    w: Array,
    *,
    size: tuple[int, int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """The gradient of conv2d in x, from g (N, F, OH, OW) and w (F, C / groups, KH, KW): (N, C,
    *size).

    >>> import numpy as np
    >>> conv2d_input_grad(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), size=(3, 3))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    _check_filters("conv2d_input_grad", w, groups)
    window = _window("conv2d_input_grad", size, w.shape[2:], stride, padding, dilation)
    _check_gradient("conv2d_input_grad", g, None, w.shape[0], window)
    return kernels.conv2d_input_grad(g, w, window, groups)


@op(
    x=lambda gw, out, x, g, *, size, **window: conv2d_input_grad(g, gw, size=x.shape[2:], **window),
    g=lambda gw, out, x, g, *, size, **window: conv2d(x, gw, **window),
)
def conv2d_weight_grad(
    x: Array,
    g: Array,
    *,
    size: tuple[int, int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """The gradient of conv2d in w, from x (N, C, H, W) and g (N, F, OH, OW): (F, C / groups,
    *size).

    >>> import numpy as np
    >>> conv2d_weight_grad(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), size=(2, 2))[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    if x.ndim != 4 or g.ndim != 4:
        raise ValueError(
            f"conv2d_weight_grad: x and g must have 4 axes, got shapes {x.shape} and {g.shape}"
        )
    if not isinstance(groups, int) or groups < 1 or x.shape[1] % groups or g.shape[1] % groups:
        raise ValueError(
            f"conv2d_weight_grad: groups must divide the {x.shape[1]} channels and {g.shape[1]} "
            f"filters, got {groups!r}"
        )
    window = _window("conv2d_weight_grad", x.shape[2:], size, stride, padding, dilation)
    _check_gradient("conv2d_weight_grad", g, x.shape[0], g.shape[1], window)
    return kernels.conv2d_weight_grad(x, g, window, groups)
