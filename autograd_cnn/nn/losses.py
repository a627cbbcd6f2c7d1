"""Losses as layers: a class for each loss of `functional`, with settings given by name."""
# ruff: noqa: D101 - a layer of one line has the docstring of its function

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.checks import choice, number
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array
from autograd_cnn.functional.losses import REDUCTIONS
from autograd_cnn.nn.function import FunctionModule, MadeModule

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import ArrayT, Input

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss",
    "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss",
    "MarginRankingLoss", "NLLLoss", "PairwiseDistance", "PoissonNLLLoss", "SmoothL1Loss",
    "SoftMarginLoss", "TripletMarginLoss",
]  # fmt: skip


class _Loss(MadeModule):
    if TYPE_CHECKING:

        def __call__(self, input: ArrayT, target: Input) -> ArrayT: ...  # type: ignore[override]

    def extra_repr(self) -> str:
        """No settings: a loss is shown by its name."""
        return ""


class _ClassLoss(FunctionModule):
    if TYPE_CHECKING:

        def __call__(self, input: ArrayT, target: Input) -> ArrayT: ...  # type: ignore[override]

    weight: np.ndarray | None
    hidden = ("weight", "ignore_index", "reduction", "label_smoothing")

    @checked
    def __init__(
        self, weight: Array | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        self.reduction = choice(type(self).__name__, "reduction", reduction, REDUCTIONS)
        if weight is not None and weight.ndim != 1:
            raise ValueError(
                f"{type(self).__name__}: weight must have shape (K,), one value per class, got "
                f"{weight.shape}"
            )
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index


class CrossEntropyLoss(_ClassLoss, function=F.cross_entropy):
    """Softmax cross entropy of logits (N, K, ...) with classes (N, ...) or probabilities (N, K,
    ...); see `functional.cross_entropy`.  Class weights (K,) become a buffer.

    >>> nn.CrossEntropyLoss()(np.zeros((2, 4)), np.array([0, 3])).item()  # log(4)
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
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = number("CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1)


class NLLLoss(_ClassLoss, function=F.nll_loss): ...


# fmt: off
class MSELoss(_Loss, function=F.mse_loss): ...
class L1Loss(_Loss, function=F.l1_loss): ...
class SmoothL1Loss(_Loss, function=F.smooth_l1_loss): ...
class HuberLoss(_Loss, function=F.huber_loss): ...
class KLDivLoss(_Loss, function=F.kl_div, reductions=(*REDUCTIONS, "batchmean")): ...
class BCEWithLogitsLoss(_Loss, function=F.binary_cross_entropy_with_logits): ...
class BCELoss(_Loss, function=F.binary_cross_entropy): ...
class SoftMarginLoss(_Loss, function=F.soft_margin_loss): ...
class HingeEmbeddingLoss(_Loss, function=F.hinge_embedding_loss): ...
class PoissonNLLLoss(_Loss, function=F.poisson_nll_loss): ...
class GaussianNLLLoss(MadeModule, function=F.gaussian_nll_loss): ...
class MarginRankingLoss(MadeModule, function=F.margin_ranking_loss): ...
class CosineEmbeddingLoss(MadeModule, function=F.cosine_embedding_loss): ...
class TripletMarginLoss(MadeModule, function=F.triplet_margin_loss): ...
class CosineSimilarity(MadeModule, function=F.cosine_similarity): ...
class PairwiseDistance(MadeModule, function=F.pairwise_distance): ...
# fmt: on
