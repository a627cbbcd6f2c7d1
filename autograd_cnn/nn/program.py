"""Models as programs: the calls of kernels that a forward makes, and their gradients, in a list.

A program is recorded once for a model and a shape of its input.  It runs without making tensors,
binding arguments or looking for the order of a graph, and computes the same bits.  Layers of this
package are recorded.  One whose calls cannot be recorded runs as it is, between the others.  From
the first module of the user on, everything runs as it is.  `Program.fits` compares layers, settings
and parameters with the recorded ones before every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, reduce
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_cnn import kernels, random
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.node import Node, values, wrap
from autograd_cnn.functional.convolution import conv_geometry
from autograd_cnn.functional.pooling import pool_geometry
from autograd_cnn.nn import fusion
from autograd_cnn.nn.containers import Sequential
from autograd_cnn.nn.fusion import METHODS
from autograd_cnn.nn.layers import Dropout, Dropout2d, Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm
from autograd_cnn.nn.recorded import Found, NotRecordableError, Outside, Recorded, lasting


def as_written(module: Any) -> bool:
    """Whether a module is a layer of ours that computes as it is written."""
    methods, own = METHODS.get(type(module)), vars(module)
    if methods is None or module._hooks is not None:
        return False
    return all(n not in own and getattr(type(module), n) is known for n, known in methods)


def _recordable(module: Any) -> bool:
    """Whether a module is a layer as it is written, without settings that change in place, and
    without state but for parameters and the statistics of batch norm.
    """
    kept, own = (Node, np.ndarray, Module), vars(module).items()
    stateless = isinstance(module, BatchNorm) or np.ndarray not in module._roles.values()
    lasts = all(name == "_roles" or isinstance(v, kept) or lasting(v) for name, v in own)
    return as_written(module) and stateless and lasts


_OF_LEAF = ("tracked", "attached", "op")


class Program:
    """The program of a model for inputs with the shape, dtype and memory order of `x`.

    With `gradients` it is for training; otherwise neighbours are computed together as under
    `no_grad`.
    """

    refused = False

    def __init__(self, model: Any, x: np.ndarray, gradients: bool) -> None:
        self.gradients = gradients
        self.rest: list[Callable[[Any], Any]] = []
        """What runs as it is, in one graph with the loss: all from a module of the user on."""
        self.checked = False
        """Whether the program has given what the model gives."""
        self.parts: list[Recorded | Outside] = []
        self._modules: list[Any] = []
        self._leaves: list[Any] = []
        self.out = self._add(model, kernels.laid_out(x))
        self.places = self.out.shape[:1] + self.out.shape[2:]
        """The shape of class numbers for the result."""
        self.seed: np.ndarray | None = None
        """The gradient that begins a step, if it does not change."""
        recorded = [part for part in self.parts if isinstance(part, Recorded)]
        for part in recorded:
            part.finish()
        self._leaves += [leaf for part in recorded for leaf in part.leaves.values()]
        self.wanted = self._wanted()  # at its end, before the `rest`
        self.fits: Callable[[], bool] = self._fitting()
        """Whether layers, their settings and parameters are still what was recorded."""

    def _fitting(self) -> Any:
        """A function of comparisons, each by itself: loops over them take twice as long."""
        scope: dict[str, Any] = {}

        def known(value: Any) -> str:
            scope[name := f"k{id(value)}"] = value
            return name

        tests = []
        for own in map(vars, self._modules):
            tests.append(f"len({known(own)}) == {len(own)}")
            tests += [f"{known(own)}[{name!r}] is {known(v)}" for name, v in own.items()]
        for kind in {type(m) for m in self._modules}:
            tests += [f"{known(kind)}.{name} is {known(method)}" for name, method in METHODS[kind]]
        for leaf in self._leaves:
            p, shape, dtype = known(leaf), leaf.array.shape, known(leaf.array.dtype)
            tests += [f"{p}.{name} is {known(getattr(leaf, name))}" for name in _OF_LEAF]
            tests.append(f"{p}.array.shape == {shape} and {p}.array.dtype == {dtype}")
        lines = ["def fits():", " try:", f"  return {' and '.join(tests)}"]
        lines += [" except (KeyError, AttributeError):", "  return False"]
        exec("\n".join(lines), scope)
        return scope.pop("fits")  # so that there is no cycle

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        """The result before the `rest`, and what `backward` needs."""
        kept = []
        for part in self.parts:
            x, more = part.forward(x)
            kept.append(more)
        return x, kept

    def finish(self, x: Any) -> Any:
        """The model's result, from a copy of that of `forward`: the user may write to it."""
        return reduce(lambda y, function: function(y), self.rest, x.copy())

    def backward(self, g: Any, kept: list[Any], found: Found) -> Found:
        """The gradients of the leaves, as `backpropagate` gives them, added to those in `found`."""
        for part in reversed(self.parts):
            g = part.backward(g, kept.pop(), found)
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
        while place < len(modules) and not self.rest:
            layer, count = modules[place], 1
            takes = kinds[place] in fusion.TAKERS[self.gradients]
            settings = fusion.fused_settings(modules, kinds, place, x) if takes else {}
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
            self.rest.append(partial(fusion.run, modules[place:]))
        return x

    def _add_layers(self, layers: Sequence[Any], function: Any, x: np.ndarray) -> np.ndarray:
        """Add what `function` computes with these layers, by its calls if they can be recorded."""
        first, every = layers[0], [m for layer in layers for m in layer.modules()]
        drops = type(first) in (Dropout, Dropout2d) and first.training and 0 < first.p <= 1
        if all(map(_recordable, every)):
            with suppress(NotRecordableError):
                if drops:
                    self._recorded().add_dropout(first.p, type(first) is Dropout2d)
                y = x if drops else self._recorded().trace(first, function, x)
                self._modules += every
                return y
        leaves = [p for layer in layers for p in layer.parameters()]
        hooks = self.gradients and any(p.attached for p in leaves)  # they see the sum of all parts
        if hooks or not all(map(as_written, every)):
            if not self.parts:
                raise NotRecordableError  # nothing would be left
            self.rest.append(function)
            return np.empty(0)  # nobody knows: an additional run might be noticed
        self._modules += every
        self._leaves += leaves
        self.parts.append(Outside(function, self._wanted(), self.gradients))
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
        return any(part.wanted[part.out] for part in self.parts[-1:])


class Compiled:
    """A model for inference, as `Module.compiled` gives it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._programs = Programs()

    def __call__(self, x: Any) -> Any:
        """The model's result of x, without a graph: an array for an array."""
        array = x.array if isinstance(x, Node) else x
        program = fitting(self._programs, self._model, array, False)
        out: Any = program and program.forward(array)[0]
        if program is None or program.rest:
            with modes.no_grad():
                out = program.finish(wrap(out)) if program else self._model(x)
            return out if isinstance(x, Node) else values(out)
        return wrap(out) if isinstance(x, Node) else out

    def __repr__(self) -> str:
        return f"compiled {self._model!r}"


_MOST = 16


class Programs(dict[Any, Any]):
    """Programs of a model; a copy has none, and makes its own."""

    def __reduce__(self) -> Any:
        return Programs, ()


def fitting(programs: dict[Any, Any], model: Any, x: np.ndarray, gradients: bool) -> Any:
    """The program among `programs` that fits the model and x, recorded now if there is none; None
    where nothing can be recorded, or watchers are to see what runs.
    """
    if type(x) is not np.ndarray or x.dtype.kind != "f" or watch.open_blocks:
        return None
    key = id(model), x.shape, x.dtype, x.strides
    program = programs.get(key)
    if program is None or not program.fits():
        try:
            program = Program(model, x, gradients)
        except NotRecordableError:
            seen = _seen(model)  # another attempt takes milliseconds
            program = SimpleNamespace(refused=True, fits=lambda: _seen(model) == seen)
        except Exception:  # the model itself will raise it
            return None
        programs.pop(key, None)
        while len(programs) >= _MOST:
            programs.pop(next(iter(programs)))
        programs[key] = program
    return None if program.refused else program


def _seen(model: Any) -> list[Any]:
    """What lets a model be recorded: its modules, and whether they compute as they are written."""
    return [(id(m), as_written(m)) for m in model.modules()]
