"""What a model computes, recorded at several batch sizes and unified: the batch is a symbol."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from operator import setitem
from typing import Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.config import held
from autograd_cnn.diagnose.origin import Origin, here, inputs_of
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.node import Node, values
from autograd_cnn.engine.op import OPS, op
from autograd_cnn.nn.normalization import _ChannelNorm
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.numpy_functions import status
from autograd_cnn.tensor.tree import flatten

SIZES = (2, 3, 4)
"""The batch sizes of the runs; for 1, some functions such as squeeze do something else."""


class ExportError(ValueError):
    """A model cannot be written as an ONNX file; the message says where and why.

    >>> raise ag.onnx.ExportError("export: relu_grad has no form in ONNX")
    Traceback (most recent call last):
    autograd_cnn.onnx.recording.ExportError: export: relu_grad has no form in ONNX
    """


@dataclass(frozen=True)
class Size:
    """The number ``times * batch + plus``."""

    times: int
    plus: int

    def __str__(self) -> str:
        product = "batch" if self.times == 1 else f"{self.times}*batch"
        return f"{product}{self.plus:+}" if self.plus else product


@dataclass(frozen=True)
class Filled:
    """An array of one value, whose shape depends on the batch."""

    value: Any
    shape: tuple[Any, ...]


@dataclass(eq=False)
class Value:
    """A value in all runs: the op that made it, from which inputs, with which settings."""

    nodes: tuple[Any, ...]
    origin: Origin | None
    shape: tuple[Any, ...] = ()
    op: str = ""
    """Empty for a parameter; "input" for an input of the model."""
    inputs: list[Any] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array in each run."""
        return self.nodes[0].dtype

    def __str__(self) -> str:
        return str(self.origin or "in the forward of the model")


# ---------------------------------------------------------------------------------------- one run


@op(register=False, x=lambda g, out, x: g)
def same(x: Any) -> Any:
    """`x` as a new value, which no leaf is, and which may change in place."""
    return x.copy()


def _plain_op(name: str) -> Any:
    """A comparison, or a connection of truth values, as an op: its results are tensors too."""
    compute = getattr(np, name)
    function = (lambda x, y: compute(x, y)) if compute.nin == 2 else (lambda x: compute(x))
    function.__name__ = name
    rules: Any = dict.fromkeys("xy"[: compute.nin])
    return op(register=False, **rules)(function)


_PLAIN = {
    **{"less": "lt", "less_equal": "le", "equal": "eq", "not_equal": "ne", "greater": "gt"},
    **{"greater_equal": "ge", "logical_and": "and", "logical_or": "or", "logical_xor": "xor"},
    "logical_not": "invert",
}
_PLAIN_OPS = {name: _plain_op(name) for name in _PLAIN}
_OURS = {id(f.op): name for name, f in _PLAIN_OPS.items()} | {id(same.op): "same"}  # type: ignore[attr-defined]
_ALIKE = {"_put_into": "put", "tiny_exp": "exp", "border": "same", "variable": "same"}
"""Private ops of this package, and what computes the same."""
_EXITS = """__array__ __bool__ __complex__ __float__ __index__ __int__ all any argmax argmin argsort
count_nonzero item nonzero numpy tolist"""
_OF_SHAPE = (np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like)


def _leave(what: str) -> Any:
    raise ExportError(
        f"export: {what} takes values of the model out of the graph, so the file could not compute "
        f"them: {here(what)}; use ops on tensors, such as ag.where in place of a branch"
    )


class Watched(Tensor):
    """A tensor that depends on the inputs of a recorded model: its values must stay in the graph.

    Comparisons give tensors of truth values.
    """

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        name = ufunc.__name__.replace("bitwise", "logical").replace("invert", "logical_not")
        if name in _PLAIN_OPS and method == "__call__" and not options:
            return _PLAIN_OPS[name](*args)
        if status(ufunc) == "constant":
            _leave(f"np.{ufunc.__name__}")
        return super().__array_ufunc__(ufunc, method, *args, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if status(function) == "constant" and function not in _OF_SHAPE:
            _leave(f"np.{function.__name__}")
        return super().__array_function__(function, types, args, kwargs)

    __hash__ = object.__hash__
    detach = same


for _name in _EXITS.split():
    setattr(Watched, _name, lambda self, *args, _name=_name, **kwargs: _leave(f"{_name}()"))
for _name, _method in _PLAIN.items():
    setattr(Watched, f"__{_method}__", _PLAIN_OPS[_name])


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Run a model in the block without a trace in its buffers or in the random generator.

    Warnings about values outside of a domain are silent.
    """
    buffers: list[Any] = list(model.buffers())
    undo: Any = map(setitem, buffers, repeat(...), [b.copy() for b in buffers])
    with held((), undo), random.replay(), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Recording(watch.Watcher):
    """One run of a model: where each value was made, and how those without a graph were."""

    def __init__(self, model: Any, arrays: Sequence[np.ndarray]) -> None:
        self.origins: dict[int, Origin] = {}
        self.calls: dict[int, tuple[Any, Sequence[Any], dict[str, Any]]] = {}
        self.before: dict[int, np.ndarray] = {}
        """The values of constants that the model changes in place, by serial."""
        self.loose: list[Any] = []
        """What depends on the inputs without a graph: integers, and floats made of them."""
        self._buffers = {id(array): name for name, array in model.named_buffers()}
        self.named: dict[tuple[int, int], str] = {}
        """The buffers among the inputs of calls, by serial and position."""
        self._watched: list[Any] = []
        with undisturbed(model), modes.enable_grad(), watch.Watching(self):
            try:
                self.inputs = [self._input(array) for array in arrays]
                self.result = model(*self.inputs)
            finally:
                for node in self._watched:  # the model may keep it
                    node.__class__ = Tensor

    def _input(self, array: np.ndarray) -> Any:
        """A tensor that the model may change in place, because it is not a leaf."""
        leaf = Tensor(array, requires_grad=array.dtype.kind == "f")
        self._watch(leaf)
        return same(leaf)

    def _watch(self, node: Any) -> None:
        node.__class__ = Watched
        self._watched.append(node)

    def operation(self, op: Any, args: Sequence[Any], compute: Any) -> Any:
        """Keep the settings, which a tensor without a graph does not."""
        self._params = compute.keywords
        return compute()

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        """Note the call, and that what depends on an input does so."""
        self.origins[node.serial] = here(op.name)
        for place, x in enumerate(args):
            if type(x) is np.ndarray and id(x) in self._buffers:
                self.named[node.serial, place] = self._buffers[id(x)]
        depends = any(isinstance(x, Watched) for x in args)
        if depends:
            self._watch(node)
        if not node.tracked:
            self.calls[node.serial] = op, args, self._params
            self.loose += [node] * depends

    def changing(self, node: Any) -> None:
        """Keep what will be overwritten; refuse a change that leaves no trace."""
        self.before.setdefault(node.serial, node.array.copy())
        if isinstance(node, Watched) and not node.tracked:
            raise ExportError(
                f"export: values without a graph are changed in place: {here('a change')}; a file "
                "cannot follow that: write new values"
            )

    def call_of(self, node: Any) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """The op that made `node`, or None for a leaf, its inputs and its settings."""
        if node.tracked and node.op is not None:
            params = {k: v for k, v in node.params.items() if k not in node.op.saves}
            return node.op, inputs_of(node), params
        return self.calls.get(node.serial, (None, (), {}))


# -------------------------------------------------------------------------------- all runs as one


class Unified:
    """The values that the outputs of a model need, in the order in which they are made."""

    def __init__(self, model: Any, runs: Sequence[Recording]) -> None:
        self.runs = runs
        self.named = {id(p): name for name, p in model.named_parameters()}
        """The names of parameters and buffers, by the id of the tensor or array."""
        self._known: dict[int, Value] = {}
        self._open: list[Value] = []
        self.inputs = [self._value(nodes) for nodes in zip(*(run.inputs for run in runs))]
        for value in self.inputs:
            value.op = "input"
        self._open.clear()
        found = [flatten(run.result)[0] for run in runs]
        kinds = ", ".join(type(leaf).__name__ for leaf in found[0]) or "nothing"
        if not found[0] or not all(isinstance(leaf, Node) for leaf in found[0]):
            raise ExportError(f"export: the model must return tensors, got {kinds}")
        self.outputs = [self._value(nodes) for nodes in zip(*found, strict=True)]
        while self._open:
            self._fill(self._open.pop())
        self.values = [self._known[serial] for serial in sorted(self._known)]

    def _value(self, nodes: tuple[Any, ...], user: Value | None = None) -> Value:
        known = self._known.get(nodes[0].serial)
        if known is None:
            origin = self.runs[0].origins.get(nodes[0].serial)
            known = Value(nodes, origin or (user.origin if user else None))
            known.shape = self._setting([x.array.shape for x in nodes], known)
            self._known[nodes[0].serial] = known
            self._open.append(known)
        elif [x.serial for x in known.nodes] != [x.serial for x in nodes]:
            raise self._differs(known)
        return known

    def _fill(self, value: Value) -> None:
        """Find how a value was made."""
        calls = [run.call_of(node) for run, node in zip(self.runs, value.nodes)]
        own, first, _ = calls[0]
        if any(call[0] is not own or len(call[1]) != len(first) for call in calls):
            raise self._differs(value)
        if own is None:
            if id(value.nodes[0]) not in self.named:
                value.op = "same"
                arrays = [r.before.get(x.serial, x.array) for r, x in zip(self.runs, value.nodes)]
                value.inputs = [self._constant(arrays, value)]
            return
        value.op = _OURS.get(id(own), own.name)
        if OPS.get(value.op) is not own and id(own) not in _OURS:
            ours = own.forward.__module__.startswith("autograd_cnn.")
            value.op = _ALIKE.get(own.name, "") if ours else f"{own.name}, a private op"
        parts = list(zip(*(call[1] for call in calls)))
        layer = value.origin.layers[-1] if value.origin and value.origin.layers else None
        if value.op == "channel_affine" and isinstance(layer, _ChannelNorm):
            value.op, parts = "statistics", parts[:1]
        elif value.op == "where" and _of_itself(parts):  # as embedding keeps gradients off a row
            value.op, parts = "same", parts[2:]
        for place, xs in enumerate(parts):
            name = self.runs[0].named.get((value.nodes[0].serial, place))
            self.named |= {id(xs[0]): name} if name else {}
            nodes = all(isinstance(x, Node) for x in xs)
            value.inputs.append(self._value(xs, value) if nodes else self._setting(xs, value))
        value.params = self._setting([call[2] for call in calls], value)

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
            ends = zip(*((x.start, x.stop, x.step) for x in xs))
            return slice(*[self._setting(each, value) for each in ends])
        if isinstance(first, (tuple, list)) and all(len(x) == len(first) for x in xs):
            parts = [self._setting(each, value) for each in zip(*xs)]
            return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
        if all(x == first or x != x for x in xs):
            return first
        if isinstance(first, (int, np.integer)):
            times = int(xs[1] - first) // (SIZES[1] - SIZES[0])
            size = Size(times, int(first) - times * SIZES[0])
            if all(size.times * n + size.plus == x for n, x in zip(SIZES, xs)):
                return size
        raise self._loose(repr(first), value)

    def _constant(self, xs: Sequence[Any], value: Value) -> Any:
        """An array that is the same in all runs, or of one value, or found among the values."""
        first = xs[0]
        if all(np.array_equal(x, first, equal_nan=x.dtype.kind == "f") for x in xs):
            return first
        # Truth values come from a comparison, whose outcome may be the same by chance.
        if first.dtype != bool and first.size and all((x == first.flat[0]).all() for x in xs):
            return Filled(first.flat[0], self._setting([x.shape for x in xs], value))
        for nodes in zip(*(reversed(run.loose) for run in self.runs)):
            if all(np.array_equal(x, node.array) for x, node in zip(xs, nodes)):
                return self._value(nodes)
        raise self._loose(f"an array of shape {first.shape}", value)

    def _differs(self, value: Value) -> ExportError:
        what = f"the model computes otherwise for a batch of {SIZES[1]} than for {SIZES[0]}"
        return ExportError(f"export: {what}, and a file is one list of ops: {value}")

    def _loose(self, what: str, value: Value) -> ExportError:
        why = (
            f"a constant ({what}) depends on values or on the batch; compute it with ops on tensors"
        )
        return ExportError(f"export: {why}: {value}")


def _of_itself(parts: Sequence[Sequence[Any]]) -> bool:
    """Whether the results of ``where`` are its last input, whatever the condition."""
    pairs = zip(parts[1], parts[2])
    return all(type(x) is np.ndarray and np.array_equal(x, values(y)) for x, y in pairs)
