"""What a graph keeps of a call: copies of the arrays that somebody else could change later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine.annotations import NUMERIC
from autograd_cnn.engine.node import values


def refuse_other_arrays(name: str, args: Sequence[Any]) -> None:
    """Raise TypeError if an array among the inputs does not hold numbers."""
    for x in args:
        if type(x) is np.ndarray and x.dtype.kind not in NUMERIC:
            raise mistake(name, "an input", "an array of numbers", x)


def copied(args: Sequence[Any]) -> tuple[Any, ...]:
    """Inputs for backward: arrays, whose memory others can write to, are copied."""
    return tuple([x.copy(order="K") if type(x) is np.ndarray else x for x in args])


_LASTING = frozenset({int, slice, type(None), type(...), bool, float, str})


def protected_params(params: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Parameters for backward: arrays and lists (targets, indices) that may change are copied."""
    for name in names:
        value = params[name]
        kind = type(value)
        if kind not in _LASTING and not (kind is tuple and _LASTING.issuperset(map(type, value))):
            params = {**params, name: protected(value)}
    return params


def locked(x: Any) -> np.ndarray:
    """x in bytes, so that nobody can make it writable; copied unless it lies there."""
    if type(x) is np.ndarray and isinstance(x.base, bytes):
        return x
    x = np.asarray(x)
    return np.array(x) if x.dtype.hasobject else np.ndarray(x.shape, x.dtype, x.tobytes())


def protected(value: Any) -> Any:
    """`value` with copies of the arrays in it, also in dicts, lists and tuples."""
    if isinstance(value, dict):
        return {key: protected(part) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)(map(protected, value))
    value = values(value)
    memory = isinstance(value, (np.ndarray, memoryview)) or hasattr(value, "__array_interface__")
    return locked(value) if memory and not isinstance(value, np.generic) else value
