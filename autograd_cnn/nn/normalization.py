"""Normalisation layers: over the batch, over layers, over groups of channels, over images."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn import kernels
from autograd_cnn.checks import integer
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.modes import again
from autograd_cnn.engine.node import Array, values
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter


def _checked_eps(owner: str, eps: float) -> float:
    if not eps >= 0.0:
        raise ValueError(f"{owner}: eps must be at least 0, got {eps}")
    return eps


class _ChannelNorm(Module):
    """What batch and instance normalisation share: parameters, running statistics, checks."""

    shapes: ClassVar[dict[int, str]]

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
        self.eps = _checked_eps(name, eps)
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        dtype = get_default_dtype()
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine else None
        self.running_mean: np.ndarray | None
        self.running_var: np.ndarray | None
        self.num_batches_tracked: np.ndarray | None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def _check_input(self, x: Any) -> None:
        name = type(self).__name__
        if x.ndim not in self.shapes:
            wanted = " or ".join(self.shapes.values())
            raise ValueError(f"{name}: expected an input of shape {wanted}, got {x.shape}")
        if x.shape[1] != self.num_features:
            raise ValueError(
                f"{name}: input of shape {x.shape} has {x.shape[1]} channels, "
                f"num_features is {self.num_features}"
            )

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """The layers differ in the shapes that they take."""

    @checked
    def forward(self, x: Array, relu: bool = False, pool: tuple[Any, ...] | None = None) -> Any:
        """See the class; then, in the same pass, max pooling with these settings, and relu."""
        self._check_input(x)
        use_batch = self.training or self.running_mean is None
        momentum = self.momentum
        if momentum is None:  # the plain average of all batches so far
            momentum = 1.0 / (int(self.num_batches_tracked or 0) + 1)
        out = F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=use_batch,
            momentum=momentum,
            eps=self.eps,
            relu=relu,
            pool=pool,
        )
        if self.training and self.num_batches_tracked is not None and x.size and not again.get():
            self.num_batches_tracked += 1
        return out

    def follows(self, weight: Any) -> bool:
        """Whether `running_affine` serves after a layer with this weight: this one normalises by
        running statistics, one for each row of `weight` and of its dtype.

        >>> BatchNorm1d(3).eval().follows(np.ones((3, 2), np.float32))
        True
        """
        mean = self.running_mean
        fits = mean is not None and mean.shape == weight.shape[:1] and mean.dtype == weight.dtype
        return fits and not self.training

    def running_affine(self, bias: Any) -> tuple[Any, Any]:
        """What this layer, by its running statistics, multiplies each channel by, and adds, if
        `bias` was still to be added to its input: arrays (C,), without gradients.

        Raises ValueError without running statistics.

        >>> norm = BatchNorm1d(1, eps=0.0)
        >>> norm.running_mean[:], norm.running_var[:] = 3.0, 4.0
        >>> norm.running_affine(np.array([5.0], np.float32))
        (array([0.5], dtype=float32), array([1.], dtype=float32))
        """
        mean, var = self.running_mean, self.running_var
        if mean is None or var is None:
            raise ValueError(
                f"{type(self).__name__}.running_affine: there are no running statistics; build the "
                "layer with track_running_stats=True"
            )
        given = values(self.weight), values(self.bias), values(bias)
        return kernels.running_affine(mean, var, *given, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) over all axes but C; see `BatchNorm2d`.

    >>> import numpy as np
    >>> BatchNorm1d(1, eps=0.0)(np.array([[1.0], [3.0]])).numpy()
    array([[-1.],
           [ 1.]])
    """

    shapes: ClassVar[dict[int, str]] = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images (N, C, H, W): each channel to mean 0 and variance 1.

    The result is scaled by weight and shifted by bias.  In training the batch's mean and biased
    variance normalise, and the buffers running_mean and running_var (C,) follow: ``running = (1 -
    momentum) * running + momentum * batch``, with the unbiased variance; `momentum` None means the
    plain average over all batches, counted in num_batches_tracked.  In evaluation the buffers
    normalise; without `track_running_stats` there are none and the batch always does.  `affine`
    gives weight (C,), ones at first, and bias (C,), zeros.  Ioffe and Szegedy, "Batch
    normalization" (2015).

    Raises ValueError for arguments out of range and, when called, for other shapes, and in training
    for a single value per channel.

    >>> import numpy as np
    >>> layer = BatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    >>> layer.running_mean
    array([0.1, 0.1, 0.1], dtype=float32)
    """

    shapes: ClassVar[dict[int, str]] = {4: "(N, C, H, W)"}


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes (N, C, D, H, W) over all axes but C; see `BatchNorm2d`.

    >>> import numpy as np
    >>> BatchNorm3d(3)(np.ones((2, 3, 2, 4, 4), np.float32)).shape
    (2, 3, 2, 4, 4)
    """

    shapes: ClassVar[dict[int, str]] = {5: "(N, C, D, H, W)"}


class _InstanceNorm(_ChannelNorm):
    """Differs in its defaults, and in the function that it calls."""

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
    def forward(self, x: Array) -> Any:
        """See the class."""
        self._check_input(x)
        return F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_input_stats=self.training or self.running_mean is None,
            momentum=0.1 if self.momentum is None else self.momentum,
            eps=self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalisation of each channel of each sequence (N, C, L); see `InstanceNorm2d`.

    >>> import numpy as np
    >>> InstanceNorm1d(1, eps=0.0)(np.array([[[1.0, 3.0]]]))
    array([[[-1.,  1.]]])
    """

    shapes: ClassVar[dict[int, str]] = {3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """Normalisation of each channel of each image (N, C, H, W) to mean 0 and variance 1.

    `affine` gives weight (C,), ones at first, and bias (C,), zeros.  With `track_running_stats` the
    buffers running_mean and running_var (C,) follow the averages over the batch, as in
    `BatchNorm2d`, and normalise in evaluation.  Ulyanov, Vedaldi and Lempitsky, "Instance
    normalization" (2016).  Raises ValueError for other shapes and for images of a single cell.

    >>> import numpy as np
    >>> InstanceNorm2d(1, eps=0.0)(np.array([[[[1.0, 3.0]]]]))
    array([[[[-1.,  1.]]]])
    """

    shapes: ClassVar[dict[int, str]] = {4: "(N, C, H, W)"}


class InstanceNorm3d(_InstanceNorm):
    """Normalisation of each channel of each volume (N, C, D, H, W); see `InstanceNorm2d`.

    >>> import numpy as np
    >>> InstanceNorm3d(1, eps=0.0)(np.array([[[[[1.0, 3.0]]]]]))
    array([[[[[-1.,  1.]]]]])
    """

    shapes: ClassVar[dict[int, str]] = {5: "(N, C, D, H, W)"}


def _affine(shape: tuple[int, ...], weight: bool, bias: bool) -> list[Parameter | None]:
    """Weight, ones, and bias, zeros, each where wanted."""
    dtype = get_default_dtype()
    return [
        Parameter(np.full(shape, value, dtype)) if wanted else None
        for wanted, value in ((weight, 1.0), (bias, 0.0))
    ]


class LayerNorm(Module):
    """Normalisation of the last axes (..., *normalized_shape) to mean 0 and variance 1.

    `normalized_shape` is an integer or several.  With `elementwise_affine` the result is multiplied
    by weight, ones at first, and with `bias` too shifted by bias, zeros; both have that shape.  Ba,
    Kiros and Hinton, "Layer normalization" (2016).  Raises ValueError for sizes out of range and,
    when called, for other shapes.

    >>> import numpy as np
    >>> LayerNorm(2, eps=0.0)(np.array([[1.0, 3.0]])).numpy()
    array([[-1.,  1.]])
    """

    @checked
    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        given = normalized_shape
        shape = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if not shape:
            raise ValueError("LayerNorm: normalized_shape must have at least one axis")
        self.normalized_shape = tuple(integer("LayerNorm", "normalized_shape", n, 1) for n in shape)
        self.eps = _checked_eps("LayerNorm", eps)
        self.elementwise_affine = elementwise_affine
        self.weight, self.bias = _affine(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias
        )

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalisation of groups of channels of each image (N, C, ...) to mean 0 and variance 1.

    `affine` gives weight (num_channels,), ones at first, and bias, zeros.  Wu and He, "Group
    normalization" (2018).  Floats keep their dtype.  Raises ValueError when num_groups does not
    divide num_channels and, when called, for other shapes.

    >>> import numpy as np
    >>> GroupNorm(2, 4, eps=0.0)(np.array([[1.0, 3.0, 10.0, 30.0]])).numpy()
    array([[-1.,  1., -1.,  1.]])
    """

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
        self.eps = _checked_eps("GroupNorm", eps)
        self.affine = affine
        self.weight, self.bias = _affine((self.num_channels,), affine, affine)

    @checked
    def forward(self, x: Array) -> Any:
        """See the class."""
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected an input of shape (N, {self.num_channels}, ...), got "
                f"{x.shape}"
            )
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
