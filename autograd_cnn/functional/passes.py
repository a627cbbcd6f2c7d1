"""A layer, and what follows it, in one pass over memory: for values that need no gradients.

`nn.Sequential` calls these where nothing is recorded (`no_grad`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array, values, wrap
from autograd_cnn.functional.convolution import conv_geometry
from autograd_cnn.functional.geometry import shape_of
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.ops.product import check_linear


def conv(
    axes: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    settings: tuple[Any, ...],
    scale: np.ndarray | None = None,
    relu: bool = False,
    pool: Sequence[Any] | None = None,
) -> Array:
    """`conv2d`, or its form for so many spatial axes, then relu and max pooling if wanted.

    `settings` are stride, padding, dilation, groups; `scale` (F,) multiplies each filter's sums
    before its bias is added; `pool` are the arguments of `max_pool2d` from kernel_size on.  Shapes,
    dtypes and errors are those of the three functions.

    >>> import numpy as np
    >>> x, w = np.arange(16.0).reshape(1, 1, 4, 4), -np.ones((1, 1, 1, 1))
    >>> conv(2, x, w, np.array([9.5]), (1, 0, 1, 1), relu=True, pool=[2]).numpy()[0, 0]
    array([[9.5, 7.5],
           [1.5, 0. ]])
    """
    x, w, b = values(input), values(weight), values(bias)
    window = conv_geometry(axes, x.shape, w.shape, shape_of(b), *settings)
    pooled = None if pool is None else pool_geometry("max", axes, (0, 0, *window.out), *pool)
    return wrap(kernels.conv(x, w, b, window, settings[-1], relu, pooled, scale))


def linear(
    input: Array,
    weight: Array,
    bias: Array | None,
    scale: np.ndarray | None = None,
    relu: bool = False,
) -> Array:
    """`linear` of input (N, in), weight (out, in), bias (out,): (N, out); then relu if wanted.

    `scale` (out,) multiplies the product before the bias is added.  Dtypes and errors are those of
    the two functions.

    >>> import numpy as np
    >>> linear(np.ones((1, 2)), np.array([[1.0, 2.0], [-3.0, -4.0]]), None, relu=True).numpy()
    array([[3., 0.]])
    """
    x, w, b = values(input), values(weight), values(bias)
    check_linear(x.shape, w.shape, shape_of(b))
    return wrap(kernels.linear(x, w, b, relu, scale))
