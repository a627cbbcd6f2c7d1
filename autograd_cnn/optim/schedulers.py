"""Learning rates that follow a schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autograd_cnn.optim.optimizer import Optimizer


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

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: expected an optimizer, got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: last_epoch={last_epoch} continues a schedule, but "
                    f"parameter group {position} has no 'initial_lr'; load the optimizer's state "
                    f"first"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def _lr(self, position: int) -> float:
        """The learning rate of the group at `position` in epoch `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: define _lr(self, position)")

    def _apply(self) -> None:
        """Write the settings of epoch `last_epoch` into the optimizer's groups."""
        for position, group in enumerate(self.optimizer.param_groups[: len(self.base_lrs)]):
            group["lr"] = self._lr(position)

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
        """Everything but the optimizer: plain numbers, strings and lists of them.

        >>> from autograd_cnn import optim, tensor
        >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=1)
        >>> sorted(schedule.state_dict())
        ['base_lrs', 'gamma', 'last_epoch', 'step_size']
        """
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name != "optimizer"
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
        if set(state_dict) != set(mine):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected the keys {sorted(mine)}, got "
                f"{sorted(state_dict)}"
            )
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected {len(self.base_lrs)} parameter "
                f"groups, got {len(state_dict['base_lrs'])}"
            )
        for name, value in state_dict.items():
            setattr(self, name, list(value) if isinstance(value, list) else value)
        self._apply()


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
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        return self.base_lrs[position] * self.gamma ** (self.last_epoch // self.step_size)


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
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _lr(self, position: int) -> float:
        fraction = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (self.base_lrs[position] - self.eta_min) * fraction


class OneCycleLR(LRScheduler):
    """One cycle per training: up to `max_lr`, down to nearly nothing; momentum the other way round.

    From ``max_lr / div_factor`` to `max_lr` during the first `pct_start` of `total_steps` (or of
    ``epochs * steps_per_epoch``), then to ``max_lr / div_factor / final_div_factor``; with
    `three_phase` first back to the start in as many steps.  `anneal_strategy` is 'cos' or 'linear'.
    Unless `cycle_momentum` is off, momentum goes from `max_momentum` to `base_momentum` and back.
    `max_lr` and the momenta may be lists, one value per group.  Call `step` after every batch.  The
    call after the last step leaves the final values.  Smith and Topin (2017), in PyTorch's form.

    Raises ValueError for settings out of range, an optimizer without momentum, and more than
    `total_steps` calls.

    >>> from autograd_cnn import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)])
    >>> schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> (group,) = optimizer.param_groups
    >>> for _ in range(3):
    ...     print(round(group["lr"], 3), round(group["momentum"], 3))
    ...     schedule.step()
    0.04 0.95
    0.52 0.9
    1.0 0.85
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        groups = optimizer.param_groups
        if cycle_momentum and any("momentum" not in group for group in groups):
            raise ValueError(
                "OneCycleLR: this optimizer has no momentum to cycle; pass cycle_momentum=False"
            )
        self.total_steps = total_steps = _total(total_steps, epochs, steps_per_epoch)
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.max_lrs = _per_group("max_lr", max_lr, len(groups))
        self.base_momenta = _per_group("base_momentum", base_momentum, len(groups))
        self.max_momenta = _per_group("max_momentum", max_momentum, len(groups))
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.turns = [pct_start * total_steps - 1, float(total_steps - 1)]
        if three_phase:
            self.turns.insert(1, 2 * pct_start * total_steps - 2)
        if last_epoch == -1:
            for group, high in zip(groups, self.max_lrs):
                group["lr"] = high / div_factor
        super().__init__(optimizer, last_epoch)

    def _apply(self) -> None:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} is beyond total_steps={self.total_steps}"
            )
        super()._apply()
        if self.cycle_momentum:
            for position, group in enumerate(self.optimizer.param_groups[: len(self.max_lrs)]):
                high, low = self.max_momenta[position], self.base_momenta[position]
                group["momentum"] = self._between(high, low, high)

    def _lr(self, position: int) -> float:
        high = self.max_lrs[position]
        low = high / self.div_factor
        return self._between(low, high, low / self.final_div_factor)

    def _between(self, start: float, peak: float, end: float) -> float:
        """The value at `last_epoch` on the way from `start` to `peak` (and back) and `end`."""
        ends = [start, peak, end] if len(self.turns) == 2 else [start, peak, start, end]
        turns = [0.0, *self.turns]
        phase = 0
        while phase < len(self.turns) - 1 and self.last_epoch > self.turns[phase]:
            phase += 1
        length = turns[phase + 1] - turns[phase]
        done = min((self.last_epoch - turns[phase]) / length, 1.0) if length > 0 else 1.0
        first, last = ends[phase], ends[phase + 1]
        if self.anneal_strategy == "linear":
            return first + (last - first) * done
        return last + (first - last) / 2 * (1 + math.cos(math.pi * done))


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The number of steps of a cycle, given in either way."""
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        total_steps = epochs * steps_per_epoch
    if total_steps < 1:
        raise ValueError(f"OneCycleLR: total_steps must be at least 1, got {total_steps}")
    return total_steps


def _per_group(name: str, value: float | Sequence[float], count: int) -> list[float]:
    """One number for every group, or a list with one number per group, as a list."""
    if not isinstance(value, Sequence):
        return [float(value)] * count
    if len(value) != count:
        raise ValueError(
            f"OneCycleLR: {name} must be a number or have one per parameter group, {count}, "
            f"got {len(value)}"
        )
    return [float(v) for v in value]
