"""The code that PyTorch and autograd_cnn share, because their names are the same."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import nets
import numpy as np


def small(library: Any) -> Any:
    """What small_ops.py needs."""

    def clear(x: Any) -> None:
        x.grad = None

    leaf = functools.partial(library.tensor, requires_grad=True)
    return SimpleNamespace(library=library, leaf=leaf, constant=library.tensor, clear=clear)


def make_layer(nn: Any, layer: nets.Layer) -> Any:
    match layer.kind:
        case "conv":
            sizes = layer.inputs, layer.outputs, layer.kernel
            how = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
            return nn.Conv2d(*sizes, **how, bias=layer.bias)
        case "norm2d":
            return nn.BatchNorm2d(layer.outputs)
        case "norm1d":
            return nn.BatchNorm1d(layer.outputs)
        case "relu":
            return nn.ReLU()
        case "pool":
            return nn.MaxPool2d(2)
        case "average":
            return nn.AdaptiveAvgPool2d(1)
        case "flatten":
            return nn.Flatten()
        case "linear":
            return nn.Linear(layer.inputs, layer.outputs)
        case "residual":
            return make_residual(nn, layer)


def make_residual(nn: Any, layer: nets.Layer) -> Any:
    """A module of a user's class: relu of the sum of its branches."""

    class Residual(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.main, self.short = (make_layers(nn, branch) for branch in layer.branches)
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.main(x) + self.short(x))

    return Residual()


def make_layers(nn: Any, layers: tuple[nets.Layer, ...]) -> Any:
    return nn.Sequential(*(make_layer(nn, layer) for layer in layers))


def make_model(
    nn: Any, net: nets.Net, first: Callable[[np.ndarray], Any], weights: Any, mode: str
) -> Any:
    """The network with these first weights, which `first` makes from arrays."""
    model = make_layers(nn, net.layers)
    state = {f"{i}.{k}": first(w) for i, own in enumerate(weights) for k, w in own.items()}
    model.load_state_dict(state, strict=False)
    return model.train(mode == "train")


def make_optimizer(library: Any, net: nets.Net, model: Any) -> Any:
    if net.adam:
        return library.optim.Adam(model.parameters(), lr=0.001)
    return library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def make_step(
    library: Any, functional: Any, model: Any, optimizer: Any, mode: str, compile: Any = None
) -> Callable[..., Any]:
    """A step of training or inference; `compile` makes a faster function of one."""
    quiet = getattr(library, "inference_mode", library.no_grad)
    score, measure = model, lambda images, labels: functional.cross_entropy(model(images), labels)
    if compile:
        score, measure = compile(score), compile(measure)

    def infer(images: Any, labels: Any) -> Any:
        with quiet():
            return score(images)

    def train(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = measure(images, labels)
        loss.backward()
        optimizer.step()
        return loss

    return infer if mode == "infer" else train


# ----------------------------------------------------------------------------- calls of families.py

SHARED = ("cumsum", "einsum", "exp", "matmul", "sum", "tanh")


def calls(library: Any, functional: Any, **own: Callable[..., Any]) -> Any:
    """What families.py calls; `own` are the functions whose names or arguments differ."""
    shared = {name: getattr(library, name) for name in SHARED}
    return SimpleNamespace(F=functional, **shared, **own)
