"""What annotations ask of arguments: for each a test, and the words for error messages."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import is_whole
from autograd_cnn.engine.node import Node
from autograd_cnn.kernels.window import Window

# What annotations stand for; see `ANNOTATIONS`.
Axis = int | tuple[int, ...] | None
DType = Any
Function = Callable[..., Any]
Index = Any
Integers = Any
Numbers = Any
Pads = tuple[tuple[int, int], ...]

NUMERIC = "biufc"
"""The kinds of dtypes that hold numbers."""


class Annotation(NamedTuple):
    """The test that an annotation stands for, and its words."""

    holds: Callable[[Any], bool]
    words: str
    always_tested: bool = False
    """Whether every call runs the test.  The others run when a call has failed."""
    immutable: bool = True
    """Whether such values hold no memory that the caller could change later."""
    exact_types: tuple[type, ...] = ()
    """Types whose values need no test."""


def is_array(x: Any) -> bool:
    """Whether x is a tensor, or an array or NumPy scalar of numbers without a mask."""
    if isinstance(x, Node):
        return True
    numbers = isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in NUMERIC
    return numbers and not is_masked(x)


def is_masked(x: Any) -> bool:
    """Whether x is one of NumPy's masked arrays, recognised by name to avoid importing numpy.ma."""
    subclass = type(x) is not np.ndarray and isinstance(x, np.ndarray)
    return subclass and any(k.__name__ == "MaskedArray" for k in type(x).__mro__)


def _is_number(x: Any) -> bool:
    """Whether x is a real number other than True and False."""
    return is_whole(x) or isinstance(x, (float, np.floating))


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


_INTEGERS = Annotation(_each(is_whole), "an integer or a tuple of integers")
ANNOTATIONS = {
    "Array": Annotation(is_array, "an array or a tensor", always_tested=True, immutable=False),
    "Axis": Annotation(
        lambda x: x is None or is_whole(x) or (isinstance(x, tuple) and _are_whole(x)),
        "None, an integer or a tuple of integers",
    ),
    "DType": Annotation(_is_dtype, "a dtype of numbers such as 'float32'"),
    "Function": Annotation(callable, "a function", always_tested=True),
    "TensorFunction": Annotation(callable, "a function", always_tested=True),
    "Index": Annotation(
        _is_index,
        "made of integers, slices, ..., None and arrays of integers or bools",
        immutable=False,
    ),
    "Integers": Annotation(
        lambda x: holds_numbers(x, "iu"), "an integer or an array of integers", immutable=False
    ),
    "Numbers": Annotation(
        lambda x: holds_numbers(x, "iuf"), "a number or an array of numbers", immutable=False
    ),
    "Pads": Annotation(_are_pairs, "pairs (before, after) of integers, one per axis"),
    "Sequence[Any]": Annotation(
        lambda x: isinstance(x, (tuple, list)), "a tuple or a list", immutable=False
    ),
    "Sequence[int]": Annotation(_are_whole, "a tuple of integers"),
    "Window": Annotation(lambda x: isinstance(x, Window), "a kernels.window.Window"),
    "bool": Annotation(
        lambda x: isinstance(x, (bool, np.bool_)),
        "True or False",
        always_tested=True,
        exact_types=(bool,),
    ),
    "float": Annotation(_is_number, "a number", always_tested=True, exact_types=(float, int)),
    "int": Annotation(is_whole, "an integer", always_tested=True, exact_types=(int,)),
    "float | tuple[float, ...]": Annotation(_each(_is_number), "a number or a tuple of numbers"),
    "int | tuple[int | None, ...]": Annotation(
        _each(lambda v: v is None or is_whole(v)), "an integer, a tuple of integers or None"
    ),
    "int | Sequence[int]": _INTEGERS._replace(always_tested=True),
    "int | tuple[int, ...]": _INTEGERS,
    "int | tuple[int, ...] | str": Annotation(
        lambda x: isinstance(x, str) or _INTEGERS.holds(x),
        "an integer, a tuple of integers or a string",
    ),
    "np.ndarray": Annotation(
        lambda x: isinstance(x, np.ndarray) and is_array(x),
        "a NumPy array of numbers",
        immutable=False,
    ),
    "np.random.Generator": Annotation(lambda x: hasattr(x, "bit_generator"), "a NumPy Generator"),
    "str": Annotation(
        lambda x: isinstance(x, str), "a string", always_tested=True, exact_types=(str,)
    ),
    "tuple[int, ...]": Annotation(_are_whole, "a tuple of integers"),
}
"""What each annotation asks.  Arguments of others, such as `Any`, are checked where used."""


def read_annotation(annotation: Any, known: Mapping[str, Any]) -> Annotation | None:
    """What an annotation asks, or None if it asks nothing.

    `known` holds the global names of its module: a class of the user's called Index is not ours.
    """
    if isinstance(annotation, type):  # without `from __future__ import annotations`
        annotation = annotation.__name__ if annotation in _CLASSES else None
    if not isinstance(annotation, str):
        return None
    annotation = annotation.strip("'\"")  # quoted under it
    name = annotation.removesuffix(" | None")
    if isinstance(known.get(name), type) and known[name] not in _CLASSES:
        return None
    return ANNOTATIONS.get(name) if name == annotation else _or_none(name)


@functools.cache
def _or_none(name: str) -> Annotation | None:
    asked = ANNOTATIONS.get(name)
    if asked is None:
        return None
    words = asked.words if asked.words.endswith("None") else f"{asked.words} or None"
    holds, types = asked.holds, (*asked.exact_types, type(None))
    return asked._replace(holds=lambda x: x is None or holds(x), words=words, exact_types=types)


_CLASSES = {Any, bool, int, float, str, Window}


def parameter_names(function: Any) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """The positional and the keyword-only parameters of a function, and how many are required."""
    plain: Any = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    code = getattr(plain, "__code__", None)  # ten times as fast to read as inspect.signature
    if code is None:  # not written in Python
        return (), (), 0
    names, count, first = code.co_varnames, code.co_argcount, int(inspect.ismethod(plain))
    keyword = names[count : count + code.co_kwonlyargcount]
    return names[first:count], keyword, count - first - len(plain.__defaults__ or ())


def read_annotations(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Annotation]:
    """What a function asks of its arguments, by name, without those that need no check."""
    return {n: asked for n, a in given.items() if (asked := read_annotation(a, known))}
