"""The parts of a program: calls of layers that were recorded, and modules that run as they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn import kernels, random
from autograd_cnn.engine import modes
from autograd_cnn.engine.backward import ancestors, backpropagate
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.engine.op import OPS, Op
from autograd_cnn.functional.layers import drop_mask
from autograd_cnn.functional.normalization import follow
from autograd_cnn.nn.normalization import BatchNorm

Found = dict[int, tuple[Node, Array | None]]


class NotRecordableError(Exception):
    """The calls of a module cannot be put down as a list."""


_KERNELS: dict[str, tuple[str, ...]] = {
    "conv": (
        "conv({x}, {w}, {b}, {window}, {groups})",
        "conv_input_grad({g}, {w}, {window}, {groups})",
        "conv_weight_grad({x}, {g}, {window}, {groups})",
        "channel_sum({g})",
    ),
    "linear": (
        "linear({x}, {w}, {b})",
        "matmul({g}, {w})",
        "matmul({g}.T, {x})",
        "channel_sum({g})",
    ),
    "max_pool": ("window_max({x}, {window})", "window_max_grad({g}, {x}, {out}, {window})"),
    "relu": ("relu({x})", "relu_grad({g}, {out})"),
    "reshape": ("{x}.reshape({shape})", "{g}.reshape({before})"),
}
"""What runs in place of an op and of its rules, whose checks have passed when it was recorded."""


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
    op: Op | None = None
    """The op, if `_KERNELS` serve in place of its functions."""


class Recorded:
    """Calls of layers of this package, one after the other.

    `finish` writes them as two Python functions: a loop over them takes 0.5 us more for each call.
    """

    forward: Callable[[np.ndarray], tuple[np.ndarray, Any]]
    """The result, and what `backward` needs."""
    backward: Callable[[np.ndarray, Any, Found], Any]
    """The gradient of the input, if it is wanted; those of the parameters go to `found`."""

    def __init__(self, with_gradients: bool, input_wanted: bool) -> None:
        self.calls: list[Call] = []
        self.fixed: list[Any] = [None]  # by place: the input, then tensors and numbers
        self.wanted = [input_wanted]
        self.out = 0
        self.with_gradients = with_gradients
        self.scope: dict[str, Any] = {}
        """What the names in the functions mean, but for their own values."""
        self._names: list[str] = []
        self._reached: set[int] = set()

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
        serves = OPS.get(op.name) is op and op.name in _KERNELS
        if op.name == "linear":
            serves = serves and node.array.ndim == 2
        elif op.name == "reshape":
            named["before"] = node.inputs[0].shape
        return self.add(
            getattr(op.forward, "ufunc", op.forward),
            sources,
            named,
            saves=bool(op.saves),
            after=partial(_follow, module) if op.saves and follows else None,
            joint=op.joint,
            rules=rules,
            op=op if serves else None,
        )

    def add_dropout(self, p: float, channels: bool) -> None:
        """Add a dropout, which draws from the generator in every call."""

        def dropped(x: np.ndarray) -> Any:
            mask = drop_mask(x, p, channels)
            return x * mask, {"mask": mask}

        rules = (lambda g, out, x, mask: g * mask,)
        self.out = self.add(dropped, [self.out], saves=True, rules=rules)

    # ------------------------------------------------------------------------ as Python functions

    def finish(self) -> None:
        """Write `forward` and `backward`.

        In them v1 is the value at place 1, g1 its gradient, s1 what a call saved beside it, and p1
        a parameter.  Values go after their last use.
        """
        made = {0, *[call.out for call in self.calls]}
        leaves = [k for k, value in enumerate(self.fixed) if isinstance(value, Node)]
        self.scope = dict(vars(kernels))
        for k, value in enumerate(self.fixed):
            self.scope[f"p{k}" if k in leaves else f"c{k}"] = value
            self._names.append(f"v{k}" if k in made or k in leaves else f"c{k}")
        asked = [k for k, wanted in enumerate(self.wanted) if wanted and self.with_gradients]
        there = [*[f"v{k} = p{k}.array" for k in leaves], *self._written()]
        back = [f"g{k} = None" for k in {0, *asked} - {self.out}]
        back += filter(None, map(self._written_back, reversed(self.calls)))
        back += [f"found[p{k}.serial] = p{k}, g{k}" for k in asked if k in leaves]
        kept = {"v0", *_values("\n".join(there))} & _values("\n".join(back)) if asked else set()
        held, result = f"[{', '.join(sorted(kept))}]", f"v{self.out}"
        there = ["def forward(v0):", *_freed(there, {result, *kept}), f"return {result}, {held}"]
        back = [f"{held} = kept", "kept.clear()", *_freed(back, {"g0"}), "return g0"]
        back = [f"def backward(g{self.out}, kept, found):", *back]
        exec("\n    ".join(there) + "\n" + "\n    ".join(back), self.scope)
        self.forward, self.backward = map(self.scope.pop, ("forward", "backward"))

    def _arguments(self, call: Call) -> tuple[list[str], dict[str, str]]:
        """The sources of a call, and what it is given by name, as source."""
        constants = {name: f"c{call.out}_{name}" for name in call.named}
        self.scope |= {constants[name]: value for name, value in call.named.items()}
        return [self._names[k] for k in call.sources], constants

    def _written(self) -> list[str]:
        """The calls of the forward."""
        found: dict[int, str] = {}
        uses = Counter([self.out, *[k for call in self.calls for k in call.sources]])
        fusible: set[int] = set()
        for call in self.calls:
            sources, named = self._arguments(call)
            out = self._names[call.out]
            if call.op is None:
                self.scope[f"f{call.out}"] = call.function
                given = [*sources, *[f"{name}={c}" for name, c in named.items()]]
                text = f"f{call.out}({', '.join(given)})"
            elif call.op.name == "relu" and call.sources[0] in fusible:
                text = found.pop(call.sources[0]).split(" = ")[1][:-1] + ", True)"
            else:
                text = _KERNELS[call.op.name][0].format(
                    **dict(zip(call.op.inputs, sources)), **named
                )
                if call.op.name in ("conv", "linear") and uses[call.out] == 1:
                    fusible.add(call.out)
            found[call.out] = f"{out}, s{call.out} = {text}" if call.saves else f"{out} = {text}"
            if call.after is not None:
                self.scope[f"a{call.out}"] = call.after
                found[call.out] += f"\n    a{call.out}(s{call.out}, {sources[0]})"
        return list(found.values())

    def _written_back(self, call: Call) -> str:
        """The rules of a call, if it has a gradient."""
        sources, named = self._arguments(call)
        k, out, lines = call.out, self._names[call.out], []
        given = [f"g{k}", out, *sources, *[f"{name}={c}" for name, c in named.items()]]
        text = ", ".join(given + [f"**s{k}"] * call.saves)
        if call.joint is not None:
            self.scope |= {f"j{k}": call.joint, f"w{k}": call.wanted}
            lines.append(f"t{k} = j{k}({text}, wanted=w{k})")
        for at, (place, wanted) in enumerate(zip(call.sources, call.wanted)):
            if not wanted or (call.joint is None and call.rules[at] is None):
                continue
            if call.joint is not None:
                rule = f"t{k}[{at}]"
            elif call.op is not None:
                names = dict(zip(call.op.inputs, sources))
                rule = _KERNELS[call.op.name][at + 1].format(g=f"g{k}", out=out, **names, **named)
            else:
                self.scope[f"r{k}_{at}"] = call.rules[at]
                rule = f"r{k}_{at}({text})"
            g = f"g{place}"
            if place in self._reached:
                lines.append(f"t{k} = {rule}")
                rule = f"t{k} if {g} is None else {g} if t{k} is None else {g} + t{k}"
            lines.append(f"{g} = {rule}")
            self._reached.add(place)
        return "\n        ".join([f"if g{k} is not None:", *lines]) if lines else ""


def _values(text: str) -> set[str]:
    """The names of values in source."""
    return set(re.findall(r"\b[gstv]\d+\b", text))


def _freed(lines: Iterable[str], kept: set[str]) -> list[str]:
    """Lines of source in which all values but those kept go after their last use."""
    found: list[str] = []
    for line in reversed(list(lines)):
        last = _values(line) - kept
        found += [f"{' = '.join(sorted(last))} = None", line] if last else [line]
        kept = kept | last
    return found[::-1]


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
