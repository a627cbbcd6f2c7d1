"""The note on an exception that names the layer that raised it."""

from __future__ import annotations

from autograd_cnn.nn.tree import ModuleTree, join


class LayerNote(str):
    """A note with its parts."""

    __slots__ = ("inner", "module", "path", "rest")

    module: int
    """The id of the outermost module so far: the module itself may not be picklable."""
    path: str
    """From that module to the failing one, or to the last one found in attributes."""
    inner: str
    """The class of the module at the path."""
    rest: str
    """The note on modules further in that no attribute holds."""


def note_layer(error: Exception, module: ModuleTree) -> None:
    """Note that `error` passed through `module`: a new note, or a longer path in the old one."""
    notes = getattr(error, "__notes__", [])
    old = next((note for note in notes if isinstance(note, LayerNote)), None)
    kind = type(module).__name__
    path, inner, rest = "", kind, ""
    if old is not None:
        steps = next((n for n, m in module.named_modules() if id(m) == old.module), None)
        if steps is None:
            rest = f", {old}"
        else:
            path, inner, rest = join(steps, old.path), old.inner, old.rest
    note = LayerNote(f"in {kind}.{path} ({inner}){rest}" if path else f"in {kind}{rest}")
    note.module, note.path, note.inner, note.rest = id(module), path, inner, rest
    if old is None:
        error.add_note(note)
    else:
        notes[notes.index(old)] = note
