"""PyTorch in eager mode, as its users write it, in both memory formats.

torch.compile was tried on two cores and is left out: 8 to 20 s per network, then not faster than
eager (S4 at batch 32: 4.3k images/s against 4.6k; LeNet: 6.0k against 8.0k).  SGD with fused=True
was within 5 % of the default.
"""

from collections.abc import Callable
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
    model = pytorch_style.make_model(nn, net, torch.tensor, weights)
    model = model.to(memory_format=memory_format(way))
    return pytorch_style.make_step(torch, F, model, mode)
