"""Convolution over any number of spatial axes: three partial maps of one trilinear form, where each
one's gradients are the others; and the columns it sees, `unfold`, with their adjoint `fold`.

The geometry is a plain value, a `kernels.window.Window`; `functional` makes it from PyTorch's
settings and checks it.  H, W stand for the spatial axes, of which there may be one, two, three.
"""

from __future__ import annotations

import math

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import op
from autograd_cnn.kernels.window import Window
from autograd_cnn.ops.shape import channel_sum


def _expect(
    name: str, argument: str, x: Array, free: tuple[str, ...], sizes: tuple[int, ...]
) -> None:
    """Raise unless x has an axis of any size for each name in `free`, then axes of these sizes."""
    if x.shape[len(free) :] != sizes or x.ndim != len(free) + len(sizes):
        wanted = ", ".join(map(str, (*free, *sizes)))
        raise ValueError(f"{name}: {argument} must have shape ({wanted}), got {x.shape}")


def _check_groups(name: str, groups: int, channels: int) -> None:
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise ValueError(f"{name}: groups must divide {channels} channels, got {groups!r}")


@op(
    x=lambda g, out, x, w, b, *, window, groups: conv_input_grad(
        g, w, window=window, groups=groups
    ),
    w=lambda g, out, x, w, b, *, window, groups: conv_weight_grad(
        x, g, window=window, groups=groups
    ),
    b=lambda g, out, x, w, b, *, window, groups: channel_sum(g),
)
def conv(x: Array, w: Array, b: Array | None = None, *, window: Window, groups: int = 1) -> Array:
    """Cross-correlate images x (N, C, H, W) with filters w (F, C / groups, KH, KW), add a bias b
    (F,): (N, F, OH, OW).

    `window` says where each filter cell meets the image.  The op behind `functional.conv2d`, which
    see, and its forms of other ranks.  Floats keep their dtype.  Raises ValueError for shapes that
    do not fit.

    >>> import numpy as np
    >>> from autograd_cnn.kernels.window import conv_window
    >>> window = conv_window((4,), (3,), stride=1, padding=1, dilation=1)
    >>> conv(np.ones((1, 1, 4)), np.ones((1, 1, 3)), window=window)
    array([[[2., 3., 3., 2.]]])
    """
    _expect("conv", "w", w, ("F", "C / groups"), window.kernel)
    _check_groups("conv", groups, w.shape[0])
    _expect("conv", "x", x, ("N",), (w.shape[1] * groups, *window.size))
    if b is not None:
        _expect("conv", "b", b, (), w.shape[:1])
    return kernels.conv(x, w, b, window, groups)


@op(
    g=lambda gx, out, g, w, *, window, groups: conv(gx, w, window=window, groups=groups),
    w=lambda gx, out, g, w, *, window, groups: conv_weight_grad(
        gx, g, window=window, groups=groups
    ),
)
def conv_input_grad(g: Array, w: Array, *, window: Window, groups: int = 1) -> Array:
    """The gradient of `conv` in x, from g (N, F, OH, OW) and w (F, C / groups, KH, KW): (N, C, H,
    W).

    It is also the transposed convolution: `functional.conv_transpose2d` and its forms.  Floats keep
    their dtype.  Raises ValueError for shapes that do not fit the window.

    >>> import numpy as np
    >>> from autograd_cnn.kernels.window import conv_window
    >>> window = conv_window((3, 3), (2, 2), stride=1, padding=0, dilation=1)
    >>> conv_input_grad(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), window=window)[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    _expect("conv_input_grad", "w", w, ("F", "C / groups"), window.kernel)
    _check_groups("conv_input_grad", groups, w.shape[0])
    _expect("conv_input_grad", "g", g, ("N",), (w.shape[0], *window.out))
    return kernels.conv_input_grad(g, w, window, groups)


@op(
    x=lambda gw, out, x, g, *, window, groups: conv_input_grad(g, gw, window=window, groups=groups),
    g=lambda gw, out, x, g, *, window, groups: conv(x, gw, window=window, groups=groups),
)
def conv_weight_grad(x: Array, g: Array, *, window: Window, groups: int = 1) -> Array:
    """The gradient of `conv` in w, from x (N, C, H, W) and g (N, F, OH, OW): (F, C / groups, KH,
    KW).

    Floats keep their dtype.  Raises ValueError for shapes that do not fit the window.

    >>> import numpy as np
    >>> from autograd_cnn.kernels.window import conv_window
    >>> window = conv_window((3, 3), (2, 2), stride=1, padding=0, dilation=1)
    >>> conv_weight_grad(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), window=window)[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    _expect("conv_weight_grad", "x", x, ("N", "C"), window.size)
    _expect("conv_weight_grad", "g", g, ("N", "F"), window.out)
    _expect("conv_weight_grad", "g", g, (), (x.shape[0], *g.shape[1:]))
    _check_groups("conv_weight_grad", groups, x.shape[1])
    _check_groups("conv_weight_grad", groups, g.shape[1])
    return kernels.conv_weight_grad(x, g, window, groups)


@op(x=lambda g, out, x, *, window: fold(g, window=window))
def unfold(x: Array, *, window: Window) -> Array:
    """The windows of images x (N, C, H, W) as columns, padding as zeros: (N, C*KH*KW, OH*OW).

    The op behind `functional.unfold`, which see.  Floats keep their dtype.  Raises ValueError for
    shapes that do not fit.

    >>> import numpy as np
    >>> from autograd_cnn.kernels.window import conv_window
    >>> window = conv_window((4,), (2,), stride=1, padding=0, dilation=1)
    >>> unfold(np.arange(4.0).reshape(1, 1, 4), window=window)
    array([[[0., 1., 2.],
            [1., 2., 3.]]])
    """
    _expect("unfold", "x", x, ("N", "C"), window.size)
    return kernels.unfold(x, window)


@op(g=lambda gx, out, g, *, window: unfold(gx, window=window))
def fold(g: Array, *, window: Window) -> Array:
    """The adjoint of `unfold`: columns g (N, C*KH*KW, OH*OW) added up in images (N, C, H, W).

    Floats keep their dtype.  Raises ValueError for shapes that do not fit the window.

    >>> import numpy as np
    >>> from autograd_cnn.kernels.window import conv_window
    >>> window = conv_window((4,), (2,), stride=1, padding=0, dilation=1)
    >>> fold(np.ones((1, 2, 3)), window=window)
    array([[[1., 2., 2., 1.]]])
    """
    cells = math.prod(window.kernel)
    _expect("fold", "g", g, ("N", "C * cells of the kernel"), (math.prod(window.out),))
    if g.shape[1] % cells:
        raise ValueError(
            f"fold: g of shape {g.shape} has {g.shape[1]} rows, which {cells} cells of the kernel "
            "do not divide"
        )
    return kernels.fold(g, window)
