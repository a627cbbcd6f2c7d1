"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import number
from autograd_cnn.optim.optimizer import Group, Optimizer, Params, at_least_0, settings


class SGD(Optimizer):
    """Gradient descent with momentum, for each parameter p with gradient g:

        g = g + weight_decay * p                  (maximize: -g + weight_decay * p)
        b = momentum * b + (1 - dampening) * g    (first step: b = g)
        p = p - lr * b                            (nesterov: p - lr * (g + momentum * b))

    `nesterov` needs momentum, and dampening must be 0.  Sutskever et al. (2013), in PyTorch's form.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.SGD([x], lr=0.25).step()
    >>> x
    tensor([ 0.5, -1. ], requires_grad=True)
    """

    checks = at_least_0("lr", "momentum", "weight_decay") | {"dampening": number}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _check(self, group: Group) -> None:
        super()._check(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and not momentum:
            raise ValueError(f"SGD: momentum must be above 0 with nesterov=True, got {momentum!r}")
        if group["nesterov"] and dampening:
            raise ValueError(f"SGD: dampening must be 0 with nesterov=True, got {dampening!r}")

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        momentum, buffer, fresh = group["momentum"], None, 1.0 - group["dampening"]
        if momentum:
            if "momentum_buffer" not in state:
                fresh = 1.0
            buffer = self._buffer(state, "momentum_buffer", p)
        numbers = (group["lr"], momentum, fresh, group["weight_decay"])
        shared = (numbers, group["nesterov"], group["maximize"])
        self._together(kernels.sgd, shared, p, g, buffer)
