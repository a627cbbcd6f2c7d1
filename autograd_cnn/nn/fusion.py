"""Neighbouring layers computed in fewer passes over memory: what `Sequential` does with them.

- Batch norm and the relu after it are one op.
- A relu before max pooling comes after it, on a fourth of the values: the largest value is the
  same, and where it is not positive no gradient passes in either order.
- Without recording (`no_grad`), batch norm by running statistics goes into the weights of the layer
  before it, which changes the result by rounding only.

Layers with hooks run one by one, and so do all while somebody watches (`summary`, `profile`, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_cnn.modes import is_grad_enabled
from autograd_cnn.nn.activations import ReLU
from autograd_cnn.nn.convolution import Conv1d, Conv2d, Conv3d
from autograd_cnn.nn.layers import Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from autograd_cnn.nn.pooling import MaxPool1d, MaxPool2d, MaxPool3d

_NORMS = {Conv1d: BatchNorm1d, Conv2d: BatchNorm2d, Conv3d: BatchNorm3d, Linear: BatchNorm1d}
_POOLS = (MaxPool1d, MaxPool2d, MaxPool3d)
_FIRST = frozenset({*_NORMS, *_NORMS.values(), ReLU})


def run(modules: Sequence[Module], x: Any) -> Any:
    """The modules applied to x one after the other, neighbours together where that is faster.

    >>> import numpy as np
    >>> from autograd_cnn import nn
    >>> x = np.array([[-1.0], [3.0]])
    >>> run([nn.BatchNorm1d(1, eps=0.0), nn.ReLU()], x).numpy()
    array([[0.],
           [1.]])
    """
    place, end = 0, len(modules)
    while place < end:
        module = modules[place]
        after: Any = modules[place + 1] if place + 1 < end and type(module) in _FIRST else None
        both = after is not None and module.runs_straight() and after.runs_straight()
        if both and type(after) is ReLU and type(module) in _NORMS.values():
            x = module(x, relu=True)
        elif both and type(after) in _POOLS and type(module) is ReLU and not after.return_indices:
            x = module(after(x))
        elif both and _folds(module, after, x):
            x = module(x, norm=after)
        else:
            x, both = module(x), False
        place += 1 + both
    return x


def _folds(module: Any, after: Any, x: Any) -> bool:
    """Whether `after` can go into the weights of `module`."""
    return (
        not is_grad_enabled()
        and type(after) is _NORMS.get(type(module))
        and after.folds_into(module.weight)
        and (type(module) is not Linear or getattr(x, "ndim", 0) == 2)
    )
