"""Memory that tensors share with arrays of other libraries, by DLPack.

PyTorch writes into memory that is marked as read-only, and no library tells others of its writes.
So memory in a graph is copied, and shared memory must not get into a graph: backward raises.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import GraphError, Node, Writes, describe, next_serial, wrap
from autograd_cnn.tensor.methods import dtype_of_move

CPU = 1, 0
"""The device of all tensors, in DLPack's numbers."""


class SharedWrites(Writes):
    """The record of memory that arrays of other libraries see, whose writes nobody notes.

    When the last of these arrays dies, that counts as a write.
    """

    holders: dict[object, Any]
    """An entry per array of another library, for all records of this memory."""

    @property  # type: ignore[override]
    def serial(self) -> int:
        """The serial number at the last write; raises GraphError while there may be more."""
        if self.holders:
            nodes = [node for known in self.views if (node := known()) is not None]
            raise GraphError(
                f"a graph uses a tensor {describe(nodes[0]) if nodes else ''} whose memory another "
                "library sees since __dlpack__ or from_dlpack, and could change; compute with a "
                ".copy() of the tensor, or exchange it with copy=True"
            )
        return int(vars(self).get("serial", 0))

    @serial.setter
    def serial(self, value: int) -> None:
        vars(self)["serial"] = value

    def add_detached(self, node: Node) -> None:
        """Give `node`, on the same memory, a record that knows of the other library too."""
        super().add_detached(node)
        _share(node.write_record(), self.holders)

    def returned(self, holder: object) -> None:
        """Note that an array of another library is gone."""
        del self.holders[holder]
        self.note()


def export(
    node: Node, stream: Any, max_version: Any, dl_device: Any, copy: bool | None
) -> Any:
    """The capsule of ``node.__dlpack__(...)``: a copy, unless nobody can see a write."""
    if node.tracked:
        raise BufferError(
            f"__dlpack__: the tensor {describe(node)} requires gradients, which other libraries do "
            "not pass on; export .detach() of it"
        )
    given = {"stream": stream, "max_version": max_version, "dl_device": dl_device}
    options = {name: value for name, value in given.items() if value is not None}
    array, records = node.array, _records(node)
    if copy:
        return array.__dlpack__(copy=True, **options)
    reason = _why_not_shared(node, records)
    if reason and copy is False:
        raise BufferError(
            f"__dlpack__: the tensor {describe(node)} cannot be exported without a copy, because "
            f"{reason}; leave copy=False out"
        )
    if reason:
        return array.copy(order="K").__dlpack__(**options)
    view = array.view()
    capsule = view.__dlpack__(**options)
    holders = getattr(records[0], "holders", {})
    for record in records:
        _share(record, holders)
    holders[holder := object()] = None
    weakref.finalize(view, records[0].returned, holder).atexit = False  # type: ignore[attr-defined]
    return capsule


def _share(record: Writes, holders: dict[object, Any]) -> None:
    record.__class__ = SharedWrites  # views hold the record, so it cannot be replaced
    record.holders = holders  # type: ignore[attr-defined]


def _records(node: Node) -> list[Writes]:
    """The records of all tensors on the memory of `node`, first its own."""
    own = node.write_record()
    others = [known() for known in own.sharing or ()]
    return [own, *(r for r in others if r is not None and r is not own)]


def _why_not_shared(node: Node, records: list[Writes]) -> str:
    if not node.array.flags.writeable:
        return "its memory is read-only"
    if any(stride < 0 for stride in node.array.strides):  # ends the process in PyTorch
        return "its strides are negative"
    return "its memory is in a graph" if _in_a_graph(records) else ""


def _in_a_graph(records: list[Writes]) -> bool:
    """Whether a graph holds one of the tensors of these records.

    Edges lead from results to inputs only, so Python's list of all objects tells who holds it.
    """
    nodes = [x for record in records for known in record.views if (x := known()) is not None]
    if any(x.tracked for x in nodes):
        return True
    if next_serial() - min(x.serial for x in nodes) == len(nodes):  # nothing else was made since
        return False
    held = {id(x): x for x in gc.get_referrers(*nodes) if type(x) is tuple}
    return any(
        isinstance(x, Node) and id(x.inputs) in held for x in gc.get_referrers(*held.values())
    )


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """A constant with the values of an array of another library, such as a PyTorch tensor.

    It is a copy, in the same order in memory.  With ``copy=False`` it shares the memory, so each
    sees what the other writes; then backward raises GraphError if a graph used the tensor, because
    no graph could notice such a write.  Raises BufferError where the memory cannot be shared, and
    for arrays that require gradients.

    >>> array = np.array([1.0, 2.0])
    >>> shared = ag.from_dlpack(array, copy=False)
    >>> array[0] = 5.0
    >>> shared, ag.from_dlpack(array)
    (tensor([5., 2.], dtype=float64), tensor([5., 2.], dtype=float64))
    """
    dtype_of_move("from_dlpack", device)
    if not hasattr(x, "__dlpack__"):
        raise mistake("from_dlpack", "x", "an array with the method __dlpack__", x)
    array = np.from_dlpack(x, **({} if copy is None else {"copy": copy}))
    as_numbers("from_dlpack", "x", array)
    if copy is not False:
        return wrap(array.copy(order="K"))
    made = wrap(array.view())
    _share(made.write_record(), {array.shape: array})
    return made
