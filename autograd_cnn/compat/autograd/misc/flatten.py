"""Tuples, lists and dicts of arrays as one vector, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Node
from autograd_cnn.tensor import tree


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The numbers of `value` as a vector, and the function that puts such a vector back.

    Dicts go by their sorted keys.  Both work on tensors too.

    >>> from autograd_cnn.compat.autograd.misc import flatten
    >>> vector, unflatten = flatten({"b": [2.0, 3.0], "a": np.ones(1)})
    >>> vector.tolist(), unflatten(vector * 2.0)["a"]
    ([1.0, 2.0, 3.0], array([2.]))
    """
    leaves, rebuild = tree.flatten(_in_order(value))
    leaves = [x if isinstance(x, Node) else np.asarray(x) for x in leaves]
    flat = np.concatenate([np.ravel(x) for x in leaves]) if leaves else np.zeros(0)
    ends = np.cumsum([0, *(x.size for x in leaves)])

    def unflatten(vector: Any) -> Any:
        parts = [vector[a:b].reshape(x.shape) for a, b, x in zip(ends, ends[1:], leaves)]
        return rebuild([x if isinstance(x, Node) else x[()] for x in parts])

    return flat, unflatten


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Any, Any, Any]:
    """`func` from vector to vector, what unflattens, and the example as a vector."""
    flat, unflatten = flatten(example)
    return lambda x, *args: flatten(func(unflatten(x), *args))[0], unflatten, flat


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return type(value)(map(_in_order, value)) if type(value) in (list, tuple) else value
