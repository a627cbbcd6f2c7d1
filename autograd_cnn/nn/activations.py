"""Activations as layers: a class for each function of `functional.activations`."""
# ruff: noqa: D101 - classes without a docstring have that of their function

from __future__ import annotations

from autograd_cnn import functional as F
from autograd_cnn.checks import choice
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn.function import FunctionModule

__all__ = [
    "ELU", "GELU", "SELU", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "ReLU",
    "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh",
]  # fmt: skip


class ReLU(FunctionModule, function=F.relu): ...


class Tanh(FunctionModule, function=F.tanh): ...


class Sigmoid(FunctionModule, function=F.sigmoid): ...


class LogSigmoid(FunctionModule, function=F.logsigmoid): ...


class SELU(FunctionModule, function=F.selu): ...


class SiLU(FunctionModule, function=F.silu): ...


class Mish(FunctionModule, function=F.mish): ...


class LeakyReLU(FunctionModule, function=F.leaky_relu):
    """x where it is positive, `negative_slope` times x elsewhere.

    >>> nn.LeakyReLU(0.5)(np.array([-1.0, 2.0]))
    array([-0.5,  2. ])
    """

    @checked
    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope


class ELU(FunctionModule, function=F.elu):
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    >>> nn.ELU()(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """

    @checked
    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class GELU(FunctionModule, function=F.gelu):
    @checked
    def __init__(self, approximate: str = "none") -> None:
        self.approximate = choice("GELU", "approximate", approximate, ("none", "tanh"))


class Softplus(FunctionModule, function=F.softplus):
    @checked
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        if beta == 0.0:
            raise ValueError("Softplus: beta must not be 0")
        self.beta, self.threshold = beta, threshold


class Hardtanh(FunctionModule, function=F.hardtanh):
    @checked
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} must be less than max_val {max_val}")
        self.min_val, self.max_val = min_val, max_val


class Softmax(FunctionModule, function=F.softmax):
    """exp(x) / sum(exp(x)) along axis `dim`, the last by default.

    `CrossEntropyLoss` takes logits: do not put softmax before it.

    >>> nn.Softmax()(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    @checked
    def __init__(self, dim: int = -1) -> None:
        self.dim = dim


class LogSoftmax(Softmax, function=F.log_softmax): ...
