"""Optimizers of functions of arrays, or of tuples, lists and dicts of them.

``grad(x, i)`` is the gradient at x in iteration i, ``callback(x, i, g)`` is called before each
step, and the last x is returned.  Settings may be tensors: a whole run is differentiable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.compat.autograd.misc.flatten import flatten


def _optimizer(iterations: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An optimizer from ``rule(g, i, state, ...)``, which gives a step and the next state."""

    def declare(rule: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(rule)
        def optimize(
            grad: Any, x0: Any, callback: Any = None, num_iters: int = iterations, *args: Any,
            **settings: Any,
        ) -> Any:  # fmt: skip
            x, unflatten = flatten(x0)
            state: Any = None
            for i in range(num_iters):
                g = flatten(grad(unflatten(x), i))[0]
                if callback:
                    callback(unflatten(x), i, unflatten(g))
                step, state = rule(g, i, state, *args, **settings)
                x = x + step
            return unflatten(x)

        return optimize

    return declare


@_optimizer(200)
def sgd(g: Any, i: int, velocity: Any, step_size: Any = 0.1, mass: Any = 0.9) -> Any:
    """Gradient descent: v = mass v - (1 - mass) g, x = x + step_size v.

    >>> from autograd_cnn.compat.autograd.misc.optimizers import sgd
    >>> sgd(lambda x, i: 2.0 * x, np.array([1.0]), num_iters=1, mass=0.0)
    array([0.8])
    """
    velocity = mass * (0.0 if velocity is None else velocity) - (1.0 - mass) * g
    return step_size * velocity, velocity


@_optimizer(100)
def rmsprop(
    g: Any, i: int, mean: Any, step_size: Any = 0.1, gamma: Any = 0.9, eps: Any = 1e-8
) -> Any:
    """Steps divided by the root of a running mean of g * g, which starts at 1."""
    mean = (1.0 if mean is None else mean) * gamma + g**2 * (1.0 - gamma)
    return -(step_size * g / (np.sqrt(mean) + eps)), mean


@_optimizer(100)
def adam(
    g: Any, i: int, state: Any, step_size: Any = 0.001, b1: Any = 0.9, b2: Any = 0.999,
    eps: Any = 1e-8,
) -> Any:  # fmt: skip
    """Adam of Kingma and Ba, "Adam: a method for stochastic optimization" (2015)."""
    first, second = state or (0.0, 0.0)
    first, second = (1.0 - b1) * g + b1 * first, (1.0 - b2) * g**2 + b2 * second
    size = np.sqrt(second / (1.0 - b2 ** (i + 1))) + eps
    return -(step_size * (first / (1.0 - b1 ** (i + 1))) / size), (first, second)
