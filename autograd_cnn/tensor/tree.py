"""Tuples, lists and dicts of tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_cnn.ops import arithmetic, join, shape
from autograd_cnn.tensor import Tensor

Rebuild = Callable[[list[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves of nested tuples, lists and dicts, and a function that replaces them by others.

    None has no leaves.  Named tuples and dicts keep their types and keys.

    >>> leaves, rebuild = flatten({"a": (1, 2), "b": [3, None]})
    >>> leaves
    [1, 2, 3]
    >>> rebuild([10, 20, 30])
    {'a': (10, 20), 'b': [30, None]}
    """
    leaves: list[Any] = []
    _collect(tree, leaves)

    def rebuild(values: list[Any]) -> Any:
        return _place(tree, iter(values))

    return leaves, rebuild


def _collect(tree: Any, leaves: list[Any]) -> None:
    if isinstance(tree, (tuple, list)):
        for item in tree:
            _collect(item, leaves)
    elif isinstance(tree, dict):
        for item in tree.values():
            _collect(item, leaves)
    elif tree is not None:
        leaves.append(tree)


def _place(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, (tuple, list)):
        items = [_place(item, values) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return {key: _place(item, values) for key, item in tree.items()}
    return None if tree is None else next(values)


def matching(where: str, tree: Any, like: Any) -> list[Any]:
    """The leaves of `tree`; raises TypeError unless it has the structure of `like`."""
    if _outline(tree) != _outline(like):
        raise TypeError(
            f"{where}: expected the structure {_outline(like)}, got {_outline(tree)} "
            "(* stands for a value)"
        )
    if isinstance(like, dict):
        return [leaf for key in like for leaf in matching(where, tree[key], like[key])]
    if isinstance(like, (tuple, list)):
        pairs = zip(tree, like)
        return [leaf for item, other in pairs for leaf in matching(where, item, other)]
    return [] if like is None else [tree]


def _outline(tree: Any) -> str:
    """The structure as text; tuples and lists count as the same, dicts in any order of keys."""
    if isinstance(tree, (tuple, list)):
        return f"({', '.join(map(_outline, tree))})"
    if isinstance(tree, dict):
        entries = sorted((str(key), _outline(item)) for key, item in tree.items())
        return f"{{{', '.join(f'{key}: {item}' for key, item in entries)}}}"
    return "None" if tree is None else "*"


def floating(x: Any) -> bool:
    """Whether x is a tensor of floating numbers, which can have a gradient."""
    return isinstance(x, Tensor) and x.dtype.kind == "f"


def pack(parts: Sequence[Tensor]) -> Tensor:
    """Several tensors as one vector of their widest dtype; a single tensor unchanged."""
    if len(parts) == 1:
        return parts[0]
    dtype = np.result_type(*(x.dtype for x in parts))
    flat = [shape.reshape(arithmetic.astype(x, dtype=dtype), shape=(x.size,)) for x in parts]
    return join.concatenate(flat, axis=0)


def unpack(packed: Any, like: Sequence[Tensor]) -> list[Any]:
    """The reverse of `pack`: parts with the shapes and dtypes of the tensors in `like`."""
    if len(like) == 1:
        return [packed]
    parts, start = [], 0
    for x in like:
        piece = shape.reshape(packed[start : start + x.size], shape=x.shape)
        parts.append(arithmetic.astype(piece, dtype=x.dtype))
        start += x.size
    return parts
