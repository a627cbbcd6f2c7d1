"""Early stopping: the weights of the best epoch, and when to stop waiting for a better one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from autograd_cnn.checks import choice, integer, same_state, single
from autograd_cnn.tensor.showing import one_line


class EarlyStopping:
    """Keeps the weights of the best epoch, and stops after `patience` epochs without a better one.

    `model` is anything with `state_dict` and `load_state_dict`.  The best value is the lowest with
    `mode` 'min' (for a loss) and the highest with 'max' (for an accuracy).  The first of equal
    values counts, and NaN never counts.  `best` is that value, or None before the first; `waited`
    is the number of epochs since.  Prechelt, "Early stopping - but when?" (1998), the third
    criterion.

    >>> model = nn.Linear(1, 1)
    >>> stopping = EarlyStopping(model, patience=2)
    >>> for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.5, 0.5]):
    ...     _ = nn.init.constant_(model.weight, epoch)
    ...     if stopping.update(loss):
    ...         break
    >>> epoch, stopping.best
    (3, 1.0)
    >>> stopping.restore()
    >>> model.weight.tolist()
    [[1.0]]
    """

    def __init__(self, model: Any, patience: int, mode: str = "min") -> None:
        if not all(callable(getattr(model, m, None)) for m in ("state_dict", "load_state_dict")):
            raise TypeError(f"EarlyStopping: expected a model, got {type(model).__name__}")
        self.model = model
        self.patience = integer("EarlyStopping", "patience", patience, 1)
        self.mode = choice("EarlyStopping", "mode", mode, ("min", "max"))
        self.best: float | None = None
        self.waited = 0
        self._weights: Any = None

    __repr__ = one_line

    def update(self, value: Any) -> bool:
        """Count an epoch that reached `value`, a single number; return whether to stop.

        >>> stopping = EarlyStopping(nn.Linear(1, 1), patience=1, mode="max")
        >>> [stopping.update(accuracy) for accuracy in (0.8, 0.9, 0.9)]
        [False, False, True]
        """
        number = single("EarlyStopping.update", "value", value)
        if self._is_better(number):
            self.best, self.waited = number, 0
            self._weights = self.model.state_dict()
        else:
            self.waited += 1
        return self.waited >= self.patience

    def _is_better(self, number: float) -> bool:
        if self.best is None:
            return number == number  # not NaN
        return number < self.best if self.mode == "min" else number > self.best

    def restore(self) -> None:
        """Put the weights of the best epoch back into the model.

        >>> EarlyStopping(nn.Linear(1, 1), patience=1).restore()
        Traceback (most recent call last):
            ...
        RuntimeError: EarlyStopping.restore: there is no best epoch yet; call update(value) first
        """
        if self.best is None:
            raise RuntimeError(
                "EarlyStopping.restore: there is no best epoch yet; call update(value) first"
            )
        self.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The settings, the counts and the best weights, without the model's current weights.

        >>> sorted(EarlyStopping(nn.Linear(1, 1), patience=3).state_dict())
        ['best', 'mode', 'patience', 'waited', 'weights']
        """
        return {
            "patience": self.patience,
            "mode": self.mode,
            "best": self.best,
            "waited": self.waited,
            "weights": copy.deepcopy(self._weights),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken; the model does not change.

        A state of another `patience` or `mode` raises ValueError and changes nothing.

        >>> old, new = (EarlyStopping(nn.Linear(1, 1), patience=3) for _ in range(2))
        >>> _ = old.update(1.0)
        >>> new.load_state_dict(old.state_dict())
        >>> new.best
        1.0
        """
        name = "EarlyStopping.load_state_dict"
        same_state(name, self.state_dict(), state_dict, ("patience", "mode"))
        waited, best = integer(name, "waited", state_dict["waited"], 0), state_dict["best"]
        self.best, self.waited = None if best is None else single(name, "best", best), waited
        self._weights = copy.deepcopy(state_dict["weights"])
