"""OneCycleLR: learning rate and momentum over a whole training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd_cnn.checks import choice, number
from autograd_cnn.optim.optimizer import Optimizer, from_0_to_1, not_negative
from autograd_cnn.optim.scheduler import LRScheduler, groups_of, per_group


class OneCycleLR(LRScheduler):
    """Raise the learning rate to `max_lr` and lower it to almost 0, once per training.

    The rate starts at ``max_lr / div_factor`` and reaches `max_lr` after the first `pct_start` of
    `total_steps` (or ``epochs * steps_per_epoch``).  Then it falls to ``max_lr / div_factor /
    final_div_factor``; with `three_phase` it first returns to the start in as many steps.
    `anneal_strategy` is 'cos' or 'linear'.  With `cycle_momentum`, momentum (the first of the betas
    in Adam, AdamW and NAdam) goes from `max_momentum` to `base_momentum` and back.  `max_lr` and
    the momenta may be lists with a value per group.  Smith and Topin (2017), in PyTorch's form.

    Call `step` after every batch, at most `total_steps` times.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters())
    >>> schedule = ag.optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> (group,) = optimizer.param_groups
    >>> for _ in range(3):
    ...     print(round(group["lr"], 3), round(group["momentum"], 3))
    ...     schedule.step()
    0.04 0.95
    0.52 0.9
    1.0 0.85
    """

    _composes = False

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
        if cycle_momentum and not all({"momentum", "betas"} & set(group) for group in groups):
            raise ValueError(
                f"{name}: this optimizer has no momentum to cycle; pass cycle_momentum=False"
            )
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(f"{name}: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        self.total_steps = number(name, "total_steps", total_steps, 1)
        from_0_to_1(name, "pct_start", pct_start)
        self.anneal_strategy = choice(name, "anneal_strategy", anneal_strategy, ["cos", "linear"])
        self.cycle_momentum = cycle_momentum
        self.max_lrs = per_group(name, "max_lr", max_lr, optimizer, not_negative)
        self.base_momenta = per_group(name, "base_momentum", base_momentum, optimizer, from_0_to_1)
        self.max_momenta = per_group(name, "max_momentum", max_momentum, optimizer, from_0_to_1)
        self.div_factor = number(name, "div_factor", div_factor, above=0)
        self.final_div_factor = number(name, "final_div_factor", final_div_factor, above=0)
        self.turns = [pct_start * total_steps - 1, float(total_steps - 1)]
        if three_phase:
            self.turns.insert(1, 2 * pct_start * total_steps - 2)
        if last_epoch == -1:
            for group, high in zip(groups, self.max_lrs):
                group["initial_lr"] = group["lr"] = high / div_factor
        super().__init__(optimizer, last_epoch)

    def _apply(self) -> None:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} is beyond total_steps={self.total_steps}"
            )
        super()._apply()
        if self.cycle_momentum:
            groups = zip(self.optimizer.param_groups, self.base_momenta, self.max_momenta)
            for group, low, high in groups:
                momentum = self._between(high, low, high)
                if "momentum" in group:
                    group["momentum"] = momentum
                else:
                    group["betas"] = (momentum, *group["betas"][1:])

    def _lr(self, position: int) -> float:
        high = self.max_lrs[position]
        low = high / self.div_factor
        return self._between(low, high, low / self.final_div_factor)

    def _between(self, start: float, peak: float, end: float) -> float:
        """The value at `last_epoch` on the way from `start` over `peak` to `end`."""
        ends = [start, peak, end] if len(self.turns) == 2 else [start, peak, start, end]
        turns = [0.0, *self.turns]
        phase = sum(self.last_epoch > turn for turn in self.turns[:-1])
        length = turns[phase + 1] - turns[phase]
        done = min((self.last_epoch - turns[phase]) / length, 1.0) if length > 0 else 1.0
        first, last = ends[phase], ends[phase + 1]
        if self.anneal_strategy == "linear":
            return first + (last - first) * done
        return last + (first - last) / 2 * (1 + math.cos(math.pi * done))
