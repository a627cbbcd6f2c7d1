"""Activations as layers: a class for each function of `functional.activations`."""
# ruff: noqa: D101 - a layer of one line has the docstring of its function

from __future__ import annotations

from autograd_cnn import functional as F
from autograd_cnn.checks import choice
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn.function import FunctionModule, MadeModule

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
    "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid",
    "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


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


# fmt: off
class ReLU(FunctionModule, function=F.relu): ...
class Tanh(FunctionModule, function=F.tanh): ...
class Sigmoid(FunctionModule, function=F.sigmoid): ...
class LogSigmoid(FunctionModule, function=F.logsigmoid): ...
class SELU(FunctionModule, function=F.selu): ...
class SiLU(FunctionModule, function=F.silu): ...
class Mish(FunctionModule, function=F.mish): ...
class LeakyReLU(MadeModule, function=F.leaky_relu): ...
class ELU(MadeModule, function=F.elu): ...
class ReLU6(FunctionModule, function=F.relu6): ...
class Hardsigmoid(FunctionModule, function=F.hardsigmoid): ...
class Hardswish(FunctionModule, function=F.hardswish): ...
class Softsign(FunctionModule, function=F.softsign): ...
class Tanhshrink(FunctionModule, function=F.tanhshrink): ...
class Softshrink(MadeModule, function=F.softshrink): ...
class Hardshrink(MadeModule, function=F.hardshrink): ...
class Threshold(MadeModule, function=F.threshold, inputs=1): ...
class CELU(MadeModule, function=F.celu): ...
class RReLU(MadeModule, function=F.rrelu): ...
class LogSoftmax(MadeModule, function=F.log_softmax): ...
class Softmin(MadeModule, function=F.softmin): ...
class GLU(MadeModule, function=F.glu): ...
# fmt: on
