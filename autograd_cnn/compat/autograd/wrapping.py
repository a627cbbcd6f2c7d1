"""NumPy's functions for arguments that are tensors, or lists and tuples that hold some."""

from __future__ import annotations

import functools
from types import GeneratorType, ModuleType
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Node
from autograd_cnn.ops.join import stack
from autograd_cnn.tensor.numpy_special import refuse

_OF_LISTS = """append block broadcast_arrays choose column_stack concat concatenate dstack hstack
einsum linalg.multi_dot lexsort meshgrid select stack vstack"""
_OF_ANYTHING = "isscalar iterable issubdtype printoptions set_printoptions"
_ONCE = (map, filter, zip, GeneratorType)


def holds_tensors(x: Any) -> bool:
    """Whether x is a tensor, or a list or tuple that holds one."""
    return any(map(holds_tensors, x)) if isinstance(x, (list, tuple)) else isinstance(x, Node)


def joined(x: Any) -> Any:
    """A list or tuple that holds tensors as one tensor, as ``np.array`` makes arrays of numbers."""
    if isinstance(x, Node) or not holds_tensors(x):
        return x
    parts: list[Any] = [y if isinstance(y, Node) else np.asarray(y) for y in map(joined, x)]
    return stack(parts)


def _wrapped(name: str, function: Any) -> Any:
    """A function of NumPy that joins lists of tensors first; anything else unchanged.

    A function that would use the values of tensors only raises TypeError.
    """
    if isinstance(function, type) or not callable(function):
        return function
    dispatches = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
    listed = name in _OF_LISTS.split()

    def call(*args: Any, **options: Any) -> Any:
        if listed:
            args = tuple([list(x) if isinstance(x, _ONCE) else x for x in args])
        if holds_tensors(args) or holds_tensors([*options.values()]):
            if not dispatches and name not in _OF_ANYTHING.split():
                refuse(f"np.{name}")
            args = args if listed else tuple(map(joined, args))
        return function(*args, **options)

    functools.update_wrapper(call, function, ("__name__", "__doc__"), ())
    for method in ("accumulate", "at", "outer", "reduce", "reduceat"):
        if isinstance(function, np.ufunc):
            setattr(call, method, getattr(function, method))
    return call


def mirror(theirs: ModuleType, prefix: str = "") -> dict[str, Any]:
    """The names of a module of NumPy, with its functions wrapped."""
    names = [name for name in dir(theirs) if name[:2] != "__"]
    return {name: _wrapped(prefix + name, getattr(theirs, name)) for name in names}
