"""Who shares memory: the living views of a part of it, and the places that two views share."""

from __future__ import annotations

import functools
import weakref
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from autograd_cnn.engine.node import GraphError, Node, Writes


def overlapping(target: Node, region: np.ndarray) -> list[Node]:
    """The other living tensors of the record of `target` that hold values of the `region`."""
    if target.written is None:
        return []
    near = [known() for known in _views_at(target.written, region)]
    return [v for v in near if v is not None and v is not target and _overlap(v.array, region)]


def _views_at(record: Writes, region: np.ndarray) -> list[weakref.ref[Node]]:
    """Views whose memory is near that of `region`.

    Memory is divided into cells, once for each power of two.  A view is filed under the cell where
    it begins, among the smallest cells larger than it.  So it reaches at most into the next cell.
    """
    new: dict[int, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    placed, grid = record.grid or (0, new)
    for known in record.views[placed:]:
        view = known()
        if view is not None:
            low, high = byte_bounds(view.array)
            size = (high - low).bit_length()
            grid[size][low >> size].append(known)
    record.grid = len(record.views), grid
    low, high = byte_bounds(region)
    found: list[weakref.ref[Node]] = []
    for size, cells in grid.items():
        near = range((low >> size) - 1, (high >> size) + 1)
        for cell in near if len(near) < len(cells) else filter(near.__contains__, cells):
            found += cells.get(cell, ())
    return found


def _overlap(view: np.ndarray, region: np.ndarray) -> bool:
    try:
        return np.shares_memory(view, region, max_work=1000)  # type: ignore[arg-type]
    except RuntimeError:  # too hard to tell
        return True


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same values of memory in the same order."""
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and _address(a) == _address(b)
        and all(n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides))
    )


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def common(view: np.ndarray, target: np.ndarray) -> tuple[Any, Any]:
    """Where the values that two arrays share lie: an index into `view`, another into `target`."""
    if same_place(view, target):
        return ..., ...
    swapped = view.size > target.size
    for swap in (swapped, not swapped):
        small, large = (target, view) if swap else (view, target)
        found = _slices(small, large) or _positions(small, large)
        if found is not None:
            return found[::-1] if swap else found
    raise GraphError(
        "a write that a graph follows changes a view whose values overlap, as sliding windows do; "
        "write into a .copy(), or make the view after the write"
    )


def _slices(small: np.ndarray, large: np.ndarray) -> tuple[Any, Any] | None:
    """(..., index) such that ``large[index]`` is `small`, if integers, slices and None suffice."""
    moving = [axis for axis, n in enumerate(small.shape) if n > 1]
    steps = np.array([0, *(small.strides[axis] for axis in moving)])
    found = _coordinates(large, _address(small) - _address(large) + steps)
    if found is None or not found[1].all():
        return None
    corner, *others = np.stack(found[0], axis=-1) if large.ndim else np.zeros((len(steps), 0), int)
    index: list[Any] = []
    used = 0  # axes of `large`
    for axis, n in enumerate(small.shape):
        if n == 1:
            index.append(None)
            continue
        step = others[moving.index(axis)] - corner
        (moved,) = np.nonzero(step)
        if len(moved) != 1 or moved[0] < used:
            return None
        at = int(moved[0])
        start, stride = int(corner[at]), int(step[at])
        stop = start + stride * n
        index += [*map(int, corner[used:at]), slice(start, None if stop < 0 else stop, stride)]
        used = at + 1
    index += [*map(int, corner[used:]), ...]
    return (..., tuple(index)) if same_place(large[tuple(index)], small) else None


def _positions(small: np.ndarray, large: np.ndarray) -> tuple[Any, Any] | None:
    """Arrays of indices into both, or None when an address in `large` has no single position."""
    steps = [np.arange(n) * stride for n, stride in zip(small.shape, small.strides)]
    offsets = functools.reduce(np.add.outer, steps, np.array(_address(small) - _address(large)))
    found = _coordinates(large, offsets)
    if found is None:
        return None
    coordinates, inside = found
    if inside.all():
        return ..., tuple(coordinates)
    return np.nonzero(inside), tuple(c[inside] for c in coordinates)


def _coordinates(
    array: np.ndarray, offsets: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Coordinates of the values `offsets` bytes behind the first of `array`, and which are inside.

    None when the steps of the axes do not nest, so that a place may have several coordinates.
    """
    moving = (a for a, n in enumerate(array.shape) if n > 1)
    axes = sorted(moving, key=lambda a: abs(array.strides[a]))
    extent = array.itemsize
    for a in axes:
        if abs(array.strides[a]) < extent:
            return None
        extent += abs(array.strides[a]) * (array.shape[a] - 1)
    coordinates = [np.zeros_like(offsets)] * array.ndim
    inside = np.ones(offsets.shape, bool)
    # From the lowest address: the division by an outer step must leave what inner axes add.
    back = [array.strides[a] * (array.shape[a] - 1) for a in axes if array.strides[a] < 0]
    offsets = offsets - sum(back)
    for a in reversed(axes):
        n, stride = array.shape[a], array.strides[a]
        place, offsets = np.divmod(offsets, abs(stride))
        inside &= (place >= 0) & (place < n)
        coordinates[a] = n - 1 - place if stride < 0 else place
    return coordinates, inside & (offsets == 0)
