"""Functions that users attach to tensors and modules, and what else a tensor may carry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

_numbers = itertools.count()


class Handle:
    """What registering a hook returns: `remove` takes the hook off again, as does leaving ``with``.

    >>> hooks = Hooks()
    >>> with hooks.add(print):
    ...     len(hooks)
    1
    >>> len(hooks)
    0
    """

    __slots__ = ("_functions", "_number")

    def __init__(self, functions: dict[int, Callable[..., Any]], number: int) -> None:
        self._functions = functions
        self._number = number

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        self._functions.pop(self._number, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """Functions in the order in which they were added; a hook may remove itself while it runs.

    >>> hooks = Hooks()
    >>> handle = hooks.add(abs)
    >>> [function(-1) for function in hooks]
    [1]
    """

    __slots__ = ("_functions",)

    def __init__(self) -> None:
        self._functions: dict[int, Callable[..., Any]] = {}

    def add(self, function: Callable[..., Any]) -> Handle:
        """Attach `function`; raises TypeError when it cannot be called."""
        if not callable(function):
            raise TypeError(f"a hook is a function, got {type(function).__name__}")
        number = next(_numbers)
        self._functions[number] = function
        return Handle(self._functions, number)

    def __len__(self) -> int:
        return len(self._functions)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(list(self._functions.values()))


class Attached:
    """What few tensors carry beside their values: hooks, a wish to keep the gradient, an origin.

    >>> Attached().retains_grad
    False
    """

    __slots__ = ("hooks", "origin", "retains_grad")

    def __init__(self) -> None:
        self.hooks = Hooks()
        self.retains_grad = False
        self.origin: Any = None
