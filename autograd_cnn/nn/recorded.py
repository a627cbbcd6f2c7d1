"""The parts of a program: calls of layers that were recorded, and modules that run as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        "axis_sum({g}, {axes}, False)",
    ),
    "linear": (
        "linear({x}, {w}, {b})",
        "matmul({g}, {w})",
        "matmul({g}.T, {x}, True)",
        "axis_sum({g}, {axes}, False)",
    ),
    "max_pool": ("window_max({x}, {window})", "window_max_grad({g}, {x}, {out}, {window})"),
    "relu": ("relu({x})", "relu_grad({g}, {out})"),
    "reshape": ("{x}.reshape({shape})", "{g}.reshape({before})"),
}
"""What runs in place of an op and of its rules, whose checks have passed when it was recorded."""


class Call(NamedTuple):
    """One call as source.

    In it v1 is the value at place 1, g1 its gradient, s1 what was saved with it, c1 a constant, p1
    a parameter.
    """

    out: int
    """The place of its result."""
    text: str
    joint: str
    """What computes all gradients at once, if anything."""
    rules: list[tuple[int, str]]
    """The gradients that are wanted, by place."""


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
        self.leaves: dict[int, Node] = {}
        self.wanted = [input_wanted]
        self.out = 0
        self.with_gradients = with_gradients
        self.scope: dict[str, Any] = dict(vars(kernels))
        self._names = ["v0"]

    def place(self, value: Any) -> int:
        """The place of a parameter or a number."""
        k = len(self._names)
        if not isinstance(value, Node):
            self.scope[f"c{k}"] = value
            return self._new(f"c{k}", False)
        for known, leaf in self.leaves.items():
            if leaf is value:
                return known
        self.leaves[k] = self.scope[f"p{k}"] = value
        return self._new(f"v{k}", value.tracked and self.with_gradients)

    def _new(self, name: str, wanted: bool) -> int:
        self._names.append(name)
        self.wanted.append(wanted)
        return len(self._names) - 1

    def add(
        self,
        function: Any,
        sources: Sequence[int],
        named: Mapping[str, Any] | None = None,
        rules: Sequence[Any] = (),
        *,
        inputs: Sequence[str] = (),
        joint: Any = None,
        saves: bool = False,
    ) -> int:
        """Add a call; returns the place of its result.

        The function and its rules may be source that names the `inputs`, as in `_KERNELS`.
        """
        wanted = tuple([self.wanted[k] for k in sources])
        k = self._new(f"v{len(self._names)}", any(wanted) and bool(rules or joint))
        names = [self._names[place] for place in sources]
        constants = {name: f"c{k}_{name}" for name in named or ()}
        self.scope |= {constants[name]: value for name, value in (named or {}).items()}
        more = [f"{name}={c}" for name, c in constants.items()]
        given = {"g": f"g{k}", "out": f"v{k}", **dict(zip(inputs, names)), **constants}

        def call(function: Any, *arguments: str) -> str:
            if isinstance(function, str):
                return function.format(**given)
            name = f"f{len(self.scope)}"
            self.scope[name] = function
            return f"{name}({', '.join(arguments)})"

        text = f"v{k}{f', s{k}' * saves} = {call(function, *names, *more)}"
        arguments = [f"g{k}", f"v{k}", *names, *more, *[f"**s{k}"] * saves]
        if joint is not None:
            rules = [f"t{k}[{at}]" for at in range(len(names))]
            joint = f"t{k} = {call(partial(joint, wanted=wanted), *arguments)}"
        asked = [(place, r) for place, r, w in zip(sources, rules, wanted) if w and r is not None]
        back = [(place, call(rule, *arguments)) for place, rule in asked]
        self.calls.append(Call(k, text, joint or "", back))
        return k

    def trace(self, module: Any, function: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
        """Add the calls by which `function`, of one of our layers, computes its result of `array`.

        Raises NotRecordableError, and adds nothing, where the result depends on something else.
        """
        x = wrap(array, True)
        with modes.enable_grad(), modes.recomputation(), random.replay():
            y = function(x)
        if not isinstance(y, Node):
            raise NotRecordableError
        known = {id(p) for p in module.parameters()}
        places = {x.serial: self.out}
        calls, names = len(self.calls), len(self._names)
        try:
            for node in ancestors([y], None, 0):
                if node.op is not None:
                    sources = [self._source(part, places, known) for part in node.inputs or ()]
                    places[node.serial] = self._add_op(module, node, sources)
        except NotRecordableError:
            del self.calls[calls:], self._names[names:], self.wanted[names:]
            self.leaves = {k: leaf for k, leaf in self.leaves.items() if k < names}
            raise
        self.out = places[y.serial]
        return y.array

    def _source(self, part: Any, places: dict[int, int], known: set[int]) -> int:
        """The place of an input of a call: a result, a parameter among the `known`, or a number."""
        if isinstance(part, Node) and part.serial in places:
            return places[part.serial]
        leaf = id(part) in known and part.attached is None  # a hook, for example, is attached
        if leaf or isinstance(part, (int, float, type(None))):
            return self.place(part)
        raise NotRecordableError

    def _add_op(self, module: Any, node: Any, sources: list[int]) -> int:
        op: Op = node.op
        named = {k: v for k, v in node.params.items() if k not in op.saves}
        if not all(map(lasting, named.values())):
            raise NotRecordableError
        known = _KERNELS.get(op.name, ()) if OPS.get(op.name) is op else ()
        if known and (op.name != "linear" or node.array.ndim == 2):
            named["before"] = node.inputs[0].array.shape
            named["axes"] = (0, *range(2, node.array.ndim))
            return self.add(known[0], sources, named, known[1:], inputs=op.inputs)
        rules = op.rules
        if op.variadic:
            rule: Any = rules[0]
            rules = tuple([partial(rule, position=k) for k in range(len(sources))])
        follows = isinstance(module, BatchNorm) and module.training and module.track_running_stats
        forward = getattr(op.forward, "ufunc", op.forward)
        if op.saves and follows:
            forward = partial(_followed, module, forward)
        return self.add(forward, sources, named, rules, joint=op.joint, saves=bool(op.saves))

    def add_dropout(self, p: float, channels: bool) -> None:
        """Add a dropout, which draws from the generator in every call."""

        def dropped(x: np.ndarray) -> Any:
            mask = drop_mask(x, p, channels)
            return x * mask, {"mask": mask}

        rules = [lambda g, out, x, mask: g * mask]
        self.out = self.add(dropped, [self.out], rules=rules, saves=True)

    def finish(self) -> None:
        """Write `forward` and `backward`; values go after their last use."""
        there = [f"v{k} = p{k}.array" for k in self.leaves]
        there += _clipped([call.text for call in self.calls])
        asked = [k for k, wanted in enumerate(self.wanted) if wanted and self.with_gradients]
        leaves = [k for k in asked if k in self.leaves]
        back = [f"g{k} = None" for k in {0, *asked} - {self.out}]
        back += [f"if found: g{k} = found.get(p{k}.serial, (p{k}, None))[1]" for k in leaves]
        reached = {f"g{k}" for k in leaves}  # what comes later may have given a part
        for k, _, joint, rules in reversed(self.calls):
            lines = [f"if g{k} is not None:", *[joint] * bool(joint and rules)]
            for place, rule in rules:
                g, t = f"g{place}", f"u{k}"
                if g in reached:
                    lines.append(f"{t} = {rule}")
                    rule = f"{t} if {g} is None else {g} if {t} is None else {g} + {t}"
                lines.append(f"{g} = {rule}")
                reached.add(g)
            back += ["\n        ".join(lines)] if rules else []
        back += [f"found[p{k}.serial] = p{k}, g{k}" for k in leaves]
        kept = {"v0", *_values("\n".join(there))} & _values("\n".join(back)) if asked else set()
        held, result = f"[{', '.join(sorted(kept))}]", f"v{self.out}"
        there = ["def forward(v0):", *_freed(there, {result, *kept}), f"return {result}, {held}"]
        back = [f"{held} = kept", "kept.clear()", *_freed(back, {"g0"}), "return g0"]
        back = [f"def backward(g{self.out}, kept, found):", *back]
        exec("\n    ".join(there) + "\n" + "\n    ".join(back), self.scope)
        self.forward, self.backward = map(self.scope.pop, ("forward", "backward"))


def _values(text: str) -> set[str]:
    """The names of values in source."""
    return set(re.findall(r"\b[gstuv]\d+\b", text))


def _clipped(lines: Sequence[str]) -> list[str]:
    """Lines in which convolutions and linear layers also compute the relu that alone takes them."""
    found: list[str] = []
    for line in lines:
        relu = re.fullmatch(r"(v\d+) = relu\((v\d+)\)", line)
        before = (
            re.fullmatch(r"(v\d+) = ((conv|linear)\(.*)(?<!, True)\)", found[-1]) if found else None
        )
        uses = sum(relu[2] in _values(other) for other in lines) if relu else 0
        if relu and before and relu[2] == before[1] and uses == 2:
            found.pop()
            line = f"{relu[1]} = {before[2]}, True)"
        found.append(line)
    return found


def _freed(lines: Iterable[str], kept: set[str]) -> list[str]:
    """Lines of source in which all values but those kept go after their last use."""
    found: list[str] = []
    for line in reversed(list(lines)):
        last = _values(line) - kept
        found += [f"{' = '.join(sorted(last))} = None", line] if last else [line]
        kept = kept | last
    return found[::-1]


class Outside:
    """Layers of this package that run as they are."""

    def __init__(self, function: Callable[[Any], Any], input_wanted: bool, records: bool) -> None:
        self.function, self.input_wanted, self.records = function, input_wanted, records
        self.wanted, self.out = [records], 0

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The result as an array, and its graph."""
        leaf = wrap(x, self.input_wanted)
        with modes.enable_grad() if self.records else modes.no_grad():
            y = self.function(leaf)
        return values(y), (leaf, y)

    def backward(self, g: np.ndarray, kept: Any, found: Found) -> Any:
        """The gradient of the input, if it is wanted; those of leaves go to `found`."""
        leaf, y = kept
        if not (isinstance(y, Node) and y.tracked):
            return None
        add_gradients(y, g, found)
        return found.pop(leaf.serial, (leaf, None))[1]


def add_gradients(y: Node, g: Array, found: Found) -> None:
    """Add those behind y to the gradients found, as one walk would, which begins with these."""
    pairs = [(y, g), *[(p, h) for p, h in found.values() if not (p.op or p.attached or h is None)]]
    found |= backpropagate(*zip(*pairs))


_LASTING = (int, float, str, type(None), type(...), np.dtype, type)


def lasting(value: Any) -> bool:
    """Whether nobody can change this setting in place."""
    return all(map(lasting, value)) if isinstance(value, tuple) else isinstance(value, _LASTING)


def _followed(layer: Any, forward: Any, x: np.ndarray, *rest: Any, **named: Any) -> Any:
    """The forward of a batch norm in training, which moves the running statistics."""
    out, saved = forward(x, *rest, **named)
    count = x.size // x.shape[1]
    running = layer.running_mean, layer.running_var
    follow(*running, saved["mean_"], saved["var_"], count, layer._momentum())
    if count and layer.num_batches_tracked is not None:
        layer.num_batches_tracked[()] += 1
    return out, saved
