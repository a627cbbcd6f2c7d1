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
PROGRAMS = True
"""Whether a step also runs as a program (`training.Step`, `Module.compiled`)."""


def version() -> str:
    return f"{ag.__version__}, {kernels.REASON.split(',')[0]} kernels"


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return ag.tensor(images), labels


def ways(mode: str) -> list[str]:
    return ["", "program"] if PROGRAMS else [""]


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = pytorch_style.make_model(ag.nn, net, np.asarray, weights, mode)
    optimizer = pytorch_style.make_optimizer(ag, net, model)
    if way == "program":
        return make_program(model, optimizer, mode)
    return pytorch_style.make_step(ag, F, model, optimizer, mode)


def make_program(model: Any, optimizer: Any, mode: str) -> Callable[..., Any]:
    """A step as one program of kernel calls."""
    if mode == "train":
        return ag.training.Step(model, F.cross_entropy, optimizer)
    score = model.compiled()
    return lambda images, labels: score(images)


# ----------------------------------------------------------------------------- calls of families.py


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = ag.matmul(q, k.mT) * q.shape[-1] ** -0.5
    return ag.matmul(F.softmax(scores, -1), v)


def leaf(array: np.ndarray, way: str, tracked: bool) -> Any:
    return ag.tensor(array, requires_grad=True) if tracked else array


def seed(out: Any, values: np.ndarray) -> Any:
    """The gradient of a result, in the order that it has in memory."""
    gradient = np.empty_like(out.numpy())
    gradient[...] = values
    return ag.tensor(gradient)


calls = pytorch_style.calls(
    ag,
    F,
    concatenate=lambda x, y, axis: ag.concatenate(x, y, axis=axis),
    sort=lambda x, axis: ag.sort(x, axis=axis),
    attention=attention,
)
