"""Neighbouring layers computed in fewer passes over memory: what `Sequential` does with them.

- Batch norm takes the relu and the max pooling after it into its op.
- Any other relu before max pooling comes after it, on a fourth of the values: the largest value is
  the same, and where it is not positive no gradient passes in either order.
- Without recording (`no_grad`), convolutions and linear layers take in what follows as well: batch
  norm by running statistics, which changes the result by rounding only, relu, max pooling.

Layers with hooks run one by one, and so do all while somebody watches (`summary`, `profile`, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.modes import is_grad_enabled
from autograd_cnn.engine.node import values
from autograd_cnn.nn.activations import ReLU
from autograd_cnn.nn.convolution import Conv1d, Conv2d, Conv3d
from autograd_cnn.nn.layers import Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from autograd_cnn.nn.pooling import MaxPool1d, MaxPool2d, MaxPool3d

_NORMS = {Conv1d: BatchNorm1d, Conv2d: BatchNorm2d, Conv3d: BatchNorm3d, Linear: BatchNorm1d}
_POOLS = {
    Conv1d: MaxPool1d,
    Conv2d: MaxPool2d,
    Conv3d: MaxPool3d,
    BatchNorm1d: MaxPool1d,
    BatchNorm2d: MaxPool2d,
    BatchNorm3d: MaxPool3d,
}
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
        module: Any = modules[place]
        after: Any = modules[place + 1] if place + 1 < end and type(module) in _FIRST else None
        if after is None or not (module.runs_straight() and after.runs_straight()):
            x, taken = module(x), 1
        elif type(module) is ReLU:
            pools = type(after) in _POOLS.values() and _comes_before_relu(after)
            x, taken = (module(after(x)), 2) if pools else (module(x), 1)
        elif type(module) in _NORMS and (is_grad_enabled() or not _plain(module, x)):
            x, taken = module(x), 1
        else:
            x, taken = _in_one_pass(module, modules[place + 1 :], x)
        place += taken
    return x


def _in_one_pass(layer: Any, modules: Sequence[Module], x: Any) -> tuple[Any, int]:
    """The layer with what its pass over x takes in, and how many modules these are."""
    follows = _follows(layer, modules, x)
    try:
        run = getattr(layer, "_run_fused", layer)
        return run(x, **follows), 1 + len(follows)
    except (TypeError, ValueError):
        if not follows:
            raise
    return layer(x), 1  # so that the error comes from the module that has it


def _plain(layer: Any, x: Any) -> bool:
    """Whether x is what a pass takes: real numbers, and for a linear layer a matrix."""
    array = values(x)
    ready = type(array) is np.ndarray and array.dtype.kind == "f"
    return ready and (array.ndim == 2 or type(layer) is not Linear)


def _follows(layer: Any, modules: Sequence[Module], x: Any) -> dict[str, Any]:
    """Which of the modules after it a layer takes into its pass over x, as its arguments."""
    kind, taken = type(layer), dict[str, Any]()
    for module in modules:
        after: Any = module
        if not after.runs_straight():
            break
        if type(after) is ReLU and "relu" not in taken:
            taken["relu"] = True
        elif type(after) is _NORMS.get(kind) and not taken and after.follows(layer.weight):
            taken["norm"] = after
        elif type(after) is _POOLS.get(kind) and "pool" not in taken and _pools(after, x):
            taken["pool"] = after.window_settings()
        else:
            break
    return taken


def _pools(pool: Any, x: Any) -> bool:
    return getattr(x, "ndim", 0) == pool.axes + 2 and _comes_before_relu(pool)


def _comes_before_relu(pool: Any) -> bool:
    """Whether relu may come after this pooling instead of before it: not where positions are asked
    for, nor where a dilated window may see nothing but padding, whose maximum is -inf.
    """
    return not pool.return_indices and pool.dilation in (1, (1,), (1, 1), (1, 1, 1))
