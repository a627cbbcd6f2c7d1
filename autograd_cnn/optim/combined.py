"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_cnn.checks import integer, mistake, same_state
from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.plateau import ReduceLROnPlateau
from autograd_cnn.optim.scheduler import LRScheduler


class _Combined(LRScheduler):
    """The base of both: the schedules inside write the rates."""

    _unsaved = (*LRScheduler._unsaved, "schedulers")

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Any) -> None:
        name = type(self).__name__
        if not isinstance(schedulers, Sequence) or not schedulers:
            raise mistake(name, "schedulers", "a list of schedules", schedulers)
        for schedule in schedulers:
            if not isinstance(schedule, LRScheduler):
                raise mistake(name, "each of schedulers", "a schedule", schedule)
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"{name}: ReduceLROnPlateau steps with a metric, so by itself")
        super().__init__(schedulers[0].optimizer if optimizer is None else optimizer)
        if any(schedule.optimizer is not self.optimizer for schedule in schedulers):
            raise ValueError(f"{name}: all schedulers must have the same optimizer")
        self.schedulers = list(schedulers)

    def _apply(self) -> None:
        pass

    def _own_rates(self) -> list[float]:
        return self.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """The counts, the rates now, and the states of the schedules inside."""
        inside = [schedule.state_dict() for schedule in self.schedulers]
        return {**super().state_dict(), "_schedulers": inside}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, as the schedules inside do."""
        name, before = f"{type(self).__name__}.load_state_dict", self.state_dict()
        same_state(name, before, state_dict)
        own = dict(state_dict)
        inside, count = own.pop("_schedulers"), len(self.schedulers)
        if not isinstance(inside, list) or len(inside) != count:
            raise ValueError(f"{name}: _schedulers must be a list of {count} states")
        try:
            for schedule, state in zip(self.schedulers, inside):
                schedule.load_state_dict(state)
            super().load_state_dict(own)
        except BaseException:
            for schedule, state in zip(self.schedulers, before["_schedulers"]):
                schedule.load_state_dict(state)
            raise


class SequentialLR(_Combined):
    """One schedule after the other: the next one begins, at its epoch 0, at each milestone.

    The first begins from the rates that the optimizer had before all schedules.  The others begin
    from their own base rates, whatever the rates were, as in PyTorch.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    >>> warm_up = ag.optim.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> halving = ag.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule = ag.optim.SequentialLR(optimizer, [warm_up, halving], milestones=[3])
    >>> for epoch in range(6):
    ...     print(epoch, schedule.get_last_lr())
    ...     schedule.step()
    0 [0.25]
    1 [0.5]
    2 [0.75]
    3 [1.0]
    4 [0.5]
    5 [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, Sequence):
            raise mistake("SequentialLR", "milestones", "a list of epochs", milestones)
        self.milestones = [integer("SequentialLR", "a milestone", m, 0) for m in milestones]
        super().__init__(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1 or self.milestones != sorted(milestones):
            problem = f"milestones must be {len(schedulers) - 1} epochs in order, got {milestones}"
            raise ValueError(f"SequentialLR: {problem}")
        self._begin([group["initial_lr"] for group in self.optimizer.param_groups])
        for _ in range(last_epoch + 1):
            self.step()

    def _begin(self, rates: Sequence[float]) -> None:
        self.last_epoch = 0
        self.schedulers[bisect_right(self.milestones, 0)]._begin(rates)

    def step(self) -> None:
        """Move on to the next epoch, in the schedule whose time it is; see `LRScheduler.step`."""
        self.last_epoch += 1
        place = bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedulers[place]
        if place and self.milestones[place - 1] == self.last_epoch:
            schedule._begin(schedule.base_lrs)
        else:
            schedule.step()


class ChainedScheduler(_Combined):
    """Several schedules that step together, so that their factors multiply.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    >>> half = ag.optim.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> falling = ag.optim.ExponentialLR(optimizer, gamma=0.1)
    >>> schedule = ag.optim.ChainedScheduler([half, falling])
    >>> for epoch in range(3):
    ...     print(epoch, [round(rate, 4) for rate in schedule.get_last_lr()])
    ...     schedule.step()
    0 [0.5]
    1 [0.05]
    2 [0.01]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        super().__init__(schedulers, optimizer)

    def _begin(self, rates: Sequence[float]) -> None:
        self.last_epoch = 0
        for schedule in self.schedulers:
            schedule._begin(rates)
            rates = schedule.get_last_lr()

    def step(self) -> None:
        """Move on to the next epoch in every schedule; see `LRScheduler.step`."""
        self.last_epoch += 1
        for schedule in self.schedulers:
            schedule.step()
