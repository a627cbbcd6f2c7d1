"""Writes into tensors: item assignment and in-place arithmetic.

A write goes into the memory, so views, detached tensors and NumPy's views of it see the new values,
whether or not gradients are recorded.  Where a graph follows the write, the tensor and its views
become the results of ops: `put` for a view, of its old value and the new one.  A hidden node takes
the place of the old value for results computed from it.  These results still hold the tensor
itself; backward sees that they are older than its new version.  Each version is the first input of
its successor.  The hidden node keeps only what was overwritten, from which backward puts the old
values together again for rules that read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.backward import reads_shapes, stale
from autograd_cnn.engine.gradients import references
from autograd_cnn.engine.node import Attached, GraphError, Node, Writes, describe, fill_node, values
from autograd_cnn.engine.op import OPS
from autograd_cnn.ops import arithmetic, pick
from autograd_cnn.tensor.sharing import common, overlapping, same_place

for _op in (*map(OPS.get, ("getitem", "put", "reshape", "transpose")), pick.put_into.op):
    _op.rules[0].by_shape = True


def assign(target: Node, index: Any, value: Any) -> None:
    """``target[index] = value``."""
    index = pick.plain_index(index)
    as_numbers("item assignment", "the value", value, target.array.dtype)
    if isinstance(value, (list, tuple)):
        value = np.asarray(value, target.array.dtype)
    if isinstance(value, Node) and value.written is not None and value.written is target.written:
        part = target.array[index]
        if isinstance(part, np.ndarray) and same_place(part, value.array):
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
    region = target.array if index is ... else target.array[index]
    if not np.may_share_memory(region, target.array):  # an index by arrays makes no view
        region = target.array
    touched = [target, *overlapping(target, region)]
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
    record, shared = target.written, [common(view.array, region) for view in touched[1:]]
    olds = [_hidden_copy(node) for node in touched]
    for before, place in zip(olds, [index, *(of_view for of_view, _ in shared)]):
        reads = before.op is not None and not reads_shapes(before)  # its own rules, its own values
        before.written = _Overwritten(before, ... if reads else place)
    result = change(olds[0])
    if result.array is not target.array:
        target.array[...] = result.array
    for before in olds:
        if isinstance(before.written, _Overwritten) and before.written.place is ...:
            before.array = before.written.values
    (record or Writes()).note(followed=True)
    made, whole = [result], result
    if len(touched) > 1:
        made = [_made("reshape", result, shape=result.array.shape)]
        if region is not target.array:
            whole = pick.getitem(result, index=index)
    for before, (of_view, of_region) in zip(olds[1:], shared):
        part: Any = whole if of_region is ... else pick.getitem(whole, index=of_region)
        made.append(_made("put", before, part, index=of_view))
    result.written = _Overwritten(result, False)  # by nothing: it has its successor's values
    for node, before, new in zip(touched, olds, made):
        new.array, new.written = node.array, record
        _take_over(node, before, new)
    _redirect(target if result is made[0] else result, dict(zip(map(id, touched), olds)))


# ------------------------------------------------------------------------------------- the versions


class _Overwritten(Writes):
    """The record of an old version.  It keeps the values that stood at `place`; ... means all."""

    def __init__(self, node: Node, place: Any) -> None:
        self.views, self.serial = [], node.written.serial if node.written else 0
        self.place, self.values = place, np.array(node.array[place], order="K")

    def restore(self, node: Node, newest: Node, user: Node) -> None:
        current = newer = newest
        parts: list[_Overwritten] = []
        while current is not node:
            assert current.inputs
            current = current.inputs[0]
            if isinstance(current.written, _Overwritten) and current.written.place is not ...:
                parts.append(current.written)
            else:
                newer, parts = current, []
        if newer.written is not None and newer.written.serial > user.serial:
            raise stale("an input", user, newest)
        if parts:
            node.array = newer.array.copy(order="K")
            for part in parts:  # the last write first
                node.array[part.place] = part.values
            self.place = ...


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


def _redirect(result: Node, olds: dict[int, Node]) -> None:
    """Replace tensors (by id) by their `olds` in the graph behind `result`: no cycle arises."""
    oldest = min(old.serial for old in olds.values())
    stack, seen = [result], {result.serial}
    while stack:
        x = stack.pop()
        inputs = x.inputs or ()
        if any(id(part) in olds for part in inputs):
            for part in () if reads_shapes(x) else inputs:
                old = olds.get(id(part))
                if old is not None and old.written is not None and old.written.serial <= x.serial:
                    old.written.restore(old, part, x)
            inputs = x.inputs = tuple(olds.get(id(part), part) for part in inputs)
        for part in inputs:
            if isinstance(part, Node) and part.serial > oldest and part.serial not in seen:
                seen.add(part.serial)
                stack.append(part)


_example: Node = fill_node(_new(Node), np.empty((1, 1)).T)
_HELD_ONCE = references(_example.array), references(_example.array.base)


def _alone(node: Node) -> bool:
    """Whether nothing else sees the memory of `node`: no tensor, and no view of NumPy's."""
    once, base_once = _HELD_ONCE
    return references(node.array) == once and (
        node.array.base is None or references(node.array.base) == base_once
    )
