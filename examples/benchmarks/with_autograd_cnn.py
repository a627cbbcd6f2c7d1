"""autograd_cnn, with whichever kernels its environment has or AUTOGRAD_CNN_KERNELS chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import pytorch_style

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels


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


Small = pytorch_style.small(ag)


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = pytorch_style.make_model(ag.nn, net, np.asarray, weights)
    return pytorch_style.make_step(ag, F, model, mode)
