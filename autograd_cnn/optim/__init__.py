"""Optimizers and schedules of the learning rate.

>>> net = nn.Linear(3, 2)
>>> optimizer = ag.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
>>> schedule = ag.optim.StepLR(optimizer, step_size=10)

To clip gradients, call `nn.utils.clip_grad_norm_` between ``backward`` and ``optimizer.step``.
`swa_utils` averages weights.
"""

import importlib
import sys
from typing import TYPE_CHECKING

from autograd_cnn import checks
from autograd_cnn.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from autograd_cnn.optim.adaptive import Adadelta, Adagrad, RMSprop
from autograd_cnn.optim.one_cycle import OneCycleLR
from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.plateau import ReduceLROnPlateau
from autograd_cnn.optim.scheduler import LRScheduler
from autograd_cnn.optim.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from autograd_cnn.optim.sgd import SGD

__all__ = [
    "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ChainedScheduler",
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR",
    "InverseTimeLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "NAdam", "OneCycleLR",
    "Optimizer", "PolynomialLR", "RAdam", "RMSprop", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip

if TYPE_CHECKING:
    from autograd_cnn.optim import swa_utils as swa_utils
    from autograd_cnn.optim.combined import ChainedScheduler, SequentialLR
    from autograd_cnn.optim.lbfgs import LBFGS
else:
    __dir__ = __all__.copy
    lr_scheduler = sys.modules[f"{__name__}.lr_scheduler"] = sys.modules[__name__]  # as in PyTorch
    _LAZY = {"swa_utils": "swa_utils", "LBFGS": "lbfgs"}
    _LAZY |= {"ChainedScheduler": "combined", "SequentialLR": "combined"}

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise checks.absent("optim", __name__, name)
        module = importlib.import_module(f"{__name__}.{_LAZY[name]}")
        return module if name == _LAZY[name] else getattr(module, name)
