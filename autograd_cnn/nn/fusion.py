"""Neighbouring layers of a `Sequential`, computed in fewer passes over memory.

- Batch norm takes a following relu and max pooling into its op.
- Another relu before max pooling runs after it instead, on a fourth of the values.  The largest
  value is the same, and where it is not positive no gradient passes in either order.
- Under `no_grad`, convolutions and linear layers also take in a following batch norm by running
  statistics (which changes the result by rounding only), relu and max pooling.

Subclasses, layers with hooks, and layers with a replaced `forward`, `function` or `__call__` run
one by one.  Watchers (`summary`, `profile`, ...) see what really runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.modes import recording
from autograd_cnn.engine.node import Node
from autograd_cnn.engine.watch import open_blocks
from autograd_cnn.nn import (
    activations,
    convolution,
    layers,
    losses,
    normalization,
    pooling,
    resizing,
)
from autograd_cnn.nn.activations import ReLU
from autograd_cnn.nn.convolution import Conv1d, Conv2d, Conv3d
from autograd_cnn.nn.error_notes import note_layer
from autograd_cnn.nn.hooks import watched_layers
from autograd_cnn.nn.layers import Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from autograd_cnn.nn.pooling import MaxPool1d, MaxPool2d, MaxPool3d

_RANKS: Any = (
    (Conv1d, BatchNorm1d, MaxPool1d),
    (Conv2d, BatchNorm2d, MaxPool2d),
    (Conv3d, BatchNorm3d, MaxPool3d),
)
_NORMS = {conv: norm for conv, norm, _ in _RANKS} | {Linear: BatchNorm1d}
_POOLS = {layer: pool for conv, norm, pool in _RANKS for layer in (conv, norm)}
_MAX_POOLS = frozenset(_POOLS.values())
TAKERS = {True: frozenset(_NORMS.values()), False: frozenset([*_NORMS.values(), *_NORMS])}
"""The layers that take in the following ones, by whether operations are recorded."""
_FUSIBLE = frozenset([ReLU, *TAKERS[False], *_MAX_POOLS])


def methods(kind: type) -> list[tuple[str, Any]]:
    """What says how a layer computes, as it is written."""
    names = ("forward", "__call__", "function", "_run_fused")
    return [(name, getattr(kind, name)) for name in names if hasattr(kind, name)]


_FILES: Any = (activations, convolution, layers, losses, normalization, pooling, resizing)
METHODS = {kind: methods(kind) for f in _FILES for kind in map(vars(f).get, f.__all__)}
"""The layers of this package, with their methods."""


def run(members: Iterable[Any], x: Any) -> Any:
    """Apply the modules among the members to x in order, neighbours together where possible."""
    modules, kinds = candidates(members)
    takers = TAKERS[recording.get()]
    place = 0
    while place < len(modules):
        kind = kinds[place]
        if kind in takers and kinds[place + 1] is not None:
            x, count = _run_together(modules, kinds, place, x)
        elif kind is ReLU and relu_follows(modules, kinds, place, x):
            x, count = modules[place](modules[place + 1](x)), 2
        else:
            x, count = modules[place](x), 1
        place += count
    return x


def candidates(members: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The modules, and the classes of those that may run together (None for others), then None."""
    modules: list[Any] = []
    kinds: list[Any] = []
    for module in members:
        if isinstance(module, Module):
            kind: Any = type(module)
            if kind not in _FUSIBLE or module._hooks is not None:
                kind = None
            for name, written in METHODS[kind] if kind else ():
                if name in module.__dict__ or getattr(type(module), name) is not written:
                    kind = None
            modules.append(module)
            kinds.append(kind)
    return modules, [*kinds, None]


def _run_together(
    modules: Sequence[Any], kinds: Sequence[Any], place: int, x: Any
) -> tuple[Any, int]:
    """Run a module with those that it takes in; returns the result and their number."""
    layer, settings = modules[place], fused_settings(modules, kinds, place, x)
    count = 1 + len(settings)
    if count > 1:
        try:
            if not open_blocks:
                return layer._run_fused(x, **settings), count
            return watched_layers(
                modules[place : place + count], lambda: layer._run_fused(x, **settings)
            ), count
        except (TypeError, ValueError):
            pass  # run one by one, so that the layer at fault raises the error
        except Exception as error:
            note_layer(error, layer)
            raise
    return layer(x), 1


def fused_settings(
    modules: Sequence[Any], kinds: Sequence[Any], place: int, x: Any
) -> dict[str, Any]:
    """The following modules that one of `TAKERS` takes in, as settings of its `_run_fused`."""
    layer, kind = modules[place], kinds[place]
    array = x.array if isinstance(x, Node) else x
    taken: dict[str, Any] = {}
    # A pass takes real numbers; a convolution's has a batch axis, and a linear layer's is a matrix.
    if type(array) is not np.ndarray or array.dtype.kind != "f":
        return taken
    if kind in _NORMS and array.ndim != getattr(kind, "axes", 0) + 2:
        return taken
    if getattr(layer, "padding_mode", "zeros") != "zeros":  # the image is padded first
        return taken
    while (after := kinds[place := place + 1]) is not None:
        module = modules[place]
        if after is ReLU and "relu" not in taken:
            taken["relu"] = True
        elif after is _NORMS.get(kind) and not taken and module._follows(layer.weight):
            taken["norm"] = module
        elif after is _POOLS.get(kind) and "pool" not in taken and _relu_may_follow(module, array):
            taken["pool"] = module.window_settings()
        else:
            break
    return taken


def relu_follows(modules: Sequence[Any], kinds: Sequence[Any], place: int, x: Any) -> bool:
    """Whether this relu runs after the pooling behind it."""
    if kinds[place] is not ReLU or kinds[place + 1] not in _MAX_POOLS:
        return False
    return _relu_may_follow(modules[place + 1], x)


def _relu_may_follow(pool: Any, x: Any) -> bool:
    """Whether relu may run after this pooling of x instead of before.

    Positions would differ, and a dilated window may see only padding, whose maximum is -inf.
    """
    if pool.return_indices or pool.dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        return False
    return getattr(x, "ndim", 0) == pool.axes + 2
