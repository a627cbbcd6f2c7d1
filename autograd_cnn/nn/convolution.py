"""Convolution layers and their transposes, over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_cnn.functional.fused as fused
from autograd_cnn import functional as F
from autograd_cnn.checks import choice, integer, per_axis
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import values
from autograd_cnn.kernels.window import check_output_padding, conv_window
from autograd_cnn.nn.function import FunctionModule
from autograd_cnn.nn.layers import uniform_parameters
from autograd_cnn.nn.parameter import Parameter

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import AnyArray, Tensor

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip


class _Convolution(FunctionModule):
    """The base of all; subclasses name the function and the number of spatial axes."""

    _roles: Mapping[str, type] = {"bias": Parameter}
    weight: Parameter
    bias: Parameter | None
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    if TYPE_CHECKING:

        def __call__(self, input: AnyArray) -> Tensor: ...  # type: ignore[override]

    def _set_sizes(
        self, in_channels: int, out_channels: int, kernel_size: Any, groups: int
    ) -> None:
        name = type(self).__name__
        self.in_channels = integer(name, "in_channels", in_channels, 1)
        self.out_channels = integer(name, "out_channels", out_channels, 1)
        self.groups = integer(name, "groups", groups, 1)
        for label, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count % groups:
                raise ValueError(f"{name}: {label}={count} is not divisible by groups={groups}")
        self.kernel_size = self._per_axis("kernel_size", kernel_size, 1)

    def _set_parameters(self, first: int, second: int, bias: bool) -> None:
        shape = (first, second // self.groups, *self.kernel_size)
        self.weight, self.bias = uniform_parameters(shape, self.out_channels if bias else 0)

    def _per_axis(self, name: str, value: Any, least: int) -> tuple[int, ...]:
        return per_axis(type(self).__name__, name, value, least, self.axes)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        usual: dict[str, Any] = {"padding": zeros, "output_padding": zeros, "dilation": ones}
        usual |= {"groups": 1, "padding_mode": "zeros"}
        for name, default in usual.items():
            if getattr(self, name, default) != default:
                text += f", {name}={getattr(self, name)!r}"
        return text if self.bias is not None else f"{text}, bias=False"


class _Conv(_Convolution):
    padding: tuple[int, ...] | str

    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        self._set_sizes(in_channels, out_channels, kernel_size, groups)
        modes = ("zeros", "reflect", "replicate", "circular")
        self.padding_mode = choice(type(self).__name__, "padding_mode", padding_mode, modes)
        self.stride = self._per_axis("stride", stride, 1)
        self.dilation = self._per_axis("dilation", dilation, 1)
        if isinstance(padding, str):
            self.padding = choice(type(self).__name__, "padding", padding, ("valid", "same"))
        else:
            self.padding = self._per_axis("padding", padding, 0)
        self._set_parameters(out_channels, in_channels, bias)

    def forward(self, input: Any) -> Any:
        padding: Any = self.padding
        if self.padding_mode != "zeros" and np.ndim(values(input)) - self.axes in (1, 2):
            input, padding = self._padded(input), 0
        settings = (self.stride, padding, self.dilation, self.groups)
        return self.function(input, self.weight, self.bias, *settings)

    def _padded(self, input: Any) -> Any:
        """The input with the padding around it."""
        size, name = np.shape(values(input))[-self.axes :], type(self).__name__
        settings = self.stride, self.padding, self.dilation, name
        window = conv_window(size, self.kernel_size, *settings)
        pairs = zip(window.before[::-1], window.after[::-1])
        return F.pad(input, tuple(n for pair in pairs for n in pair), self.padding_mode)

    def _run_fused(
        self, x: Any, *, relu: bool = False, norm: Any = None, pool: tuple[Any, ...] | None = None
    ) -> Any:
        """`forward`, then `norm` by its running statistics, max pooling with the settings `pool`,
        and relu, in one pass over memory, without a graph.
        """
        settings = (self.stride, self.padding, self.dilation, self.groups)
        scale, bias = (None, self.bias) if norm is None else norm._running_affine(self.bias)
        options: Any = {"settings": settings, "scale": scale, "relu": relu, "pool": pool}
        return fused.conv_fused(x, self.weight, bias, **options)


class Conv1d(_Conv, function=F.conv1d, axes=1):
    """Cross-correlation of sequences (N, in_channels, L) with filters: (N, out_channels, OL).

    Settings and parameters as in `Conv2d`, with one spatial axis.

    >>> nn.Conv1d(2, 8, 3, stride=2)(np.ones((5, 2, 28), np.float32)).shape
    (5, 8, 13)
    """


class Conv2d(_Conv, function=F.conv2d, axes=2):
    """Cross-correlation of images (N, in_channels, H, W) with filters: (N, out_channels, OH, OW).

    Settings are as in `functional.conv2d`: an integer, or one each for height and width; `padding`
    may also be 'valid' or 'same'.  `padding_mode` is 'zeros', 'reflect', 'replicate' or 'circular',
    as in `functional.pad`.

    weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,) have the default
    dtype and start uniform in +-1 / sqrt(in_channels / groups * KH * KW).

    >>> nn.Conv2d(1, 8, 3, stride=2, padding=1)(np.ones((5, 1, 28, 28), np.float32)).shape
    (5, 8, 14, 14)
    """


class Conv3d(_Conv, function=F.conv3d, axes=3):
    """Cross-correlation of volumes (N, in_channels, D, H, W) with filters: (N, out_channels, OD,
    OH, OW).

    Settings and parameters as in `Conv2d`, with three spatial axes.

    >>> nn.Conv3d(1, 4, (1, 3, 3))(np.ones((2, 1, 4, 8, 8), np.float32)).shape
    (2, 4, 4, 6, 6)
    """


class _ConvTranspose(_Convolution):
    @checked
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
    ) -> None:
        self._set_sizes(in_channels, out_channels, kernel_size, groups)
        self.padding_mode = choice(type(self).__name__, "padding_mode", padding_mode, ("zeros",))
        self.stride = self._per_axis("stride", stride, 1)
        self.padding = self._per_axis("padding", padding, 0)
        self.output_padding = self._per_axis("output_padding", output_padding, 0)
        self.dilation = self._per_axis("dilation", dilation, 1)
        name = type(self).__name__
        check_output_padding(name, self.output_padding, self.stride, self.dilation)
        self._set_parameters(in_channels, out_channels, bias)

    def forward(self, input: Any) -> Any:
        settings = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return self.function(input, self.weight, self.bias, *settings)


class ConvTranspose1d(_ConvTranspose, function=F.conv_transpose1d, axes=1):
    """Transposed convolution of sequences (N, in_channels, L): (N, out_channels, OL).

    Settings and parameters as in `ConvTranspose2d`, with one spatial axis.

    >>> nn.ConvTranspose1d(2, 4, 3, stride=2)(np.ones((5, 2, 7), np.float32)).shape
    (5, 4, 15)
    """


class ConvTranspose2d(_ConvTranspose, function=F.conv_transpose2d, axes=2):
    """Transposed convolution of images (N, in_channels, H, W): (N, out_channels, OH, OW).

    Settings are as in `functional.conv_transpose2d`: an integer, or one each for height and width.

    weight (in_channels, out_channels / groups, KH, KW) and bias (out_channels,) have the default
    dtype and start uniform in +-1 / sqrt(out_channels / groups * KH * KW).

    >>> layer = nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1)
    >>> layer(np.ones((5, 8, 14, 14), np.float32)).shape
    (5, 1, 28, 28)
    """


class ConvTranspose3d(_ConvTranspose, function=F.conv_transpose3d, axes=3):
    """Transposed convolution of volumes (N, in_channels, D, H, W): (N, out_channels, OD, OH, OW).

    Settings and parameters as in `ConvTranspose2d`, with three spatial axes.

    >>> nn.ConvTranspose3d(2, 4, 2, stride=2)(np.ones((5, 2, 2, 3, 4), np.float32)).shape
    (5, 4, 4, 6, 8)
    """
