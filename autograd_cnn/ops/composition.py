"""Functions composed of registered ops: NumPy's names, no backward rules of their own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from autograd_cnn.graph import Node, describe
from autograd_cnn.modes import default_array

F = TypeVar("F", bound=Callable[..., Any])

COMPOSITIONS: dict[str, Callable[..., Any]] = {}
"""Every composed function by name, as `OPS` holds the registered ones."""


def composition(function: F) -> F:
    """Give a function of ops the calling habits of an op.

    Positional parameters are inputs, keyword-only ones plain values, which may also follow the
    inputs by position (``squeeze(x, 0)``); lists of numbers become arrays.  The derivatives are
    those of the ops it calls, and so are the errors, which get the function's name in front.

    Raises TypeError for a list of tensors, whose graph a conversion would cut, and for what is no
    array or number.

    >>> import numpy as np
    >>> from autograd_cnn.ops.composition import COMPOSITIONS, composition
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
    arity = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    settings = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if not variadic:
            xs, extra = args[:arity], args[arity:]
        elif args and isinstance(args[0], (list, tuple)):
            xs, extra = tuple(args[0]), args[1:]
        else:
            xs, extra = args, ()
        if len(extra) > len(settings):
            raise TypeError(
                f"{name}: got {len(extra) - len(settings)} arguments too many; the signature is "
                f"{name}{inspect.signature(function)}"
            )
        xs = tuple(_input(name, x, arity == 1 or variadic) for x in xs)
        try:
            return function(*xs, **dict(zip(settings, extra)), **given)
        except (ValueError, TypeError, IndexError) as error:
            if str(error).startswith((f"{name}:", f"{name}()")):
                raise
            kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
            raise kind(f"{name}: {error}") from error

    COMPOSITIONS[name] = call
    return call  # type: ignore[return-value]


def _input(name: str, x: Any, numbers: bool) -> Any:
    """Lists as arrays; single numbers too where `numbers` says that nothing else gives a dtype."""
    if isinstance(x, (list, tuple)):
        if any(isinstance(part, Node) for part in x):
            raise TypeError(f"{name}: expected an array, got a list of tensors; use ag.stack")
        return default_array(x)
    if isinstance(x, (bool, int, float, complex)):
        return default_array(x) if numbers else x
    if x is None or isinstance(x, (Node, np.ndarray)) or hasattr(x, "__array__"):
        return x
    raise TypeError(f"{name}: expected an array, got a value {describe(x)}")


def normal_axis(name: str, axis: Any, ndim: int) -> int:
    """`axis` counted from the front; raises ValueError where there is none."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is out of range for {ndim} axes")
    return int(axis) % ndim


def normal_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis, several or None (all) as a tuple counted from the front, without repeats."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(
        normal_axis(name, a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,))
    )
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of axis `axis` and all of the axes before it."""
    return (slice(None),) * axis + (part,)


def misfit(name: str, problem: str, *arrays: Any) -> ValueError:
    """A ValueError that names the function, the problem and what was given."""
    return ValueError(f"{name}: {problem}, got {' and '.join(map(describe, arrays))}")


def positions(shape: tuple[int, ...], axis: int, index: np.ndarray) -> tuple[Any, ...]:
    """The index that picks ``index`` along `axis` and stays in place along the other axes."""
    grid = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = index
    return tuple(grid)
