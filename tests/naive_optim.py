"""The published formulas of the optimizers in plain NumPy: a line per line, nothing reused.

Every function takes the first values and the gradients of all steps and yields the values after
each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Path = Iterator[np.ndarray]
Gradients = Iterable[np.ndarray]


def sgd(
    p: Any, gradients: Gradients, lr, momentum, dampening, weight_decay, nesterov, maximize
) -> Path:
    b = None
    for g in gradients:
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        yield p


def adam(
    p: Any, gradients: Gradients, lr, betas, eps, weight_decay, amsgrad, maximize, decoupled=False
) -> Path:
    m = v = largest = 0
    for t, g in enumerate(gradients, start=1):
        g = -g if maximize else g
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        unbiased_mean = m / (1 - betas[0] ** t)
        unbiased_square = (largest if amsgrad else v) / (1 - betas[1] ** t)
        p = p - lr * unbiased_mean / (np.sqrt(unbiased_square) + eps)
        yield p


def adamw(p: Any, gradients: Gradients, **settings: Any) -> Path:
    return adam(p, gradients, **settings, decoupled=True)


def nadam(
    p: Any,
    gradients: Gradients,
    lr,
    betas,
    eps,
    weight_decay,
    momentum_decay,
    decoupled_weight_decay,
    maximize,
) -> Path:
    def mu(t: int) -> float:
        return betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    m = v = 0
    for t, g in enumerate(gradients, start=1):
        g = -g if maximize else g
        if decoupled_weight_decay:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        until_now = np.prod([mu(i) for i in range(1, t + 1)])
        until_next = np.prod([mu(i) for i in range(1, t + 2)])
        mean = mu(t + 1) * m / (1 - until_next) + (1 - mu(t)) * g / (1 - until_now)
        p = p - lr * mean / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        yield p


def adagrad(
    p: Any,
    gradients: Gradients,
    lr,
    lr_decay,
    weight_decay,
    initial_accumulator_value,
    eps,
    maximize,
) -> Path:
    s = initial_accumulator_value
    for t, g in enumerate(gradients, start=1):
        g = (-g if maximize else g) + weight_decay * p
        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + eps)
        yield p


def rmsprop(
    p: Any, gradients: Gradients, lr, alpha, eps, weight_decay, momentum, centered, maximize
) -> Path:
    s = a = b = 0
    for g in gradients:
        g = (-g if maximize else g) + weight_decay * p
        s = alpha * s + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g if centered else 0
        b = momentum * b + g / (np.sqrt(s - a**2) + eps)
        p = p - lr * b
        yield p


def adadelta(p: Any, gradients: Gradients, lr, rho, eps, weight_decay, maximize) -> Path:
    s = a = 0
    for g in gradients:
        g = (-g if maximize else g) + weight_decay * p
        s = rho * s + (1 - rho) * g**2
        d = g * np.sqrt(a + eps) / np.sqrt(s + eps)
        a = rho * a + (1 - rho) * d**2
        p = p - lr * d
        yield p
