"""Stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

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
        for name in ("lr", "momentum", "weight_decay"):
            self._require(0 <= group[name] < math.inf, group, name, "at least 0 and finite")
        self._require(math.isfinite(group["dampening"]), group, "dampening", "finite")
        if group["nesterov"]:
            self._require(group["momentum"] > 0, group, "momentum", "above 0 with nesterov=True")
            self._require(group["dampening"] == 0, group, "dampening", "0 with nesterov=True")

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        lr, momentum, dampening = group["lr"], group["momentum"], group["dampening"]
        step, product = self._work(p)
        if group["weight_decay"]:
            np.multiply(p, group["weight_decay"], out=step)
            (np.subtract if group["maximize"] else np.add)(step, g, out=step)
        elif group["maximize"]:
            np.negative(g, out=step)
        else:
            step = g
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = np.empty_like(p)
                buffer[...] = step
            else:
                buffer *= momentum
                buffer += step if not dampening else np.multiply(step, 1 - dampening, out=product)
            if group["nesterov"]:
                np.multiply(buffer, momentum, out=product)
                step = np.add(product, step, out=product)
            else:
                step = buffer
        p -= np.multiply(step, lr, out=product)
