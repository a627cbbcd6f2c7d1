"""Learning rates that are a formula in the epoch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autograd_cnn.checks import integer, mistake, number
from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.scheduler import LRScheduler, per_group

Factor = Callable[[int], float]


class StepLR(LRScheduler):
    """The rate ``base * gamma ** (epoch // step_size)``, which changes every `step_size` epochs.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.StepLR(optimizer, step_size=2)
    >>> for epoch in range(3):
    ...     print(epoch, schedule.get_last_lr())
    ...     schedule.step()
    0 [0.5]
    1 [0.5]
    2 [0.05]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = number("StepLR", "step_size", step_size, 1)
        self.gamma = number("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate ``base * gamma ** n``, where the epoch has reached `n` of the `milestones`.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.MultiStepLR(optimizer, milestones=[1, 4])
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise mistake("MultiStepLR", "milestones", "a list of epochs", milestones)
        self.milestones = sorted(number("MultiStepLR", "a milestone", m, 0) for m in milestones)
        self.gamma = number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        reached = bisect_right(self.milestones, self.last_epoch)
        return self.base_lrs[position] * self.gamma**reached


class ExponentialLR(LRScheduler):
    """The rate ``base * gamma ** epoch``.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.gamma**self.last_epoch


class PolynomialLR(LRScheduler):
    """The rate ``base * (1 - min(epoch / total_iters, 1)) ** power``, which falls to 0.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.28125]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = number("PolynomialLR", "total_iters", total_iters, 1)
        self.power = number("PolynomialLR", "power", power, 0)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        left = 1.0 - min(self.last_epoch / self.total_iters, 1.0)
        return self.base_lrs[position] * left**self.power


class InverseTimeLR(LRScheduler):
    """The rate ``base / (1 + decay * epoch)``.

    Call `step` after every batch for the argument `decay` of Keras' older optimizers.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.InverseTimeLR(optimizer, decay=3.0)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, decay: float, last_epoch: int = -1) -> None:
        self.decay = number("InverseTimeLR", "decay", decay, 0)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] / (1 + self.decay * self.last_epoch)


class ConstantLR(LRScheduler):
    """The rate ``base * factor`` for `total_iters` epochs, and then the base rate.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.ConstantLR(optimizer, factor=0.5, total_iters=1)
    >>> schedule.get_last_lr()
    [0.25]
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = number("ConstantLR", "factor", factor, 0, 1)
        self.total_iters = number("ConstantLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        over = self.last_epoch >= self.total_iters
        return self.base_lrs[position] * (1.0 if over else self.factor)


class LinearLR(LRScheduler):
    """The base rate times a factor that goes in equal steps from `start_factor` to `end_factor`.

    ``lr = base * (start + (end - start) * min(epoch / total_iters, 1))``

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.375]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number("LinearLR", "start_factor", start_factor, above=0, most=1)
        self.end_factor = number("LinearLR", "end_factor", end_factor, 0, 1)
        self.total_iters = number("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        done = min(self.last_epoch / self.total_iters, 1.0)
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return self.base_lrs[position] * factor


class CosineAnnealingLR(LRScheduler):
    """The rate ``eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    It falls to `eta_min` in `T_max` epochs, and rises again after them.  Loshchilov and Hutter,
    "SGDR" (2017), without restarts.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = number("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def _lowest(self) -> float:
        return self.eta_min

    def _lr(self, position: int) -> float:
        fraction = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (self.base_lrs[position] - self.eta_min) * fraction


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing in periods: the first of `T_0` epochs, each next one `T_mult` times as long.

    After t of the T epochs of a period, the rate is ``eta_min + (base - eta_min) * (1 + cos(pi * t
    / T)) / 2``.  As in PyTorch, it overwrites what other schedules made of the rate.  Loshchilov
    and Hutter, "SGDR" (2017).

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for epoch in range(3):
    ...     print(epoch, schedule.get_last_lr())
    ...     schedule.step()
    0 [0.5]
    1 [0.25]
    2 [0.5]
    """

    _composes = False

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        name = "CosineAnnealingWarmRestarts"
        self.T_0, self.T_mult = integer(name, "T_0", T_0, 1), integer(name, "T_mult", T_mult, 1)
        self.eta_min = number(name, "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Move on to the next epoch, or to `epoch`, such as 3.5 in the middle of the fourth."""
        name = "CosineAnnealingWarmRestarts.step"
        self.last_epoch = self.last_epoch + 1 if epoch is None else number(name, "epoch", epoch, 0)
        self._apply()

    def _lr(self, position: int) -> float:
        t, length = self.last_epoch, self.T_0
        while t >= length and self.T_mult > 1:
            t, length = t - length, length * self.T_mult
        fraction = (1 + math.cos(math.pi * (t % length) / length)) / 2
        return self.eta_min + (self.base_lrs[position] - self.eta_min) * fraction


class LambdaLR(LRScheduler):
    """The rate ``base * lr_lambda(epoch)``.

    `lr_lambda` may be a list with one function per parameter group.  `state_dict` does not hold the
    functions: to continue, build the schedule with the same ones.  As in PyTorch, it sets the rate
    whatever other schedules made of it: create and step it before them.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch) ** 2)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    _unsaved = (*LRScheduler._unsaved, "lr_lambdas")
    _composes = False

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.lr_lambdas = per_group("LambdaLR", "lr_lambda", lr_lambda, optimizer, _function)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.lr_lambdas[position](self.last_epoch)


def _function(owner: str, name: str, value: Any) -> Any:
    if not callable(value):
        raise mistake(owner, name, "a function of the epoch", value)
    return value
