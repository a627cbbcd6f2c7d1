"""Batch, instance, layer and group normalisation layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn import kernels
from autograd_cnn.checks import integer, number
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.modes import recomputing
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.functional.geometry import SHAPES
from autograd_cnn.functional.normalization import batch_norm_fused
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.tensor import Tensor

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "RMSNorm",
]  # fmt: skip


class _Norm(Module):
    """The base of all: eps, and weight and bias that scale and shift the result."""

    _roles: Mapping[str, type] = {"weight": Parameter, "bias": Parameter}
    weight: Parameter | None
    bias: Parameter | None

    def _set_up(self, eps: float | None, shape: Any, weight: bool, bias: bool) -> None:
        """Weight, ones, and bias, zeros, each where wanted."""
        self.eps: Any = eps if eps is None else number(type(self).__name__, "eps", eps, 0)
        dtype = get_default_dtype()
        self.weight = Parameter(np.ones(shape, dtype)) if weight else None
        self.bias = Parameter(np.zeros(shape, dtype)) if bias else None

    def _set_shape(self, given: int | tuple[int, ...], affine: bool) -> None:
        """Set the sizes of the axes to normalise, and whether weights of that shape follow."""
        name, shape = type(self).__name__, given if isinstance(given, (tuple, list)) else (given,)
        if not shape:
            raise ValueError(f"{name}: normalized_shape must have at least one axis")
        self.normalized_shape = tuple(integer(name, "normalized_shape", n, 1) for n in shape)
        self.elementwise_affine = affine


class _ChannelNorm(_Norm):
    """The base of batch and instance normalisation: running statistics, and checks of shapes."""

    ndims: ClassVar[tuple[int, ...]]
    """How many axes an input may have."""
    _shown = ("num_features", "eps=", "momentum=", "affine=", "track_running_stats=")
    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: Any

    def __init_subclass__(cls, axes: int | None = None, vectors: bool = False) -> None:
        super().__init_subclass__()
        if axes is not None:
            cls.ndims = (2, axes + 2) if vectors else (axes + 2,)

    @checked
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        name = type(self).__name__
        self.num_features = integer(name, "num_features", num_features, 1)
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(f"{name}: momentum must be None or between 0 and 1, got {momentum}")
        self._set_up(eps, (num_features,), affine, affine)
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = tracked = track_running_stats
        dtype = get_default_dtype()
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def _misfit(self, shape: tuple[int, ...]) -> ValueError:
        """The error for an input of a shape that the layer does not take."""
        name = type(self).__name__
        if len(shape) not in self.ndims:
            wanted = " or ".join(SHAPES.get(ndim - 2, "(N, C)") for ndim in self.ndims)
            return ValueError(f"{name}: expected an input of shape {wanted}, got {shape}")
        return ValueError(
            f"{name}: input of shape {shape} has {shape[1]} channels, num_features is "
            f"{self.num_features}"
        )


class BatchNorm(_ChannelNorm):
    """The base of the ranks, which differ in the shapes of inputs."""

    @checked
    def forward(self, input: Array) -> Tensor:
        return self._run_fused(input)

    def _run_fused(self, x: Any, *, relu: bool = False, norm: Any = None, pool: Any = None) -> Any:
        """`forward`, then max pooling with these settings, and relu."""
        array = x.array if isinstance(x, Node) else x
        shape = array.shape
        if len(shape) not in self.ndims or shape[1] != self.num_features:
            raise self._misfit(shape)
        moves = self.training and self.track_running_stats
        used = moves or not self.training
        running = (self.running_mean, self.running_var) if used else (None, None)
        state = *running, self.weight, self.bias, self.training or running[0] is None
        out = batch_norm_fused(x, *state, self._momentum(), self.eps, relu, pool)
        counts = moves and self.num_batches_tracked is not None
        if counts and array.size and not recomputing.get():
            self.num_batches_tracked[()] += 1
        return out

    def _momentum(self) -> float:
        """The weight of the next batch in the running statistics."""
        if self.momentum is not None:
            return self.momentum
        return 1.0 / (int(self.num_batches_tracked or 0) + 1)  # the average of all batches so far

    def _follows(self, weight: Any) -> bool:
        """Whether running statistics can fold this layer into a layer with this weight."""
        mean = self.running_mean
        fits = mean is not None and mean.shape == weight.shape[:1] and mean.dtype == weight.dtype
        return fits and not self.training

    def _running_affine(self, bias: Any) -> tuple[np.ndarray, np.ndarray]:
        """The scale and shift (C,) that normalise ``x + bias`` by running statistics."""
        mean, var = self.running_mean, self.running_var
        assert mean is not None  # `_follows` has checked
        assert var is not None
        given = values(self.weight), values(self.bias), values(bias)
        return kernels.running_affine(mean, var, *given, self.eps)


class BatchNorm1d(BatchNorm, axes=1, vectors=True):
    """Batch normalisation of (N, C) or (N, C, L) over all axes but C; see `BatchNorm2d`.

    >>> BatchNorm1d(1, eps=0.0)(ag.tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """


class BatchNorm2d(BatchNorm, axes=2):
    """Batch normalisation of images (N, C, H, W): each channel to mean 0 and variance 1.

    Training uses the batch's mean and variance and updates the buffers running_mean and running_var
    (C,) as in `functional.batch_norm`; `momentum` None means the plain average over all batches.
    Evaluation uses the buffers, or the batch without `track_running_stats`.  `affine` gives weight
    (C,), ones at first, which scales the result, and bias (C,), zeros, which shifts it.

    >>> layer = BatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    >>> layer.running_mean
    array([0.1, 0.1, 0.1], dtype=float32)
    """


class BatchNorm3d(BatchNorm, axes=3):
    """Batch normalisation of volumes (N, C, D, H, W) over all axes but C; see `BatchNorm2d`.

    >>> BatchNorm3d(3)(np.ones((2, 3, 2, 4, 4), np.float32)).shape
    (2, 3, 2, 4, 4)
    """


class _InstanceNorm(_ChannelNorm):
    """The base of the ranks, with defaults of its own."""

    @checked
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    @checked
    def forward(self, input: Array) -> Tensor:
        shape = input.shape
        x = input.reshape((1, *shape)) if len(shape) + 1 in self.ndims else input
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise self._misfit(shape)
        tracked = self.track_running_stats and self.running_mean is not None
        running = (self.running_mean, self.running_var) if tracked else (None, None)
        state, by_input = (*running, self.weight, self.bias), self.training or not tracked
        momentum = 0.1 if self.momentum is None else self.momentum
        out = F.instance_norm(x, *state, by_input, momentum, self.eps)
        return out if x is input else out.reshape(shape)


class InstanceNorm1d(_InstanceNorm, axes=1):
    """Normalisation of each channel of each sequence (N, C, L); see `InstanceNorm2d`.

    >>> InstanceNorm1d(1, eps=0.0)(np.array([[[1.0, 3.0]]]))
    array([[[-1.,  1.]]])
    """


class InstanceNorm2d(_InstanceNorm, axes=2):
    """Normalisation of each channel of each image (N, C, H, W) to mean 0 and variance 1.

    `affine` and `track_running_stats` are as in `BatchNorm2d`; running statistics average over the
    images.  Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016).

    >>> InstanceNorm2d(1, eps=0.0)(np.array([[[[1.0, 3.0]]]]))
    array([[[[-1.,  1.]]]])
    """


class InstanceNorm3d(_InstanceNorm, axes=3):
    """Normalisation of each channel of each volume (N, C, D, H, W); see `InstanceNorm2d`.

    >>> InstanceNorm3d(1, eps=0.0)(np.array([[[[[1.0, 3.0]]]]]))
    array([[[[[-1.,  1.]]]]])
    """


class LayerNorm(_Norm):
    """Normalisation of the last axes (..., *normalized_shape) to mean 0 and variance 1.

    `elementwise_affine` gives a weight of that shape, ones at first, that scales the result, and
    with `bias` also a bias, zeros, that shifts it.  Ba, Kiros and Hinton, "Layer normalization"
    (2016).

    >>> LayerNorm(2, eps=0.0)(ag.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    _shown = ("normalized_shape", "eps=", "elementwise_affine=", "bias=")

    @checked
    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self._set_shape(normalized_shape, elementwise_affine)
        self._set_up(eps, self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, input: Any) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_Norm):
    """Division of the last axes (..., *normalized_shape) by the root of their mean square, then
    with `elementwise_affine` a weight of that shape, ones at first: `functional.rms_norm`.

    >>> RMSNorm(2)(ag.tensor([[1.0, 7.0]])).numpy().round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    _shown = ("normalized_shape", "eps=", "elementwise_affine=")

    @checked
    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
    ) -> None:
        self._set_shape(normalized_shape, elementwise_affine)
        self._set_up(eps, self.normalized_shape, elementwise_affine, False)

    def forward(self, input: Any) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(_Norm):
    """Normalisation of groups of channels of each image (N, C, ...) to mean 0 and variance 1.

    `affine` is as in `BatchNorm2d`.  Wu and He, "Group normalization" (2018).

    >>> GroupNorm(2, 4, eps=0.0)(ag.tensor([[1.0, 3.0, 10.0, 30.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    _shown = ("num_groups", "num_channels", "eps=", "affine=")

    @checked
    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True
    ) -> None:
        self.num_groups = integer("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = integer("GroupNorm", "num_channels", num_channels, 1)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels={num_channels} is not divisible by "
                f"num_groups={num_groups}"
            )
        self.affine = affine
        self._set_up(eps, (self.num_channels,), affine, affine)

    @checked
    def forward(self, input: Array) -> Tensor:
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected an input of shape (N, {self.num_channels}, ...), got "
                f"{input.shape}"
            )
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
