"""PyTorch's functional signatures, composed from ops.  Import it as F.

Every function takes tensors or arrays: arrays give arrays, and any tensor gives tensors.
"""
# ruff: noqa: F403 - the public names are written once, in each module

from autograd_cnn.functional import (
    activations,
    adaptive,
    classification,
    convolution,
    layers,
    losses,
    normalization,
    pooling,
    resampling,
)
from autograd_cnn.functional.activations import *
from autograd_cnn.functional.adaptive import *
from autograd_cnn.functional.classification import *
from autograd_cnn.functional.convolution import *
from autograd_cnn.functional.layers import *
from autograd_cnn.functional.losses import *
from autograd_cnn.functional.normalization import *
from autograd_cnn.functional.pooling import *
from autograd_cnn.functional.resampling import *

__all__: list[str] = []
__all__ += activations.__all__
__all__ += adaptive.__all__
__all__ += classification.__all__
__all__ += convolution.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += resampling.__all__
