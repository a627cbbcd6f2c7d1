"""autograd_cnn, with whichever kernels its environment has or AUTOGRAD_CNN_KERNELS chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn, optim


def version() -> str:
    return f"{ag.__version__}, {kernels.REASON.split(',')[0]} kernels"


def set_threads(threads: int) -> None:
    ag.set_num_threads(threads)


def ways(mode: str) -> list[str]:
    return [""]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return ag.tensor(images), labels


def to_numpy(answer: Any) -> np.ndarray:
    return answer.numpy()


class Small:
    """What small_ops.py needs."""

    library = ag

    @staticmethod
    def leaf(values: np.ndarray) -> Any:
        return ag.tensor(values, requires_grad=True)

    @staticmethod
    def constant(values: np.ndarray) -> Any:
        return ag.tensor(values)

    @staticmethod
    def clear(x: Any) -> None:
        x.grad = None


def make_layer(layer: nets.Layer) -> nn.Module:
    match layer:
        case nets.Conv(inputs, outputs, kernel, padding, bias):
            return nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias)
        case nets.BatchNorm(features, images):
            return nn.BatchNorm2d(features) if images else nn.BatchNorm1d(features)
        case nets.Relu():
            return nn.ReLU()
        case nets.Pool():
            return nn.MaxPool2d(2)
        case nets.Flatten():
            return nn.Flatten()
        case nets.Linear(inputs, outputs):
            return nn.Linear(inputs, outputs)


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = nn.Sequential(*map(make_layer, net.layers))
    first = {f"{i}.{name}": w for i, own in enumerate(weights) for name, w in own.items()}
    model.load_state_dict(first, strict=False)
    if mode == "infer":
        model.eval()

        def infer(images: Any, labels: Any) -> Any:
            with ag.no_grad():
                return model(images)

        return infer
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return train
