"""LRScheduler: counting epochs, writing learning rates, and the state that can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograd_cnn.optim.optimizer import Group, Optimizer


def groups_of(owner: str, optimizer: Any) -> list[Group]:
    """The parameter groups of `optimizer`; TypeError for anything else.

    >>> groups_of("StepLR", 3)
    Traceback (most recent call last):
        ...
    TypeError: StepLR: expected an optimizer, got int
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{owner}: expected an optimizer, got {type(optimizer).__name__}")
    return optimizer.param_groups


class LRScheduler:
    """The base of schedules: a subclass says in `_lr` what a learning rate is at `last_epoch`.

    `last_epoch` counts calls of `step` from 0 (an "epoch" is whatever passes between calls).  A new
    schedule sets the learning rate of epoch 0 at once, takes each group's present one as its base
    and notes that as "initial_lr" in the group; with another `last_epoch` than -1 it continues
    after that epoch from those notes.  The schedule is a function of `last_epoch` alone, so a
    learning rate changed by hand lasts until the next `step`.  Groups added later are left alone.

    Raises TypeError for what is not an optimizer, ValueError when there are no notes to continue
    from.

    >>> from autograd_cnn import optim, tensor
    >>> class Halving(LRScheduler):
    ...     def _lr(self, position):
    ...         return self.base_lrs[position] / 2**self.last_epoch
    >>> schedule = Halving(optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0))
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
                    f"first"
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
        """Go on to the next epoch; call it after ``optimizer.step()``.

        >>> from autograd_cnn import optim, tensor
        >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=1)
        >>> schedule.step()
        >>> optimizer.param_groups[0]["lr"]
        0.1
        """
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now.

        >>> from autograd_cnn import optim, tensor
        >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=1)
        >>> schedule.get_last_lr()
        [1.0]
        """
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: numbers, strings and lists of them.

        >>> from autograd_cnn import optim, tensor
        >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=1)
        >>> sorted(schedule.state_dict())
        ['base_lrs', 'gamma', 'last_epoch', 'step_size']
        """
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name not in self._unsaved
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, and set that epoch's learning rates.

        Raises ValueError, and changes nothing, when it was taken from another kind of schedule or
        other groups.

        >>> from autograd_cnn import optim, tensor
        >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=1)
        >>> schedule.load_state_dict({**schedule.state_dict(), "last_epoch": 1})
        >>> schedule.get_last_lr()
        [0.1]
        """
        mine = self.state_dict()
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{name}: expected a dict, got {type(state_dict).__name__}")
        if set(state_dict) != set(mine):
            raise ValueError(f"{name}: expected the keys {sorted(mine)}, got {sorted(state_dict)}")
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{name}: expected {len(self.base_lrs)} parameter groups, got "
                f"{len(state_dict['base_lrs'])}"
            )
        for key, value in state_dict.items():
            setattr(self, key, list(value) if isinstance(value, list) else value)
        self._apply()
