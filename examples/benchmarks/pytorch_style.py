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
            return nn.Conv2d(*sizes, padding=layer.padding, bias=layer.bias)
        case "norm2d":
            return nn.BatchNorm2d(layer.outputs)
        case "norm1d":
            return nn.BatchNorm1d(layer.outputs)
        case "relu":
            return nn.ReLU()
        case "pool":
            return nn.MaxPool2d(2)
        case "flatten":
            return nn.Flatten()
        case "linear":
            return nn.Linear(layer.inputs, layer.outputs)


def make_model(nn: Any, net: nets.Net, first: Callable[[np.ndarray], Any], weights: Any) -> Any:
    """The network with these first weights, which `first` makes from arrays."""
    model = nn.Sequential(*(make_layer(nn, layer) for layer in net.layers))
    state = {f"{i}.{k}": first(w) for i, own in enumerate(weights) for k, w in own.items()}
    model.load_state_dict(state, strict=False)
    return model


def make_step(library: Any, functional: Any, model: Any, mode: str) -> Callable[..., Any]:
    """A step of training or inference."""
    model.train(mode == "train")

    def infer(images: Any, labels: Any) -> Any:
        with library.no_grad():
            return model(images)

    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return infer if mode == "infer" else train
