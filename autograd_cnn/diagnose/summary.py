"""A table of a network: shapes, parameters, work and memory per layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import setitem
from typing import Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import mistake
from autograd_cnn.config import get_default_dtype, held
from autograd_cnn.diagnose.table import Table
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.node import values, wrap
from autograd_cnn.nn.hooks import LayerWatcher
from autograd_cnn.nn.module import Module
from autograd_cnn.tensor.tree import flatten


@dataclass
class Row:
    """One layer of a `Summary`: counts over all its calls, without the layers inside it."""

    path: str
    kind: str
    shape: str = "-"
    """The shape of the output, or ``in`` and the name of the layer that this one is fused into."""
    parameters: int = 0
    multiply_adds: int = 0
    kept_bytes: int = 0
    """Memory kept for backward that no earlier layer keeps."""
    calls: int = 0


@dataclass(repr=False)
class Summary(Table):
    """The result of `summary`; ``print`` shows a table.  A layer that ran twice is marked x2.

    >>> found = ag.summary(ag.nn.Linear(3, 2), (1, 3))
    >>> found.parameters, found.multiply_adds
    (8, 6)
    """

    rows: list[Row]
    _left = 2

    @property
    def parameters(self) -> int:
        """The number of values in all parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward, in convolutions and matrix products."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def kept_bytes(self) -> int:
        """Bytes kept from forward to backward, with inputs and without parameters."""
        return sum(row.kept_bytes for row in self.rows)

    def _cells(self) -> list[list[str]]:
        shown = [["layer", "output", "params", "mul-adds", "kept bytes"]]
        for row in self.rows:
            outer = [r.path for r in self.rows if r.path and row.path.startswith(f"{r.path}.")]
            own = row.path.removeprefix(f"{outer[-1]}." if outer else "")
            name = "  " * (len(outer) + bool(row.path)) + f"{own} {row.kind}".lstrip()
            name += f" x{row.calls}" if row.calls > 1 else ""
            counts = (row.parameters, row.multiply_adds, row.kept_bytes)
            shown.append([name, row.shape, *(_short(n) if n else "" for n in counts)])
        totals = (self.parameters, self.multiply_adds, self.kept_bytes)
        return [*shown, ["total", "", *map(_short, totals)]]


def _short(n: int) -> str:
    """`n` in at most 9 characters: in full, or in thousands, millions and so on."""
    for unit in ("", " k", " M", " G"):
        if n < 1e6:
            return f"{n:,}{unit}"
        n = round(n / 1000)
    return f"{n:,} T"


def summary(model: Module, *inputs: Any) -> Summary:
    """Run a model once and tabulate its layers: output shapes, parameters, multiply-adds, memory.

    Each input is an array, a tensor, or a shape, which stands for zeros of the default dtype.  The
    model runs in its current mode.  Buffers, gradients and the random generator do not change.  A
    shared parameter counts once, in its first layer.  If `nn.Sequential` fuses layers, the first
    one has their output and memory, and the others say ``in`` and its name.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> found = summary(net, (1, 1, 4, 4))
    >>> found.parameters, found.multiply_adds
    (47, 96)
    >>> print(found)  # doctest: +ELLIPSIS
    layer ... output       params mul-adds kept bytes
    ----...
    Sequential  (1, 3)...
    """
    if not isinstance(model, Module):
        raise mistake("summary", "model", "a module", model)
    if not inputs:
        raise TypeError("summary: give the model's inputs, or their shapes, such as (1, 3, 32, 32)")
    arguments = [_input(x) for x in inputs]
    count = _Count(model)
    buffers: list[Any] = list(model.buffers())
    undo: Any = map(setitem, buffers, repeat(...), [b.copy() for b in buffers])
    with held((), undo), random.replay(), modes.enable_grad(), watch.Watching(count):
        model(*arguments)
    return Summary(list(count.rows.values()))


def _input(x: Any) -> Any:
    if isinstance(x, (tuple, list)) and all(isinstance(n, (int, np.integer)) for n in x):
        return wrap(np.zeros(tuple(x), get_default_dtype()))
    if hasattr(x, "ndim"):
        return x
    wanted = "an array, a tensor or a shape such as (1, 3, 32, 32)"
    raise mistake("summary", "an input", wanted, x)


class _Count(LayerWatcher):
    """Counts each op for the innermost running layer."""

    def __init__(self, model: Module) -> None:
        self.rows: dict[int, Row] = {}
        self.kept: dict[int, np.ndarray] = {}
        seen: set[int] = set()
        for path, module in model.named_modules():
            row = self.rows[id(module)] = Row(path, type(module).__name__)
            for p in module.parameters(recurse=False):
                if id(p) not in seen:
                    seen.add(id(p))
                    row.parameters += p.size
                    self._first_seen(p.array)

    def ran(self, together: Sequence[Module], output: Any) -> None:
        """Record a call and the output's shape; the layers after the first are fused into it."""
        shapes = [str(x.shape) for x in flatten(output)[0] if hasattr(x, "shape")]
        shape = " ".join(shapes) or "-"
        for row in [self.rows[id(module)] for module in together if id(module) in self.rows]:
            row.shape, row.calls = shape, row.calls + 1
            shape = shape if shape.startswith("in ") else f"in {row.path.rpartition('.')[2]}"

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        running = [m for m in watch.layers.get() if id(m) in self.rows]
        if not running:
            return
        row = self.rows[id(running[-1])]
        row.multiply_adds += _multiply_adds(op.name, node, args)
        if node.requires_grad:
            saved = flatten(list(node.params.values()))[0]
            for x in (*args, node, *saved):
                if isinstance(values(x), np.ndarray):
                    row.kept_bytes += self._first_seen(values(x))

    def _first_seen(self, array: np.ndarray) -> int:
        """The size of the memory behind `array`, or 0 if it is counted already."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        if id(array) in self.kept:
            return 0
        self.kept[id(array)] = array
        return array.nbytes


def _multiply_adds(op: str, node: Any, args: Sequence[Any]) -> int:
    """Multiply-adds in one call of an op; 0 for anything but products and convolutions."""
    arrays = [np.asarray(values(x)) for x in args[:2]]
    if op == "matmul":
        return int(values(node).size) * arrays[0].shape[-1]
    if op.startswith("linear"):
        return int(values(node).size) * arrays[1].shape[-1]
    if op.startswith("conv") and len(arrays) == 2 and arrays[1].ndim > 2:
        # One filter's work per output value, or in transposed convolution per input value.
        over = arrays[0] if op.endswith("input_grad") else values(node)
        return int(over.size) * math.prod(arrays[1].shape[1:])
    if op == "contract" and "subscripts" in getattr(node, "params", {}):
        terms = node.params["subscripts"].partition("->")[0].split(",")
        sizes = {n: s for t, x in zip(terms, args) for n, s in zip(t, values(x).shape)}
        return math.prod(sizes.values())
    return 0
