"""Pooling layers, over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from autograd_cnn import functional as F
from autograd_cnn.checks import integer, per_axis
from autograd_cnn.engine.arguments import checked
from autograd_cnn.functional.adaptive import output_sizes
from autograd_cnn.nn.function import FunctionModule


def _check_window(owner: str, axes: int, kernel_size: Any, stride: Any, padding: Any) -> None:
    kernel = per_axis(owner, "kernel_size", kernel_size, 1, axes)
    if stride is not None:
        per_axis(owner, "stride", stride, 1, axes)
    for size, extra in zip(kernel, per_axis(owner, "padding", padding, 0, axes)):
        if 2 * extra > size:
            raise ValueError(
                f"{owner}: padding may be at most half of the kernel size, got padding={padding}, "
                f"kernel_size={kernel_size}"
            )


class _MaxPool(FunctionModule):
    axes: ClassVar[int]
    settings = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    shown = settings[:-1]

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
        name = type(self).__name__
        _check_window(name, self.axes, kernel_size, stride, padding)
        per_axis(name, "dilation", dilation, 1, self.axes)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def window_settings(self) -> tuple[Any, ...]:
        """Kernel size, stride, padding, dilation and ceil mode."""
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode


class MaxPool1d(_MaxPool):
    """The largest value in each window: (N, C, L) to (N, C, OL).  See `MaxPool2d`.

    >>> import numpy as np
    >>> MaxPool1d(2)(np.array([[[1.0, 3.0, 4.0, 2.0]]]))
    array([[[3., 4.]]])
    """

    axes = 1
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
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

    axes = 2
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest value in each window: (N, C, D, H, W) to (N, C, OD, OH, OW).  See `MaxPool2d`.

    >>> import numpy as np
    >>> MaxPool3d(2)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    7.0
    """

    axes = 3
    function = staticmethod(F.max_pool3d)


class _AvgPool(FunctionModule):
    axes: ClassVar[int]
    settings: ClassVar[tuple[str, ...]] = (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
    )
    shown = settings[:3]

    @checked
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        _check_window(type(self).__name__, self.axes, kernel_size, stride, padding)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad


class AvgPool1d(_AvgPool):
    """The mean of each window: (N, C, L) to (N, C, OL).  See `AvgPool2d`.

    >>> import numpy as np
    >>> AvgPool1d(2)(np.array([[[1.0, 3.0, 4.0, 2.0]]]))
    array([[[2., 3.]]])
    """

    axes = 1
    function = staticmethod(F.avg_pool1d)


class _DividedAvgPool(_AvgPool):
    settings = (*_AvgPool.settings, "divisor_override")

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
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        if divisor_override is not None:
            integer(type(self).__name__, "divisor_override", divisor_override, 1)
        self.divisor_override = divisor_override


class AvgPool2d(_DividedAvgPool):
    """The mean of each window: (N, C, H, W) to (N, C, OH, OW).

    ``OH = (H + 2 * padding - kernel_size) // stride + 1``, rounded up with `ceil_mode`; `stride`
    defaults to the kernel size.  Padding zeros count in the mean unless `count_include_pad` is
    False; `divisor_override` replaces the number of values.  Floats keep their dtype.  Raises
    ValueError for settings out of range.

    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    axes = 2
    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_DividedAvgPool):
    """The mean of each window: (N, C, D, H, W) to (N, C, OD, OH, OW).  See `AvgPool2d`.

    >>> import numpy as np
    >>> AvgPool3d(2)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    3.5
    """

    axes = 3
    function = staticmethod(F.avg_pool3d)


class _AdaptivePool(FunctionModule):
    axes: ClassVar[int]
    settings: ClassVar[tuple[str, ...]] = ("output_size",)

    @checked
    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        output_sizes(type(self).__name__, output_size, self.axes)
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptivePool):
    """The mean of `output_size` windows that cover (N, C, L).  See `AdaptiveAvgPool2d`.

    >>> import numpy as np
    >>> AdaptiveAvgPool1d(2)(np.arange(4.0).reshape(1, 1, 4))
    array([[[0.5, 2.5]]])
    """

    axes = 1
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of windows that cover (N, C, H, W), as many as `output_size`; 1 is global pooling.

    See `functional.adaptive_avg_pool2d`.  Raises ValueError for sizes below 1.

    >>> import numpy as np
    >>> AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[7.5]]]])
    """

    axes = 2
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The mean of windows that cover (N, C, D, H, W).  See `AdaptiveAvgPool2d`.

    >>> import numpy as np
    >>> AdaptiveAvgPool3d(1)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    3.5
    """

    axes = 3
    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    settings = ("output_size", "return_indices")
    shown = ("output_size",)

    @checked
    def __init__(
        self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest value of `output_size` windows that cover (N, C, L).  See `AdaptiveMaxPool2d`.

    >>> import numpy as np
    >>> AdaptiveMaxPool1d(2)(np.arange(4.0).reshape(1, 1, 4))
    array([[[1., 3.]]])
    """

    axes = 1
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest value of windows that cover (N, C, H, W), as many as `output_size`.

    See `functional.adaptive_max_pool2d`.  Raises ValueError for sizes below 1.

    >>> import numpy as np
    >>> AdaptiveMaxPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[15.]]]])
    """

    axes = 2
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest value of windows that cover (N, C, D, H, W).  See `AdaptiveMaxPool2d`.

    >>> import numpy as np
    >>> AdaptiveMaxPool3d(1)(np.arange(8.0).reshape(1, 1, 2, 2, 2)).item()
    7.0
    """

    axes = 3
    function = staticmethod(F.adaptive_max_pool3d)
