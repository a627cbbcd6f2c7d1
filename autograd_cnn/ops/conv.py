"""Convolution over any number of spatial axes, and the columns it sees: `unfold` and `fold`.

Each of convolution, its input gradient and its weight gradient has the other two as gradients.
The geometry is a plain value, a `kernels.window.Window`, which `functional` makes from PyTorch's
settings.  H, W stand for one to three spatial axes.
"""

from __future__ import annotations

import math

from autograd_cnn import kernels
from autograd_cnn.checks import misfit
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import op
from autograd_cnn.kernels.window import Window
from autograd_cnn.ops.shape import channel_sum, misshapen


def _misfit(name: str, window: Window, groups: int, *arrays: Array) -> ValueError:
    """`functional` checks settings and says more; this tells a call of the op itself."""
    sizes = f"images of {window.size}, filters of {window.kernel}, results of {window.out}"
    return misfit(name, f"the shapes must fit {sizes} and {groups} groups", *arrays)


@op(
    x=lambda g, out, x, w, b, *, window, groups: conv_input_grad(
        g, w, window=window, groups=groups
    ),
    w=lambda g, out, x, w, b, *, window, groups: conv_weight_grad(
        x, g, window=window, groups=groups
    ),
    b=lambda g, out, x, w, b, *, window, groups: channel_sum(g),
    one_dtype=True,
)
def conv(x: Array, w: Array, b: Array | None = None, *, window: Window, groups: int = 1) -> Array:
    """Cross-correlate images x (N, C, H, W) with filters w (F, C / groups, KH, KW) and add a bias b
    (F,): (N, F, OH, OW).  The op behind `functional.conv2d`.

    >>> window = kernels.window.conv_window((4,), (3,), stride=1, padding=1, dilation=1)
    >>> conv(np.ones((1, 1, 4)), np.ones((1, 1, 3)), window=window)
    array([[[2., 3., 3., 2.]]])
    """
    fits = x.shape[1:] == (w.shape[1] * groups, *window.size) and w.shape[2:] == window.kernel
    if not fits or groups < 1 or w.shape[0] % groups or (b is not None and b.shape != w.shape[:1]):
        raise _misfit("conv", window, groups, x, w, *(() if b is None else (b,)))
    return kernels.conv(x, w, b, window, groups)


@op(
    g=lambda gx, out, g, w, *, window, groups: conv(gx, w, window=window, groups=groups),
    w=lambda gx, out, g, w, *, window, groups: conv_weight_grad(
        gx, g, window=window, groups=groups
    ),
    one_dtype=True,
)
def conv_input_grad(g: Array, w: Array, *, window: Window, groups: int = 1) -> Array:
    """The gradient of `conv` in x, from g (N, F, OH, OW) and w (F, C / groups, KH, KW) to
    (N, C, H, W).  The op behind `functional.conv_transpose2d`.

    >>> window = kernels.window.conv_window((3, 3), (2, 2), stride=1, padding=0, dilation=1)
    >>> conv_input_grad(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), window=window)[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    fits = g.shape[1:] == (w.shape[0], *window.out) and w.shape[2:] == window.kernel
    if not fits or groups < 1 or w.shape[0] % groups:
        raise _misfit("conv_input_grad", window, groups, g, w)
    return kernels.conv_input_grad(g, w, window, groups)


@op(
    x=lambda gw, out, x, g, *, window, groups: conv_input_grad(g, gw, window=window, groups=groups),
    g=lambda gw, out, x, g, *, window, groups: conv(x, gw, window=window, groups=groups),
    one_dtype=True,
)
def conv_weight_grad(x: Array, g: Array, *, window: Window, groups: int = 1) -> Array:
    """The gradient of `conv` in w, from x (N, C, H, W) and g (N, F, OH, OW) to (F, C / groups, KH,
    KW).

    >>> window = kernels.window.conv_window((3, 3), (2, 2), stride=1, padding=0, dilation=1)
    >>> conv_weight_grad(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), window=window)[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    fits = (x.shape[2:], g.shape[0], g.shape[2:]) == (window.size, x.shape[0], window.out)
    if not fits or groups < 1 or x.shape[1] % groups or g.shape[1] % groups:
        raise _misfit("conv_weight_grad", window, groups, x, g)
    return kernels.conv_weight_grad(x, g, window, groups)


@op(x=lambda g, out, x, *, window: fold(g, window=window))
def unfold(x: Array, *, window: Window) -> Array:
    """The windows of images x (N, C, H, W) as columns, padding as zeros: (N, C*KH*KW, OH*OW).

    >>> window = kernels.window.conv_window((4,), (2,), stride=1, padding=0, dilation=1)
    >>> unfold(np.arange(4.0).reshape(1, 1, 4), window=window)
    array([[[0., 1., 2.],
            [1., 2., 3.]]])
    """
    if x.shape[2:] != window.size:
        raise misshapen("unfold", "x", x, "N", "C", *window.size)
    return kernels.unfold(x, window)


@op(g=lambda gx, out, g, *, window: unfold(gx, window=window))
def fold(g: Array, *, window: Window) -> Array:
    """The adjoint of `unfold`: columns g (N, C*KH*KW, OH*OW) added up in images (N, C, H, W).

    >>> window = kernels.window.conv_window((4,), (2,), stride=1, padding=0, dilation=1)
    >>> fold(np.ones((1, 2, 3)), window=window)
    array([[[1., 2., 2., 1.]]])
    """
    cells, places = math.prod(window.kernel), math.prod(window.out)
    if g.ndim != 3 or g.shape[2] != places or g.shape[1] % cells:
        raise misshapen("fold", "g", g, "N", f"C * {cells}", places)
    return kernels.fold(g, window)
