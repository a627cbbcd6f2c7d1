"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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

    def _gather(self, entries: Iterable[Any], group: Group) -> None:
        rate, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        more = group["nesterov"], group["maximize"]
        numbers = (rate, momentum, 1.0 - group["dampening"], decay)
        waiting = self._waiting_for(kernels.sgd, numbers, *more)
        fresh = self._waiting_for(kernels.sgd, (rate, momentum, 1.0, decay), *more)
        for p, g, state in entries:
            if not momentum:
                waiting.append((p, g, None))
            elif "momentum_buffer" in state:
                waiting.append((p, g, state["momentum_buffer"]))
            else:
                fresh.append((p, g, self._buffer(state, "momentum_buffer", p)))
