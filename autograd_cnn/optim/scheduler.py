"""LRScheduler: the base of schedules of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograd_cnn.checks import same_state
from autograd_cnn.optim.optimizer import Group, Optimizer


def groups_of(owner: str, optimizer: Any) -> list[Group]:
    """The parameter groups of `optimizer`."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{owner}: expected an optimizer, got {type(optimizer).__name__}")
    return optimizer.param_groups


def per_group(
    owner: str, name: str, value: Any, optimizer: Any, check: Callable[[str, str, Any], Any]
) -> list[Any]:
    """A value for all groups of `optimizer`, or a list with one per group, as a checked list."""
    count = len(groups_of(owner, optimizer))
    values = list(value) if isinstance(value, Sequence) else [value] * count
    if len(values) != count:
        raise ValueError(
            f"{owner}: {name} must be one value or a list with one per parameter group, {count}, "
            f"got {len(values)}"
        )
    return [check(owner, name, v) for v in values]


class LRScheduler:
    """The base of schedules: a subclass returns the learning rate at `last_epoch` from `_lr`.

    `last_epoch` counts calls of `step` from 0.  A new schedule takes each group's learning rate as
    its base, stores it as "initial_lr" in the group, and sets the rate of epoch 0.  With a
    `last_epoch` other than -1 it continues after that epoch from the stored bases.  A learning rate
    changed by hand lasts until the next `step`.  Groups added later do not change.

    >>> class Halving(ag.optim.LRScheduler):
    ...     def _lr(self, position):
    ...         return self.base_lrs[position] / 2**self.last_epoch
    >>> schedule = Halving(ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        groups = groups_of(type(self).__name__, optimizer)
        self.optimizer = optimizer
        for position, group in enumerate(groups):
            if last_epoch == -1:
                group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: last_epoch={last_epoch} continues a schedule, but "
                    f"parameter group {position} has no 'initial_lr'; load the optimizer's state "
                    "first"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in groups]
        self.last_epoch = last_epoch + 1
        self._apply()

    def _lr(self, position: int) -> float:
        """The learning rate of the group at `position` in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: define _lr(self, position)")

    def _apply(self) -> None:
        """Write the settings of epoch `last_epoch` into the optimizer's groups."""
        for position, group in enumerate(self.optimizer.param_groups[: len(self.base_lrs)]):
            group["lr"] = float(self._lr(position))

    def step(self) -> None:
        """Move on to the next epoch; call it after ``optimizer.step()``.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> ag.optim.StepLR(optimizer, step_size=1).step()
        >>> optimizer.param_groups[0]["lr"]
        0.1
        """
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> ag.optim.StepLR(optimizer, step_size=1).get_last_lr()
        [1.0]
        """
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All settings and counts, without the optimizer and functions.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> ag.optim.ExponentialLR(optimizer, 0.5).state_dict()
        {'gamma': 0.5, 'base_lrs': [1.0], 'last_epoch': 0}
        """
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name not in self._unsaved
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, and set that epoch's learning rates.

        A state of another class of schedule or of other groups raises ValueError and changes
        nothing.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> schedule = ag.optim.ExponentialLR(optimizer, 0.5)
        >>> schedule.load_state_dict({"gamma": 0.5, "base_lrs": [1.0], "last_epoch": 2})
        >>> schedule.get_last_lr()
        [0.25]
        """
        name = f"{type(self).__name__}.load_state_dict"
        same_state(name, self.state_dict(), state_dict)
        count, got = len(self.base_lrs), len(state_dict["base_lrs"])
        if got != count:
            raise ValueError(f"{name}: expected {count} parameter groups, got {got}")
        for key, value in state_dict.items():
            setattr(self, key, list(value) if isinstance(value, list) else value)
        self._apply()
