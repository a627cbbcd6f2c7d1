"""OneCycleLR: learning rate and momentum over a whole training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd_cnn.checks import choice, number
from autograd_cnn.optim.arguments import per_group
from autograd_cnn.optim.optimizer import Group, Optimizer
from autograd_cnn.optim.scheduler import LRScheduler, groups_of


class OneCycleLR(LRScheduler):
    """One cycle per training: up to `max_lr`, down to nearly nothing; momentum the other way round.

    From ``max_lr / div_factor`` to `max_lr` during the first `pct_start` of `total_steps` (or of
    ``epochs * steps_per_epoch``), then to ``max_lr / div_factor / final_div_factor``; with
    `three_phase` first back to the start in as many steps.  `anneal_strategy` is 'cos' or 'linear'.
    Unless `cycle_momentum` is off, momentum goes from `max_momentum` to `base_momentum` and back;
    for Adam, AdamW and NAdam that is the first of the betas.
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
        name = "OneCycleLR"
        groups = groups_of(name, optimizer)
        if cycle_momentum and any(_momentum_name(group) is None for group in groups):
            raise ValueError(
                f"{name}: this optimizer has no momentum to cycle; pass cycle_momentum=False"
            )
        number(name, "pct_start", pct_start, 0, 1)
        self.total_steps = total_steps = _total(total_steps, epochs, steps_per_epoch)
        self.anneal_strategy = choice(name, "anneal_strategy", anneal_strategy, ["cos", "linear"])
        self.cycle_momentum = cycle_momentum
        self.max_lrs = [
            number(name, "max_lr", high, 0)
            for high in per_group(name, "max_lr", max_lr, len(groups))
        ]
        self.base_momenta = _momenta("base_momentum", base_momentum, len(groups))
        self.max_momenta = _momenta("max_momentum", max_momentum, len(groups))
        self.div_factor = number(name, "div_factor", div_factor, above=0)
        self.final_div_factor = number(name, "final_div_factor", final_div_factor, above=0)
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
                momentum = self._between(high, low, high)
                if _momentum_name(group) == "momentum":
                    group["momentum"] = momentum
                else:
                    group["betas"] = (momentum, *group["betas"][1:])

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
    return number("OneCycleLR", "total_steps", total_steps, 1)


def _momenta(name: str, value: float | Sequence[float], count: int) -> list[float]:
    """A momentum for every group: all of them numbers from 0 to 1."""
    return [
        number("OneCycleLR", name, v, 0, 1) for v in per_group("OneCycleLR", name, value, count)
    ]


def _momentum_name(group: Group) -> str | None:
    """The setting of a group that is its momentum: SGD's and RMSprop's, or the betas of Adam."""
    return next((name for name in ("momentum", "betas") if name in group), None)
