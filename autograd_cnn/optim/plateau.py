"""ReduceLROnPlateau: a schedule that follows a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autograd_cnn.checks import choice, number, single
from autograd_cnn.optim.optimizer import Optimizer, not_negative
from autograd_cnn.optim.scheduler import LRScheduler, per_group


class ReduceLROnPlateau(LRScheduler):
    """Multiply the learning rate by `factor` when a metric has stopped improving.

    Call ``step(metric)`` after every epoch.  A metric is better than the best so far when it is

        mode    threshold_mode 'rel'               'abs'
        'min'   below best - threshold * |best|    below best - threshold
        'max'   above best + threshold * |best|    above best + threshold

    NaN is never better.  After more than `patience` epochs in a row without a better one, every
    rate becomes ``max(lr * factor, min_lr)``, unless that lowers it by `eps` or less.  Counting
    starts again after `cooldown` epochs.  `min_lr` may be a list with one value per parameter
    group.  These are PyTorch's rules, but for |best|: PyTorch has best, so below 0 a worse metric
    counts as better there.

    >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
    >>> schedule = ag.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [2.0, 2.1, 2.2, 2.3]:
    ...     schedule.step(loss)
    ...     print(loss, schedule.get_last_lr())
    2.0 [0.5]
    2.1 [0.5]
    2.2 [0.25]
    2.3 [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceLROnPlateau"
        self.min_lrs = per_group(name, "min_lr", min_lr, optimizer, not_negative)
        self.mode = choice(name, "mode", mode, ["min", "max"])
        self.factor = number(name, "factor", factor, least=0, below=1)
        self.patience = number(name, "patience", patience, 0)
        self.threshold = number(name, "threshold", threshold, 0)
        self.threshold_mode = choice(name, "threshold_mode", threshold_mode, ["rel", "abs"])
        self.cooldown = number(name, "cooldown", cooldown, 0)
        self.eps = number(name, "eps", eps, 0)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        super().__init__(optimizer)

    def step(self, metrics: float) -> None:  # type: ignore[override]  # it alone needs a value
        """Count an epoch with this metric, a single number, and lower the rates when it is time.

        >>> optimizer = ag.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> schedule = ag.optim.ReduceLROnPlateau(optimizer, patience=0)
        >>> schedule.step(2.0)
        >>> schedule.step(3.0)
        >>> schedule.get_last_lr()
        [0.1]
        """
        metric = single("ReduceLROnPlateau.step", "metrics", metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, low in zip(self.optimizer.param_groups, self.min_lrs):
                reduced = max(group["lr"] * self.factor, low)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced

    def _lr(self, position: int) -> float:
        return self.base_lrs[position]

    def _is_better(self, metric: float) -> bool:
        sign, bound = (1 if self.mode == "max" else -1), self.best
        if math.isfinite(bound):
            relative = self.threshold_mode == "rel"
            bound += sign * self.threshold * (abs(bound) if relative else 1.0)
        return sign * metric > sign * bound
