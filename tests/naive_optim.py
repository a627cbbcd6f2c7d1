"""The published formulas of the optimizers in plain NumPy: a line per line, nothing reused.

Every function takes the first values, the gradients of all steps and the settings, and yields the
values after each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Path = Iterator[np.ndarray]
Gradients = Iterable[np.ndarray]


def decayed(p: Any, g: Any, s: Any) -> Any:
    """The parameter and the gradient after weight decay."""
    g = -g if s.maximize else g
    if getattr(s, "decoupled_weight_decay", False):
        return p - s.lr * s.weight_decay * p, g
    return p, g + s.weight_decay * p


def sgd(p: Any, gradients: Gradients, s: Any) -> Path:
    b = None
    for g in gradients:
        _, g = decayed(p, g, s)
        if s.momentum:
            b = g if b is None else s.momentum * b + (1 - s.dampening) * g
            g = g + s.momentum * b if s.nesterov else b
        p = p - s.lr * g
        yield p


def adam(p: Any, gradients: Gradients, s: Any) -> Path:
    m = v = largest = 0
    for t, g in enumerate(gradients, start=1):
        p, g = decayed(p, g, s)
        m = s.betas[0] * m + (1 - s.betas[0]) * g
        v = s.betas[1] * v + (1 - s.betas[1]) * g**2
        largest = np.maximum(largest, v)
        unbiased_mean = m / (1 - s.betas[0] ** t)
        unbiased_square = (largest if s.amsgrad else v) / (1 - s.betas[1] ** t)
        p = p - s.lr * unbiased_mean / (np.sqrt(unbiased_square) + s.eps)
        yield p


def adamw(p: Any, gradients: Gradients, s: Any) -> Path:
    s.decoupled_weight_decay = True
    return adam(p, gradients, s)


def nadam(p: Any, gradients: Gradients, s: Any) -> Path:
    def mu(t: int) -> float:
        return s.betas[0] * (1 - 0.5 * 0.96 ** (t * s.momentum_decay))

    m = v = 0
    for t, g in enumerate(gradients, start=1):
        p, g = decayed(p, g, s)
        m = s.betas[0] * m + (1 - s.betas[0]) * g
        v = s.betas[1] * v + (1 - s.betas[1]) * g**2
        until_now = np.prod([mu(i) for i in range(1, t + 1)])
        until_next = np.prod([mu(i) for i in range(1, t + 2)])
        mean = mu(t + 1) * m / (1 - until_next) + (1 - mu(t)) * g / (1 - until_now)
        p = p - s.lr * mean / (np.sqrt(v / (1 - s.betas[1] ** t)) + s.eps)
        yield p


def radam(p: Any, gradients: Gradients, s: Any) -> Path:
    m = v = 0
    most = 2 / (1 - s.betas[1]) - 1
    for t, g in enumerate(gradients, start=1):
        p, g = decayed(p, g, s)
        m = s.betas[0] * m + (1 - s.betas[0]) * g
        v = s.betas[1] * v + (1 - s.betas[1]) * g**2
        step = m / (1 - s.betas[0] ** t)
        n = most - 2 * t * s.betas[1] ** t / (1 - s.betas[1] ** t)
        if n > 5:
            r = np.sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n))
            step = step * r * np.sqrt(1 - s.betas[1] ** t) / (np.sqrt(v) + s.eps)
        p = p - s.lr * step
        yield p


def adamax(p: Any, gradients: Gradients, s: Any) -> Path:
    m = u = 0
    for t, g in enumerate(gradients, start=1):
        _, g = decayed(p, g, s)
        m = s.betas[0] * m + (1 - s.betas[0]) * g
        u = np.maximum(s.betas[1] * u, np.abs(g) + s.eps)
        p = p - s.lr / (1 - s.betas[0] ** t) * m / u
        yield p


def adagrad(p: Any, gradients: Gradients, s: Any) -> Path:
    total = s.initial_accumulator_value
    for t, g in enumerate(gradients, start=1):
        _, g = decayed(p, g, s)
        total = total + g**2
        p = p - s.lr / (1 + (t - 1) * s.lr_decay) * g / (np.sqrt(total) + s.eps)
        yield p


def rmsprop(p: Any, gradients: Gradients, s: Any) -> Path:
    square = mean = b = 0
    for g in gradients:
        _, g = decayed(p, g, s)
        square = s.alpha * square + (1 - s.alpha) * g**2
        mean = s.alpha * mean + (1 - s.alpha) * g if s.centered else 0
        b = s.momentum * b + g / (np.sqrt(square - mean**2) + s.eps)
        p = p - s.lr * b
        yield p


def adadelta(p: Any, gradients: Gradients, s: Any) -> Path:
    square = a = 0
    for g in gradients:
        _, g = decayed(p, g, s)
        square = s.rho * square + (1 - s.rho) * g**2
        d = g * np.sqrt(a + s.eps) / np.sqrt(square + s.eps)
        a = s.rho * a + (1 - s.rho) * d**2
        p = p - s.lr * d
        yield p
