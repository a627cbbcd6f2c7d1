"""The fully connected layer and the embedding, and the small layers around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import autograd_cnn.functional.fused as fused
from autograd_cnn import functional as F
from autograd_cnn.checks import integer, number
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn import init
from autograd_cnn.nn.function import FunctionModule
from autograd_cnn.nn.module import ArrayModule, Module
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.ops.product import linear
from autograd_cnn.tensor import Tensor

__all__ = [
    "Bilinear",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "Identity",
    "Linear",
    "PReLU",
    "Unflatten",
]


def uniform_parameter(shape: tuple[int, ...], fan: int) -> Parameter:
    """A parameter drawn from U(-b, b) with b = 1 / sqrt(fan), in the default dtype."""
    bound = 1 / math.sqrt(fan)
    return init.uniform_(Parameter(np.zeros(shape, get_default_dtype())), -bound, bound)


def uniform_parameters(shape: tuple[int, ...], biases: int) -> tuple[Parameter, Parameter | None]:
    """A weight of that shape and a bias of `biases` values, or None for 0, drawn from U(-b, b)
    with b = 1 / sqrt(fan_in), in the default dtype.
    """
    weight = Parameter(np.zeros(shape, get_default_dtype()))
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    return weight, uniform_parameter((biases,), math.prod(shape[1:])) if biases else None


class Linear(Module):
    """``x @ weight.T + bias``: (..., in_features) to (..., out_features).

    weight (out_features, in_features) and bias (out_features,) have the default dtype and start
    uniform in +-1 / sqrt(in_features).

    >>> nn.Linear(3, 2)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    _roles: Mapping[str, type] = {"bias": Parameter}
    _shown = ("in_features=", "out_features=", "bias=")

    @checked
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = integer("Linear", "in_features", in_features, 1)
        self.out_features = integer("Linear", "out_features", out_features, 1)
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = uniform_parameters(shape, self.out_features if bias else 0)

    def forward(self, input: Tensor | np.ndarray) -> Tensor:
        return linear(input, self.weight, self.bias)

    def _run_fused(self, x: Any, *, relu: bool = False, norm: Any = None, pool: Any = None) -> Any:
        """`forward`, then `norm` by its running statistics, and relu, in one pass over memory,
        without a graph; `pool` is always None.
        """
        scale, bias = (None, self.bias) if norm is None else norm._running_affine(self.bias)
        return fused.linear_fused(x, self.weight, bias, scale=scale, relu=relu)


class Bilinear(Module):
    """``x1 @ weight @ x2 + bias`` of each output: `functional.bilinear`.

    weight (out_features, in1_features, in2_features) and bias (out_features,) start uniform in +-1
    / sqrt(in1_features).

    >>> nn.Bilinear(3, 4, 2)(np.ones((5, 3), np.float32), np.ones((5, 4), np.float32)).shape
    (5, 2)
    """

    _roles: Mapping[str, type] = {"bias": Parameter}
    _shown = ("in1_features=", "in2_features=", "out_features=", "bias=")

    @checked
    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True
    ) -> None:
        self.in1_features = integer("Bilinear", "in1_features", in1_features, 1)
        self.in2_features = integer("Bilinear", "in2_features", in2_features, 1)
        self.out_features = integer("Bilinear", "out_features", out_features, 1)
        shape = (out_features, in1_features, in2_features)
        self.weight = uniform_parameter(shape, in1_features)
        self.bias = uniform_parameter(shape[:1], in1_features) if bias else None

    def forward(self, input1: Tensor | np.ndarray, input2: Tensor | np.ndarray) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)


class Flatten(FunctionModule, function=F.flatten):
    """Axes `start_dim` to `end_dim` joined into one: by default (N, ...) to (N, features).

    >>> nn.Flatten()(np.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    @checked
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim


class Unflatten(ArrayModule):
    """Axis `dim` split into axes of `unflattened_size`, of which one may be -1.

    >>> nn.Unflatten(1, (3, 4, 5))(np.ones((2, 60))).shape
    (2, 3, 4, 5)
    """

    _shown = ("dim=", "unflattened_size=")

    @checked
    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        return F.unflatten(input, self.dim, self.unflattened_size)


class Dropout(FunctionModule, function=F.dropout):
    """In training, zero each value with probability `p` and scale the others by 1 / (1 - p).

    In evaluation (`eval`) values pass unchanged.

    >>> nn.Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    @checked
    def __init__(self, p: float = 0.5) -> None:
        self.p = number(type(self).__name__, "p", p, 0, 1)

    def forward(self, input: Any) -> Any:
        return self.function(input, self.p, self.training)


class Dropout2d(Dropout, function=F.dropout2d):
    """In training, zero each channel of (N, C, ...) with probability `p` and scale the others by
    1 / (1 - p); see `Dropout`.

    >>> nn.Dropout2d(0.5).eval()(np.ones((1, 2, 2)))
    array([[[1., 1.],
            [1., 1.]]])
    """


class PReLU(Module):
    """x where it is positive, `weight` times x elsewhere: one learnt slope, or one per channel.

    >>> nn.PReLU()(ag.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    _shown = ("num_parameters=",)

    @checked
    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters, self.init = integer("PReLU", "num_parameters", num_parameters, 1), init
        self.weight = Parameter(np.full(self.num_parameters, init, get_default_dtype()))

    def forward(self, input: Tensor | np.ndarray) -> Tensor:
        return F.prelu(input, self.weight)


class Identity(ArrayModule):
    """The input itself; a placeholder that takes and ignores any constructor arguments.

    >>> nn.Identity()(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        return input


class Embedding(Module):
    """The rows of a table at integer positions: (...) to (..., embedding_dim).

    weight (num_embeddings, embedding_dim) has the default dtype and starts normal with deviation 1;
    row `padding_idx`, where given, starts at zero and gets no gradient.

    >>> nn.Embedding(10, 4)([[1, 2, 3]]).shape
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
        shape = (self.num_embeddings, self.embedding_dim)
        self.weight = init.normal_(Parameter(np.zeros(shape, get_default_dtype())))
        if padding_idx is not None:
            self.weight.array[padding_idx] = 0.0

    def forward(self, input: Tensor | np.ndarray) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
