"""Checks of arguments against the annotations of a signature, and the words of their errors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from autograd_cnn.engine.checks import mistake
from autograd_cnn.engine.kinds import KINDS, NUMERIC, Kind, array_of, is_array, is_masked, kinds_of
from autograd_cnn.engine.modes import default_array
from autograd_cnn.engine.node import Node

F = TypeVar("F", bound=Callable[..., Any])

ARRAY = KINDS["Array"].words
EXPLAINED = (ValueError, TypeError, IndexError, AttributeError, OverflowError, ZeroDivisionError)
"""What a computation may raise because of its arguments."""


def first_mistake(
    where: str, kinds: Mapping[str, Kind], given: Mapping[str, Any]
) -> TypeError | None:
    """The error for the first argument that is not of its kind."""
    for name, x in given.items():
        if name in kinds and not kinds[name].holds(x):
            return mistake(where, name, kinds[name].words, x)
    return None


def as_numbers(where: str, name: str, x: Any) -> np.ndarray:
    """What NumPy makes of x; raises TypeError for what is no array of numbers, or cuts a graph."""
    if isinstance(x, (list, tuple)) and any(isinstance(part, Node) for part in x):
        raise TypeError(
            f"{where}: {name} is a list of tensors, which would be cut off from their graph; join "
            "them with ag.stack"
        )
    if is_masked(x):
        raise TypeError(
            f"{where}: {name} is a masked array, whose mask would be lost; fill it first, for "
            f"example with {name}.filled(0.0)"
        )
    array = array_of(x)
    if array is None or array.dtype.kind not in NUMERIC:
        raise mistake(where, name, "an array of numbers", x)
    return array


def as_input(where: str, name: str, x: Any) -> Any:
    """Arrays and tensors as they are, lists and numbers as arrays of the default dtype.

    Raises TypeError for the rest.

    >>> as_input("exp", "x", [1.0, 2.0])
    array([1., 2.], dtype=float32)
    """
    if is_array(x):
        return x
    array = as_numbers(where, name, x)
    return array if hasattr(x, "__array__") else default_array(x)


def unfit_input(where: str, given: Iterable[tuple[str, Any]], error: Exception) -> TypeError | None:
    """The error for the first input that made a computation raise `error`, if it is clear."""
    lacks = isinstance(error, AttributeError) or "subscriptable" in str(error)
    for name, x in given:
        array = x.array if isinstance(x, Node) else x
        if isinstance(array, (np.ndarray, np.generic)):
            if array.dtype.kind not in NUMERIC:
                return mistake(where, name, "an array of numbers", x)
        elif lacks:
            return mistake(where, name, "an array or a tensor", x)
    return None


def checked(function: F) -> F:
    """Decorate a function or a constructor, so that its arguments are checked.

    Each must be of the kind of its annotation (`kinds.KINDS`); for an `Array`, lists and numbers
    become arrays of the default dtype.  Raises TypeError with the function's name, or the class's.
    Functions look at sizes and the like only after something else has failed on them, which costs
    a call nothing; constructors and methods look at everything at once.

    >>> from __future__ import annotations
    >>> @checked
    ... def half(x: Array, times: int = 1):
    ...     return x * 0.5**times
    >>> half([4.0, 8.0])
    array([2., 4.], dtype=float32)
    >>> half(3.0, "twice")
    Traceback (most recent call last):
        ...
    TypeError: half: times must be an integer, got 'twice'
    """
    code, kinds = function.__code__, kinds_of(function.__annotations__)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    places = names[: code.co_argcount]
    method = places[:1] == ("self",)
    early = {name: kind.holds for name, kind in kinds.items() if method or kind.early}
    arrays = {name for name, kind in kinds.items() if kind.words.startswith(ARRAY)}
    tests = [(k, early[name], name in arrays) for k, name in enumerate(places) if name in early]

    def fitting(owner: Any, name: str, x: Any) -> Any:
        """An argument that is of its kind, or can be made so."""
        kind = kinds.get(name)
        if kind is None or kind.holds(x):
            return x
        where = function.__name__
        if method:
            own = type(owner).__name__
            where = own if where in ("__init__", "forward") else f"{own}.{where}"
        if name in arrays:
            return as_input(where, name, x)
        raise mistake(where, name, kind.words, x)

    def fit(args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        owner = args[0] if args else None
        by_place = [fitting(owner, name, x) for name, x in zip(places, args)]
        by_name = {name: fitting(owner, name, x) for name, x in given.items()}
        return (*by_place, *args[len(places) :]), by_name

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        count = len(args)
        for place, holds, takes_tensors in tests:
            if place < count:
                x = args[place]
                if not (takes_tensors and isinstance(x, Node)) and not holds(x):
                    args, given = fit(args, given)
                    break
        for name in given:
            if name in early and not early[name](given[name]):
                args, given = fit(args, given)
                break
        try:
            return function(*args, **given)
        except EXPLAINED:
            fit(args, given)  # says which argument is of no use, if one is
            raise

    return call  # type: ignore[return-value]
