"""The forms of ops that pick values by position, or write them there."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.onnx.nodes import NoFormError, product, shape_of
from autograd_cnn.onnx.recording import Size, Value

_LAST = np.iinfo(np.int64).max


def _parts(index: Any, rank: int) -> list[Any]:
    """An index as a list that names every axis, with None for new ones."""
    parts = list(index) if isinstance(index, tuple) else [index]
    named = [p for p in parts if p is not None and p is not ...]
    masks = sum(p.ndim - 1 for p in named if isinstance(p, np.ndarray) and p.dtype == np.bool_)
    rest = [slice(None)] * (rank - len(named) - masks)
    place = next((k for k, p in enumerate(parts) if p is ...), len(parts))
    return parts[:place] + rest + parts[place + 1 :]


def _sliced(x: Any, parts: list[Any]) -> Any:
    """x with the slices of an index taken, in one node."""
    found = []
    for axis, part in enumerate(p for p in parts if p is not None):
        if isinstance(part, slice) and part != slice(None):
            step = 1 if part.step is None else part.step
            start = (0 if step > 0 else _LAST) if part.start is None else part.start
            stop = (_LAST if step > 0 else -_LAST) if part.stop is None else part.stop
            found.append((start, stop, axis, step))
    return x("Slice", *map(x.nodes.sizes, zip(*found))) if found else x


def picked(v: Value, x: Any, index: Any) -> Any:
    """``x[index]``: slices, numbers and new axes, and one array; other indices if constant."""
    shape = shape_of(v.inputs[0])
    parts = _parts(index, len(shape))
    by_array = [p for p in parts if isinstance(p, (np.ndarray, Value))]
    numbers = [p for p in parts if isinstance(p, (int, np.integer, Size))]
    kinds = [(p.nodes[0].array if isinstance(p, Value) else p).dtype.kind for p in by_array]
    if len(by_array) > 1 or "b" in kinds or (by_array and numbers):
        return _by_places(v, x, shape, parts)
    x, axis, added = _sliced(x, parts), 0, []
    for part in parts:
        if part is None:
            added.append(axis)
        elif not isinstance(part, slice):
            at = x.nodes.term(part, np.int64).cast(np.int64)
            x = x("Gather", at, axis=axis - len(added))
        axis += 1 if part is None or isinstance(part, slice) else len(shape_of(part))
    return x("Unsqueeze", np.array(added)) if added else x


def _places(shape: Any, parts: list[Any]) -> tuple[int, np.ndarray]:
    """The axes before those that a constant index names, which is the batch or none, and the places
    that it selects among the values of the others, counted in row-major order.
    """
    lead = int(bool(shape) and isinstance(shape[0], Size))
    whole = [slice(None), slice(0, shape[0] if lead else 0, 1), slice(0, None, 1)]
    if lead and parts[0] not in whole:
        raise NoFormError("it selects from the batch by an index that is no slice or number")
    if any(isinstance(p, (Value, Size)) for p in parts):
        raise NoFormError("its index is computed, and is more than one array")
    rest = shape[lead:]
    return lead, np.arange(product(rest)).reshape(rest)[tuple(parts[lead:])]


def _by_places(v: Value, x: Any, shape: Any, parts: list[Any]) -> Any:
    lead, places = _places(shape, parts)
    if v.shape != (*shape[:lead], *places.shape):
        raise NoFormError("its index moves the batch from the first axis")
    flat = x.reshape((*shape[:lead], product(shape[lead:])))
    return flat("Gather", places.ravel(), axis=lead).reshape(v.shape)


def _scattered(v: Value, x: Any, new: Any, index: Any, **more: Any) -> Any:
    """x with `new` at the places of a constant index."""
    lead, places = _places(v.shape, _parts(index, len(v.shape)))
    if not more and len(np.unique(places)) < places.size:
        raise NoFormError("its index names a place twice")
    head = v.shape[:lead]
    rows = new("Expand", x.nodes.sizes((*head, *places.shape))).reshape((*head, places.size))
    flat = x.reshape((*head, product(v.shape[lead:])))
    if lead:  # ScatterND writes along the first axis
        rows, flat = rows("Transpose", perm=[1, 0]), flat("Transpose", perm=[1, 0])
    out = flat("ScatterND", places.reshape(-1, 1), rows, **more)
    return (out("Transpose", perm=[1, 0]) if lead else out).reshape(v.shape)


def replaced(v: Value, x: Any, new: Any, index: Any) -> Any:
    """x with ``x[index] = new``."""
    return _scattered(v, x, new, index)


def scattered(v: Value, g: Any, index: Any, shape: Any) -> Any:
    """Zeros with `g` added at the index."""
    zeros = g.nodes.term(np.zeros((), v.dtype))("Expand", g.nodes.sizes(v.shape))
    return _scattered(v, zeros, g, index, reduction="add")


def flipped(v: Value, x: Any, axis: Any) -> Any:
    """x in reverse order along axes."""
    count = len(v.shape)
    axes = range(count) if axis is None else (axis,) if isinstance(axis, int) else axis
    chosen = {a % count for a in axes}
    return _sliced(x, [slice(None, None, -1 if k in chosen else None) for k in range(count)])
