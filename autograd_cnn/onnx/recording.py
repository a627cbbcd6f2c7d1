"""What a model computes, recorded at several batch sizes and unified, with the batch as a symbol."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import setitem
from typing import Any, NamedTuple, NoReturn

import numpy as np

from autograd_cnn import random
from autograd_cnn.config import held
from autograd_cnn.diagnose.origin import Origin, here, inputs_of
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.node import Node, values
from autograd_cnn.engine.op import OPS, Op, op
from autograd_cnn.nn.hooks import LayerWatcher
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.numpy_functions import status
from autograd_cnn.tensor.tree import flatten

SIZES = (2, 3, 4)
"""The batch sizes of the runs.  Some layers and functions such as squeeze treat 1 as a case."""


class ExportError(ValueError):
    """A model cannot be written as an ONNX file; the message says where and why.

    >>> raise ag.onnx.ExportError("export: relu_grad has no form in ONNX")
    Traceback (most recent call last):
    autograd_cnn.onnx.recording.ExportError: export: relu_grad has no form in ONNX
    """


class Size(NamedTuple):
    """The number ``times * batch + plus``."""

    times: int
    plus: int

    def __str__(self) -> str:
        product = "batch" if self.times == 1 else f"{self.times}*batch"
        return f"{product}{self.plus:+}" if self.plus else product


@dataclass(frozen=True, eq=False)
class Filled:
    """An array whose shape depends on the batch and whose values are all the same."""

    value: Any
    shape: tuple[Any, ...]


@dataclass(eq=False)
class Value:
    """A value of the model, from all runs: what made it, from which inputs, with which settings."""

    nodes: tuple[Any, ...]
    origin: Origin | None
    shape: tuple[Any, ...]
    op: str = ""
    """The op that made it; "" for a parameter, "input" for an input of the model."""
    inputs: list[Any] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def place(self) -> str:
        """Where the user's code makes it."""
        return str(self.origin or "in the forward of the model")

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.nodes[0].array.dtype


def shape_of(x: Any) -> tuple[Any, ...]:
    """The shape of an input of a value, or of an index."""
    if isinstance(x, Size):
        return ()
    return x.shape if isinstance(x, (Value, Filled)) else np.shape(x)


# ------------------------------------------------------------------------------------- in one run


@op(register=False, x=lambda g, out, x: g)
def same(x: Any) -> Any:
    """`x` as a new value, which no leaf is."""
    return x


def _plain_op(name: str, compute: Callable[..., Any], inputs: int) -> Callable[..., Any]:
    """An op for what is a constant to a graph: a comparison, or a connection of truth values."""

    def one(x: Any) -> Any:
        return compute(x)

    def two(x: Any, y: Any) -> Any:
        return compute(x, y)

    function = (one, two)[inputs - 1]
    function.__name__ = name
    return op(register=False, **dict.fromkeys("xy"[:inputs]))(function)


COMPARED = "less less_equal equal not_equal greater greater_equal".split()
_PLAIN = {name: _plain_op(name, getattr(np, name), 2) for name in COMPARED}
_PLAIN |= {
    name: _plain_op(name, getattr(np, name), 2 - (name == "logical_not"))
    for name in ("logical_and", "logical_or", "logical_xor", "logical_not")
}
KNOWN = {id(f.op): name for name, f in _PLAIN.items()} | {  # type: ignore[attr-defined]
    id(same.op): "same"  # type: ignore[attr-defined]
}
_ALIKE = {"_put_into": "put", "tiny_exp": "exp", "border": "same", "variable": "same"}
"""Private ops of this package that compute what another op does."""


def _leaves(what: str) -> NoReturn:
    raise ExportError(
        f"export: {what} takes values of the model out of the graph, so the file could not compute "
        f"them: {here(what)}; use ops on tensors, such as ag.where in place of a branch"
    )


class Watched(Tensor):
    """A tensor that depends on the inputs of a recorded model.

    Its values must not leave the graph.  Comparisons give tensors of truth values.
    """

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        plain = _PLAIN.get(ufunc.__name__)
        if plain is not None and method == "__call__" and not options:
            return plain(*args)
        if status(ufunc) == "constant":
            _leaves(f"np.{ufunc.__name__}")
        return super().__array_ufunc__(ufunc, method, *args, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if status(function) == "constant" and function not in _OF_SHAPE:
            _leaves(f"np.{function.__name__}")
        return super().__array_function__(function, types, args, kwargs)

    def detach(self) -> Tensor:
        return same(self)


_OF_SHAPE = (np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like)


def _exit(name: str) -> Callable[..., Any]:
    def leave(self: Any, *args: Any, **kwargs: Any) -> Any:
        _leaves(name if name.startswith("__") else f".{name}()")

    return leave


_EXITS = """__array__ __bool__ __complex__ __float__ __index__ __int__ all any argmax argmin argsort
count_nonzero item nonzero numpy tolist"""
for _name in _EXITS.split():
    setattr(Watched, _name, _exit(_name))
for _name, _method in zip(COMPARED, "lt le eq ne gt ge".split()):
    setattr(Watched, f"__{_method}__", _PLAIN[_name])
for _name, _method in {"and": "and", "or": "or", "xor": "xor", "not": "invert"}.items():
    setattr(Watched, f"__{_method}__", _PLAIN[f"logical_{_name}"])
Watched.__hash__ = object.__hash__  # type: ignore[method-assign]


class Recording(LayerWatcher):
    """One run of a model: where each value was made, and how those without a graph were."""

    def __init__(self, model: Any, arrays: Sequence[np.ndarray]) -> None:
        self.origins: dict[int, Origin] = {}
        self.calls: dict[int, tuple[Op, Sequence[Any], dict[str, Any]]] = {}
        self.together: dict[int, Sequence[Any]] = {}
        """Layers that ran in one pass, by the id of the first."""
        self.whole: list[Any] = []
        """Integers and truth values that depend on the inputs."""
        self.buffers = {id(array): name for name, array in model.named_buffers()}
        self.named: dict[tuple[int, int], str] = {}
        """The buffers among the inputs of calls, by serial and position."""
        buffers: list[Any] = list(model.buffers())
        undo: Any = map(setitem, buffers, repeat(...), [b.copy() for b in buffers])
        with held((), undo), random.replay(), modes.enable_grad(), watch.Watching(self):
            with np.errstate(all="ignore"):  # values near the example may leave a domain
                self.inputs = [self.input(array) for array in arrays]
                self.result = model(*self.inputs)

    def input(self, array: np.ndarray) -> Any:
        """A tensor that the model may change in place, because it is not a leaf."""
        leaf = Tensor(array, requires_grad=array.dtype.kind == "f")
        leaf.__class__ = Watched  # type: ignore[assignment]
        return same(leaf)

    def operation(self, op: Any, args: Sequence[Any], compute: Any) -> Any:
        self.params = compute.keywords
        return compute()

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        self.origins[node.serial] = here(op.name)
        self.named |= {
            (node.serial, k): self.buffers[id(x)]
            for k, x in enumerate(args)
            if type(x) is np.ndarray and id(x) in self.buffers
        }
        if not node.tracked:
            self.calls[node.serial] = op, args, self.params
        if any(isinstance(x, Watched) for x in args):
            node.__class__ = Watched
            if node.array.dtype.kind in "biu":
                self.whole.append(node)

    def ran(self, together: Sequence[Any], output: Any) -> None:
        if len(together) > 1:
            self.together[id(together[0])] = together

    def changing(self, node: Any) -> None:
        if isinstance(node, Watched) and not node.tracked:
            raise ExportError(
                "export: a value without a graph is changed in place, which a file cannot follow: "
                f"{here('an in-place change')}; write it as a new value"
            )

    def call_of(self, node: Any) -> tuple[Op | None, Sequence[Any], dict[str, Any]]:
        """The call that made `node`; no op for a leaf."""
        if node.tracked and node.op is not None:
            params = {k: v for k, v in node.params.items() if k not in node.op.saves}
            return node.op, inputs_of(node), params
        return self.calls.get(node.serial, (None, (), {}))


# ------------------------------------------------------------------------------------ all runs as one


class Unified:
    """The values that the outputs of a model need, in the order in which they are made."""

    def __init__(self, model: Any, runs: Sequence[Recording]) -> None:
        self.runs = runs
        self.named = {id(p): name for name, p in model.named_parameters()}
        self._known: dict[int, Value] = {}
        self._open: list[Value] = []
        self.inputs = [self._value(nodes) for nodes in zip(*(run.inputs for run in runs))]
        for value in self.inputs:
            value.op = "input"
        self._open.clear()
        found = [flatten(run.result)[0] for run in runs]
        if not found[0] or any(len(leaves) != len(found[0]) for leaves in found):
            raise ExportError("export: the model must return tensors, as many for every batch")
        for number, leaf in enumerate(found[0]):
            if not isinstance(leaf, Node):
                raise ExportError(
                    f"export: output {number} of the model is of type {type(leaf).__name__}, not "
                    "a tensor, so it has left the graph"
                )
        self.outputs = [self._value(nodes) for nodes in zip(*found)]
        while self._open:
            self._fill(self._open.pop())
        self.values = [self._known[serial] for serial in sorted(self._known)]

    def _value(self, nodes: tuple[Any, ...]) -> Value:
        known = self._known.get(nodes[0].serial)
        if known is None:
            known = Value(nodes, self.runs[0].origins.get(nodes[0].serial), ())
            known.shape = self._setting([x.array.shape for x in nodes], known)
            self._known[nodes[0].serial] = known
            self._open.append(known)
        elif [x.serial for x in known.nodes] != [x.serial for x in nodes]:
            raise self._differs(known)
        return known

    def _differs(self, value: Value) -> ExportError:
        return ExportError(
            f"export: the model computes otherwise for a batch of {SIZES[1]} than for {SIZES[0]}: "
            f"{value.place}; an ONNX file is one list of ops for all batches"
        )

    def _fill(self, value: Value) -> None:
        """Find how a value was made."""
        calls = [run.call_of(node) for run, node in zip(self.runs, value.nodes)]
        own = calls[0][0]
        if any(call[0] is not own or len(call[1]) != len(calls[0][1]) for call in calls):
            raise self._differs(value)
        if own is None:
            value.name = self.named.get(id(value.nodes[0]), "")
            if not value.name:
                found = self._constant([x.array for x in value.nodes], value)
                value.op, value.inputs = "same", [found]
            return
        name = KNOWN.get(id(own), own.name)
        if OPS.get(name) is not own and id(own) not in KNOWN:
            ours = own.forward.__module__.startswith("autograd_cnn.")
            name = _ALIKE.get(name, f"the private op {name}") if ours else f"the private op {name}"
        value.op = name
        parts = list(zip(*(call[1] for call in calls)))
        if name == "where" and _of_itself(parts):  # as embedding keeps gradients off a row
            value.op, parts = "same", parts[2:]
        value.inputs = [self._input(xs, value, k) for k, xs in enumerate(parts)]
        value.params = self._setting([call[2] for call in calls], value)

    def _input(self, xs: Sequence[Any], value: Value, place: int) -> Any:
        if all(isinstance(x, Node) for x in xs):
            return self._value(tuple(xs))
        buffer = self.runs[0].named.get((value.nodes[0].serial, place))
        if buffer is not None:
            self.named[id(xs[0])] = buffer
        return self._setting([values(x) for x in xs], value)

    def _setting(self, xs: Sequence[Any], value: Value) -> Any:
        """One setting from that of each run; numbers that follow the batch become a `Size`."""
        first = xs[0]
        if any(type(x) is not type(first) for x in xs):
            raise self._differs(value)
        if isinstance(first, np.ndarray):
            return self._constant(xs, value)
        if isinstance(first, dict):
            return {key: self._setting([x[key] for x in xs], value) for key in first}
        if isinstance(first, slice):
            ends = ([getattr(x, end) for x in xs] for end in ("start", "stop", "step"))
            return slice(*[self._setting(each, value) for each in ends])
        if isinstance(first, (tuple, list)) and all(len(x) == len(first) for x in xs):
            parts = [self._setting(each, value) for each in zip(*xs)]
            return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
        if all(x == first or x != x for x in xs):
            return first
        if isinstance(first, int):
            times = operator.sub(xs[1], first) // (SIZES[1] - SIZES[0])
            size = Size(times, first - times * SIZES[0])
            if all(size.times * n + size.plus == x for n, x in zip(SIZES, xs)):
                return size
        raise self._loose(f"{first!r}, {xs[1]!r}", value)

    def _constant(self, xs: Sequence[Any], value: Value) -> Any:
        """An array that is the same in all runs, or of one value, or found among the values."""
        first = xs[0]
        if all(np.array_equal(x, first, equal_nan=x.dtype.kind == "f") for x in xs):
            return first
        if first.size and all(x.ndim == first.ndim and (x == first.flat[0]).all() for x in xs):
            shape = self._setting([x.shape for x in xs], value)
            return Filled(first.flat[0], shape)
        for nodes in zip(*(reversed(run.whole) for run in self.runs)):
            if all(np.array_equal(x, node.array) for x, node in zip(xs, nodes)):
                return self._value(nodes)
        raise self._loose(f"an array of shape {first.shape}", value)

    def _loose(self, what: str, value: Value) -> ExportError:
        return ExportError(
            f"export: a constant ({what}) depends on the inputs or on the batch in a way that a "
            f"file cannot follow: {value.place}; compute it with ops from the inputs"
        )


def _of_itself(parts: Sequence[Sequence[Any]]) -> bool:
    """Whether the results of ``where`` are its last input, whatever the condition."""
    pairs = zip(parts[1], parts[2])
    return all(type(x) is np.ndarray and np.array_equal(x, values(y)) for x, y in pairs)
