"""Losses as modules; the functions of the same meaning are in `functional`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.checks import choice
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array
from autograd_cnn.nn.function import FunctionModule
from autograd_cnn.nn.module import Module

_REDUCTIONS = ("mean", "sum", "none")


def _check_classes(owner: str, weight: Array | None) -> None:
    if weight is not None and weight.ndim != 1:
        raise ValueError(
            f"{owner}: weight must have shape (K,), one value per class, got {weight.shape}"
        )


class CrossEntropyLoss(Module):
    """Softmax cross entropy of logits (N, K, ...) with classes (N, ...).

    Targets may also be probabilities (N, K, ...).  The settings and errors are those of
    `functional.cross_entropy`; class weights (K,) become a buffer.  Settings after `weight` are
    given by name.  Raises ValueError for one that is out of range.

    >>> import numpy as np
    >>> CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
    1.3862943611198906
    """

    @checked
    def __init__(
        self,
        weight: Array | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing must be between 0 and 1, got {label_smoothing}"
            )
        _check_classes("CrossEntropyLoss", weight)
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

    @checked
    def __init__(
        self, weight: Array | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        _check_classes("NLLLoss", weight)
        self.weight: np.ndarray | None
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = choice("NLLLoss", "reduction", reduction, _REDUCTIONS)

    def forward(self, input: Any, target: Any) -> Any:
        """See the class."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCEWithLogitsLoss(Module):
    """Binary cross entropy of logits with targets of the same shape in [0, 1].

    See `functional.binary_cross_entropy_with_logits`; `weight` and `pos_weight` become buffers.
    Settings after `weight` are given by name.  Raises ValueError for an unknown reduction.

    >>> import numpy as np
    >>> BCEWithLogitsLoss()(np.array([0.0, 1000.0]), np.array([0.0, 1.0])).item()  # log(2) / 2
    0.34657359027997264
    """

    @checked
    def __init__(
        self,
        weight: Array | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Array | None = None,
    ) -> None:
        self.weight: np.ndarray | None
        self.pos_weight: np.ndarray | None
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = choice("BCEWithLogitsLoss", "reduction", reduction, _REDUCTIONS)

    def forward(self, input: Any, target: Any) -> Any:
        """See the class."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class _Loss(FunctionModule):
    """A loss of two inputs; its settings are checked by its function, the reduction at once too."""

    settings: ClassVar[tuple[str, ...]] = ("reduction",)
    shown = ()
    reductions: ClassVar[tuple[str, ...]] = _REDUCTIONS

    @checked
    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = choice(type(self).__name__, "reduction", reduction, self.reductions)


class MSELoss(_Loss):
    """Squared error of two inputs of one shape; see `functional.mse_loss`.

    Raises ValueError for an unknown reduction.

    >>> import numpy as np
    >>> MSELoss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """

    function = staticmethod(F.mse_loss)


class L1Loss(_Loss):
    """Absolute error of two inputs of one shape; see `functional.l1_loss`.

    Raises ValueError for an unknown reduction.

    >>> import numpy as np
    >>> L1Loss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    1.5
    """

    function = staticmethod(F.l1_loss)


class SmoothL1Loss(_Loss):
    """Squared error below `beta`, absolute error beyond; see `functional.smooth_l1_loss`.

    Raises ValueError for an unknown reduction or a negative beta.

    >>> import numpy as np
    >>> SmoothL1Loss(reduction="none")(np.array([0.5, 4.0]), np.zeros(2))
    array([0.125, 3.5  ])
    """

    function = staticmethod(F.smooth_l1_loss)
    settings = ("reduction", "beta")

    @checked
    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not beta >= 0.0:
            raise ValueError(f"SmoothL1Loss: beta must be at least 0, got {beta}")
        self.beta = beta


class HuberLoss(_Loss):
    """Squared error up to `delta`, absolute error beyond; see `functional.huber_loss`.

    Raises ValueError for an unknown reduction or unless delta > 0.

    >>> import numpy as np
    >>> HuberLoss(reduction="none")(np.array([0.5, 4.0]), np.zeros(2))
    array([0.125, 3.5  ])
    """

    function = staticmethod(F.huber_loss)
    settings = ("reduction", "delta")

    @checked
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not delta > 0.0:
            raise ValueError(f"HuberLoss: delta must be greater than 0, got {delta}")
        self.delta = delta


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of log-probabilities from probabilities; see
    `functional.kl_div`.

    `reduction` may also be 'batchmean', the mathematical divergence.  Raises ValueError for an
    unknown one.

    >>> import numpy as np
    >>> KLDivLoss(reduction="sum")(np.log([0.5, 0.5]), np.array([0.5, 0.5])).item()
    0.0
    """

    function = staticmethod(F.kl_div)
    settings = ("reduction", "log_target")
    reductions = ("mean", "batchmean", "sum", "none")

    @checked
    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target
