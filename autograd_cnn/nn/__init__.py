"""Networks under PyTorch's names: `Module`, layers, losses, initial values (`init`), clipping of
gradients (`utils`).

>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
>>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
(2, 10)
"""
# ruff: noqa: F403 - the public names of the layers are written once, in each module

from autograd_cnn.nn import (
    activations,
    convolution,
    init,
    layers,
    losses,
    normalization,
    pooling,
    resizing,
    utils,
)
from autograd_cnn.nn.activations import *
from autograd_cnn.nn.containers import Sequential
from autograd_cnn.nn.convolution import *
from autograd_cnn.nn.layers import *
from autograd_cnn.nn.losses import *
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import *
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.nn.pooling import *
from autograd_cnn.nn.program import Compiled as Compiled
from autograd_cnn.nn.resizing import *
from autograd_cnn.nn.tree import IncompatibleKeys

__all__ = ["IncompatibleKeys", "Module", "Parameter", "Sequential", "init", "utils"]
__all__ += activations.__all__
__all__ += convolution.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += resizing.__all__
