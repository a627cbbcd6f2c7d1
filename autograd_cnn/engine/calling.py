"""Calls of ops: arguments sorted into inputs and parameters, errors in the caller's words."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.arguments import as_input, first_mistake, unfit_input
from autograd_cnn.engine.kinds import kinds_of
from autograd_cnn.engine.node import Node, Op, describe

PLAIN = frozenset({np.ndarray, bool, int, float, complex, *np.sctypeDict.values()})
"""The types of inputs, besides tensors, that a forward takes as they are."""


def signature_of(name: str, signature: inspect.Signature) -> str:
    """A call as one would write it: names and defaults, without annotations.

    >>> import autograd_cnn as ag
    >>> signature_of("sum", ag.OPS["sum"].signature)
    'sum(x, *, axis=None, keepdims=False)'
    """
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return f"{name}{signature.replace(parameters=bare, return_annotation=signature.empty)}"


def misuse(record: Op, problem: str) -> TypeError:
    """The error for a call that does not fit the signature."""
    return TypeError(
        f"{record.name}: {problem}; the signature is {signature_of(record.name, record.signature)}"
    )


def names_of(record: Op, count: int) -> Sequence[str]:
    """The names of that many inputs."""
    return record.inputs if not record.variadic else record.inputs * count


def bind(record: Op, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Sort a call's arguments into inputs and parameters, as Python would, with clear errors.

    Positional arguments beyond the inputs are parameters in their order, so NumPy's and PyTorch's
    habits (``sum(x, 0)``) work.  Inputs may be given by name.
    """
    args, extra, params = _inputs(record, args, params)
    if len(extra) > len(record.params):
        raise misuse(record, f"got {len(extra) - len(record.params)} arguments too many")
    for name, value in zip(record.params, extra):
        if name in params:
            raise misuse(record, f"got {name!r} twice")
        params = {**params, name: value}
    params = {**record.defaults, **params}
    if len(params) != len(record.params) or not all(map(params.__contains__, record.params)):
        unknown = [p for p in params if p not in record.params]
        missing = [p for p in record.params if p not in params]
        problem = (
            f"unknown argument {unknown[0]!r}" if unknown else f"argument {missing[0]!r} is missing"
        )
        raise misuse(record, problem)
    for name, value in params.items():
        if isinstance(value, Node):
            if value.requires_grad:
                raise misuse(
                    record,
                    f"argument {name!r} is a plain value, but a tensor that requires gradients "
                    "was given; pass .detach() of it",
                )
            params[name] = value.array
    return args, params


def holds_node(params: dict[str, Any]) -> bool:
    """Whether a tensor is among the parameters."""
    for value in params.values():  # noqa: SIM110 - any() takes three times as long
        if isinstance(value, Node):
            return True
    return False


def _inputs(
    record: Op, args: tuple[Any, ...], params: dict[str, Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...], dict[str, Any]]:
    """The inputs, what follows them by position, and what was given by name and is no input."""
    names = record.inputs
    if record.variadic:
        extra: tuple[Any, ...] = ()
        if args and isinstance(args[0], (list, tuple)):
            args, extra = tuple(args[0]), args[1:]
        return tuple(as_input(record.name, names[0], x) for x in args), extra, params
    args, extra = args[: len(names)], args[len(names) :]
    for name in names[len(args) :]:
        if name in params:
            params = dict(params)
            args = (*args, params.pop(name))
        elif len(args) >= record.required:
            args = (*args, None)
        else:
            raise misuse(record, f"input {name!r} is missing")
    return args, extra, params


def as_inputs(record: Op, args: Sequence[Any]) -> list[Any]:
    """Inputs of types that no forward knows, as arrays; raises TypeError for what is of no use."""
    optional = record.inputs[record.required :]
    return [
        x
        if (x is None and name in optional) or type(x) in PLAIN
        else _as_plain(as_input(record.name, name, x))
        for name, x in zip(names_of(record, len(args)), args)
    ]


def _as_plain(x: Any) -> Any:
    """A tensor as it is, an array of a subclass as an array."""
    return x if isinstance(x, Node) else np.asarray(x)


def explained(
    record: Op, arrays: Sequence[Any], params: dict[str, Any], error: Exception
) -> Exception:
    """The same error in the caller's words: which op, which argument.  Errors that name the op are
    kept.
    """
    text = str(error)
    kind = next((k for k in (ValueError, TypeError, IndexError) if isinstance(error, k)), TypeError)
    if text.startswith(f"{record.name}:"):
        return kind(text)
    given = [
        (name, x)
        for place, (name, x) in enumerate(zip(names_of(record, len(arrays)), arrays))
        if x is not None or place < record.required
    ]
    kinds = kinds_of(getattr(record.forward, "__annotations__", {}))
    wrong = first_mistake(record.name, kinds, params)
    wrong = wrong or unfit_input(record.name, given, error)
    if wrong is not None:
        return wrong
    listed = ", ".join(f"{name} {describe(x)}" for name, x in given)
    return kind(f"{record.name}: {in_our_words(text, arrays, params)} (got {listed})")


_OF_DTYPES = ("ufunc", "numpy boolean", "not supported between", "not understood", "be cast from")


def in_our_words(text: str, arrays: Sequence[Any], params: dict[str, Any]) -> str:
    """What NumPy says of dtypes, axes and shapes that do not fit, in the words used here."""
    if text.partition(" ")[0].endswith(":"):  # the name of an op, which has found the words
        return text
    if "broadcast" in text and len(arrays) > 1:
        return "the shapes of the inputs do not broadcast against each other"
    if any(word in text for word in _OF_DTYPES):
        return "not defined for values of this dtype"
    axis = params.get("axis")
    if axis is None or not arrays:
        return text
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = np.ndim(arrays[0])
    if not all(-ndim <= a < ndim for a in axes):
        return f"axis {axis} is out of range for {ndim} axes"
    return f"axis {axis} names an axis twice" if len({a % ndim for a in axes}) < len(axes) else text
