"""autograd_cnn, with the kernels that its environment has or that AUTOGRAD_CNN_KERNELS chooses."""

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import pytorch_style

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels

set_threads = ag.set_num_threads
to_numpy = ag.Tensor.numpy
Small = pytorch_style.small(ag)


def version() -> str:
    return f"{ag.__version__}, {kernels.REASON.split(',')[0]} kernels"


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return ag.tensor(images), labels


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = pytorch_style.make_model(ag.nn, net, np.asarray, weights)
    return pytorch_style.make_step(ag, F, model, mode)
