"""Adagrad, RMSprop and Adadelta: steps scaled, value by value, by the squares of past gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.kernels.reference.training import move_mean
from autograd_cnn.optim.optimizer import Group, Optimizer, Params, at_least_0, from_0_to_1, settings


class Adagrad(Optimizer):
    """Gradients over the root of all their squares, for each parameter p with gradient g:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        s = s + g**2                             (s starts at initial_accumulator_value)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)      in step t = 1, 2, ...

    Duchi et al. (2011), in PyTorch's form.  Keras starts s at 0.1 and has an eps of 1e-7 inside the
    root.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.Adagrad([x], lr=0.25).step()
    >>> x
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    checks = at_least_0("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        t = state["step"] = state.get("step", 0) + 1
        squares = self._buffer(state, "sum", p, group["initial_accumulator_value"])
        g, _, work = self._decayed(p, g, group)
        squares += np.multiply(g, g, out=work)
        np.sqrt(squares, out=work)
        work += group["eps"]
        np.divide(g, work, out=work)
        work *= group["lr"] / (1 + (t - 1) * group["lr_decay"])
        p -= work


class RMSprop(Optimizer):
    """Gradients over the root of the mean of their squares, for each parameter p with gradient g:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        s = alpha * s + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g          (a is 0 unless `centered`)
        b = momentum * b + g / (sqrt(s - a**2) + eps)
        p = p - lr * b

    s, a and b start at 0.  Tieleman and Hinton (2012), centered: Graves (2013), in PyTorch's form.
    Keras has ``lr=1e-3, alpha=0.9, eps=1e-7`` with eps inside the root, and multiplies g instead of
    b by lr.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.RMSprop([x], lr=0.25, alpha=0.75).step()
    >>> x
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    checks = at_least_0("lr", "eps", "weight_decay", "momentum") | {"alpha": from_0_to_1}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        squares = self._buffer(state, "square_avg", p)
        g, _, work = self._decayed(p, g, group)
        move_mean(squares, alpha, np.multiply(g, g, out=work), work)
        if group["centered"]:
            mean = self._buffer(state, "grad_avg", p)
            move_mean(mean, alpha, g, work)
            np.subtract(squares, np.multiply(mean, mean, out=work), out=work)
            np.sqrt(np.maximum(work, 0, out=work), out=work)
        else:
            np.sqrt(squares, out=work)
        work += group["eps"]
        step = np.divide(g, work, out=work)
        if momentum:
            buffer = self._buffer(state, "momentum_buffer", p)
            buffer *= momentum
            buffer += step
            step = buffer
        p -= np.multiply(step, group["lr"], out=work)


class Adadelta(Optimizer):
    """Steps in the unit of the parameter, for each parameter p with gradient g:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        s = rho * s + (1 - rho) * g**2
        d = g * sqrt(a + eps) / sqrt(s + eps)
        a = rho * a + (1 - rho) * d**2
        p = p - lr * d

    s and a start at 0.  Zeiler (2012), in PyTorch's form.  Keras has the same formula with the
    defaults ``lr=1e-3, rho=0.95, eps=1e-7``.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.Adadelta([x], lr=100.0).step()
    >>> [round(value, 4) for value in x.tolist()]
    [0.6838, -1.6838]
    """

    checks = at_least_0("lr", "eps", "weight_decay") | {"rho": from_0_to_1}

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        rho, eps = group["rho"], group["eps"]
        squares = self._buffer(state, "square_avg", p)
        steps = self._buffer(state, "acc_delta", p)
        g, step, work = self._decayed(p, g, group)
        move_mean(squares, rho, np.multiply(g, g, out=work), work)
        np.sqrt(np.add(squares, eps, out=work), out=work)
        np.divide(g, work, out=step)
        step *= np.sqrt(np.add(steps, eps, out=work), out=work)
        move_mean(steps, rho, np.multiply(step, step, out=work), work)
        p -= np.multiply(step, group["lr"], out=work)
