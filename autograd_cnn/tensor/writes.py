"""Writes into tensors: item assignment and in-place arithmetic.

A write goes into the memory, so views, detached tensors and NumPy's views of it see the new values,
whether or not gradients are recorded.  Where a graph follows the write, the tensor and its views
become the results of ops: `put` for a view, of its old value and the new one.  A hidden node stands
for the old value, for the results that used it.  These results still hold the tensor itself;
backward sees that they are older than its new version.  Each version is the first input of its
successor.  The hidden node keeps only what was overwritten, from which backward puts the old values
together again for rules that read them.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.backward import restore
from autograd_cnn.engine.gradients import references
from autograd_cnn.engine.node import Attached, GraphError, Node, Writes, describe, fill_node, values
from autograd_cnn.engine.op import OPS
from autograd_cnn.ops import arithmetic, pick


def assign(target: Node, index: Any, value: Any) -> None:
    """``target[index] = value``."""
    index = pick.plain_index(index)
    as_numbers("item assignment", "the value", value, target.array.dtype)
    if isinstance(value, (list, tuple)):
        value = np.asarray(value, target.array.dtype)
    if isinstance(value, Node) and value.written is not None and value.written is target.written:
        part = target.array[index]
        if isinstance(part, np.ndarray) and _same_place(part, value.array):
            return  # as x[i] += y assigns what it has written already
        if value.attached is not None and value.attached.overwritten:
            raise ValueError(
                "item assignment: the value is a view of the same memory, which has been written "
                "to since the view was made, as by x[0], x[1] = x[1], x[0]; .copy() it when it is "
                "made"
            )

    def direct() -> None:
        target.array[index] = values(value)

    def assigned(old: Any) -> Any:
        new: Any = old if value is target else value
        rank = np.ndim(values(new))
        surplus = rank - np.ndim(target.array[index]) if rank else 0
        if surplus > 0 and all(n == 1 for n in new.shape[:surplus]):
            new = new.reshape(new.shape[surplus:])  # as NumPy does, but an op need not
        return pick.put_into(old, new, index=index)

    parts = index if isinstance(index, tuple) else (index,)
    _write("item assignment", target, value, direct, assigned, parts)


def update(target: Node, function: Any, ufunc: np.ufunc, other: Any) -> None:
    """Replace the values of `target` by ``function(target, other)``."""
    what = f"in-place {ufunc.__name__}"
    as_numbers(what, "the value", other)

    def direct() -> None:
        ufunc(target.array, values(other), out=target.array, casting="same_kind")

    def updated(old: Node) -> Any:
        result = function(old, old if other is target else other)
        if result.array.shape != target.array.shape:
            raise ValueError(
                f"{what}: the result has shape {result.array.shape}, but the tensor is "
                f"{describe(target)}; write x = x + y instead of x += y"
            )
        same = result.array.dtype == target.array.dtype
        return result if same else arithmetic.astype(result, dtype=target.array.dtype)

    _write(what, target, other, direct, updated)


def _write(
    what: str,
    target: Node,
    value: Any,
    direct: Callable[[], None],
    change: Callable[[Node], Any],
    index: Any = ...,
) -> None:
    """Write by `direct`, or by taking the result of `change` on the old value into the graph.

    With a tuple as `index` the change is an assignment to it, which `change` makes in place.
    """
    if index is not ... and not any(part is ... for part in index):
        index = (*index, ...)  # so that the part is a view, also of one value
    region = target.array[index]
    if not np.may_share_memory(region, target.array):  # an index by arrays makes no view
        region = target.array
    touched = [target, *_overlapping(target, region)]
    if not target.array.flags.writeable:
        raise ValueError(
            f"{what}: this tensor {describe(target)} is read-only, as broadcast tensors and the "
            "gradients that hooks see are; change a .copy() of it, or write x = x + y"
        )
    if _follows(what, target, value, touched):
        _follow(target, touched, change, index, region)
    else:
        direct()
        target.touch()
    for view in touched[1:]:
        view.attach().overwritten = True


def _follows(what: str, target: Node, value: Any, touched: Sequence[Node]) -> bool:
    """Whether a graph must follow a write of `value` into the tensors `touched`."""
    if watch.open_blocks:
        for node in touched:
            watch.tell("changing", node)
    if not modes.is_grad_enabled():
        if target.op is not None and target.tracked:
            raise GraphError(
                f"{what} under no_grad on a result of {target.op.name} would leave its graph with "
                "a value that it cannot differentiate; change x = x.detach(), or record the change"
            )
        return False
    for node in touched:
        if node.tracked and node.op is None:
            raise GraphError(
                f"{what} on {'' if node is target else 'a view of '}a leaf that requires gradients "
                "would lose the leaf; write x = x + y instead of x += y, or wrap an update of a "
                "leaf in ag.no_grad()"
            )
    tracked = isinstance(value, Node) and value.tracked
    if tracked and target.array.dtype.kind != "f":
        raise TypeError(
            f"{what}: a tensor of dtype {target.array.dtype} cannot take gradients; convert it "
            "first, for example with .astype('float32')"
        )
    return tracked or any(node.tracked for node in touched)


def _follow(
    target: Node,
    touched: Sequence[Node],
    change: Callable[[Node], Any],
    index: Any,
    region: np.ndarray,
) -> None:
    """Make the tensors `touched` new versions, given the `change` of `target`, in its `region`."""
    if index is ... and _alone(target):
        old = _hidden_copy(target)
        result = change(old)
        _redirect(result, {id(target): old})
        _take_over(target, old, result)
        return
    record, shared = target.written, [_common(view.array, region) for view in touched[1:]]
    olds = [_hidden_copy(node) for node in touched]
    for before, place in zip(olds, [index, *(of_view for of_view, _ in shared)]):
        before.written = _overwritten(before, place)
        if place is ...:
            before.array = before.array.copy(order="K")
    result = change(olds[0])
    if result.array is not target.array:
        target.array[...] = result.array
    (record or Writes()).note(followed=True)
    _redirect(result, dict(zip(map(id, touched), olds)), touched)
    made, whole = [result], result
    if len(touched) > 1:
        made = [_made("reshape", result, shape=result.array.shape)]
        if index is not ... and region.shape != target.array.shape:
            whole = pick.getitem(result, index=index)
    for before, (of_view, of_region) in zip(olds[1:], shared):
        part: Any = whole if of_region is ... else pick.getitem(whole, index=of_region)
        made.append(_made("put", before, part, index=of_view))
    result.written = _overwritten(result, False)  # for it has the values of its successor
    for node, before, new in zip(touched, olds, made):
        new.array, new.written = node.array, record
        _take_over(node, before, new)


def _overwritten(node: Node, place: Any) -> Writes:
    """The record of an old version, of which the values at `place` are kept; ... means all."""
    record = Writes()
    record.views, record.serial = [], node.written.serial if node.written else 0
    if place is not ...:
        record.part = place, np.array(node.array[place])
    return record


# ------------------------------------------------------------------------------------- the versions

_STATE = tuple(name for name in Node.__slots__ if name != "__weakref__")
_new = object.__new__


def _hidden_copy(node: Node) -> Node:
    """A second node with the state of `node`: the same array, origin and place in the order."""
    copy = _new(type(node))
    _move(node, copy)
    return copy


def _move(source: Node, target: Node) -> None:
    for name in _STATE:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def _made(name: str, *inputs: Node, **params: Any) -> Node:
    """A node that the op `name` would make of `inputs`, but for its array."""
    node: Node = fill_node(_new(Node.result_type), inputs[0].array)
    if any(x.tracked for x in inputs):
        node.tracked, node.op, node.inputs, node.params = True, OPS[name], inputs, params
    return node


def _take_over(node: Node, old: Node, result: Node) -> None:
    """Make `node` the newest version: the `result` of an op whose first input leads to `old`.

    Hooks stay with the old value; `retain_grad` moves to the new one.
    """
    retains = old.attached is not None and old.attached.retains_grad
    _move(result, node)
    if retains and old.attached is not None:
        old.attached.retains_grad = False
        node.attached = Attached()
        node.attached.retains_grad = True


def _redirect(result: Node, olds: dict[int, Node], touched: Sequence[Node] = ()) -> None:
    """Replace tensors (by id) by their `olds` in the graph behind `result`: no cycle arises.

    Those of `touched` that a rule there reads get back their old values.
    """
    newer = {id(node): node.array for node in touched}
    oldest = min(old.serial for old in olds.values())
    stack, seen = [result], {result.serial}
    while stack:
        x = stack.pop()
        inputs = x.inputs or ()
        if any(id(part) in olds for part in inputs):
            for part in () if hasattr(x.op.rules[0], "by_shape") else inputs:
                old = olds.get(id(part))
                if old is not None and old.written is not None and old.written.part is not None:
                    restore(old, newer[id(part)], [old.written])
            inputs = x.inputs = tuple(olds.get(id(part), part) for part in inputs)
        for part in inputs:
            if isinstance(part, Node) and part.serial > oldest and part.serial not in seen:
                seen.add(part.serial)
                stack.append(part)


# -------------------------------------------------------------------------------- who shares memory


def _overlapping(target: Node, region: np.ndarray) -> list[Node]:
    """The other living tensors of the record of `target` that hold values of the `region`."""
    if target.written is None:
        return []
    near = [known() for known in _views_at(target.written, region)]
    return [v for v in near if v is not None and v is not target and _overlap(v.array, region)]


def _views_at(record: Writes, region: np.ndarray) -> list[weakref.ref[Node]]:
    """Views whose memory is near that of `region`.

    For each power of two there is a row of cells of this size in memory.  A view lies in the cell
    where it begins, among cells that are larger than itself: it reaches into the next one at most.
    """
    grid = record.grid = record.grid or {}
    for known in record.views[record.placed :]:
        view = known()
        if view is not None:
            low, high = byte_bounds(view.array)
            size = (high - low).bit_length()
            grid.setdefault(size, {}).setdefault(low >> size, []).append(known)
    record.placed = len(record.views)
    low, high = byte_bounds(region)
    found: list[weakref.ref[Node]] = []
    for size, cells in grid.items():
        near: Iterable[int] = range((low >> size) - 1, (high >> size) + 1)
        near = near if len(near) < len(cells) else [cell for cell in cells if cell in near]
        for cell in near:
            found += cells.get(cell, ())
    return found


def _overlap(view: np.ndarray, region: np.ndarray) -> bool:
    try:
        return np.shares_memory(view, region, max_work=1000)  # type: ignore[arg-type]
    except RuntimeError:  # too hard to tell
        return True


_example: Node = fill_node(_new(Node), np.empty((1, 1)).T)
_HELD_ONCE = references(_example.array), references(_example.array.base)


def _alone(node: Node) -> bool:
    """Whether nothing else sees the memory of `node`: no tensor, and no view of NumPy's."""
    once, base_once = _HELD_ONCE
    return references(node.array) == once and (
        node.array.base is None or references(node.array.base) == base_once
    )


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same values of memory in the same order."""
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and _address(a) == _address(b)
        and all(n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides))
    )


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _common(view: np.ndarray, target: np.ndarray) -> tuple[Any, Any]:
    """Where the values that two arrays share lie: an index into `view`, another into `target`."""
    if _same_place(view, target):
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
    return (..., tuple(index)) if _same_place(large[tuple(index)], small) else None


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
