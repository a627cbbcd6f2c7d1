"""Faults to plant in backward rules: the suite must report every one of them.

A rule is taken as it is, a function ``rule(g, out, *inputs, **params)``, and wrapped at run time:
its answer is changed, its arguments are cut off from the graph, exchanged or replaced, its
parameters moved, or the ops that it calls are recorded and repeated with one of them changed.
Everything is changed by ops, so a fault takes part in derivatives of every order.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd_cnn as ag
from autograd_cnn.engine.node import Node, values
from autograd_cnn.engine.op import OPS, Op
from autograd_cnn.kernels.window import Window
from tests.test_ops import FUNCTIONS


class Fault(NamedTuple):
    """What is wrong with the rule of one input of an op, and the fields of the op that say so."""

    op: str
    input: str
    kind: str
    fields: dict[str, Any]
    may_be_equal: bool
    """Whether the fault need not change an answer: no rule uses all that it is given."""


# ------------------------------------------------------------------------- faults in the answer


def _masked(r: Any, element: int) -> Any:
    keep = np.ones(np.shape(values(r)))
    if keep.size:
        keep.reshape(-1)[element] = 0.0
    return r * keep.astype(values(r).dtype)


def _rolled(r: Any, axis: int) -> Any:
    return ag.roll(r, 1, axis=axis) if r.ndim else r


def _transposed(r: Any) -> Any:
    return r.mT if r.ndim > 1 and r.shape[-1] == r.shape[-2] else r


def _averaged(r: Any) -> Any:
    return np.zeros_like(values(r)) + r.mean(axis=-1, keepdims=True) if r.size and r.ndim else r


def _rounded(r: Any, dtype: Any) -> Any:
    own = values(r).dtype
    return r if own.itemsize <= np.dtype(dtype).itemsize else r.astype(dtype).astype(own)


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "sign flipped": lambda r: -r,
    "twice": lambda r: r * 2.0,
    "a thousandth too much": lambda r: r * 1.001,
    "a thousandth added": lambda r: r + 0.001,
    "zero": lambda r: r * 0.0,
    "none": lambda r: None,
    "first element dropped": lambda r: _masked(r, 0),
    "last element dropped": lambda r: _masked(r, -1),
    "rolled along the first axis": lambda r: _rolled(r, 0),
    "rolled along the last axis": lambda r: _rolled(r, -1),
    "reversed along the last axis": lambda r: ag.flip(r, axis=-1) if r.ndim else r,
    "transposed": _transposed,
    "averaged along the last axis": _averaged,
    "detached": lambda r: values(r),
    "rounded to single precision": lambda r: _rounded(r, np.float32),
    "rounded to half precision": lambda r: _rounded(r, np.float16),
}


def _answering(rule: Any, change: Callable[[Any], Any], part: int | None) -> Any:
    """`rule` with its answer changed; of a joint rule the answer for input `part`."""

    def wrong(*args: Any, **params: Any) -> Any:
        found = rule(*args, **params)
        if part is None:
            return None if found is None else change(found)
        return [change(r) if k == part and r is not None else r for k, r in enumerate(found)]

    return wrong


# ---------------------------------------------------------------------- faults in the arguments


def _like(a: Any, b: Any) -> bool:
    a, b = values(a), values(b)
    return all(isinstance(x, (np.ndarray, np.generic)) for x in (a, b)) and a.shape == b.shape


def _with(rule: Any, change: Callable[[list[Any]], Sequence[Any]]) -> Any:
    """`rule` with its arguments (g, out, *inputs) changed."""
    return lambda *args, **params: rule(*change(list(args)), **params)


def _detached(args: list[Any], places: Sequence[int]) -> list[Any]:
    return [values(a) if k in places else a for k, a in enumerate(args)]


def _exchanged(args: list[Any], i: int, j: int) -> list[Any]:
    if j < len(args) and _like(args[i], args[j]):
        args[i], args[j] = args[j], args[i]
    return args


def _ones(args: list[Any]) -> list[Any]:
    return [np.ones_like(values(args[0])), *args[1:]]


def _squared(args: list[Any]) -> list[Any]:
    return [args[0] * args[0], *args[1:]]


def _backwards(args: list[Any]) -> list[Any]:
    same = all(_like(args[2], a) for a in args[3:])
    return [*args[:2], *reversed(args[2:])] if same else args


def _argument_faults(op: Op, rule: Any) -> Iterator[tuple[str, Any]]:
    names = ["incoming gradient", "output", *op.inputs]
    if op.variadic:
        yield "inputs backwards", _with(rule, _backwards)
    for k, name in enumerate(names):
        places = range(k, 99) if op.variadic and k == 2 else (k,)
        yield f"{name} detached", _with(rule, functools.partial(_detached, places=places))
    for i, j in itertools.combinations(range(len(names)), 2):
        exchange = functools.partial(_exchanged, i=i, j=j)
        yield f"{names[i]} and {names[j]} exchanged", _with(rule, exchange)


# --------------------------------------------------------------------- faults in the parameters


def _moved_index(index: Any, shape: tuple[int, ...]) -> Any:
    """An index of the same shape that names other places, as arrays of integers."""
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[index]
    moved = (places + 1) % max(np.prod(shape, dtype=int), 1)
    return np.unravel_index(moved, shape) if shape else index


def _moved_window(window: Window) -> Window:
    """The same shapes, but the window stands a cell further."""
    return window._replace(before=tuple(n + 1 for n in window.before))


def _moved_subscripts(subscripts: str) -> str:
    terms, output = subscripts.split("->")
    return f"{terms}->{output[::-1]}"


def _moved(name: str, value: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Another value of the same kind for a parameter."""
    x = args[2]
    match name, value:
        case "index", _:
            return _moved_index(value, params.get("shape", x.shape))
        case "axis", None:
            return 0 if x.ndim else None
        case "axis", int():
            return (value + 1) % max(x.ndim, 1)
        case "axis", tuple():
            return tuple((a + 1) % x.ndim for a in value) if value else tuple(range(x.ndim))
        case "widths", _:
            return tuple((b, a) for a, b in value)
        case "axes", _:
            return tuple(reversed(value)) if value is not None else tuple(range(x.ndim))
        case "position", int():
            return (value + 1) % len(args[2:])
        case "shape", _:
            return value
        case "target", _:
            return (value + 1) % x.shape[1]
        case "winners", _:
            return np.roll(value, 1, axis=-1)
    return _moved_plainly(value)


def _moved_plainly(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case None:
            return 2
        case int():
            return value + 1
        case float():
            return value * 2.0 + 0.1
        case str():
            return _moved_subscripts(value)
        case Window():
            return _moved_window(value)
        case np.ndarray() if value.dtype.kind == "f":
            return value * 1.1 + 0.1
    return value


def _parameter_faults(op: Op, rule: Any) -> Iterator[tuple[str, Any]]:
    for name in (*op.params, *op.saves, *(("position",) if op.variadic and not op.joint else ())):

        def wrong(*args: Any, name: str = name, **params: Any) -> Any:
            params[name] = _moved(name, params[name], args, params)
            return rule(*args, **params)

        yield f"{name} moved", wrong


# ------------------------------------------------------------------------ faults in the formula


def recorded(rule: Any, part: int | None, args: Any, params: Any) -> tuple[Any, Any, list[Any]]:
    """The arguments of a rule as tensors, its answer, and the results of the ops it calls."""
    leaves = [
        ag.tensor(values(a), True) if np.asarray(values(a)).dtype.kind == "f" else a for a in args
    ]
    with ag.enable_grad():
        answer = rule(*leaves, **params)
    answer = answer if part is None else answer[part]
    found, open_nodes = {}, [answer]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, Node) and node.op is not None and id(node) not in found:
            found[id(node)] = node
            open_nodes.extend(node.inputs)
    return leaves, answer, sorted(found.values(), key=lambda node: node.serial)


def _called(node: Any, inputs: Sequence[Any]) -> Any:
    params = {name: x for name, x in node.params.items() if name in node.op.params}
    return FUNCTIONS[node.op.name](*inputs, **params)


def _input(k: int) -> Callable[[Any, list[Any], Any], Any]:
    def dropped(node: Any, inputs: list[Any], made: Any) -> Any:
        return inputs[k] if len(inputs) > k and _like(inputs[k], made) else made

    return dropped


def _backward_call(node: Any, inputs: list[Any], made: Any) -> Any:
    return _called(node, inputs[::-1]) if len(inputs) == 2 and _like(*inputs) else made


CALLS: dict[str, Callable[[Any, list[Any], Any], Any]] = {
    "left out": _input(0),
    "replaced by its second input": _input(1),
    "negated": lambda node, inputs, made: -made,
    "called with its inputs exchanged": _backward_call,
}


def _repeating(rule: Any, part: int | None, number: int, change: Any) -> Any:
    """`rule`, repeated from a record of its ops in which one result is changed."""

    def wrong(*args: Any, **params: Any) -> Any:
        leaves, answer, nodes = recorded(rule, part, args, params)
        new = {id(leaf): a for leaf, a in zip(leaves, args)}
        for place, node in enumerate(nodes):
            inputs = [new.get(id(x), x) for x in node.inputs]
            made = _called(node, inputs)
            new[id(node)] = change(node, inputs, made) if place == number else made
        if part is None:
            return new.get(id(answer), answer)
        return [new.get(id(r), r) if k == part else r for k, r in enumerate(rule(*args, **params))]

    return wrong


# ------------------------------------------------------------------------------- all the faults


def in_place_of(op: Op, position: int, rule: Any) -> dict[str, Any]:
    if op.joint:
        return {"joint": rule}
    return {"rules": (*op.rules[:position], rule, *op.rules[position + 1 :])}


def faults(name: str, position: int, calls: int) -> Iterator[Fault]:
    """Every fault of the rule of one input of an op, which calls so many ops."""
    op = OPS[name]
    rule = op.joint or op.rules[position]
    part = position if op.joint else None

    def fault(kind: str, wrong: Any, may_be_equal: bool = False) -> Fault:
        return Fault(
            name, op.inputs[position], kind, in_place_of(op, position, wrong), may_be_equal
        )

    if rule is None:
        ones = lambda g, out, *inputs, **params: np.ones_like(values(inputs[position]))  # noqa: E731
        yield fault("a gradient where there is none", ones)
        return
    for kind, change in ANSWERS.items():
        yield fault(kind, _answering(rule, change, part), may_be_equal=kind == "transposed")
    for number, (kind, change) in itertools.product(range(calls), CALLS.items()):
        yield fault(f"op {number} {kind}", _repeating(rule, part, number, change), True)
    for other, another in enumerate(op.rules):
        if another is not None and other != position:
            yield fault(f"rule of {op.inputs[other]}", another)
    if op.joint and position:
        return  # the arguments are those of the first input
    yield fault("incoming gradient ones", _with(rule, _ones))
    yield fault("incoming gradient squared", _with(rule, _squared))
    for kind, wrong in (*_argument_faults(op, rule), *_parameter_faults(op, rule)):
        yield fault(kind, wrong, True)
