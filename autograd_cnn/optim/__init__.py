"""Optimizers and schedules of the learning rate.

>>> net = nn.Linear(3, 2)
>>> optimizer = ag.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
>>> schedule = ag.optim.StepLR(optimizer, step_size=10)

To clip gradients, call `nn.utils.clip_grad_norm_` between ``backward`` and ``optimizer.step``.
"""

import sys
from typing import TYPE_CHECKING

from autograd_cnn import checks
from autograd_cnn.optim.adam import Adam, AdamW, NAdam
from autograd_cnn.optim.adaptive import Adadelta, Adagrad, RMSprop
from autograd_cnn.optim.one_cycle import OneCycleLR
from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.plateau import ReduceLROnPlateau
from autograd_cnn.optim.scheduler import LRScheduler
from autograd_cnn.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from autograd_cnn.optim.sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "CosineAnnealingLR", "ExponentialLR",
    "InverseTimeLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "NAdam", "OneCycleLR",
    "Optimizer", "RMSprop", "ReduceLROnPlateau", "StepLR",
]  # fmt: skip

if not TYPE_CHECKING:
    __dir__ = __all__.copy
    lr_scheduler = sys.modules[f"{__name__}.lr_scheduler"] = sys.modules[__name__]  # as in PyTorch

    def __getattr__(name: str) -> object:
        raise checks.absent("optim", __name__, name)
