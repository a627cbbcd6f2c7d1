"""Models as programs: the calls of kernels that a forward makes, and their gradients, in a list.

A program is recorded once for a model and a shape of its input.  It runs without making tensors,
binding arguments or looking for the order of a graph, and computes the same bits.  Only layers of
this package are recorded; other modules run as they are, in between.  Nothing of the user's is
kept: parameters, statistics and settings are read, or compared, at every call (`Program.fits`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn import kernels, random
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.engine.op import Op
from autograd_cnn.functional.convolution import conv_geometry
from autograd_cnn.functional.normalization import follow
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.nn import fusion
from autograd_cnn.nn.containers import Sequential
from autograd_cnn.nn.layers import Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm

Found = dict[int, tuple[Node, Array | None]]


class NotRecordableError(Exception):
    """The calls of a module cannot be put down as a list."""


class Call(NamedTuple):
    """One call: ``out = function(*sources, *rest, **named)``; numbers are places of values."""

    out: int
    function: Callable[..., Any]
    sources: tuple[int, ...]
    named: dict[str, Any]
    saves: bool
    after: Callable[..., None] | None
    """What follows with the saved values and the input: running statistics."""
    joint: Callable[..., Any] | None
    rules: tuple[Callable[..., Any] | None, ...]
    wanted: tuple[bool, ...]


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

    def add(self, function: Any, sources: Sequence[int], **more: Any) -> int:
        """Add a call; returns the place of its result."""
        given: Any = {"named": {}, "saves": False, "after": None, "joint": None, "rules": ()}
        given |= more
        wanted = tuple([self.wanted[k] for k in sources])
        out = self.place(None)
        self.wanted[out] = any(wanted) and bool(given["rules"] or given["joint"])
        self.calls.append(Call(out, function, tuple(sources), wanted=wanted, **given))
        return out

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
        for node in _ancestors(y):
            sources = []
            for part in node.inputs or ():
                if isinstance(part, Node) and part.op is None and part is not x:
                    if id(part) not in known:
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
        if not all(map(_lasting, named.values())):
            raise NotRecordableError
        rules = op.rules
        if op.variadic:
            rule: Any = rules[0]
            rules = tuple([partial(rule, position=k) for k in range(len(sources))])
        follows = op.saves and isinstance(module, BatchNorm) and module._moves()
        return self.add(
            getattr(op.forward, "ufunc", op.forward),
            sources,
            named=named,
            saves=bool(op.saves),
            after=partial(_follow, module) if follows else None,
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
        for out, _, sources, named, saves, _, joint, rules, wanted in reversed(self.calls):
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
        gx = None
        for place, leaf in enumerate(self.fixed):
            if isinstance(leaf, Node) and self.wanted[place]:
                found[leaf.serial] = (leaf, pending[place])
        gx = pending[0]
        return gx


class Outside:
    """What runs as it is; if it is `foreign`, it may write to its input."""

    def __init__(self, function: Callable[[Any], Any], input_wanted: bool, foreign: bool) -> None:
        self.function, self.input_wanted, self.foreign = function, input_wanted, foreign

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The result as an array, and its graph."""
        leaf = wrap(x.copy(order="K") if self.foreign else x, self.input_wanted)
        y = self.function(leaf)
        return values(y), (leaf, y)

    def backward(self, g: np.ndarray, kept: Any, found: Found) -> Any:
        """The gradient of the input, if it is wanted; those of leaves go to `found`."""
        leaf, y = kept
        if not (isinstance(y, Node) and y.tracked):
            return None
        found |= backpropagate([y], [g])
        return found.pop(leaf.serial, (leaf, None))[1]


def _ancestors(y: Node) -> list[Node]:
    """The results of ops that y depends on, oldest first, and y."""
    found: dict[int, Node] = {}
    stack = [y]
    while stack:
        node = stack.pop()
        if node.op is not None and node.serial not in found:
            found[node.serial] = node
            stack += [x for x in node.inputs or () if isinstance(x, Node)]
    return sorted(found.values(), key=operator.attrgetter("serial"))


_LASTING = (int, float, str, type(None), type(...), np.dtype, type)


def _lasting(value: Any) -> bool:
    """Whether nobody can change this setting in place."""
    return all(map(_lasting, value)) if isinstance(value, tuple) else isinstance(value, _LASTING)


def _follow(layer: Any, saved: dict[str, np.ndarray], x: np.ndarray) -> None:
    """Move the running statistics of a batch norm after a forward in training."""
    count = x.size // x.shape[1]
    var = saved["var_"] * (count / (count - 1))
    follow(layer.running_mean, layer.running_var, saved["mean_"], var, layer._momentum())
    layer.num_batches_tracked[()] += 1


# --------------------------------------------------------------------- what may be recorded


def _kinds(base: type) -> Iterator[type]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("autograd_cnn."):
            yield from (kind, *_kinds(kind))


def _methods(kind: type) -> list[tuple[str, Any]]:
    names = ("forward", "__call__", "function", "_run_fused")
    return [(name, getattr(kind, name)) for name in names if hasattr(kind, name)]


_METHODS = {kind: _methods(kind) for kind in _kinds(Module)}
"""The layers of this package, and what says how they compute, as it is written."""


def as_written(module: Any) -> bool:
    """Whether a module is a layer of ours that nobody has changed, with settings that last."""
    methods, own = _METHODS.get(type(module)), vars(module)
    if methods is None or module._hooks is not None:
        return False
    if any(name in own or getattr(type(module), name) is not known for name, known in methods):
        return False
    kept = (Node, np.ndarray, Module)
    return all(name == "_roles" or isinstance(v, kept) or _lasting(v) for name, v in own.items())


def _recordable(module: Any) -> bool:
    """Whether a module is made of layers as they are written, without state of their own."""
    return all(
        as_written(m) and (isinstance(m, BatchNorm) or np.ndarray not in m._roles.values())
        for m in module.modules()
    )


class Program:
    """The program of a model for inputs with the shape, dtype and memory order of `x`.

    With `gradients` it is for training; otherwise neighbours are computed together as under
    `no_grad`.
    """

    def __init__(self, model: Any, x: np.ndarray, gradients: bool) -> None:
        self.gradients, self.closed = gradients, False
        self.parts: list[Recorded | Outside] = []
        self._modules: list[Any] = []
        self.out = self._add(model, kernels.laid_out(x))
        recorded = [part for part in self.parts if isinstance(part, Recorded)]
        self._leaves = [v for part in recorded for v in part.fixed if isinstance(v, Node)]
        kinds = {type(m) for m in self._modules}
        self._kinds = [(kind, *method) for kind in kinds for method in _METHODS[kind]]
        self._state, self._of_leaves = self._now(), self._leaves_now()
        if len({id(p) for p in self._leaves}) < len(self._leaves):
            raise NotRecordableError  # parts share a parameter, whose gradients are to be added up

    @property
    def whole(self) -> bool:
        """Whether all of the model is recorded."""
        return all(isinstance(part, Recorded) for part in self.parts)

    def fits(self) -> bool:
        """Whether layers, their settings and parameters are still what was recorded."""
        state = self._now()
        if len(state) != len(self._state) or not all(map(operator.is_, state, self._state)):
            return False
        for kind, name, method in self._kinds:
            if getattr(kind, name) is not method:
                return False
        return self._leaves_now() == self._of_leaves

    def _now(self) -> list[Any]:
        return [value for module in self._modules for value in vars(module).values()]

    def _leaves_now(self) -> list[Any]:
        return [(p.tracked, p.attached, p.op, p.array.shape, p.array.dtype) for p in self._leaves]

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """The model's result, and what `backward` needs."""
        kept = []
        for part in self.parts:
            x, more = part.forward(x)
            kept.append(more)
        return x, kept

    def backward(self, g: np.ndarray, kept: list[Any]) -> Found:
        """The gradients of the leaves, as `backpropagate` gives them."""
        found: Found = {}
        for part in reversed(self.parts):
            g = part.backward(g, kept.pop(), found)
            if g is None:
                break
        return found

    # ------------------------------------------------------------------------------- building

    def _add(self, module: Any, x: np.ndarray) -> np.ndarray:
        """Add a module; returns its result of x."""
        if type(module) is Sequential and as_written(module):
            return self._add_members(module, x)
        return self._add_layers([module], module, x)

    def _add_members(self, model: Any, x: np.ndarray) -> np.ndarray:
        """Add the members of a Sequential, together where it computes them together."""
        self._modules.append(model)
        modules, kinds = fusion.candidates(vars(model).values())
        place = 0
        while place < len(modules) and not self.closed:
            layer, count = modules[place], 1
            settings = fusion.fused_settings(modules, kinds, place, x, self.gradients)
            if settings:
                count += len(settings)
                layers = modules[place : place + count]
                if isinstance(layer, BatchNorm):
                    x = self._add_layers(layers, partial(layer._run_fused, **settings), x)
                else:
                    x = self._add_fused(layers, settings, x)
            elif fusion.relu_follows(modules, kinds, place, x):
                x, count = self._add(layer, self._add(modules[place + 1], x)), 2
            else:
                x = self._add(layer, x)
            place += count
        if place < len(modules):
            self.parts.append(Outside(partial(fusion.run, modules[place:]), True, True))
        return x

    def _add_layers(self, layers: Sequence[Any], function: Any, x: np.ndarray) -> np.ndarray:
        """Add what `function` computes with these layers, by its calls if they can be recorded."""
        every = [m for layer in layers for m in layer.modules()]
        if all(map(_recordable, every)):
            try:
                y = self._recorded().trace(layers[0], function, x)
            except NotRecordableError:
                pass
            else:
                self._modules += every
                return y
        ours = all(type(m) in _METHODS for m in every)
        self.closed = not ours  # an additional run of a user's module might be noticed
        self.parts.append(Outside(function, self._wanted(), not ours))
        if self.closed:
            return x
        with modes.no_grad(), modes.recomputation(), random.replay():
            return values(function(x))

    def _add_fused(self, layers: Sequence[Any], settings: Any, x: np.ndarray) -> np.ndarray:
        """Add a convolution or linear layer with its followers, in one pass without gradients."""
        layer, norm = layers[0], settings.get("norm")
        relu, pool = settings.get("relu", False), settings.get("pool")
        w, b = layer.weight, layer.bias
        rest: list[Any] = [relu]
        kernel: Any = kernels.linear
        if not isinstance(layer, Linear):
            kernel, axes = kernels.conv, layer.axes
            shape = None if b is None else b.shape
            given = (layer.stride, layer.padding, layer.dilation, layer.groups)
            window = conv_geometry(axes, x.shape, w.shape, shape, *given)
            pooled = pool and pool_geometry("max", axes, (0, 0, *window.out), *pool)
            rest = [window, layer.groups, relu, pooled]
        elif x.shape[1:] != w.shape[1:]:
            raise NotRecordableError

        def by_statistics(x: Any, w: Any, _: Any, *rest: Any) -> Any:
            scale, shift = norm._running_affine(layer.bias)
            return kernel(x, w, shift, *rest, scale)

        function = by_statistics if norm else kernel
        recorded = self._recorded()
        sources = [recorded.out, *map(recorded.place, (w, b, *rest))]
        recorded.out = recorded.add(function, sources)
        self._modules += layers
        return function(x, values(w), values(b), *rest)

    def _recorded(self) -> Recorded:
        """The last part, to which calls may be added."""
        if not self.parts or isinstance(self.parts[-1], Outside):
            self.parts.append(Recorded(self.gradients, self._wanted()))
        return self.parts[-1]  # type: ignore[return-value]

    def _wanted(self) -> bool:
        """Whether the result so far has a gradient."""
        last = self.parts[-1] if self.parts else None
        return self.gradients and (
            last.wanted[last.out] if isinstance(last, Recorded) else last is not None
        )


class Compiled:
    """A model for inference, as `Module.compiled` gives it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._programs: dict[Any, Program | None] = {}

    def __call__(self, x: Any) -> Any:
        """The model's result of x, without a graph: an array for an array."""
        array = x.array if isinstance(x, Node) else x
        program = None
        if type(array) is np.ndarray and array.dtype.kind == "f" and not watch.open_blocks:
            program = fitting(self._programs, self._model, array, False)
        if program is None:
            with modes.no_grad():
                out = self._model(x)
            return out
        out, _ = program.forward(array)
        return wrap(out) if isinstance(x, Node) else out

    def __repr__(self) -> str:
        return f"compiled {self._model!r}"


Module._compiled_by = Compiled
_MOST = 16


def fitting(programs: dict[Any, Any], model: Any, x: np.ndarray, gradients: bool) -> Any:
    """The program among `programs` that fits the model and x, recorded now if there is none; None
    where nothing can be recorded.
    """
    key = x.shape, x.dtype, x.strides
    program = programs.get(key)
    if program is None or not program.fits():
        try:
            program = Program(model, x, gradients)
        except Exception:  # the model itself will raise it
            return None
        programs.pop(key, None)
        while len(programs) >= _MOST:
            programs.pop(next(iter(programs)))
        programs[key] = program
    return program
