"""Declaring and calling operations: `@op` and the registry `OPS`, `@composition`.

Operations are polymorphic: arrays in, array out; any tensor in, tensor out.  Backward (backward.py)
passes arrays to the backward rules.  With ``create_graph=True`` it passes tensors, and the same
formulas build the graph of the derivative.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from autograd_cnn.checks import unfit
from autograd_cnn.config import floating_dtype, in_dtype_of_weights, in_one_dtype, of_integers
from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.annotations import NUMERIC
from autograd_cnn.engine.arguments import Arguments, as_input, guarded
from autograd_cnn.engine.copies import copied, protected_params, refuse_other_arrays
from autograd_cnn.engine.guests import guest_forward, guest_rule
from autograd_cnn.engine.node import Array, Node, next_serial

if TYPE_CHECKING:
    from autograd_cnn.tensor import types

P = ParamSpec("P")
Rule = Callable[..., Array]  # rule(g, out, *inputs, **params) -> gradient of one input

OPS: dict[str, Op] = {}
"""Every registered operation by name."""

COMPOSITIONS: dict[str, Callable[..., Any]] = {}
"""Every function that `composition` made of ops, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A NumPy function and its backward rules, one per differentiable input.

    A rule of None means that the derivative is zero.  `joint` replaces the rules: it returns the
    gradients of all inputs at once, which share work.  `variadic` ops take any number of inputs;
    `position` tells their one rule which input is meant.  ``rule.adds``, if there is one, adds to a
    total in place, ``rule.together`` adds many gradients at once; see `ops.pick`.

    >>> multiply = ag.OPS["multiply"]
    >>> multiply.inputs, multiply.params
    (('x', 'y'), ())
    """

    name: str
    forward: Callable[..., Any] = field(repr=False)
    inputs: tuple[str, ...]
    rules: tuple[Rule | None, ...] = field(repr=False)
    joint: Callable[..., Sequence[Array | None]] | None = field(default=None, repr=False)
    saves: tuple[str, ...] = ()
    variadic: bool = False
    params: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict, repr=False)
    """Values of the parameters that have one."""
    exposed: tuple[str, ...] = ()
    """The parameters that may hold arrays or lists, which the caller could change later."""


def op(
    *,
    joint: Callable[..., Sequence[Array | None]] | None = None,
    saves: Sequence[str] = (),
    one_dtype: bool = False,
    register: bool = True,
    **rules: types.Rule | None,
) -> Callable[[Callable[P, Any]], types.ArrayFunction[P]]:
    """Register a NumPy function as a differentiable operation, with one backward rule per input.

    Positional parameters of the function are inputs (a default of None makes one optional),
    keyword-only parameters are plain values.  A rule is ``rule(g, out, *inputs, **params)``: the
    gradient of its input given the gradient `g` of the output.  It uses ops and methods that arrays
    and tensors share, so that it can be differentiated.  `saves` names the values that the
    function returns beside its result, as ``(out, {name: value})``; the rules receive them as
    keyword parameters.  `joint` replaces the rules by one function that also receives ``wanted``, a
    flag per input, and returns a gradient or None per input.  With `one_dtype`, floating inputs of
    several dtypes raise TypeError.  A function of the same module and qualified name replaces the
    earlier op, as in a notebook; the name of any other op raises TypeError.  With
    ``register=False`` the op stays out of `OPS`: a private op, whose name need not be unique.

    >>> @ag.op(x=lambda g, out, x: g * 3.0 * x * x, register=False)
    ... def cube(x):
    ...     "x to the third power."
    ...     return x * x * x
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    def declare(forward: Callable[P, Any]) -> types.ArrayFunction[P]:
        arguments = Arguments(forward)
        record = _declare(arguments, rules, joint, tuple(saves))
        if register:
            known = OPS.setdefault(record.name, record).forward
            if (known.__module__, known.__qualname__) != (forward.__module__, forward.__qualname__):
                raise TypeError(
                    f"op {record.name!r} is already registered, by {known.__module__}; choose "
                    "another name, or pass register=False"
                )
            OPS[record.name] = record
        call = _callable(record, arguments, one_dtype)
        call.op = record  # type: ignore[attr-defined]
        call.arguments = arguments  # type: ignore[attr-defined]
        return wraps(forward)(call)  # type: ignore[return-value]

    return declare


def _declare(
    arguments: Arguments,
    rules: Mapping[str, Rule | None],
    joint: Callable[..., Sequence[Array | None]] | None,
    saves: tuple[str, ...],
) -> Op:
    name, inputs = arguments.name, arguments.inputs
    if arguments.variadic and len(inputs) > 1:
        raise TypeError(f"op {name!r}: *{inputs[-1]} must be its only input")
    if joint and rules:
        raise TypeError(f"op {name!r}: give either one joint rule or a rule per input")
    if not joint and set(rules) != set(inputs):
        raise TypeError(
            f"op {name!r} has inputs {list(inputs)} but backward rules for {list(rules)}"
        )
    for optional in () if arguments.variadic else inputs[arguments.required :]:
        if optional not in arguments.optional:
            raise TypeError(
                f"op {name!r}: input {optional!r} may only default to None; make it keyword-only "
                "if it is a plain value"
            )
    immutable = {name for name, asked in arguments.annotations.items() if asked.immutable}
    forward, kept = arguments.function, tuple(rules.get(i) for i in inputs)
    if not arguments.ours:
        forward = guest_forward(name, forward, saves)
        more = (*arguments.settings, *saves)
        place = ("position",) if arguments.variadic else ()
        given = ("x",) if arguments.variadic else inputs
        kept = tuple(
            rule and guest_rule(name, i, rule, given, (*more, *place))
            for i, rule in zip(inputs, kept)
        )
        joint = joint and guest_rule(name, "its inputs", joint, given, (*more, "wanted"))
    return Op(
        name=name,
        forward=forward,
        inputs=inputs,
        rules=kept,
        joint=joint,
        saves=saves,
        variadic=arguments.variadic,
        params=arguments.settings,
        defaults=arguments.defaults,
        exposed=tuple(name for name in arguments.settings if name not in immutable),
    )


_NUMBERS = {t for t in np.sctypeDict.values() if np.dtype(t).kind in NUMERIC}
_PYTHON = frozenset({bool, int, float, complex, type(None)})
_PLAIN = _PYTHON - {type(None)} | {np.ndarray} | _NUMBERS
"""The types of inputs, besides tensors, that a forward takes as they are."""


def _callable(record: Op, arguments: Arguments, one_dtype: bool) -> Callable[..., Any]:
    """The function that users call: compute on arrays, and remember how when a tensor took part."""
    forward = getattr(record.forward, "ufunc", record.forward)  # without a call in between
    defaults, saves, exposed = record.defaults, record.saves, record.exposed
    open_blocks = watch.open_blocks
    # Calls with the inputs, and parameters by name, skip the binding: a third of the time.
    arity = -1 if record.variadic else len(record.inputs)
    whole = frozenset(record.params)
    needed = whole - defaults.keys()
    known = _PLAIN | {type(None)} if arguments.optional & {*record.inputs} else _PLAIN
    weak = arguments.weak_inputs(record.joint, record.rules)
    several = bool(weak) or record.variadic

    def call(*args: Any, **params: Any) -> Any:
        if len(args) == arity and not params and not needed:
            params = defaults
        else:
            if len(args) == arity and needed <= params.keys() <= whole:
                params = {**defaults, **params}
            elif arguments.torch and not arguments.known.issuperset(params):
                return arguments.torch(*args, **params)
            else:
                args, params = arguments.bind(args, params)
            for value in params.values():
                if isinstance(value, Node):
                    params = arguments.plain(params)
                    break
        node = dtype = None  # type: Any
        tracked = has_arrays = mixed = False
        arrays = []
        for x in args:
            if isinstance(x, Node):
                if x.tracked:
                    tracked, node = True, x
                elif node is None:
                    node = x
                x = x.array
            elif type(x) is _ndarray:
                has_arrays = True
            elif type(x) not in known:
                return call(*_as_inputs(arguments, args), **params)
            elif type(x) in _PYTHON:
                arrays.append(x)
                continue
            arrays.append(x)
            if several and x.dtype is not dtype:
                mixed, dtype = dtype is not None, x.dtype
        if exposed and tracked and _recording():  # forward reads what backward will
            params = protected_params(params, exposed)
        if mixed and (one_dtype or node is not None):
            args, arrays = in_one_dtype(args, arrays, weak or range(len(args)), dtype)
        try:
            if open_blocks:
                out = watch.watched("operation", partial(forward, *arrays, **params), record, args)
            else:
                out = forward(*arrays, **params)
            if mixed and one_dtype:  # errors of shapes come first
                in_dtype_of_weights(record.name, *arrays)
        except Exception as error:
            arguments.reraise(error, arrays, params)
        out, saved = out if saves else (out, None)
        if node is None:
            return out
        return _result(record, out, args, arrays, params, saved, tracked, has_arrays, node)

    return call


def _as_inputs(arguments: Arguments, args: Sequence[Any]) -> Iterable[Any]:
    """The inputs, with types that no forward takes converted to arrays of numbers."""
    dtype = floating_dtype(args)
    for name, x in zip(arguments.names(len(args)), args):
        if isinstance(x, Node) or type(x) in _PLAIN or (x is None and name in arguments.optional):
            yield x
        else:  # lists, and arrays of a subclass
            x = as_input(arguments.name, name, x, dtype)
            yield x if isinstance(x, Node) else np.asarray(x)


# -------------------------------------------------------------------------------------- the result

_new, _recording, _ndarray = object.__new__, modes.recording.get, np.ndarray


def _result(
    record: Op,
    out: Any,
    args: Any,
    arrays: Sequence[Any],
    params: dict[str, Any],
    saved: dict[str, Any] | None,
    tracked: bool,
    has_arrays: bool,
    node: Node,
) -> Any:
    """The tensor around `out`, which remembers its origin if an input is `tracked`.

    Plain arrays among the inputs are copied for backward, as the caller can write to them.  A view
    shares the record of writes to its memory.
    """
    if type(out) is not _ndarray:
        out = np.asarray(out)
    if out.dtype is not node.array.dtype:
        out = _of_another_kind(record, out, arrays, params, tracked, node)
        tracked = tracked and out.dtype.kind == "f"
    recorded = tracked and _recording()
    result = _new(Node.result_type)
    result.array = out
    result._grad = None
    result.written = None
    result.attached = None
    base = out.base
    shared = base is not None or out is arrays[0] or out is arrays[-1]  # an op may return an input
    if shared or (len(arrays) > 2 and id(out) in map(id, arrays)):
        # Views of views have the owner of the memory as their base, but for as_strided.
        source = out if base is None else base
        odd = type(source) is not _ndarray
        for x in args:
            if isinstance(x, Node):
                same = source is x.array or source is x.array.base
                if same or (odd and np.may_share_memory(out, x.array)):
                    if x.tracked and not recorded:
                        x.write_record().add_detached(result)
                    else:
                        x.share(result)
                    break
            elif type(x) is _ndarray and np.may_share_memory(out, x):
                result.array = out = out.copy(order="K")  # the caller can write to x
                break
    if has_arrays:
        refuse_other_arrays(record.name, args)
    if recorded:
        result.tracked = True
        result.op = record
        result.inputs = copied(args) if has_arrays else args
        result.params = {**params, **saved} if saved else params
    else:
        result.tracked = False
        result.op = None
        result.inputs = ()
        result.params = {}
    result.serial = next_serial()
    if watch.open_blocks:
        watch.tell("made", result, record, args)
    return result


def _of_another_kind(
    record: Op, out: Any, arrays: Sequence[Any], params: dict[str, Any], tracked: bool, node: Node
) -> Any:
    """A result of another dtype than `node`; raises TypeError where it cannot be a tensor."""
    if not tracked and node.array.dtype.kind in "biu":
        out = of_integers(record.forward, out, arrays, params)
    kind = out.dtype.kind
    if kind not in NUMERIC or (kind == "c" and tracked and _recording()):
        raise unfit(record.name, out)
    return out


def composition(function: Callable[P, Any]) -> types.ArrayFunction[P]:
    """Let a function made of ops be called like an op; its derivatives are those of the ops.

    Positional parameters are inputs; lists of numbers become arrays.  Keyword-only parameters are
    plain values, which may also follow the inputs by position (``squeeze(x, 0)``).  Errors of the
    ops get the function's name in front.
    """
    call = guarded(Arguments(function), inner=ChainMap(OPS, COMPOSITIONS))
    COMPOSITIONS[function.__name__] = call
    return call
