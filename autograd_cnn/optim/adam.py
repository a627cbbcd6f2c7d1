"""Adam and its kin: steps along the mean of past gradients over the root of their squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import number
from autograd_cnn.kernels.reference.training import move_mean
from autograd_cnn.optim.optimizer import Group, Optimizer, Params, at_least_0, settings


def two_below_1(owner: str, name: str, value: Any) -> None:
    """Check that `value` is two numbers, each at least 0 and below 1."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"{owner}: {name} must be two numbers, got {value!r}")
    for position, beta in enumerate(value):
        number(owner, f"{name}[{position}]", beta, least=0, below=1)


class Adam(Optimizer):
    """Adaptive moment estimation, for each parameter p with gradient g in its step t = 1, 2, ...:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2       (amsgrad: below, the largest v so far in its place)
        p = p - lr * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)

    m and v start at 0.  `decoupled_weight_decay` decays as `AdamW` does.  Kingma and Ba (2015),
    Algorithm 1; amsgrad: Reddi et al. (2018); in PyTorch's form.  Keras has ``eps=1e-7`` and adds
    it to sqrt(v) before the division by 1 - beta2**t.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.Adam([x], lr=0.25).step()
    >>> x
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    checks = at_least_0("lr", "eps", "weight_decay") | {"betas": two_below_1}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _gather(self, entries: Iterable[Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        amsgrad, maximize, last = group["amsgrad"], group["maximize"], None
        for p, g, state in entries:
            t = state["step"] = state.get("step", 0) + 1
            if t != last:
                # Corrections of the rate and of eps are numbers, which saves a pass over arrays.
                last, root = t, (1 - beta2**t) ** 0.5
                rate, decay = group["lr"] * root / (1 - beta1**t), group["weight_decay"]
                shrink = 1.0
                if group["decoupled_weight_decay"]:
                    shrink, decay = 1 - group["lr"] * decay, 0.0
                numbers = (rate, group["eps"] * root, beta1, beta2, decay, shrink)
                waiting = self._waiting_for(kernels.adam, numbers, maximize)
            m, v = self._buffer(state, "exp_avg", p), self._buffer(state, "exp_avg_sq", p)
            largest = self._buffer(state, "max_exp_avg_sq", p) if amsgrad else None
            waiting.append((p, g, m, v, largest))


class AdamW(Adam):
    """`Adam` without weight decay in the gradient; each step starts with

        p = p - lr * weight_decay * p

    Loshchilov and Hutter (2019), in PyTorch's form, where `lr` scales the decay.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.AdamW([x], lr=0.25, weight_decay=0.5).step()
    >>> x
    tensor([ 0.625, -1.5  ], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, **settings(locals()), decoupled_weight_decay=True)


class _OfMeans(Optimizer):
    """The base of those that go on with the means of `Adam` in NumPy."""

    def _means(self, p: Any, g: Any, state: dict[str, Any], group: Group) -> tuple[Any, ...]:
        """t, m and v, moved on; the gradient with decay; and two arrays to work in."""
        t = state["step"] = state.get("step", 0) + 1
        m, v = self._buffer(state, "exp_avg", p), self._buffer(state, "exp_avg_sq", p)
        g, out, work = self._decayed(p, g, group)
        move_mean(m, group["betas"][0], g, work)
        move_mean(v, group["betas"][1], np.multiply(g, g, out=work), work)
        return t, m, v, g, out, work


class NAdam(_OfMeans):
    """Adam with Nesterov momentum, for each parameter p with gradient g in its step t = 1, 2, ...:

        g, m, v as in `Adam`
        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        product = mu(1) * ... * mu(t)
        mean = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        p = p - lr * mean / (sqrt(v / (1 - beta2**t)) + eps)

    Dozat (2016), in PyTorch's form.  Keras has ``lr=1e-3, eps=1e-7, momentum_decay=1``.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.NAdam([x], lr=0.25).step()
    >>> [round(value, 4) for value in x.tolist()]
    [0.7359, -1.7359]
    """

    checks = Adam.checks | at_least_0("momentum_decay")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        t, m, v, g, step, work = self._means(p, g, state, group)
        mu, next_mu = (
            beta1 * (1 - 0.5 * 0.96 ** (at * group["momentum_decay"])) for at in (t, t + 1)
        )
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        root = (1 - beta2**t) ** 0.5
        rate = group["lr"] * root
        np.multiply(g, rate * (1 - mu) / (1 - product), out=step)
        step += np.multiply(m, rate * next_mu / (1 - product * next_mu), out=work)
        np.sqrt(v, out=work)
        work += group["eps"] * root
        step /= work
        p -= step


class RAdam(_OfMeans):
    """Adam that warms up by itself, for each parameter p with gradient g in its step t = 1, 2, ...:

        g, m, v as in `Adam`
        most = 2 / (1 - beta2) - 1
        n = most - 2 * t * beta2**t / (1 - beta2**t)         (as many squares stand behind v)
        r = sqrt((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n))
        step = m / (1 - beta1**t)
        p = p - lr * step                                                         where n <= 5
        p = p - lr * step * r * sqrt(1 - beta2**t) / (sqrt(v) + eps)              where n > 5

    Liu et al. (2020), in PyTorch's form.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.RAdam([x], lr=0.25).step()
    >>> [round(value, 4) for value in x.tolist()]
    [0.5, -1.0]
    """

    checks = Adam.checks

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        t, m, v, _, out, work = self._means(p, g, state, group)
        rate, step = group["lr"] / (1 - beta1**t), m
        most = 2 / (1 - beta2) - 1
        n = most - 2 * t * beta2**t / (1 - beta2**t)
        if n > 5:
            rate *= ((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n)) ** 0.5
            rate *= (1 - beta2**t) ** 0.5
            np.sqrt(v, out=work)
            work += group["eps"]
            step = np.divide(m, work, out=out)
        p -= np.multiply(step, rate, out=out)


class Adamax(Optimizer):
    """Adam by the largest past gradient, for each parameter p with gradient g in its step t:

        g, m as in `Adam`
        u = max(beta2 * u, |g| + eps)            (u starts at 0)
        p = p - lr / (1 - beta1**t) * m / u

    Kingma and Ba (2015), Algorithm 2, in PyTorch's form.

    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> ag.optim.Adamax([x], lr=0.25).step()
    >>> x
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    checks = Adam.checks

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, settings(locals()))

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        m, largest = self._buffer(state, "exp_avg", p), self._buffer(state, "exp_inf", p)
        g, _, work = self._decayed(p, g, group)
        move_mean(m, beta1, g, work)
        np.abs(g, out=work)
        work += group["eps"]
        largest *= beta2
        np.maximum(largest, work, out=largest)
        np.divide(m, largest, out=work)
        work *= group["lr"] / (1 - beta1**t)
        p -= work
