"""The kinds of arguments: for each annotation a test, and the words for error messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import is_whole
from autograd_cnn.engine.node import Node
from autograd_cnn.kernels.window import Window

# What annotations stand for; see `KINDS`.
Axis = int | tuple[int, ...] | None
DType = Any
Function = Callable[..., Any]
Index = Any
Integers = Any
Numbers = Any
Pads = tuple[tuple[int, int], ...]

NUMERIC = "biufc"
"""The kinds of dtypes that hold numbers."""


class Kind(NamedTuple):
    """The test that an annotation stands for, and its words."""

    holds: Callable[[Any], bool]
    words: str
    early: bool = False
    """Whether every call runs the test.  The others run when a call has failed."""
    lasting: bool = True
    """Whether values of this kind hold no memory that the caller could change later."""
    sure: frozenset[type] = frozenset()
    """Types whose values need no test."""


def is_array(x: Any) -> bool:
    """Whether x is a tensor, or an array or NumPy scalar of numbers without a mask."""
    if isinstance(x, Node):
        return True
    numbers = isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in NUMERIC
    return numbers and not is_masked(x)


def is_masked(x: Any) -> bool:
    """Whether x is one of NumPy's masked arrays, told by name to spare importing numpy.ma."""
    return type(x).__name__ == "MaskedArray"


def _is_number(x: Any) -> bool:
    """Whether x is a real number other than True and False."""
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


def _are_whole(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and all(map(is_whole, x))


def array_of(x: Any) -> np.ndarray | None:
    """x as an array, or None for lists of uneven lengths."""
    try:
        return x.array if isinstance(x, Node) else np.asarray(x)
    except ValueError:
        return None


def holds_numbers(x: Any, kinds: str) -> bool:
    """Whether x is a number, an array or a nested list of numbers, of these kinds of dtypes."""
    array = array_of(x)
    return array is not None and (array.dtype.kind in kinds or (not array.size and "i" in kinds))


def _is_index(x: Any) -> bool:
    if isinstance(x, tuple):
        return all(map(_is_index, x))
    if isinstance(x, (list, np.ndarray, np.generic, Node)):
        return holds_numbers(x, "iub")
    return x is None or x is Ellipsis or isinstance(x, (int, slice))


def _is_dtype(x: Any) -> bool:
    try:
        return x is not None and np.dtype(x).kind in NUMERIC
    except TypeError:
        return False


def _are_pairs(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and all(map(_are_whole, x))


def _each(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda x: all(map(test, x if isinstance(x, (tuple, list)) else (x,)))


_INTEGERS = Kind(_each(is_whole), "an integer or a tuple of integers")
KINDS = {
    "Array": Kind(is_array, "an array or a tensor", early=True, lasting=False),
    "Axis": Kind(
        lambda x: x is None or is_whole(x) or (isinstance(x, tuple) and _are_whole(x)),
        "None, an integer or a tuple of integers",
    ),
    "DType": Kind(_is_dtype, "a dtype of numbers such as 'float32'"),
    "Function": Kind(callable, "a function", early=True),
    "TensorFunction": Kind(callable, "a function", early=True),
    "Index": Kind(
        _is_index,
        "made of integers, slices, ..., None and arrays of integers or bools",
        lasting=False,
    ),
    "Integers": Kind(
        lambda x: holds_numbers(x, "iu"), "an integer or an array of integers", lasting=False
    ),
    "Numbers": Kind(
        lambda x: holds_numbers(x, "iuf"), "a number or an array of numbers", lasting=False
    ),
    "Pads": Kind(_are_pairs, "pairs (before, after) of integers, one per axis"),
    "Sequence[Any]": Kind(
        lambda x: isinstance(x, (tuple, list)), "a tuple or a list", lasting=False
    ),
    "Sequence[int]": Kind(_are_whole, "a tuple of integers"),
    "Window": Kind(lambda x: isinstance(x, Window), "a kernels.window.Window"),
    "bool": Kind(
        lambda x: isinstance(x, (bool, np.bool_)), "True or False", True, sure=frozenset({bool})
    ),
    "float": Kind(_is_number, "a number", True, sure=frozenset({float, int})),
    "int": Kind(is_whole, "an integer", True, sure=frozenset({int})),
    "float | tuple[float, ...]": Kind(_each(_is_number), "a number or a tuple of numbers"),
    "int | tuple[int | None, ...]": Kind(
        _each(lambda v: v is None or is_whole(v)), "an integer, a tuple of integers or None"
    ),
    "int | Sequence[int]": _INTEGERS._replace(early=True),
    "int | tuple[int, ...]": _INTEGERS,
    "int | tuple[int, ...] | str": Kind(
        lambda x: isinstance(x, str) or _INTEGERS.holds(x),
        "an integer, a tuple of integers or a string",
    ),
    "np.ndarray": Kind(
        lambda x: isinstance(x, np.ndarray) and is_array(x),
        "a NumPy array of numbers",
        lasting=False,
    ),
    "np.random.Generator": Kind(lambda x: hasattr(x, "bit_generator"), "a NumPy Generator"),
    "str": Kind(lambda x: isinstance(x, str), "a string", True, sure=frozenset({str})),
    "tuple[int, ...]": Kind(_are_whole, "a tuple of integers"),
}
"""The kind of each annotation.  Arguments of others, such as `Any`, are checked where used."""


def kind_of(annotation: Any) -> Kind | None:
    """The kind that an annotation stands for, or None."""
    if isinstance(annotation, type):  # without `from __future__ import annotations`
        annotation = annotation.__name__
    if not isinstance(annotation, str):
        return None
    annotation = annotation.strip("'\"")  # quoted under it
    kind = KINDS.get(annotation.removesuffix(" | None"))
    if kind is None or not annotation.endswith(" | None"):
        return kind
    words = kind.words if kind.words.endswith("None") else f"{kind.words} or None"
    holds = kind.holds
    sure = kind.sure | {type(None)}
    return kind._replace(holds=lambda x: x is None or holds(x), words=words, sure=sure)


def kinds_of(annotations: Mapping[str, Any]) -> dict[str, Kind]:
    """The kinds of a function's arguments by name, without those that need no check."""
    found = {name: kind_of(annotation) for name, annotation in annotations.items()}
    return {name: kind for name, kind in found.items() if kind is not None}
