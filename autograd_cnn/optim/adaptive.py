"""Adagrad, RMSprop and Adadelta: steps scaled, value by value, by the squares of past gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_cnn.checks import number
from autograd_cnn.optim.optimizer import Group, Optimizer, move_mean


class Adagrad(Optimizer):
    """Gradients over the root of all their squares, for each parameter p with gradient g:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        s = s + g**2                             (s starts at initial_accumulator_value)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)      in step t = 1, 2, ...

    Duchi et al. (2011), in PyTorch's form.  Values change in place and keep their dtype.  Raises
    ValueError for a setting that is negative or not finite; `Optimizer` has the other errors.
    Keras starts s at 0.1 and has an eps of 1e-7 inside of the root: from that start, steps here
    differ by less than a millionth of their length.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        self._require_at_least_0(group, *names)

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        t = state["step"] = state.get("step", 0) + 1
        squares = self._buffer(state, "sum", p, group["initial_accumulator_value"])
        scratch, work = self._work(p)
        g = self._decayed(p, g, scratch, group)
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

    s, a and b start at 0.  Tieleman and Hinton (2012), centered: Graves (2013), in PyTorch's form;
    a variance s - a**2 that rounding made negative counts as 0.  Values change in place and keep
    their dtype.  Raises ValueError for a setting that is negative or not finite and for alpha above
    1; `Optimizer` has the other errors.

    Keras' defaults are ``lr=1e-3, alpha=0.9, eps=1e-7``.  Its eps is inside of the root: a first
    gradient of 1e-3 makes a step that is 1.41 times as long here, one of 0.1 a step that is 0.005 %
    longer.  Its lr multiplies g and not b: the same until lr changes under momentum.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([x], lr=0.25, alpha=0.75)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require_at_least_0(group, "lr", "eps", "weight_decay", "momentum")
        number("RMSprop", "alpha", group["alpha"], 0, 1)

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        squares = self._buffer(state, "square_avg", p)
        scratch, work = self._work(p)
        g = self._decayed(p, g, scratch, group)
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

    s and a start at 0.  Zeiler (2012), with the factor `lr`, in PyTorch's form.  Values change in
    place and keep their dtype.  Raises ValueError for a setting that is negative or not finite and
    for rho above 1; `Optimizer` has the other errors.  Keras has the same formula with the defaults
    ``lr=1e-3, rho=0.95, eps=1e-7``.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([x], lr=100.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in x.tolist()]
    [0.6838, -1.6838]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require_at_least_0(group, "lr", "eps", "weight_decay")
        number("Adadelta", "rho", group["rho"], 0, 1)

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        rho, eps = group["rho"], group["eps"]
        squares = self._buffer(state, "square_avg", p)
        steps = self._buffer(state, "acc_delta", p)
        scratch, work = self._work(p)
        g = self._decayed(p, g, scratch, group)
        move_mean(squares, rho, np.multiply(g, g, out=work), work)
        np.sqrt(np.add(squares, eps, out=work), out=work)
        step = np.divide(g, work, out=scratch)
        step *= np.sqrt(np.add(steps, eps, out=work), out=work)
        move_mean(steps, rho, np.multiply(step, step, out=work), work)
        p -= np.multiply(step, group["lr"], out=work)
