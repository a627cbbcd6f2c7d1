"""Declaring and calling operations: `@op` and the registry `OPS`.

Operations are polymorphic: arrays in, array out; any tensor in, tensor out.  Backward (backward.py)
uses that: ordinarily it hands arrays to the backward rules, with ``create_graph=True`` it hands
them tensors, and the same formulas then build the graph of the derivative.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine import watch as watching
from autograd_cnn.engine.arguments import EXPLAINED
from autograd_cnn.engine.calling import PLAIN, as_inputs, bind, explained, holds_node
from autograd_cnn.engine.node import (
    Array,
    GraphError,
    Node,
    Op,
    Rule,
    describe,
    fill_node,
    next_serial,
    recorded,
    serials,
    values,
    wrap,
)

__all__ = [
    "OPS",
    "Array",
    "GraphError",
    "Node",
    "Op",
    "Rule",
    "describe",
    "fill_node",
    "next_serial",
    "op",
    "recorded",
    "values",
    "wrap",
]

F = TypeVar("F", bound=Callable[..., Any])

OPS: dict[str, Op] = {}

_new, _next_serial, _recording = object.__new__, serials.__next__, modes.recording.get


def op(
    *,
    joint: Callable[..., Sequence[Array | None]] | None = None,
    saves: Sequence[str] = (),
    register: bool = True,
    **rules: Rule | None,
) -> Callable[[F], F]:
    """Register a NumPy function as a differentiable operation, with one backward rule per input.

    Positional parameters of the function are inputs (a default of None makes one optional),
    keyword-only parameters are plain values.  A rule is ``rule(g, out, *inputs, **params)``: the
    gradient of its input given the gradient `g` of the output, written in ops and in what arrays
    and tensors share, so that it can itself be differentiated.  `saves` names the values that the
    function returns beside its result, as ``(out, {name: value})``, for the rules to receive as
    keyword parameters.  `joint` replaces the rules by one function that also receives ``wanted``, a
    flag per input, and returns a gradient or None per input.  With ``register=False`` the op stays
    out of `OPS`: a private op, whose name need not be unique.

    Raises TypeError at declaration when an input has no rule, a rule names no input, or the name is
    taken.

    >>> import numpy as np
    >>> from autograd_cnn.engine import op as graph
    >>> from autograd_cnn import tensor
    >>> @graph.op(x=lambda g, out, x: g * 3.0 * x * x, register=False)
    ... def cube(x):
    ...     "x to the third power."
    ...     return x * x * x
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    def declare(forward: F) -> F:
        record = _declare(forward, rules, joint, tuple(saves))
        if register:
            if record.name in OPS:
                raise TypeError(f"op {record.name!r} is already registered")
            OPS[record.name] = record
        call = _caller(record)
        call.op = record  # type: ignore[attr-defined]
        return functools.wraps(forward)(call)  # type: ignore[return-value]

    return declare


def _declare(
    forward: Callable[..., Any],
    rules: dict[str, Rule | None],
    joint: Callable[..., Sequence[Array | None]] | None,
    saves: tuple[str, ...],
) -> Op:
    name = forward.__name__
    signature = inspect.signature(forward)
    parameters = signature.parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    inputs = tuple(p.name for p in positional)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
    keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if variadic and (len(inputs) > 1 or joint):
        raise TypeError(f"op {name!r}: *{inputs[-1]} must be its only input, with one rule")
    if joint and rules:
        raise TypeError(f"op {name!r}: give either one joint rule or a rule per input")
    if not joint and set(rules) != set(inputs):
        raise TypeError(
            f"op {name!r} has inputs {list(inputs)} but backward rules for {list(rules)}"
        )
    for p in positional:
        if p.default is not p.empty and p.default is not None:
            raise TypeError(
                f"op {name!r}: input {p.name!r} may only default to None; make it keyword-only if "
                "it is a "
                f"plain value"
            )
    return Op(
        name=name,
        forward=forward,
        signature=signature,
        inputs=inputs,
        rules=tuple(rules.get(i) for i in inputs),
        joint=joint,
        saves=saves,
        variadic=variadic,
        defaults={p.name: p.default for p in keyword if p.default is not p.empty},
        params=tuple(p.name for p in keyword),
        required=0 if variadic else sum(p.default is p.empty for p in positional),
    )


def _caller(record: Op) -> Callable[..., Any]:
    """The function that users call: compute on arrays, and remember how when a tensor took part."""
    forward, defaults, saves = record.forward, record.defaults, record.saves
    # Calls with exactly the inputs, and with no parameter or all of them by name, skip the binding
    # (a third of a small op's time).
    arity = -1 if record.variadic else len(record.inputs)
    whole = frozenset(record.params)
    optional = len(whole) == len(defaults)
    known = PLAIN | {type(None)} if record.required < len(record.inputs) else PLAIN
    open_blocks = watching.open_blocks

    def call(*args: Any, **params: Any) -> Any:
        if len(args) == arity and not params and optional:
            params = defaults
        elif len(args) != arity or params.keys() != whole or holds_node(params):
            args, params = bind(record, args, params)
        node = None
        tracked = exposed = False
        arrays = []
        for x in args:
            if isinstance(x, Node):
                node = x
                tracked = tracked or x.tracked
                arrays.append(x.array)
            elif type(x) in known:
                exposed = exposed or type(x) is np.ndarray
                arrays.append(x)
            else:
                return call(*as_inputs(record, args), **params)
        try:
            if open_blocks:
                compute = functools.partial(forward, *arrays, **params)
                out = watching.compute_operation(record, args, compute)
            else:
                out = forward(*arrays, **params)
        except EXPLAINED as error:
            raise explained(record, arrays, params, error) from error
        saved = None
        if saves:
            out, saved = out
        if node is None:
            return out
        result = _result(record, out, args, params, saved, tracked, exposed)
        if open_blocks:
            watching.tell_made(result, record, args)
        return result

    return call


def _result(
    record: Op,
    out: Any,
    args: Any,
    params: dict[str, Any],
    saved: dict[str, Any] | None,
    tracked: bool,
    exposed: bool,
) -> Any:
    """The tensor around `out`, which remembers its origin where an input is `tracked`.

    Arrays that backward may need are kept out of the caller's reach where some are `exposed`; what
    the forward `saved` is out of it already.
    """
    if type(out) is not np.ndarray:
        out = np.asarray(out)
    result = _new(Node.result_type)
    result.array = out
    result._grad = None
    result.written = None
    result.attached = None
    if tracked and out.dtype.kind in "fc" and _recording():
        result.tracked = True
        result.op = record
        result.inputs = tuple(map(_private, args)) if exposed else args
        params = _private_values(params) if params else params
        result.params = {**params, **saved} if saved else params
    else:
        result.tracked = False
        result.op = None
        result.inputs = ()
        if out.base is not None:
            _share_writes(result, args)
    result.serial = _next_serial()
    return result


def _private(x: Any) -> Any:
    """An array that backward may need, out of the caller's reach: a copy if it may change."""
    return x.copy(order="K") if type(x) is np.ndarray and _writable(x) else x


def _writable(x: np.ndarray | None) -> bool:
    """Whether the memory of `x` can change, which a read-only view such as ``t.numpy()`` hides."""
    while isinstance(x, np.ndarray):
        if x.flags.writeable:
            return True
        x = x.base
    return False


def _private_values(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters with their arrays and lists (targets, indices) out of the caller's reach."""
    for value in params.values():
        kind = type(value)
        if kind is tuple and _LASTING.issuperset(map(type, value)):  # a shape, axes
            continue
        if kind in _CHANGING:
            return {name: _private_value(value) for name, value in params.items()}
    return params


_CHANGING = frozenset({np.ndarray, tuple, list})  # tuples may hold arrays
_LASTING = frozenset({int, slice, type(None), type(...), bool, float, str})


def _private_value(value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)(map(_private_value, value))
    return _private(value.array.copy() if isinstance(value, Node) else value)


def _share_writes(result: Node, inputs: Sequence[Any]) -> None:
    """A view that records nothing still has to learn of writes to the memory it looks at."""
    for x in inputs:
        if isinstance(x, Node) and np.may_share_memory(result.array, x.array):
            result.written = x.write_record()
