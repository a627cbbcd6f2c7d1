"""Ops declared outside the package: what they are given and what they return.

A forward and the rules see read-only arrays, so that they cannot change values of the caller or of
the graph.  What they return is checked, and copied, since they may use its memory again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.checks import shown
from autograd_cnn.engine.annotations import NUMERIC
from autograd_cnn.engine.copies import protected
from autograd_cnn.engine.node import Node


def guest_forward(name: str, forward: Callable[..., Any], saves: Sequence[str]) -> Any:
    """The forward of a guest: it sees read-only arrays, and what it returns is checked."""

    @functools.wraps(forward)
    def guarded(*arrays: Any, **params: Any) -> Any:
        out = _on_locked(name, "the forward", forward, arrays, params)
        if not saves:
            return _numbers(name, "the forward", out, arrays)
        if not (isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], dict)):
            raise TypeError(
                f"{name}: the forward must return (result, {{name: value}}), got {shown(out)}"
            )
        out, saved = out
        if set(saved) != set(saves):
            raise ValueError(f"{name}: the forward must save {list(saves)}, got {list(saved)}")
        return _numbers(name, "the forward", out, arrays), protected(saved)

    return guarded


def guest_rule(
    name: str, of: str, rule: Callable[..., Any], inputs: Sequence[str], params: Sequence[str]
) -> Callable[..., Any]:
    """A backward rule of a guest; raises TypeError if it does not take what it will be given."""
    try:
        inspect.signature(rule).bind("g", "out", *inputs, **dict.fromkeys(params))
    except TypeError as problem:
        wanted = ", ".join(("g", "out", *inputs, *(("*", *params) if params else ())))
        raise TypeError(f"op {name!r}: the rule for {of} must take ({wanted}): {problem}") from None
    except ValueError:  # no signature is known, as for some builtins
        pass
    what = f"the backward rule for {of}"

    @functools.wraps(rule)
    def guarded(*args: Any, **params: Any) -> Any:
        found = _on_locked(name, what, rule, args, params)
        if of != "its inputs":  # as a joint rule is for
            return _numbers(name, what, found)
        if not isinstance(found, (tuple, list)) or len(found) != len(args) - 2:
            wanted = f"a list of {len(args) - 2} gradients, one per input"
            raise TypeError(f"{name}: {what} must return {wanted}, got {shown(found)}")
        return [_numbers(name, what, part) for part in found]

    return guarded


def _on_locked(
    name: str, what: str, function: Callable[..., Any], args: Sequence[Any], params: dict[str, Any]
) -> Any:
    """``function(*args, **params)`` with read-only views of the arrays."""
    try:
        return function(*map(_locked, args), **{key: _locked(x) for key, x in params.items()})
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ValueError(
            f"{name}: {what} changes an argument in place; write g = g * 2 instead of g *= 2, or "
            ".copy() it first"
        ) from error


def _locked(x: Any) -> Any:
    """A read-only view of an array or a tensor; anything else unchanged."""
    if type(x) is np.ndarray:
        x = x.view()
        x.flags.writeable = False
    elif isinstance(x, Node):
        view: Any = x
        x = view.reshape(x.array.shape)
        x.array.flags.writeable = False
    return x


def _numbers(name: str, what: str, x: Any, arrays: Sequence[Any] | None = None) -> Any:
    """What a guest returned, as a copy unless it is a view of one of the inputs `arrays`.

    It must be numbers; a rule, which has no `arrays`, may also return None or a tensor.
    """
    if arrays is None and (x is None or isinstance(x, Node)):
        return x
    plain = type(x) is np.ndarray
    if not (plain or isinstance(x, _NUMBER)) or np.asarray(x).dtype.kind not in NUMERIC:
        wanted = "must return an array of numbers"
        missing = "; is its return missing?" if x is None else ""
        raise TypeError(f"{name}: {what} {wanted}, got {shown(x)}{missing}")
    if not plain or any(np.may_share_memory(given, x) for given in arrays or ()):
        return x
    return x.copy(order="K")


_NUMBER = (bool, int, float, complex, np.generic)
