"""Watchers see every operation and every backward rule of a block of code.

They belong to the thread or async task that opened the block.  While no block is open anywhere,
an operation pays for one look at an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import chain
from typing import Any

from autograd_cnn.config import Setting, Undo, changed, held

Compute = Callable[[], Any]


class Watcher:
    """The base of watchers; subclasses override the methods that they need."""

    def operation(self, op: Any, args: Sequence[Any], compute: Compute) -> Any:
        """Around the forward of `op`: returns what ``compute()`` returns, the plain result."""
        return compute()

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        """After `op` has made the tensor `node` from `args`, whether or not it was recorded."""

    def changing(self, node: Any) -> None:
        """Before `node` is changed in place by an operator or by item assignment."""

    def rule(self, node: Any, name: str, g: Any, compute: Compute) -> Any:
        """Around a backward rule of the op that made `node`, for its input `name`: `g` comes in."""
        return compute()


open_blocks: set[object] = set()
"""A mark for each watcher of all threads; operations test only whether there are any."""

watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("autograd_cnn.watchers", default=())
"""The watchers of this thread or task, outer before inner."""

layers: ContextVar[tuple[Any, ...]] = ContextVar("autograd_cnn.layers", default=())
"""The modules whose forward is running, outer before inner, while watchers are active."""


class Watching(Setting):
    """Lets a watcher see what this thread or task does in the ``with`` block."""

    __slots__ = ()

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watchers, watcher)

    def __enter__(self) -> Any:
        if self._value not in watchers.get():
            super().__enter__()

    def _open(self, do: Iterable[Any] = (), undo: Iterable[Any] = ()) -> Any:
        outer, mark = watchers.get(), object()
        inner = (*outer, self._value)
        return held(
            chain(do, map(open_blocks.add, (mark,)), map(watchers.set, (inner,))),
            chain(undo, map(open_blocks.discard, (mark,)), map(watchers.set, (outer,))),
        )


def replaced_watcher(watcher: Watcher, *instead: Watcher) -> Undo:
    """Replace `watcher` by the watchers `instead` in the ``with`` block."""
    others = tuple(w for w in watchers.get() if w is not watcher)
    return changed(watchers, (*others, *instead))


def watched(event: str, compute: Compute, *about: Any) -> Any:
    """What ``compute()`` returns; the watchers here see it as `event`, inner ones nearest to it."""
    for watcher in reversed(watchers.get()):
        compute = partial(getattr(watcher, event), *about, compute)
    return compute()


def tell(event: str, *about: Any) -> None:
    """Tell the watchers here of an `event`: a new tensor, or a change in place."""
    for watcher in watchers.get():
        getattr(watcher, event)(*about)
