"""Batch normalisation layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.modes import get_default_dtype
from autograd_cnn.nn.arguments import integer
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter


class _BatchNorm(Module):
    """What the batch normalisation layers share; they differ in the shapes that they take."""

    shapes: ClassVar[dict[int, str]]

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
        if not eps >= 0.0:
            raise ValueError(f"{name}: eps must be at least 0, got {eps}")
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(f"{name}: momentum must be None or between 0 and 1, got {momentum}")
        self.eps = eps
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

    def forward(self, x: Any) -> Any:
        """See the class."""
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
        )
        if self.training and self.num_batches_tracked is not None and x.size:
            self.num_batches_tracked += 1
        return out

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
