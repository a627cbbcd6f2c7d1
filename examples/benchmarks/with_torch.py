"""PyTorch in eager mode, as its users write it; once as it comes, once in channels_last.

torch.compile was tried on two cores and takes no part: 8 to 20 s per network, then not faster than
eager (S4 at batch 32: 4.3k images/s against 4.6k; LeNet: 6.0k against 8.0k).  SGD with fused=True
was within 5 % of the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def version() -> str:
    return torch.__version__


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)


def ways(mode: str) -> list[str]:
    return ["contiguous", "channels_last"]


def memory_format(way: str) -> torch.memory_format:
    return torch.channels_last if way == "channels_last" else torch.contiguous_format


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    kept = torch.tensor(images).contiguous(memory_format=memory_format(way))
    return kept, torch.tensor(labels)


def to_numpy(answer: Any) -> np.ndarray:
    return answer.detach().numpy()


class Small:
    """What small_ops.py needs."""

    library = torch

    @staticmethod
    def leaf(values: np.ndarray) -> Any:
        return torch.tensor(values, requires_grad=True)

    @staticmethod
    def constant(values: np.ndarray) -> Any:
        return torch.tensor(values)

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
    first = {
        f"{i}.{name}": torch.tensor(w) for i, own in enumerate(weights) for name, w in own.items()
    }
    model.load_state_dict(first, strict=False)
    model = model.to(memory_format=memory_format(way))
    if mode == "infer":
        model.eval()

        def infer(images: Any, labels: Any) -> Any:
            with torch.no_grad():
                return model(images)

        return infer
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return train
