"""PyTorch's functional signatures, composed from ops.  Import it as F.

Every function takes tensors or arrays: arrays give arrays, and any tensor gives tensors.
"""
# ruff: noqa: F403 - the public names are written once, in each module

import sys
from typing import TYPE_CHECKING, Any

from autograd_cnn.checks import absent
from autograd_cnn.functional.activations import *
from autograd_cnn.functional.adaptive import *
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
    _OTHERS = ("Any", "absent")
    __all__ = [n for n, x in globals().items() if callable(x) and n[0] != "_" and n not in _OTHERS]

    def __getattr__(name: str) -> Any:
        raise absent("F", sys.modules[__name__], name)
