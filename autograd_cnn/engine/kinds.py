"""What annotations ask of arguments: tests, and the words of error messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.engine.checks import is_whole
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


class Kind(NamedTuple):
    """What an annotation asks of a value: a test, and words."""

    holds: Callable[[Any], bool]
    words: str
    early: bool = False
    """Whether the test is cheap, and what fails it might otherwise go unnoticed."""


def is_array(x: Any) -> bool:
    """Whether x is a tensor, an array or an array's scalar, of numbers; masked arrays are none."""
    if isinstance(x, Node):
        return True
    numbers = isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in NUMERIC
    return numbers and not is_masked(x)


def is_masked(x: Any) -> bool:
    """Whether x is one of NumPy's masked arrays, whose module nothing here needs to import."""
    return type(x).__name__ == "MaskedArray"


def is_number(x: Any) -> bool:
    """Whether x is a real number; True and False are none."""
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


def are_whole(x: Any) -> bool:
    """Whether x is a tuple or a list of integers."""
    return isinstance(x, (tuple, list)) and all(map(is_whole, x))


def array_of(x: Any) -> np.ndarray | None:
    """The array behind a tensor, or of numbers and lists of them; None where there is none."""
    try:
        return x.array if isinstance(x, Node) else np.asarray(x)
    except ValueError:  # what NumPy says of lists of uneven lengths
        return None


def holds_numbers(x: Any, kinds: str) -> bool:
    """Whether x is a number, an array or a nested list of numbers, of these kinds of dtypes."""
    array = array_of(x)
    return array is not None and (array.dtype.kind in kinds or (not array.size and "i" in kinds))


def is_index(x: Any) -> bool:
    """Whether x is what NumPy takes between square brackets."""
    if isinstance(x, tuple):
        return all(map(is_index, x))
    if isinstance(x, (list, np.ndarray, np.generic, Node)):
        return holds_numbers(x, "iub")
    return x is None or x is Ellipsis or isinstance(x, (int, slice))


def is_dtype(x: Any) -> bool:
    """Whether x names a dtype of numbers."""
    try:
        return x is not None and np.dtype(x).kind in NUMERIC
    except TypeError:
        return False


def are_pairs(x: Any) -> bool:
    """Whether x is a sequence of pairs of integers."""
    return isinstance(x, (tuple, list)) and all(are_whole(pair) and len(pair) == 2 for pair in x)


NUMERIC = "biufc"
"""The kinds of dtypes that hold numbers."""


def _several(x: Any) -> Any:
    return x if isinstance(x, (tuple, list)) else (x,)


_INTEGERS = Kind(lambda x: all(map(is_whole, _several(x))), "an integer or a tuple of integers")
KINDS = {
    "Array": Kind(is_array, "an array or a tensor", early=True),
    "Axis": Kind(
        lambda x: x is None or is_whole(x) or (isinstance(x, tuple) and are_whole(x)),
        "None, an integer or a tuple of integers",
    ),
    "DType": Kind(is_dtype, "a dtype of numbers such as 'float32'"),
    "Function": Kind(callable, "a function", early=True),
    "Index": Kind(is_index, "made of integers, slices, ..., None and arrays of integers or bools"),
    "Integers": Kind(lambda x: holds_numbers(x, "iu"), "an integer or an array of integers"),
    "Numbers": Kind(lambda x: holds_numbers(x, "iuf"), "a number or an array of numbers"),
    "Pads": Kind(are_pairs, "pairs (before, after) of integers, one per axis"),
    "Sequence[Any]": Kind(lambda x: isinstance(x, (tuple, list)), "a tuple or a list"),
    "Sequence[int]": Kind(are_whole, "a tuple of integers"),
    "Window": Kind(lambda x: isinstance(x, Window), "a kernels.window.Window"),
    "bool": Kind(lambda x: isinstance(x, (bool, np.bool_)), "True or False", early=True),
    "float": Kind(is_number, "a number", early=True),
    "int": Kind(is_whole, "an integer", early=True),
    "float | tuple[float, ...]": Kind(
        lambda x: all(map(is_number, _several(x))), "a number or a tuple of numbers"
    ),
    "int | tuple[int | None, ...]": Kind(
        lambda x: all(v is None or is_whole(v) for v in _several(x)),
        "an integer, a tuple of integers or None",
    ),
    "int | Sequence[int]": _INTEGERS._replace(early=True),
    "int | tuple[int, ...]": _INTEGERS,
    "int | tuple[int, ...] | str": Kind(
        lambda x: isinstance(x, str) or all(map(is_whole, _several(x))),
        "an integer, a tuple of integers or a string",
    ),
    "np.ndarray": Kind(
        lambda x: isinstance(x, np.ndarray) and is_array(x), "a NumPy array of numbers"
    ),
    "np.random.Generator": Kind(lambda x: hasattr(x, "bit_generator"), "a NumPy Generator"),
    "str": Kind(lambda x: isinstance(x, str), "a string", early=True),
    "tuple[int, ...]": Kind(are_whole, "a tuple of integers"),
}
"""What is asked under an annotation; others, such as `Any`, are checked where they are used."""


def kind_of(annotation: Any) -> Kind | None:
    """The kind that an annotation, a string, stands for; None for one that asks nothing."""
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
    return Kind(lambda x: x is None or holds(x), words, kind.early)


def kinds_of(annotations: Mapping[str, Any]) -> dict[str, Kind]:
    """The kinds of a function's arguments by name, where there is anything to check.

    >>> list(kinds_of({"x": "Array", "index": "Any"}))
    ['x']
    """
    found = {name: kind_of(annotation) for name, annotation in annotations.items()}
    return {name: kind for name, kind in found.items() if kind is not None}
