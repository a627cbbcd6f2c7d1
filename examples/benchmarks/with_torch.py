"""PyTorch in eager mode, as its users write it, in both memory formats.

torch.compile takes 8 to 20 s per network on two cores, so only --breadth (at batch 1) and --deploy
try it.  In training it was not faster than eager in batches (S4 at batch 32: 4.3k images/s against
4.6k; LeNet: 6.0k against 8.0k).  SGD with fused=True was within 5 % of the default.
"""

from collections.abc import Callable, Sequence
from typing import Any

import nets
import numpy as np
import pytorch_style
import torch
from torch import nn
from torch.nn import functional as F

set_threads = torch.set_num_threads
Small = pytorch_style.small(torch)


def version() -> str:
    return torch.__version__


def ways(mode: str) -> list[str]:
    return ["contiguous", "channels_last"]


def slow_ways(mode: str) -> list[str]:
    """What only --breadth and --deploy try."""
    return ["compile"]


def call_ways(inputs: Sequence[np.ndarray]) -> list[str]:
    """channels_last is for images and weights of convolutions."""
    return ways("train")[: 2 if any(x.ndim == 4 for x in inputs) else 1]


def memory_format(way: str) -> torch.memory_format:
    return torch.channels_last if way == "channels_last" else torch.contiguous_format


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    kept = torch.tensor(images).contiguous(memory_format=memory_format(way))
    return kept, torch.tensor(labels)


def to_numpy(answer: torch.Tensor) -> np.ndarray:
    return answer.detach().numpy()


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = pytorch_style.make_model(nn, net, torch.tensor, weights, mode)
    model = model.to(memory_format=memory_format(way))
    optimizer = pytorch_style.make_optimizer(torch, net, model)
    compile = torch.compile if way == "compile" else None
    return pytorch_style.make_step(torch, F, model, optimizer, mode, compile)


# ----------------------------------------------------------------------------- calls of families.py


def leaf(array: np.ndarray, way: str, tracked: bool) -> torch.Tensor:
    """Images and weights of convolutions are in the way's memory format."""
    x = torch.tensor(np.ascontiguousarray(array))
    if x.ndim == 4:
        x = x.contiguous(memory_format=memory_format(way))
    return x.requires_grad_(tracked)


def seed(out: torch.Tensor, values: np.ndarray) -> torch.Tensor:
    """The gradient of a result, in the order that it has in memory."""
    return torch.empty_like(out).copy_(torch.tensor(values))


calls = pytorch_style.calls(
    torch,
    F,
    concatenate=lambda x, y, axis: torch.cat((x, y), axis),
    sort=lambda x, axis: torch.sort(x, axis).values,
    attention=F.scaled_dot_product_attention,
)
