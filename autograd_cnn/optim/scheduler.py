"""LRScheduler: the base of schedules of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograd_cnn.checks import number, same_state
from autograd_cnn.optim.optimizer import Explained, Group, Optimizer
from autograd_cnn.tensor.showing import one_line


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


class LRScheduler(Explained):
    """The base of schedules: a subclass returns the learning rate at `last_epoch` from `_lr`.

    `last_epoch` counts calls of `step` from 0.  The base of a group is the learning rate before its
    first schedule, which is stored as "initial_lr" in the group.  A new schedule sets the rate of
    epoch 0.  With a `last_epoch` other than -1 it continues after that epoch from the stored bases.
    Groups added later do not change.

    Several schedules on one optimizer compose: each multiplies the rate that it finds by the ratio
    of its own rates, as in PyTorch.  So a rate that was changed by hand is multiplied, too.

    >>> class Halving(ag.optim.LRScheduler):
    ...     def _lr(self, position):
    ...         return self.base_lrs[position] / 2**self.last_epoch
    >>> schedule = Halving(ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    _unsaved: tuple[str, ...] = ("optimizer", "_rates")
    _composes = True
    """Whether `step` multiplies the rate that it finds; else it sets its own."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        groups = groups_of(type(self).__name__, optimizer)
        self.optimizer = optimizer
        for position, group in enumerate(groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: last_epoch={last_epoch} continues a schedule, but "
                    f"parameter group {position} has no 'initial_lr'; load the optimizer's state "
                    "first"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in groups]
        self.last_epoch, self._rates, loaded = last_epoch, self.base_lrs, self.get_last_lr()
        if last_epoch != -1:
            self._rates = self._own_rates()
        before = self._rates
        self.last_epoch += 1
        self._apply()
        if last_epoch != -1:  # several schedules made the loaded rates that are not this one's own
            rates = zip(groups, loaded, self.base_lrs, before, self._rates)
            for group, rate, base, old, new in rates:
                group["lr"] = new if rate in (base, old) else rate

    __repr__ = one_line

    def _lr(self, position: int) -> float:
        """The learning rate of the group at `position` in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: define _lr(self, position)")

    def _own_rates(self) -> list[float]:
        """The rates of epoch `last_epoch`, if there were no other schedule."""
        return [float(self._lr(position)) for position in range(len(self.base_lrs))]

    def _lowest(self) -> float:
        """The rate whose distance from the rate found is multiplied."""
        return 0.0

    def _apply(self) -> None:
        """Write the settings of epoch `last_epoch` into the optimizer's groups."""
        before, self._rates, low = self._rates, self._own_rates(), self._lowest()
        for group, old, new in zip(self.optimizer.param_groups, before, self._rates):
            found = group["lr"]
            if found == old or not self._composes:
                group["lr"] = new
            elif old == low:
                group["lr"] = found + (new - old)
            elif old != new:  # else not even the last bit of the rate changes
                group["lr"] = low + (found - low) * ((new - low) / (old - low))

    def _begin(self, rates: Sequence[float]) -> None:
        """Begin anew at epoch 0, from these rates of the groups."""
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        self.last_epoch, self._rates = 0, self.base_lrs
        self._apply()

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
        """All settings and counts, and the rates now, without the optimizer and functions.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> ag.optim.ExponentialLR(optimizer, 0.5).state_dict()
        {'gamma': 0.5, 'base_lrs': [1.0], 'last_epoch': 0, 'lrs': [1.0]}
        """
        saved = {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name not in self._unsaved
        }
        return {**saved, "lrs": self.get_last_lr()[: len(self.base_lrs)]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, and set the learning rates of that time.

        The states of an optimizer and its schedules load in any order.  A state of version 0.1.0
        has no "lrs": then the rates are those of its epoch.

        A state of another class of schedule or of other groups raises ValueError and changes
        nothing.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> schedule = ag.optim.ExponentialLR(optimizer, 0.5)
        >>> schedule.load_state_dict({"gamma": 0.5, "base_lrs": [1.0], "last_epoch": 2})
        >>> schedule.get_last_lr()
        [0.25]
        """
        name = f"{type(self).__name__}.load_state_dict"
        if isinstance(state_dict, Mapping) and "lrs" not in state_dict:
            state_dict = {**state_dict, "lrs": []}
        same_state(name, LRScheduler.state_dict(self), state_dict)
        rates, count = state_dict["lrs"], len(self.base_lrs)
        for given in (state_dict["base_lrs"], rates or self.base_lrs):
            if len(given) != count:
                raise ValueError(f"{name}: expected {count} parameter groups, got {len(given)}")
            for rate in given:
                number(name, "a learning rate", rate)
        for key in state_dict.keys() - {"lrs"}:
            value = state_dict[key]
            setattr(self, key, list(value) if isinstance(value, list) else value)
        self._rates = self._own_rates()
        self._apply()
        for group, rate in zip(self.optimizer.param_groups, rates or self._rates):
            group["lr"] = rate
