"""The fully connected layer and the embedding, and the small layers around them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.checks import integer
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import checked
from autograd_cnn.functional import passes
from autograd_cnn.nn import init
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import _BatchNorm
from autograd_cnn.nn.parameter import Parameter


def uniform_parameters(shape: tuple[int, ...], biases: int) -> tuple[Parameter, Parameter | None]:
    """Weight of that shape, and as many biases (none for 0), drawn from U(-b, b) with b = 1 /
    sqrt(fan_in), in the default dtype.
    """
    dtype = get_default_dtype()
    weight = Parameter(np.zeros(shape, dtype))
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if not biases:
        return weight, None
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    offset = Parameter(np.zeros(biases, dtype))
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

    @checked
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = integer("Linear", "in_features", in_features, 1)
        self.out_features = integer("Linear", "out_features", out_features, 1)
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = uniform_parameters(shape, self.out_features if bias else 0)

    def forward(self, x: Any, norm: _BatchNorm | None = None, relu: bool = False) -> Any:
        """See the class; then, in the same pass and without gradients, `norm` by its running
        statistics, and relu.
        """
        if norm is None and not relu:
            return F.linear(x, self.weight, self.bias)
        scale, bias = (None, self.bias) if norm is None else norm.running_affine(self.bias)
        return passes.linear(x, self.weight, bias, scale, relu)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Flatten(Module):
    """Axes `start_dim` to `end_dim` joined into one: by default (N, ...) to (N, features).

    Any dtype, which stays.  Raises ValueError, when called, if the input has no such axes.

    >>> import numpy as np
    >>> Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    @checked
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

    function: ClassVar[Callable[..., Any]] = staticmethod(F.dropout)

    @checked
    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            name = type(self).__name__
            raise ValueError(f"{name}: p is a probability between 0 and 1, got {p}")
        self.p = p

    def forward(self, x: Any) -> Any:
        """See the class."""
        return type(self).function(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """In training, zero each channel of (N, C, ...) with probability `p` and scale the others by
    1 / (1 - p).

    See `Dropout` and `functional.dropout2d`.

    >>> import numpy as np
    >>> Dropout2d(0.5).eval()(np.ones((1, 2, 2)))
    array([[[1., 1.],
            [1., 1.]]])
    """

    function = staticmethod(F.dropout2d)


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


class Unflatten(Module):
    """Axis `dim` split into axes of `unflattened_size`, of which one may be -1.

    Any dtype, which stays.  Raises ValueError, when called, if the sizes do not multiply to that of
    the axis.

    >>> import numpy as np
    >>> Unflatten(1, (3, 4, 5))(np.ones((2, 60))).shape
    (2, 3, 4, 5)
    """

    @checked
    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        """See the class."""
        return F.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Embedding(Module):
    """The rows of a table named by integers: (...) to (..., embedding_dim).

    weight (num_embeddings, embedding_dim) has the default dtype and starts normal with deviation 1;
    row `padding_idx`, where given, starts at zero and gets no gradient.  The indices have any
    shape.  Raises ValueError for sizes out of range; calling it, for an index out of range, and
    TypeError for other than integers.

    >>> Embedding(10, 4)([[1, 2, 3]]).shape
    (1, 3, 4)
    """

    @checked
    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        self.num_embeddings = integer("Embedding", "num_embeddings", num_embeddings, 1)
        self.embedding_dim = integer("Embedding", "embedding_dim", embedding_dim, 1)
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx must be among the {num_embeddings} rows, got "
                    f"{padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        dtype = get_default_dtype()
        self.weight = Parameter(np.zeros((self.num_embeddings, self.embedding_dim), dtype))
        init.normal_(self.weight)
        if padding_idx is not None:
            self.weight.array[padding_idx] = 0.0

    def forward(self, input: Any) -> Any:
        """See the class."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
