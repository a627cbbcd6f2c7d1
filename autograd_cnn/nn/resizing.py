"""Layers that resize or pad images, or convert between images and columns or channels."""
# ruff: noqa: D101 - a layer of one line has the docstring of its function

from __future__ import annotations

from typing import Any, ClassVar

from autograd_cnn import functional as F
from autograd_cnn.checks import per_axis, whole_numbers
from autograd_cnn.engine.arguments import checked
from autograd_cnn.functional.resampling import check_settings
from autograd_cnn.nn.function import FunctionModule, MadeModule
from autograd_cnn.nn.module import ArrayModule

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "Fold", "LocalResponseNorm", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
    "PixelShuffle", "PixelUnshuffle", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
    "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "Unfold", "Upsample", "ZeroPad1d",
    "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


# fmt: off
class LocalResponseNorm(MadeModule, function=F.local_response_norm, inputs=1): ...
class MaxUnpool1d(MadeModule, function=F.max_unpool1d, inputs=2): ...
class MaxUnpool2d(MadeModule, function=F.max_unpool2d, inputs=2): ...
class MaxUnpool3d(MadeModule, function=F.max_unpool3d, inputs=2): ...
class PixelShuffle(MadeModule, function=F.pixel_shuffle, inputs=1): ...
class PixelUnshuffle(MadeModule, function=F.pixel_unshuffle, inputs=1): ...
# fmt: on


class _Pad(ArrayModule):
    """Values with more around the last axes, as `functional.pad` adds them in its modes.

    `padding` is one number, or (before, after) from the last axis on; `value` is what a ConstantPad
    adds.

    >>> nn.ReflectionPad1d(2)(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1., 2., 3., 2., 1.]])
    """

    axes: ClassVar[int]
    mode: ClassVar[str]
    value: float | None = None
    _shown: ClassVar[tuple[str, ...]] = ("padding",)

    def __init_subclass__(cls, axes: int = 0, mode: str = "constant") -> None:
        cls.axes, cls.mode, cls.__doc__ = axes, mode, _Pad.__doc__

    @checked
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        widths = whole_numbers(type(self).__name__, "padding", padding)
        if len(widths) not in (1, 2 * self.axes):
            wanted = f"padding must be an integer or {2 * self.axes} of them"
            raise ValueError(f"{type(self).__name__}: {wanted}, got {padding!r}")
        self.padding = widths if len(widths) > 1 else widths * 2 * self.axes

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode, self.value)


class _ConstantPad(_Pad):
    _shown = ("padding=", "value=")

    @checked
    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value


# fmt: off
class ZeroPad1d(_Pad, axes=1): ...
class ZeroPad2d(_Pad, axes=2): ...
class ZeroPad3d(_Pad, axes=3): ...
class ConstantPad1d(_ConstantPad, axes=1): ...
class ConstantPad2d(_ConstantPad, axes=2): ...
class ConstantPad3d(_ConstantPad, axes=3): ...
class ReflectionPad1d(_Pad, axes=1, mode="reflect"): ...
class ReflectionPad2d(_Pad, axes=2, mode="reflect"): ...
class ReflectionPad3d(_Pad, axes=3, mode="reflect"): ...
class ReplicationPad1d(_Pad, axes=1, mode="replicate"): ...
class ReplicationPad2d(_Pad, axes=2, mode="replicate"): ...
class ReplicationPad3d(_Pad, axes=3, mode="replicate"): ...
class CircularPad1d(_Pad, axes=1, mode="circular"): ...
class CircularPad2d(_Pad, axes=2, mode="circular"): ...
class CircularPad3d(_Pad, axes=3, mode="circular"): ...
# fmt: on


class Upsample(FunctionModule, function=F.interpolate):
    """Images (N, C, ...) resized to `size`, or by `scale_factor`; see `functional.interpolate`.

    >>> nn.Upsample(scale_factor=2)(np.array([[[1.0, 3.0]]]))
    array([[[1., 1., 3., 3.]]])
    """

    @checked
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        check_settings("Upsample", size, scale_factor, mode, align_corners)
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def extra_repr(self) -> str:
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class _Windows(FunctionModule):
    """The settings of windows over two spatial axes."""

    @checked
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        dilation: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        stride: int | tuple[int, ...] = 1,
    ) -> None:
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, 1, 2)
        self.dilation = per_axis(name, "dilation", dilation, 1, 2)
        self.padding = per_axis(name, "padding", padding, 0, 2)
        self.stride = per_axis(name, "stride", stride, 1, 2)


class Unfold(_Windows, function=F.unfold):
    """The windows of images (N, C, H, W) as columns (N, C * KH * KW, OH * OW): `functional.unfold`.

    >>> nn.Unfold(2)(np.arange(6.0).reshape(1, 1, 2, 3))[0]
    array([[0., 1.],
           [1., 2.],
           [3., 4.],
           [4., 5.]])
    """


class Fold(_Windows, function=F.fold):
    """Columns (N, C * KH * KW, OH * OW) added up in images (N, C, *output_size): `functional.fold`.

    >>> nn.Fold((2, 3), 2)(np.ones((1, 4, 2)))[0, 0]
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """

    @checked
    def __init__(
        self,
        output_size: int | tuple[int, ...],
        kernel_size: int | tuple[int, ...],
        dilation: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        stride: int | tuple[int, ...] = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = per_axis("Fold", "output_size", output_size, 1, 2)
