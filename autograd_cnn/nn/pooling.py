"""Pooling layers."""

from __future__ import annotations

from typing import Any

from autograd_cnn import functional as F
from autograd_cnn.nn.arguments import integer, pair
from autograd_cnn.nn.module import Module


def _check_window(owner: str, kernel_size: Any, stride: Any, padding: Any) -> None:
    kernel = pair(owner, "kernel_size", kernel_size, 1)
    if stride is not None:
        pair(owner, "stride", stride, 1)
    for size, extra in zip(kernel, pair(owner, "padding", padding, 0)):
        if 2 * extra > size:
            raise ValueError(
                f"{owner}: padding may be at most half of the kernel size, got padding={padding}, "
                f"kernel_size={kernel_size}"
            )


class MaxPool2d(Module):
    """The largest value in each window: (N, C, H, W) to (N, C, OH, OW); padding never wins.

    ``OH = (H + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``, rounded up with
    `ceil_mode`; `stride` defaults to the kernel size.  With `return_indices` also a plain integer
    array of where each value came from, counted row by row in the (H, W) image.  A tie goes to the
    first.  Raises ValueError for settings out of range.

    >>> import numpy as np
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        _check_window("MaxPool2d", kernel_size, stride, padding)
        pair("MaxPool2d", "dilation", dilation, 1)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.max_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window: (N, C, H, W) to (N, C, OH, OW).

    ``OH = (H + 2 * padding - kernel_size) // stride + 1``, rounded up with `ceil_mode`; `stride`
    defaults to the kernel size.  Padding zeros count in the mean unless `count_include_pad` is
    False; `divisor_override` replaces the number of values.  Raises ValueError for settings out of
    range.

    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        _check_window("AvgPool2d", kernel_size, stride, padding)
        if divisor_override is not None:
            integer("AvgPool2d", "divisor_override", divisor_override, 1)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
