"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import number
from autograd_cnn.optim.optimizer import Group, Optimizer


class SGD(Optimizer):
    """Gradient descent with momentum, for each parameter p with gradient g:

        g = g + weight_decay * p                  (maximize: -g + weight_decay * p)
        b = momentum * b + (1 - dampening) * g    (first step: b = g)
        p = p - lr * b                            (nesterov: p - lr * (g + momentum * b))

    Without momentum ``p = p - lr * g``.  Sutskever et al. (2013), in PyTorch's form.  Values change
    in place and keep their dtype.  Any setting can differ by parameter group; `Optimizer` says what
    `params` may be, and the errors. Raises ValueError for a setting that is negative or not finite,
    and for nesterov without momentum or with dampening.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.SGD([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.5, -1. ], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require_at_least_0(group, "lr", "momentum", "weight_decay")
        number("SGD", "dampening", group["dampening"])
        if group["nesterov"]:
            self._require(group["momentum"] > 0, group, "momentum", "above 0 with nesterov=True")
            self._require(group["dampening"] == 0, group, "dampening", "0 with nesterov=True")

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        momentum, buffer, fresh = group["momentum"], None, 1.0 - group["dampening"]
        if momentum:
            if "momentum_buffer" not in state:
                fresh = 1.0
            buffer = self._buffer(state, "momentum_buffer", p)
        numbers = (group["lr"], momentum, fresh, group["weight_decay"])
        settings = (numbers, group["nesterov"], group["maximize"])
        self._together(kernels.sgd, settings, p, g, buffer)
