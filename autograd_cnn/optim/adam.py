"""Adam, AdamW and NAdam: steps along the mean of past gradients over the root of their squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import number
from autograd_cnn.optim.optimizer import Group, Optimizer, move_mean


class Adam(Optimizer):
    """Adaptive moment estimation, for each parameter p with gradient g in its step t = 1, 2, ...:

        g = g + weight_decay * p                 (maximize: -g + weight_decay * p)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2       (amsgrad: below, the largest v so far in its place)
        p = p - lr * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)

    m and v start at 0.  With `decoupled_weight_decay` the first line is p = p - lr * weight_decay *
    p, as in `AdamW`.  Kingma and Ba (2015), Algorithm 1; amsgrad: Reddi et al. (2018); in PyTorch's
    form.  Values change in place and keep their dtype; float16 has no room for small v and for eps,
    so train in float32.  Raises ValueError for a setting that is negative or not finite and for
    betas outside of [0, 1); `Optimizer` has the other errors.

    Keras: its eps is 1e-7 by default and is added to sqrt(v) before the division by 1 - beta2**t,
    which makes it ``eps / sqrt(1 - beta2**t)`` in the formula above: 32 times eps at t = 1, 3.2
    times at 100, 1.3 times at 1,000.  With ``eps=1e-7`` the first step here is longer than Keras'
    by 0.3 % for a gradient of 1e-3 and by 0.003 % for one of 0.1.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require_at_least_0(group, "lr", "eps", "weight_decay")
        _check_betas(type(self).__name__, group["betas"])

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        m, v = self._buffer(state, "exp_avg", p), self._buffer(state, "exp_avg_sq", p)
        largest = self._buffer(state, "max_exp_avg_sq", p) if group["amsgrad"] else None
        # The corrections are numbers: taken out of the root, they cost no pass over the array.
        root = (1 - beta2**t) ** 0.5
        rate, decay = group["lr"] * root / (1 - beta1**t), group["weight_decay"]
        shrink = 1.0
        if group["decoupled_weight_decay"]:
            shrink, decay = 1 - group["lr"] * decay, 0.0
        numbers = (rate, group["eps"] * root, beta1, beta2, decay, shrink)
        self._together(kernels.adam, (numbers, group["maximize"]), p, g, m, v, largest)


class AdamW(Adam):
    """Adam with weight decay that does not pass through the moments, before each step:

        p = p - lr * weight_decay * p

    The rest, settings and errors are those of `Adam` with ``decoupled_weight_decay=True``.
    Loshchilov and Hutter (2019), in PyTorch's form, where `lr` scales the decay.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([x], lr=0.25, weight_decay=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.625, -1.5  ], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


class NAdam(Optimizer):
    """Adam with Nesterov momentum, for each parameter p with gradient g in its step t = 1, 2, ...:

        g, m, v as in `Adam`
        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        product = mu(1) * ... * mu(t)
        mean = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        p = p - lr * mean / (sqrt(v / (1 - beta2**t)) + eps)

    Dozat (2016), in PyTorch's form.  Values change in place and keep their dtype.  Raises
    ValueError for a setting that is negative or not finite and for betas outside of [0, 1);
    `Optimizer` has the other errors.  Keras' Nadam has ``lr=1e-3, eps=1e-7, momentum_decay=1``.

    >>> from autograd_cnn import optim, tensor
    >>> x = tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.NAdam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> [round(value, 4) for value in x.tolist()]
    [0.7359, -1.7359]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require_at_least_0(group, "lr", "eps", "weight_decay", "momentum_decay")
        _check_betas(type(self).__name__, group["betas"])

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        mu, next_mu = (
            beta1 * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"])) for step in (t, t + 1)
        )
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        m, v = self._buffer(state, "exp_avg", p), self._buffer(state, "exp_avg_sq", p)
        scratch, work = self._work(p)
        g = self._decayed(p, g, scratch, group)
        move_mean(m, beta1, g, work)
        move_mean(v, beta2, np.multiply(g, g, out=work), work)
        root = (1 - beta2**t) ** 0.5
        rate = group["lr"] * root
        step = np.multiply(g, rate * (1 - mu) / (1 - product), out=scratch)
        step += np.multiply(m, rate * next_mu / (1 - product * next_mu), out=work)
        np.sqrt(v, out=work)
        work += group["eps"] * root
        step /= work
        p -= step


def _check_betas(owner: str, betas: Any) -> None:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"{owner}: betas must be two numbers, got {betas!r}")
    for position, beta in enumerate(betas):
        number(owner, f"betas[{position}]", beta, least=0, below=1)
