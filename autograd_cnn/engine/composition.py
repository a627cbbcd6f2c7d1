"""Functions composed of registered ops: NumPy's names, no backward rules of their own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from autograd_cnn.engine.arguments import EXPLAINED, as_input, first_mistake, unfit_input
from autograd_cnn.engine.calling import in_our_words, signature_of
from autograd_cnn.engine.kinds import kinds_of
from autograd_cnn.engine.op import OPS

F = TypeVar("F", bound=Callable[..., Any])

COMPOSITIONS: dict[str, Callable[..., Any]] = {}
"""Every composed function by name, as `OPS` holds the registered ones."""


def composition(function: F) -> F:
    """Give a function of ops the calling habits of an op.

    Positional parameters are inputs, keyword-only ones plain values, which may also follow the
    inputs by position (``squeeze(x, 0)``); lists of numbers become arrays.  The derivatives are
    those of the ops it calls, and so are the errors, which get the function's name in front.

    Raises TypeError for a list of tensors, whose graph a conversion would cut, for what is no array
    or number, and for a plain value that is not what its annotation says.

    >>> import numpy as np
    >>> from autograd_cnn.engine.composition import COMPOSITIONS, composition
    >>> @composition
    ... def half(x, *, times=1):
    ...     "x divided by two, several times."
    ...     return x * 0.5**times
    >>> half([4.0, 8.0], 2)
    array([1., 2.], dtype=float32)
    >>> del COMPOSITIONS["half"]
    """
    name = function.__name__
    parameters = inspect.signature(function).parameters.values()
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    inputs = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    settings = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    kinds = kinds_of(function.__annotations__)
    optional = [p.name for p in parameters if p.default is None]
    alone = variadic or len(inputs) == 1  # nothing else gives a number its dtype

    def as_array(label: str, x: Any) -> Any:
        number = isinstance(x, (bool, int, float, complex)) and not alone
        return x if number or (x is None and label in optional) else as_input(name, label, x)

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if not variadic:
            xs, extra = args[: len(inputs)], args[len(inputs) :]
            xs = tuple(map(as_array, inputs, xs))
        else:
            xs, extra = (tuple(args[0]), args[1:]) if _is_list(args) else (args, ())
            xs = tuple(as_array(f"input {k}", x) for k, x in enumerate(xs))
        if len(extra) > len(settings):
            raise TypeError(
                f"{name}: got {len(extra) - len(settings)} arguments too many; the signature is "
                f"{signature_of(name, inspect.signature(function))}"
            )
        by_place = dict(zip(settings, extra))
        wrong = first_mistake(name, kinds, {**by_place, **given})
        if wrong is not None:
            raise wrong
        try:
            return function(*xs, **by_place, **given)
        except EXPLAINED as error:
            labels = inputs or [f"input {k}" for k in range(len(xs))]
            required = [(n, x) for n, x in zip(labels, xs) if x is not None]
            problem = unfit_input(name, required, error)
            if str(error).startswith(f"{name}() "):
                problem = _misuse(function, len(xs), {**by_place, **given}, str(error))
            raise problem or _named(name, error, xs, {**by_place, **given}) from error

    COMPOSITIONS[name] = call
    return call  # type: ignore[return-value]


def _is_list(args: tuple[Any, ...]) -> bool:
    return bool(args) and isinstance(args[0], (list, tuple))


def _misuse(
    function: Callable[..., Any], count: int, given: dict[str, Any], said: str
) -> TypeError:
    """The error for a call with `count` inputs and `given` by name that fits no signature."""
    name, signature = function.__name__, inspect.signature(function)
    unknown = [key for key in given if key not in signature.parameters]
    missing = [
        f"{'argument' if p.kind is p.KEYWORD_ONLY else 'input'} {p.name!r} is missing"
        for place, p in enumerate(signature.parameters.values())
        if p.default is p.empty and p.name not in given and place >= count
    ]
    problem = f"unknown argument {unknown[0]!r}" if unknown else missing[0] if missing else said
    return TypeError(f"{name}: {problem}; the signature is {signature_of(name, signature)}")


def _named(name: str, error: Exception, xs: Any, params: dict[str, Any]) -> Exception:
    """The same error with the function's name in front, in the place of an inner function's."""
    kind = next((k for k in (ValueError, TypeError, IndexError) if isinstance(error, k)), TypeError)
    text = str(error)
    if text.startswith(f"{name}:"):
        return kind(text)
    inner, _, problem = text.partition(": ")
    if inner in OPS or inner in COMPOSITIONS:
        return kind(f"{name}: {problem}")
    return kind(f"{name}: {in_our_words(text, xs, params)}")


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of axis `axis` and all of the axes before it."""
    return (slice(None),) * axis + (part,)


def positions(shape: tuple[int, ...], axis: int, index: np.ndarray) -> tuple[Any, ...]:
    """The index that picks ``index`` along `axis` and stays in place along the other axes."""
    grid = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = index
    return tuple(grid)
