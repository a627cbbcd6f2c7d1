"""Networks: `Module`, layers, losses, and initial values (`init`), in PyTorch's names.

>>> import numpy as np
>>> from autograd_cnn import nn
>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
>>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
(2, 10)
"""

from autograd_cnn.nn import init
from autograd_cnn.nn.containers import Sequential
from autograd_cnn.nn.layers import (
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Linear,
    ReLU,
    Sigmoid,
    Tanh,
)
from autograd_cnn.nn.losses import CrossEntropyLoss, MSELoss, NLLLoss
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm1d, BatchNorm2d
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.nn.pooling import AvgPool2d, MaxPool2d
from autograd_cnn.nn.state import IncompatibleKeys

__all__ = [
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "IncompatibleKeys",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "init",
]
