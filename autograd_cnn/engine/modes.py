"""Whether operations are recorded, in this thread or async task."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

recording: ContextVar[bool] = ContextVar("autograd_cnn.recording", default=True)


def is_grad_enabled() -> bool:
    """Whether operations on tensors are being recorded in this thread or async task.

    >>> with ag.no_grad():
    ...     ag.is_grad_enabled()
    False
    """
    return recording.get()


class _Mode:
    """A block, or a decorated function, in which operations are recorded or not."""

    def __init__(self, mode: bool) -> None:
        self._mode = mode
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(recording.set(self._mode))

    def __exit__(self, *_: object) -> None:
        recording.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        late = inspect.iscoroutinefunction, inspect.isasyncgenfunction
        if inspect.isgeneratorfunction(function) or any(test(function) for test in late):
            raise TypeError(
                f"no_grad, enable_grad, set_grad_enabled: {function.__name__} is a generator or a "
                "coroutine, whose body runs after the decorated call has ended; open a with block "
                "inside it, around what computes"
            )

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with _Mode(self._mode):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def set_grad_enabled(mode: bool) -> _Mode:
    """Record operations (True) or not (False) in the ``with`` block or the decorated function.

    The setting belongs to the current thread or async task.  It is restored on exit, also after an
    exception.  A generator must not yield inside the block: its caller would get the setting.

    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.set_grad_enabled(False):
    ...     (x * x).requires_grad
    False
    """
    if not isinstance(mode, bool):
        raise TypeError(f"set_grad_enabled: mode must be True or False, got {mode!r}")
    return _Mode(mode)


def no_grad() -> _Mode:
    """Stop recording in the ``with`` block or the decorated function: results need no gradient.

    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad():
    ...     (x * x).requires_grad
    False
    """
    return set_grad_enabled(False)


def enable_grad() -> _Mode:
    """Record again, inside a block where `no_grad` had switched recording off.

    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     (x * x).requires_grad
    True
    """
    return set_grad_enabled(True)


recomputing: ContextVar[bool] = ContextVar("autograd_cnn.recomputing", default=False)
"""Whether a checkpoint is recomputing, so that running statistics must not move again."""


@contextmanager
def recomputation() -> Iterator[None]:
    """Set `recomputing` in the ``with`` block."""
    token = recomputing.set(True)
    try:
        yield
    finally:
        recomputing.reset(token)
