"""Automatic differentiation on NumPy: tensors, ops with their own backward rules, layers,
optimizers, gradient checks.

>>> x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = (x ** 2).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4., 6.])
"""

# ruff: noqa: F403 - a name in `__all__` of a module of ops is public here

import importlib
from typing import TYPE_CHECKING, Any

import numpy

from autograd_cnn import checks
from autograd_cnn import functional as functional
from autograd_cnn import nn as nn
from autograd_cnn import optim as optim
from autograd_cnn.config import __version__ as __version__
from autograd_cnn.config import get_default_dtype as get_default_dtype
from autograd_cnn.config import get_num_threads as get_num_threads
from autograd_cnn.config import set_default_dtype as set_default_dtype
from autograd_cnn.config import set_num_threads as set_num_threads
from autograd_cnn.config import show_config as show_config
from autograd_cnn.engine.gradients import grad as grad
from autograd_cnn.engine.modes import enable_grad as enable_grad
from autograd_cnn.engine.modes import is_grad_enabled as is_grad_enabled
from autograd_cnn.engine.modes import no_grad as no_grad
from autograd_cnn.engine.modes import set_grad_enabled as set_grad_enabled
from autograd_cnn.engine.node import GraphError as GraphError
from autograd_cnn.engine.op import OPS as OPS
from autograd_cnn.engine.op import Op as Op
from autograd_cnn.engine.op import op as op
from autograd_cnn.functional import avg_pool2d as avg_pool2d
from autograd_cnn.functional import conv2d as conv2d
from autograd_cnn.functional import max_pool2d as max_pool2d
from autograd_cnn.ops.arithmetic import *
from autograd_cnn.ops.batch_norm import *
from autograd_cnn.ops.constants import *
from autograd_cnn.ops.exponential import *
from autograd_cnn.ops.join import *
from autograd_cnn.ops.loss import *
from autograd_cnn.ops.matrix import *
from autograd_cnn.ops.pick import *
from autograd_cnn.ops.places import *
from autograd_cnn.ops.product import *
from autograd_cnn.ops.reduce import *
from autograd_cnn.ops.running import *
from autograd_cnn.ops.shape import *
from autograd_cnn.ops.sort import *
from autograd_cnn.ops.trigonometry import *
from autograd_cnn.ops.words import *
from autograd_cnn.random import manual_seed as manual_seed
from autograd_cnn.tensor import Tensor as Tensor
from autograd_cnn.tensor import from_numpy as from_numpy
from autograd_cnn.tensor import tensor as tensor
from autograd_cnn.tensor.creation import *
from autograd_cnn.tensor.exchange import from_dlpack as from_dlpack

if TYPE_CHECKING:
    from autograd_cnn import compat as compat
    from autograd_cnn import data as data
    from autograd_cnn import diagnose as diagnose
    from autograd_cnn import distributed as distributed
    from autograd_cnn import func as func
    from autograd_cnn import onnx as onnx
    from autograd_cnn import testing as testing
    from autograd_cnn import training as training
    from autograd_cnn.diagnose import detect_anomaly as detect_anomaly
    from autograd_cnn.diagnose import draw as draw
    from autograd_cnn.diagnose import profile as profile
    from autograd_cnn.diagnose import why_no_grad as why_no_grad
    from autograd_cnn.diagnose.summary import summary as summary
    from autograd_cnn.func.checkpoint import checkpoint as checkpoint
    from autograd_cnn.func.custom import custom_gradient as custom_gradient
else:
    # What no training step needs is imported when it is first asked for (PEP 562).
    _LAZY = {
        **dict.fromkeys(("compat", "data", "diagnose", "distributed", "func", "onnx")),
        **dict.fromkeys(("testing", "training")),
        **dict.fromkeys(
            ("detect_anomaly", "draw", "profile", "summary", "why_no_grad"), "diagnose"
        ),
        "checkpoint": "func.checkpoint",
        "custom_gradient": "func.custom",
    }
    _HIDDEN = {"Any", "TYPE_CHECKING", "importlib", "numpy"}
    _HIDDEN |= {"checks", "config", "engine", "kernels", "ops", "random"}
    __all__ = sorted(n for n in {*globals(), *_LAZY} - _HIDDEN if n[0] != "_" or n == "__version__")

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            if name in checks.hints("numpy"):
                return getattr(numpy, checks.hints("numpy")[name])
            raise checks.absent("ag", __name__, name)
        found = importlib.import_module(f"{__name__}.{_LAZY[name] or name}")
        globals()[name] = found if _LAZY[name] is None else getattr(found, name)
        return globals()[name]

    __dir__ = __all__.copy
