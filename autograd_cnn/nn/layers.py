"""Layers with weights, and the small ones around them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.modes import get_default_dtype
from autograd_cnn.nn import init
from autograd_cnn.nn.arguments import choice, integer, pair
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter


def _uniform_parameters(shape: tuple[int, ...], bias: bool) -> tuple[Parameter, Parameter | None]:
    """Weight and bias drawn from U(-b, b) with b = 1 / sqrt(fan_in), in the default dtype."""
    dtype = get_default_dtype()
    weight = Parameter(np.zeros(shape, dtype))
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if not bias:
        return weight, None
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    offset = Parameter(np.zeros(shape[0], dtype))
    init.uniform_(offset, -bound, bound)
    return weight, offset


class Linear(Module):
    """``x @ weight.T + bias``: (..., in_features) to (..., out_features).

    weight (out_features, in_features) and bias (out_features,) have the default dtype and start
    uniform in +-1 / sqrt(in_features).  Raises ValueError for a size below 1; calling it, for an
    input whose last axis is not in_features.

    >>> import numpy as np
    >>> Linear(3, 2)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = integer("Linear", "in_features", in_features, 1)
        self.out_features = integer("Linear", "out_features", out_features, 1)
        self.weight, self.bias = _uniform_parameters((self.out_features, self.in_features), bias)

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Conv2d(Module):
    """Cross-correlation of images (N, in_channels, H, W) with filters: (N, out_channels, OH, OW).

    ``OH = (H + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1``, and OW likewise;
    each setting is an integer or one each for height and width; `padding` may also be 'valid'
    (none) or 'same' (OH = ceil(H / stride)). `groups` splits the channels into parts that are
    convolved separately.

    weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,) have the default
    dtype and start uniform in +-1 / sqrt(in_channels / groups * KH * KW).  Raises ValueError for
    sizes that do not fit.

    >>> import numpy as np
    >>> Conv2d(1, 8, 3, stride=2, padding=1)(np.ones((5, 1, 28, 28), np.float32)).shape
    (5, 8, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        self.in_channels = integer("Conv2d", "in_channels", in_channels, 1)
        self.out_channels = integer("Conv2d", "out_channels", out_channels, 1)
        self.groups = integer("Conv2d", "groups", groups, 1)
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count % self.groups:
                raise ValueError(f"Conv2d: {name}={count} is not divisible by groups={groups}")
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        if isinstance(padding, str):
            self.padding: Any = choice("Conv2d", "padding", padding, ("valid", "same"))
        else:
            self.padding = pair("Conv2d", "padding", padding, 0)
        self.padding_mode = choice("Conv2d", "padding_mode", padding_mode, ("zeros",))
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight, self.bias = _uniform_parameters(shape, bias)

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """The sizes, and the settings that differ from their defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        usual = {"padding": (0, 0), "dilation": (1, 1), "groups": 1}
        for name, default in usual.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)!r}"
        return text if self.bias is not None else f"{text}, bias=False"


class Flatten(Module):
    """Axes `start_dim` to `end_dim` joined into one: by default (N, ...) to (N, features).

    Raises ValueError, when called, if the input has no such axes.

    >>> import numpy as np
    >>> Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """In training, zero each value with probability `p` and scale the others by 1 / (1 - p).

    In evaluation (`eval`) values pass unchanged.  Any shape, dtype kept.  Raises ValueError unless
    0 <= p <= 1.

    >>> import numpy as np
    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is a probability between 0 and 1, got {p}")
        self.p = p

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return f"p={self.p}"


class Identity(Module):
    """The input itself; a placeholder that takes and ignores any constructor arguments.

    >>> Identity()(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """See the class."""
        return x


class ReLU(Module):
    """max(x, 0) of each value, with gradient 0 at 0.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.relu(x)


class Tanh(Module):
    """Hyperbolic tangent of each value.

    >>> import numpy as np
    >>> Tanh()(np.array([0.0]))
    array([0.])
    """

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each value.

    >>> import numpy as np
    >>> Sigmoid()(np.array([0.0]))
    array([0.5])
    """

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.sigmoid(x)
