"""The parts of a program: calls of layers that were recorded, and modules that run as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn import random
from autograd_cnn.engine import modes
from autograd_cnn.engine.backward import ancestors, backpropagate
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.engine.op import Op
from autograd_cnn.functional.normalization import follow
from autograd_cnn.nn.normalization import BatchNorm

Found = dict[int, tuple[Node, Array | None]]


class NotRecordableError(Exception):
    """The calls of a module cannot be put down as a list."""


class Call(NamedTuple):
    """One call: ``out = function(*sources, **named)``, where out and sources are places."""

    out: int
    function: Callable[..., Any]
    sources: tuple[int, ...]
    wanted: tuple[bool, ...]
    """Which sources get a gradient."""
    named: dict[str, Any]
    saves: bool = False
    after: Callable[..., None] | None = None
    """What follows with the saved values and the input: running statistics."""
    joint: Callable[..., Any] | None = None
    rules: tuple[Callable[..., Any] | None, ...] = ()


class Recorded:
    """Calls of layers of this package, one after the other."""

    def __init__(self, with_gradients: bool, input_wanted: bool) -> None:
        self.calls: list[Call] = []
        self.fixed: list[Any] = [None]  # by place: the input, then tensors and numbers
        self.wanted = [input_wanted]
        self.out = 0
        self.with_gradients = with_gradients

    def place(self, value: Any) -> int:
        """The place of a parameter or a number."""
        for k, known in enumerate(self.fixed):
            if known is value and isinstance(value, Node):
                return k
        self.fixed.append(value)
        self.wanted.append(isinstance(value, Node) and value.tracked and self.with_gradients)
        return len(self.fixed) - 1

    def add(self, function: Any, sources: Sequence[int], named: Any = None, **more: Any) -> int:
        """Add a call; returns the place of its result."""
        wanted = tuple([self.wanted[k] for k in sources])
        call = Call(self.place(None), function, tuple(sources), wanted, named or {}, **more)
        self.wanted[call.out] = any(wanted) and bool(call.rules or call.joint)
        self.calls.append(call)
        return call.out

    def trace(self, module: Any, function: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
        """Add the calls by which `function`, of one of our layers, computes its result of `array`.

        Raises NotRecordableError, and adds nothing, where the result depends on something else.
        """
        before = len(self.calls), len(self.fixed)
        try:
            return self._trace(module, function, array)
        except NotRecordableError:
            del self.calls[before[0] :], self.fixed[before[1] :], self.wanted[before[1] :]
            raise

    def _trace(self, module: Any, function: Any, array: np.ndarray) -> np.ndarray:
        x = wrap(array, True)
        with modes.enable_grad(), modes.recomputation(), random.replay():
            y = function(x)
        if not isinstance(y, Node):
            raise NotRecordableError
        known = {id(p) for p in module.parameters()}
        places = {x.serial: self.out}
        for node in ancestors([y], None, 0):
            if node.op is None:
                continue
            sources = []
            for part in node.inputs or ():
                if isinstance(part, Node) and part.op is None and part is not x:
                    if id(part) not in known or part.attached is not None:  # such as a hook
                        raise NotRecordableError
                    sources.append(self.place(part))
                elif isinstance(part, Node):
                    sources.append(places[part.serial])
                elif isinstance(part, (int, float, type(None))):
                    sources.append(self.place(part))
                else:
                    raise NotRecordableError
            places[node.serial] = self._add_op(module, node, sources)
        self.out = places[y.serial]
        return y.array

    def _add_op(self, module: Any, node: Any, sources: list[int]) -> int:
        op: Op = node.op
        named = {k: v for k, v in node.params.items() if k not in op.saves}
        if not all(map(lasting, named.values())):
            raise NotRecordableError
        rules = op.rules
        if op.variadic:
            rule: Any = rules[0]
            rules = tuple([partial(rule, position=k) for k in range(len(sources))])
        follows = isinstance(module, BatchNorm) and module.training and module.track_running_stats
        return self.add(
            getattr(op.forward, "ufunc", op.forward),
            sources,
            named,
            saves=bool(op.saves),
            after=partial(_follow, module) if op.saves and follows else None,
            joint=op.joint,
            rules=rules,
        )

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The result, and what `backward` needs."""
        held = [v.array if isinstance(v, Node) else v for v in self.fixed]
        held[0] = x
        kept = {}
        for call in self.calls:
            out = call.function(*[held[k] for k in call.sources], **call.named)
            if call.saves:
                out, saved = out
                kept[call.out] = saved
                if call.after is not None:
                    call.after(saved, held[call.sources[0]])
            held[call.out] = out
        return held[self.out], (held, kept)

    def backward(self, g: np.ndarray, kept: Any, found: Found) -> Any:
        """The gradient of the input, if it is wanted; those of the parameters go to `found`."""
        held, saved = kept
        pending: list[Any] = [None] * len(held)
        pending[self.out] = g
        del g
        for out, _, sources, wanted, named, saves, _, joint, rules in reversed(self.calls):
            g, pending[out] = pending[out], None
            if g is None:
                continue
            args = [held[out], *[held[k] for k in sources]]
            if saves:
                named = {**named, **saved.pop(out)}
            if joint is not None:
                rules = joint(g, *args, wanted=wanted, **named)
            for place, rule, asked in zip(sources, rules, wanted):
                if not asked or rule is None:
                    continue
                gx = rule if joint is not None else rule(g, *args, **named)
                if gx is None:
                    continue
                old = pending[place]
                pending[place] = gx if old is None else old + gx
            held[out] = None  # as backward frees a graph
        for place, leaf in enumerate(self.fixed):
            if isinstance(leaf, Node) and self.wanted[place]:
                found[leaf.serial] = (leaf, pending[place])
        return pending[0]


class Outside:
    """What runs as it is; if it is `foreign`, it may write to its input."""

    def __init__(self, function: Callable[[Any], Any], input_wanted: bool, foreign: bool) -> None:
        self.function, self.input_wanted, self.foreign = function, input_wanted, foreign

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The result as an array, and its graph."""
        leaf = wrap(x, self.input_wanted)
        y = self.function(leaf.copy() if self.foreign else leaf)
        return values(y), (leaf, y)

    def backward(self, g: np.ndarray, kept: Any, found: Found) -> Any:
        """The gradient of the input, if it is wanted; those of leaves go to `found`."""
        leaf, y = kept
        if not (isinstance(y, Node) and y.tracked):
            return None
        found |= backpropagate([y], [g])
        return found.pop(leaf.serial, (leaf, None))[1]


_LASTING = (int, float, str, type(None), type(...), np.dtype, type)


def lasting(value: Any) -> bool:
    """Whether nobody can change this setting in place."""
    return all(map(lasting, value)) if isinstance(value, tuple) else isinstance(value, _LASTING)


def _follow(layer: Any, saved: dict[str, np.ndarray], x: np.ndarray) -> None:
    """Move the running statistics of a batch norm after a forward in training."""
    count = x.size // x.shape[1]
    running = layer.running_mean, layer.running_var
    follow(*running, saved["mean_"], saved["var_"], count, layer._momentum())
    if count and layer.num_batches_tracked is not None:
        layer.num_batches_tracked[()] += 1
