"""Leaves of a graph, and what backward leaves in them."""

from __future__ import annotations

import autograd_cnn as ag


def leaf(*numbers: float) -> ag.Tensor:
    return ag.tensor(numbers, requires_grad=True)


def grad_of(x: ag.Tensor) -> list[float]:
    assert x.grad is not None
    return x.grad.tolist()
