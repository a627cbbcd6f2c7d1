"""Settings that operations obey: whether they are recorded, and the dtype of Python floats."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

recording: ContextVar[bool] = ContextVar("autograd_cnn.recording", default=True)


def is_grad_enabled() -> bool:
    """Whether operations on tensors are being recorded in this thread or async task.

    >>> import autograd_cnn as ag
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
        late = (
            inspect.isgeneratorfunction,
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
        )
        if any(runs_later(function) for runs_later in late):
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

    The setting belongs to the current thread or async task and is restored on exit, also after an
    exception.  A generator that yields inside the block leaves the setting to its caller until it
    goes on, so let it yield outside.

    Raises TypeError for a mode that is no bool, and for decorating a generator or a coroutine.

    >>> import autograd_cnn as ag
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

    >>> import autograd_cnn as ag
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return set_grad_enabled(False)


def enable_grad() -> _Mode:
    """Record again, inside a block where `no_grad` had switched recording off.

    >>> import autograd_cnn as ag
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return set_grad_enabled(True)


again: ContextVar[bool] = ContextVar("autograd_cnn.again", default=False)


@contextmanager
def second_evaluation() -> Iterator[None]:
    """Mark what runs in the ``with`` block as computed before: it must leave no trace twice.

    >>> with second_evaluation():
    ...     again.get()
    True
    """
    token = again.set(True)
    try:
        yield
    finally:
        again.reset(token)


_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def default_array(x: Any) -> np.ndarray:
    """`x` as an array: arrays keep their dtype, Python floats take the default one."""
    array = np.asarray(x)
    plain = not hasattr(x, "__array__") and array.dtype == np.float64
    return array.astype(_default_dtype) if plain else array


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats become in `tensor` (float32 unless changed).

    >>> import autograd_cnn as ag
    >>> ag.get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype` in `tensor` and in new layers: float16, float32 or float64.

    Raises TypeError for other dtypes.

    >>> import autograd_cnn as ag
    >>> ag.set_default_dtype("float64")
    >>> ag.tensor([1.0]).dtype
    dtype('float64')
    >>> ag.set_default_dtype("float32")
    """
    global _default_dtype
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(bool)
    if found.kind != "f" or dtype is None:
        raise TypeError(
            f"set_default_dtype: dtype must be a floating dtype such as 'float32', got {dtype!r}"
        )
    _default_dtype = found
