"""Calls written as text, and the names that they use: tables of calls stay a line a call."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data, func, nn, ops, optim, testing, training
from autograd_cnn import functional as F
from autograd_cnn.kernels.window import conv_window, pool_window


def x(*shape: int) -> ag.Tensor:
    size = int(np.prod(shape, dtype=int))
    values = np.linspace(0.3, 1.2, size, dtype=np.float32).reshape(shape)
    return ag.tensor(values, requires_grad=True)


def total(a: Any) -> Any:
    return (a * a).sum()


NAMES: dict[str, Any] = {
    **{"np": np, "ag": ag, "F": F, "nn": nn, "init": nn.init, "ops": ops, "optim": optim},
    **{"data": data, "augment": data.augment, "func": func, "testing": testing},
    **{"training": training, "x": x, "total": total, "squares": lambda a: a * a},
    "POINT": ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True),
    "LOGITS": np.zeros((2, 3)),
    "IMAGES": np.zeros((2, 1, 4, 4)),
    "WINDOW": conv_window((4,), (2,), 1, 0, 1),
    "POOL": pool_window((4,), 2, None, 0, 1, False),
    "sgd": lambda: optim.SGD([x(1)], lr=0.1),
    "rng": lambda: np.random.default_rng(0),
    "__file__": __file__,
}


def value(text: str) -> Any:
    """The value of an expression over these names."""
    return eval(text, NAMES)
