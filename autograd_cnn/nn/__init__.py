"""Networks under PyTorch's names: `Module`, layers, losses, initial values (`init`), clipping of
gradients (`utils`).

>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
>>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
(2, 10)
"""
# ruff: noqa: F403 - the public names of the layers are written once, in each module

import importlib
from typing import TYPE_CHECKING

from autograd_cnn import checks
from autograd_cnn import functional as functional
from autograd_cnn.nn import init as init
from autograd_cnn.nn import utils as utils
from autograd_cnn.nn.activations import *
from autograd_cnn.nn.containers import *
from autograd_cnn.nn.convolution import *
from autograd_cnn.nn.layers import *
from autograd_cnn.nn.losses import *
from autograd_cnn.nn.module import Module as Module
from autograd_cnn.nn.normalization import *
from autograd_cnn.nn.parameter import Parameter as Parameter
from autograd_cnn.nn.pooling import *
from autograd_cnn.nn.resizing import *
from autograd_cnn.nn.state import IncompatibleKeys as IncompatibleKeys

if TYPE_CHECKING:
    from autograd_cnn.nn.attention import *
    from autograd_cnn.nn.recurrent import *
    from autograd_cnn.nn.weights import *
else:
    _OF_ATTENTION = ("MultiheadAttention", "TransformerEncoder", "TransformerEncoderLayer")
    _LAZY = dict.fromkeys(_OF_ATTENTION, "attention")
    _LAZY |= dict.fromkeys(("GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"), "recurrent")
    _LAZY |= dict.fromkeys(("load_weights", "save_weights"), "weights")
    __all__ = [name for name, value in globals().items() if callable(value) and name[0] != "_"]
    __all__ += ["init", "utils", *_LAZY]
    __dir__ = __all__.copy

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise checks.absent("nn", __name__, name)
        found = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        return globals().setdefault(name, found)
