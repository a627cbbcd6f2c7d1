"""Paths of modules: walking what a module holds, naming the one that raised an exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Kinds = tuple[type, ...]


def join(path: str, name: str) -> str:
    """Two parts of a dotted path, either of which may be empty."""
    return f"{path}.{name}" if path and name else path or name


def held(
    name: str, value: Any, kinds: Kinds, inside: tuple[int, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """(path, object) for each object of `kinds` that `value` is or holds in lists, tuples, dicts.

    >>> list(held("a", [1, {"b": 2.0}], (int, float)))
    [('a.0', 1), ('a.1.b', 2.0)]
    """
    if isinstance(value, kinds):
        yield name, value
    elif isinstance(value, (list, tuple, dict)) and id(value) not in inside:
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in entries:
            if isinstance(entry, (*kinds, list, tuple, dict)):
                yield from held(f"{name}.{key}", entry, kinds, (*inside, id(value)))


class PathNote(str):
    """The note on an exception that says in which module it was raised."""

    __slots__ = ("inner", "module", "path", "rest")

    module: int
    """The identity of the outermost module so far, not the module, so that it can be pickled."""
    path: str
    """From that module to the failing one, or to the last that its caller holds."""
    inner: str
    """The class of the module at the path."""
    rest: str
    """What is said of modules further in, which are called but not held."""


def note_path(error: Exception, module: Any) -> None:
    """Note that `error` passed through `module`: a new note, or a longer path in the old one."""
    notes = getattr(error, "__notes__", [])
    old = next((note for note in notes if isinstance(note, PathNote)), None)
    kind = type(module).__name__
    path, inner, rest = "", kind, ""
    if old is not None:
        steps = next((n for n, m in module.named_modules() if id(m) == old.module), None)
        if steps is None:
            rest = f", {old}"
        else:
            path, inner, rest = join(steps, old.path), old.inner, old.rest
    note = PathNote(f"in {kind}.{path} ({inner}){rest}" if path else f"in {kind}{rest}")
    note.module, note.path, note.inner, note.rest = id(module), path, inner, rest
    if old is None:
        error.add_note(note)
    else:
        notes[notes.index(old)] = note
