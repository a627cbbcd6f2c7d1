"""Whether operations are recorded, in this thread or async task."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from autograd_cnn.config import Dropped, Exit, Setting, Undo, changed

recording: ContextVar[bool] = ContextVar("autograd_cnn.recording", default=True)


def is_grad_enabled() -> bool:
    """Whether operations on tensors are being recorded in this thread or async task.

    >>> with ag.no_grad():
    ...     ag.is_grad_enabled()
    False
    """
    return recording.get()


def _back_to(value: bool) -> type[Dropped]:
    class Back(Dropped):  # it is made in half the time of an `Undo`
        __slots__ = ()
        __del__ = staticmethod(partial(recording.set, value))

    return Back


_get, _set = recording.get, recording.set
back = {value: _back_to(value) for value in (True, False)}
"""What sets `recording` back to its value, by this value; see `config.changed`."""


class _Mode(Setting):
    """A block, or a decorated function, in which operations are recorded or not."""

    _variable, _kept = recording, None  # of the class, as setting them takes a tenth of the time

    if TYPE_CHECKING:

        def __init__(self) -> None: ...
    else:
        __init__ = object.__init__

    @Exit
    def __exit__(self) -> Dropped:
        if self._kept:
            return self._kept.pop()
        return (back[_get()](), _set(self._value))[0]


class no_grad(_Mode):  # noqa: N801 (a function would take 40 ns)
    """Stop recording in the ``with`` block or the decorated function: results need no gradient.

    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad():
    ...     (x * x).requires_grad
    False
    """

    _value = False


class enable_grad(_Mode):  # noqa: N801
    """Record again, inside a block where `no_grad` had switched recording off.

    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> with ag.no_grad(), ag.enable_grad():
    ...     (x * x).requires_grad
    True
    """

    _value = True


def set_grad_enabled(mode: bool) -> enable_grad | no_grad:
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
    return enable_grad() if mode else no_grad()


recomputing: ContextVar[bool] = ContextVar("autograd_cnn.recomputing", default=False)
"""Whether a checkpoint is recomputing, so that running statistics must not move again."""


def recomputation() -> Undo:
    """Set `recomputing` in the ``with`` block."""
    return changed(recomputing, True)
