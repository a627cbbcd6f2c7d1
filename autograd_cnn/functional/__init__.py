"""PyTorch's functional signatures, composed from ops.  Import it as F.

Every function takes tensors or arrays: arrays give arrays, and any tensor gives tensors.
"""
# ruff: noqa: F403 - the public names are written once, in each module

from typing import TYPE_CHECKING

from autograd_cnn import checks
from autograd_cnn.functional.activations import *
from autograd_cnn.functional.adaptive import *
from autograd_cnn.functional.attention import *
from autograd_cnn.functional.classification import *
from autograd_cnn.functional.convolution import *
from autograd_cnn.functional.distances import *
from autograd_cnn.functional.layers import *
from autograd_cnn.functional.losses import *
from autograd_cnn.functional.normalization import *
from autograd_cnn.functional.pooling import *
from autograd_cnn.functional.rearranging import *
from autograd_cnn.functional.resampling import *

if not TYPE_CHECKING:
    __all__ = [name for name, value in globals().items() if callable(value) and name[0] != "_"]
    __dir__ = __all__.copy

    def __getattr__(name: str) -> object:
        raise checks.absent("F", __name__, name)
