"""The forms of ops that pick values by position, or write them there."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.onnx.nodes import NoFormError, Term, product
from autograd_cnn.onnx.recording import Size, Value, shape_of

_LAST = np.iinfo(np.int64).max


def _parts(index: Any, rank: int) -> list[Any]:
    """An index as a list that names every axis, with None for new ones."""
    parts = list(index) if isinstance(index, tuple) else [index]
    named = sum(
        x.ndim if isinstance(x, np.ndarray) and x.dtype == bool else x is not None
        for x in parts
        if x is not ...
    )
    rest = [slice(None)] * (rank - named)
    place = next((k for k, x in enumerate(parts) if x is ...), None)
    if place is None:
        return parts + rest
    return parts[:place] + rest + parts[place + 1 :]


def _sliced(x: Term, parts: list[Any]) -> Term:
    """x with the slices of an index taken, axis by axis in one node."""
    found = []
    for axis, part in enumerate(p for p in parts if p is not None):
        if isinstance(part, slice) and part != slice(None):
            step = 1 if part.step is None else part.step
            start = (0 if step > 0 else _LAST) if part.start is None else part.start
            stop = (_LAST if step > 0 else -_LAST) if part.stop is None else part.stop
            found.append((start, stop, axis, step))
    if not found:
        return x
    starts, stops, axes, steps = (x.nodes.sizes(each) for each in zip(*found))
    return x("Slice", starts, stops, axes, steps)


def picked(v: Value, x: Term, index: Any) -> Term:
    """``x[index]``: slices, numbers and new axes, and one array; other indices if constant."""
    shape = shape_of(v.inputs[0])
    parts = _parts(index, len(shape))
    arrays = [p for p in parts if isinstance(p, (np.ndarray, Value))]
    numbers = [p for p in parts if isinstance(p, (int, np.integer, Size)) and not isinstance(p, bool)]
    plain = len(arrays) + len(numbers) + sum(isinstance(p, slice) or p is None for p in parts)
    whole = [p for p in arrays if p.dtype.kind in "iu"]
    if plain < len(parts) or len(arrays) > 1 or len(whole) < len(arrays) or (arrays and numbers):
        return _by_places(v, x, shape, parts)
    x, axis, added = _sliced(x, parts), 0, []
    for part in parts:
        if part is None:
            added.append(axis)
            axis += 1
        elif isinstance(part, slice):
            axis += 1
        else:
            at = x.nodes.term(part, np.int64).cast(np.int64)
            x = x("Gather", at, axis=axis - len(added))
            axis += len(shape_of(part))
    return x("Unsqueeze", np.array(added)) if added else x


def _places(shape: Any, parts: list[Any]) -> tuple[int, np.ndarray]:
    """The axes before those that a constant index names, at most the batch, and the places that it
    selects among the values of the others, counted in row-major order.
    """
    lead = int(bool(shape) and isinstance(shape[0], Size))
    if lead and not (parts and isinstance(parts[0], slice) and parts[0] == slice(None)):
        raise NoFormError("it selects from the batch by an index that is no slice or number")
    if any(isinstance(p, (Value, Size)) for p in parts):
        raise NoFormError("its index is computed, and is more than one array")
    rest = shape[lead:]
    try:
        return lead, np.arange(product(rest)).reshape(rest)[tuple(parts[lead:])]
    except IndexError:
        raise NoFormError("its index moves the batch from the first axis") from None


def _by_places(v: Value, x: Term, shape: Any, parts: list[Any]) -> Term:
    lead, places = _places(shape, parts)
    if v.shape != (*shape[:lead], *places.shape):
        raise NoFormError("its index moves the batch from the first axis")
    flat = x.reshape((*shape[:lead], product(shape[lead:])))
    return flat("Gather", places.ravel(), axis=lead).reshape(v.shape)


def _scatter(v: Value, x: Term, new: Term, index: Any, **more: Any) -> Term:
    """x (lead..., values) with `new` at the places of a constant index."""
    lead, places = _places(v.shape, _parts(index, len(v.shape)))
    if not more and len(np.unique(places)) < places.size:
        raise NoFormError("its index names a place twice")
    head, count = v.shape[:lead], product(v.shape[lead:])
    rows = new("Expand", x.nodes.sizes((*head, *places.shape))).reshape((*head, places.size))
    flat = x.reshape((*head, count))
    if lead:  # rows of ScatterND are along the first axis
        rows, flat = rows("Transpose", perm=[1, 0]), flat("Transpose", perm=[1, 0])
    out = flat("ScatterND", places.reshape(-1, 1), rows, **more)
    return (out("Transpose", perm=[1, 0]) if lead else out).reshape(v.shape)


def replaced(v: Value, x: Term, new: Term, index: Any) -> Term:
    """x with ``x[index] = new``."""
    return _scatter(v, x.cast(v.dtype), new.cast(v.dtype), index)


def scattered(v: Value, g: Term, index: Any, shape: Any) -> Term:
    """Zeros with `g` added at the index."""
    zeros = g.nodes.term(np.zeros((), v.dtype))("Expand", g.nodes.sizes(v.shape))
    return _scatter(v, zeros, g, index, reduction="add")


def flipped(v: Value, x: Term, axis: Any) -> Term:
    """x in reverse order along axes."""
    count = len(v.shape)
    axes = range(count) if axis is None else (axis,) if isinstance(axis, int) else axis
    chosen = {a % count for a in axes}
    return _sliced(x, [slice(None, None, -1 if k in chosen else None) for k in range(count)])
