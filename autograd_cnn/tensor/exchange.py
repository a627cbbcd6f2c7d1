"""Memory that tensors share with arrays of other libraries, by DLPack.

PyTorch writes into memory that is marked as read-only, and no library tells others of its writes.
So memory in a graph is copied, and backward raises where a graph has taken shared memory.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine.node import GraphError, Node, Writes, describe, next_serial, wrap
from autograd_cnn.tensor.methods import dtype_of_move


class SharedWrites(Writes):
    """The record of memory that arrays of other libraries see, whose writes nobody notes.

    `holders` has an entry for each of these arrays.  The end of one counts as a write.
    """

    holders: dict[object, Any]

    @property
    def serial(self) -> int:
        """The serial number at the last write; raises GraphError while there may be more."""
        if self.holders:
            raise GraphError(
                "a graph uses memory that another library sees since __dlpack__ or from_dlpack, "
                "and could change unnoticed; compute with a .copy() of that tensor, or exchange it "
                "with copy=True"
            )
        return int(vars(self).get("serial", 0))

    @serial.setter
    def serial(self, value: int) -> None:
        vars(self)["serial"] = value

    def add_detached(self, node: Node) -> None:
        """Give `node`, on the same memory, a record with the same holders."""
        super().add_detached(node)
        _share(node.write_record(), self.holders)

    def end(self, holder: object) -> None:
        """Note that an array of another library is gone."""
        del self.holders[holder]
        self.note()


def _share(record: Any, holders: dict[object, Any]) -> None:
    record.__class__ = SharedWrites  # tensors hold the record, so it cannot be replaced
    record.holders = holders


def export(node: Node, *, copy: bool | None = None, **options: Any) -> Any:
    """The method ``__dlpack__``: the memory itself if that is safe, or else a copy.

    The `options` are DLPack's: stream, max_version, dl_device.
    """
    if node.tracked:
        raise BufferError(
            f"__dlpack__: the tensor {describe(node)} requires gradients, which other libraries do "
            "not pass on; export .detach() of it"
        )
    options = {name: value for name, value in options.items() if value is not None}
    if copy:
        return node.array.__dlpack__(copy=True, **options)
    own: Any = node.write_record()
    records = [r for known in own.sharing or () if (r := known()) is not None] or [own]
    reason = _why_not_shared(node, records)
    if reason and copy is False:
        raise BufferError(
            f"__dlpack__: the tensor {describe(node)} cannot be exported without a copy, because "
            f"{reason}; leave copy=False out"
        )
    view = node.array.copy(order="K") if reason else node.array.view()
    capsule = view.__dlpack__(**options)
    if not reason:
        holders, holder = getattr(own, "holders", {}), object()
        for record in records:
            _share(record, holders)
        holders[holder] = None
        weakref.finalize(view, own.end, holder)
    return capsule


def _why_not_shared(node: Node, records: list[Writes]) -> str:
    """Why a write of others would do harm, or why they could not use the memory."""
    if not node.array.flags.writeable:
        return "its memory is read-only"
    if min(node.array.strides, default=0) < 0:
        return "its strides are negative"  # which ends the process in PyTorch
    nodes = [x for record in records for known in record.views if (x := known()) is not None]
    seen = any(x.tracked for x in nodes)
    if not seen and next_serial() - min(x.serial for x in nodes) > len(nodes):  # others followed
        # Edges lead from results to inputs, so only the garbage collector knows the results.
        held = {id(x): x for x in gc.get_referrers(*nodes) if type(x) is tuple}
        results = [x for x in gc.get_referrers(*held.values()) if isinstance(x, Node)]
        seen = any(id(x.inputs) in held for x in results)
    return "its memory is in a graph" if seen else ""


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """A constant with the values of an array of another library, such as a PyTorch tensor.

    It is a copy, in the same order in memory.  With ``copy=False`` it shares the memory, so each
    sees what the other writes.  Backward raises GraphError if a graph used such a tensor.  Raises
    BufferError where memory cannot be shared, and for arrays that require gradients.

    >>> array = np.array([1.0, 2.0])
    >>> shared = ag.from_dlpack(array, copy=False)
    >>> array[0] = 5.0
    >>> shared, ag.from_dlpack(array)
    (tensor([5., 2.], dtype=float64), tensor([5., 2.], dtype=float64))
    """
    dtype_of_move("from_dlpack", device)
    if not hasattr(x, "__dlpack__"):
        raise mistake("from_dlpack", "x", "an array with the method __dlpack__", x)
    options: Any = {} if copy is None else {"copy": copy}
    array = np.from_dlpack(x, **options)
    if copy is not False:
        return wrap(array.copy(order="K"))
    made = wrap(array.view())
    _share(made.write_record(), {"the source": array})
    return made
