"""Layers fused with those that follow, in one pass over memory.

`nn.Sequential` calls these ops under `no_grad`; they have no gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array, GraphError
from autograd_cnn.engine.op import op
from autograd_cnn.functional.convolution import conv_geometry
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.ops.product import check_linear


def _no_gradient(*_: Any, **__: Any) -> Array:
    raise GraphError("a fused layer has no gradient; it must run under no_grad")


@op(register=False, one_dtype=True, x=_no_gradient, w=_no_gradient, b=_no_gradient)
def conv_fused(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    settings: tuple[Any, ...],
    scale: np.ndarray | None,
    relu: bool,
    pool: Sequence[Any] | None,
) -> Array:
    """A convolution over the spatial axes of w, then max pooling and relu if wanted.

    `settings` are stride, padding, dilation, groups; `scale` (F,) multiplies each filter's sums
    before its bias is added; `pool` are the arguments of `max_pool2d` from kernel_size on.

    >>> x, w = np.arange(16.0).reshape(1, 1, 4, 4), -np.ones((1, 1, 1, 1))
    >>> given = {"settings": (1, 0, 1, 1), "scale": None, "relu": True, "pool": [2]}
    >>> conv_fused(x, w, np.array([9.5]), **given)[0, 0]
    array([[9.5, 7.5],
           [1.5, 0. ]])
    """
    axes = w.ndim - 2
    window = conv_geometry(axes, x.shape, w.shape, getattr(b, "shape", None), *settings)
    pooled = None if pool is None else pool_geometry("max", axes, (0, 0, *window.out), *pool)
    return kernels.conv(x, w, b, window, settings[-1], relu, pooled, scale)


@op(register=False, one_dtype=True, x=_no_gradient, w=_no_gradient, b=_no_gradient)
def linear_fused(
    x: Array, w: Array, b: Array | None = None, *, scale: np.ndarray | None, relu: bool
) -> Array:
    """The linear layer of x (N, in) with w (out, in) and b (out,), then relu if wanted.

    `scale` (out,) multiplies the product before the bias is added.
    """
    check_linear(x.shape, w.shape, getattr(b, "shape", None))
    return kernels.linear(x, w, b, relu, scale)
