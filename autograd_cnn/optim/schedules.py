"""Learning rates that are a formula in the epoch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from autograd_cnn.checks import number
from autograd_cnn.optim.arguments import per_group
from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.scheduler import LRScheduler, groups_of


class StepLR(LRScheduler):
    """The base rate times `gamma` for every `step_size` epochs gone by.

    ``lr = base * gamma ** (epoch // step_size)``.  Raises ValueError for a step_size below 1.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.StepLR(optimizer, step_size=2)
    >>> for _ in range(3):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.5]
    [0.5]
    [0.05]
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
    """The base rate times `gamma` for every one of the `milestones` reached.

    ``lr = base * gamma ** (number of milestones <= epoch)``; a milestone given twice counts twice.
    Raises TypeError for milestones that are no iterable of numbers, ValueError for negative ones.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.MultiStepLR(optimizer, milestones=[1, 3])
    >>> for _ in range(4):
    ...     print([round(lr, 3) for lr in schedule.get_last_lr()])
    ...     schedule.step()
    [0.5]
    [0.05]
    [0.05]
    [0.005]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be a list of epochs, got {milestones!r}")
        self.milestones = sorted(number("MultiStepLR", "a milestone", m, 0) for m in milestones)
        self.gamma = number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.gamma ** bisect_right(
            self.milestones, self.last_epoch
        )


class ExponentialLR(LRScheduler):
    """The base rate times `gamma` for every epoch gone by: ``lr = base * gamma ** epoch``.

    Raises ValueError for a gamma that is not finite.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.5]
    [0.25]
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.gamma**self.last_epoch


class InverseTimeLR(LRScheduler):
    """The base rate divided by a number that grows by `decay` with every epoch.

    ``lr = base / (1 + decay * epoch)``, which is the argument `decay` of Keras' older optimizers
    when `step` is called after every batch.  PyTorch has no such schedule.  Raises ValueError for a
    decay that is negative or not finite.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.InverseTimeLR(optimizer, decay=1.0)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.5]
    [0.25]
    [0.16666666666666666]
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, decay: float, last_epoch: int = -1) -> None:
        self.decay = number("InverseTimeLR", "decay", decay, 0)
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] / (1 + self.decay * self.last_epoch)


class LinearLR(LRScheduler):
    """The base rate times a factor that goes in equal steps from `start_factor` to `end_factor`.

    ``lr = base * (start + (end - start) * min(epoch / total_iters, 1))``.  Raises ValueError for a
    start_factor outside of (0, 1], an end_factor outside of [0, 1] and total_iters below 1.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.25]
    [0.375]
    [0.5]
    [0.5]
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
    """From the base rate to `eta_min` in `T_max` epochs along half a cosine, then back up.

    ``lr = eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.  Loshchilov and Hutter,
    "SGDR" (2017), without restarts.  Raises ValueError for a T_max below 1.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> for _ in range(3):
    ...     print([round(lr, 3) for lr in schedule.get_last_lr()])
    ...     schedule.step()
    [0.5]
    [0.25]
    [0.0]
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

    def _lr(self, position: int) -> float:
        fraction = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (self.base_lrs[position] - self.eta_min) * fraction


class LambdaLR(LRScheduler):
    """The base rate times what a function of the epoch returns: ``lr = base * lr_lambda(epoch)``.

    `lr_lambda` may be a list with one function per parameter group.  The functions are not part of
    `state_dict`: to continue, build the schedule with the same ones.  Raises TypeError for what
    cannot be called, ValueError for another number of functions than groups.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = optim.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch) ** 2)
    >>> for _ in range(2):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.5]
    [0.125]
    """

    _unsaved = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(groups_of("LambdaLR", optimizer))
        self.lr_lambdas = per_group("LambdaLR", "lr_lambda", lr_lambda, count)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(
                    f"LambdaLR: lr_lambda must be a function of the epoch, got {function!r}"
                )
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.lr_lambdas[position](self.last_epoch)
