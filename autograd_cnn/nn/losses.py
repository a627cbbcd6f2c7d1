"""Losses as modules; the functions of the same meaning are in `functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.nn.arguments import choice
from autograd_cnn.nn.module import Module

_REDUCTIONS = ("mean", "sum", "none")


class CrossEntropyLoss(Module):
    """Softmax cross entropy of logits (N, K, ...) with classes (N, ...).

    Targets may also be probabilities (N, K, ...).  The settings and errors are those of
    `functional.cross_entropy`; class weights (K,) become a buffer.  Settings after `weight` are
    given by name.  Raises ValueError for one that is out of range.

    >>> import numpy as np
    >>> CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing must be between 0 and 1, got {label_smoothing}"
            )
        self.weight: np.ndarray | None
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = choice("CrossEntropyLoss", "reduction", reduction, _REDUCTIONS)
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """See the class."""
        return F.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(Module):
    """Minus the log-probability (N, K, ...) of the target class (N, ...).

    See `functional.nll_loss`.  Settings after `weight` are given by name.  Raises ValueError for an
    unknown reduction.

    >>> import numpy as np
    >>> NLLLoss()(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        self.weight: np.ndarray | None
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = choice("NLLLoss", "reduction", reduction, _REDUCTIONS)

    def forward(self, input: Any, target: Any) -> Any:
        """See the class."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(Module):
    """Squared error of two inputs of one shape; see `functional.mse_loss`.

    Raises ValueError for an unknown reduction.

    >>> import numpy as np
    >>> MSELoss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = choice("MSELoss", "reduction", reduction, _REDUCTIONS)

    def forward(self, input: Any, target: Any) -> Any:
        """See the class."""
        return F.mse_loss(input, target, self.reduction)
