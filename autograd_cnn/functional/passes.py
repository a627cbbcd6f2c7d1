"""A layer, and what follows it, in one pass over memory: for values that need no gradients.

`nn.Sequential` calls these where nothing is recorded (`no_grad`).
"""

from __future__ import annotations

from typing import Any

from autograd_cnn import kernels
from autograd_cnn.functional.convolution import conv_geometry
from autograd_cnn.functional.pooling import max_pool_geometry
from autograd_cnn.graph import Array, values, wrap
from autograd_cnn.ops.linalg import check_linear


def conv(
    axes: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    settings: tuple[Any, ...],
    relu: bool,
    pool: tuple[Any, ...] | None,
) -> Array:
    """`conv2d`, or its form for so many spatial axes, then relu and max pooling if wanted.

    `settings` are stride, padding, dilation, groups; those of `pool` are kernel_size, stride,
    padding, dilation, ceil_mode.  Shapes, dtypes and errors are those of the three functions.

    >>> import numpy as np
    >>> x, w = np.arange(16.0).reshape(1, 1, 4, 4), -np.ones((1, 1, 1, 1))
    >>> conv(2, x, w, np.array([9.5]), (1, 0, 1, 1), True, (2, None, 0, 1, False)).numpy()[0, 0]
    array([[9.5, 7.5],
           [1.5, 0. ]])
    """
    x, w, b = values(input), values(weight), None if bias is None else values(bias)
    window = conv_geometry(axes, x.shape, w.shape, None if b is None else b.shape, *settings)
    pooled = None if pool is None else max_pool_geometry((0, 0, *window.out), *pool)
    return wrap(kernels.conv(x, w, b, window, settings[-1], relu, pooled))


def linear_relu(input: Array, weight: Array, bias: Array | None) -> Array:
    """`relu` of `linear`: input (N, in), weight (out, in), bias (out,): (N, out).

    Dtypes and errors are those of the two functions.

    >>> import numpy as np
    >>> linear_relu(np.ones((1, 2)), np.array([[1.0, 2.0], [-3.0, -4.0]]), None).numpy()
    array([[3., 0.]])
    """
    x, w, b = values(input), values(weight), None if bias is None else values(bias)
    check_linear(x.shape, w.shape, None if b is None else b.shape)
    return wrap(kernels.linear(x, w, b, True))
