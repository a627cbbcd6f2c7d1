"""Pooling layers, over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

from autograd_cnn import functional as F
from autograd_cnn.checks import integer
from autograd_cnn.engine.arguments import checked
from autograd_cnn.functional.adaptive import output_sizes
from autograd_cnn.kernels.window import pool_sizes
from autograd_cnn.nn.function import FunctionModule

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]  # fmt: skip


class _Pool(FunctionModule):
    """The base of pooling with windows of a fixed size."""

    def _set_window(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> None:
        pool_sizes(type(self).__name__, self.axes, kernel_size, stride, padding, dilation)
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride


class _MaxPool(_Pool):
    hidden = ("return_indices",)

    @checked
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self._set_window(kernel_size, stride, padding, dilation)
        self.dilation = dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def window_settings(self) -> tuple[Any, ...]:
        """Kernel size, stride, padding, dilation and ceil mode."""
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode


class MaxPool1d(_MaxPool, function=F.max_pool1d, axes=1):
    """The largest value in each window: (N, C, L) to (N, C, OL).  See `MaxPool2d`.

    >>> nn.MaxPool1d(2)(np.array([[[1.0, 3.0, 4.0, 2.0]]]))
    array([[[3., 4.]]])
    """


class MaxPool2d(_MaxPool, function=F.max_pool2d, axes=2):
    """The largest value in each window: (N, C, H, W) to (N, C, OH, OW).

    ``OH = (H + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``, rounded up with
    `ceil_mode`; `stride` defaults to the kernel size.  See `functional.max_pool2d`.

    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """


class MaxPool3d(_MaxPool, function=F.max_pool3d, axes=3):
    """The largest value in each window: (N, C, D, H, W) to (N, C, OD, OH, OW).  See `MaxPool2d`.

    >>> nn.MaxPool3d(2)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    7.0
    """


class AvgPool1d(_Pool, function=F.avg_pool1d, axes=1):
    """The mean of each window: (N, C, L) to (N, C, OL).  See `AvgPool2d`.

    >>> nn.AvgPool1d(2)(np.array([[[1.0, 3.0, 4.0, 2.0]]]))
    array([[[2., 3.]]])
    """

    hidden = ("ceil_mode", "count_include_pad")

    @checked
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._set_window(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class _DividedAvgPool(_Pool):
    hidden = ("ceil_mode", "count_include_pad", "divisor_override")

    @checked
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self._set_window(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        if divisor_override is not None:
            integer(type(self).__name__, "divisor_override", divisor_override, 1)
        self.divisor_override = divisor_override


class AvgPool2d(_DividedAvgPool, function=F.avg_pool2d, axes=2):
    """The mean of each window: (N, C, H, W) to (N, C, OH, OW).

    ``OH = (H + 2 * padding - kernel_size) // stride + 1``, rounded up with `ceil_mode`; `stride`
    defaults to the kernel size.  See `functional.avg_pool2d`.

    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """


class AvgPool3d(_DividedAvgPool, function=F.avg_pool3d, axes=3):
    """The mean of each window: (N, C, D, H, W) to (N, C, OD, OH, OW).  See `AvgPool2d`.

    >>> nn.AvgPool3d(2)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    3.5
    """


class _AdaptivePool(FunctionModule):
    @checked
    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        output_sizes(type(self).__name__, output_size, self.axes)
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptivePool, function=F.adaptive_avg_pool1d, axes=1):
    """The mean of `output_size` windows that cover (N, C, L).  See `AdaptiveAvgPool2d`.

    >>> nn.AdaptiveAvgPool1d(2)(np.arange(4.0).reshape(1, 1, 4))
    array([[[0.5, 2.5]]])
    """


class AdaptiveAvgPool2d(_AdaptivePool, function=F.adaptive_avg_pool2d, axes=2):
    """The mean of `output_size` windows that cover (N, C, H, W); 1 is global pooling.

    See `functional.adaptive_avg_pool2d`.

    >>> nn.AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[7.5]]]])
    """


class AdaptiveAvgPool3d(_AdaptivePool, function=F.adaptive_avg_pool3d, axes=3):
    """The mean of windows that cover (N, C, D, H, W).  See `AdaptiveAvgPool2d`.

    >>> nn.AdaptiveAvgPool3d(1)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    3.5
    """


class _AdaptiveMaxPool(_AdaptivePool):
    hidden = ("return_indices",)

    @checked
    def __init__(
        self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool, function=F.adaptive_max_pool1d, axes=1):
    """The largest value of `output_size` windows that cover (N, C, L).  See `AdaptiveMaxPool2d`.

    >>> nn.AdaptiveMaxPool1d(2)(np.arange(4.0).reshape(1, 1, 4))
    array([[[1., 3.]]])
    """


class AdaptiveMaxPool2d(_AdaptiveMaxPool, function=F.adaptive_max_pool2d, axes=2):
    """The largest value of `output_size` windows that cover (N, C, H, W).

    See `functional.adaptive_max_pool2d`.

    >>> nn.AdaptiveMaxPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[15.]]]])
    """


class AdaptiveMaxPool3d(_AdaptiveMaxPool, function=F.adaptive_max_pool3d, axes=3):
    """The largest value of windows that cover (N, C, D, H, W).  See `AdaptiveMaxPool2d`.

    >>> nn.AdaptiveMaxPool3d(1)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    7.0
    """
