"""The node of the graph: an array, how it was made, and the hooks on it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from autograd_cnn.engine.op import Op

Array = Any  # an np.ndarray or a Tensor: what goes in comes out

_serials = itertools.count(1)
next_serial: Callable[[], int] = _serials.__next__
"""A number between those of the nodes made before and those made after."""


class GraphError(RuntimeError):
    """The graph cannot give a gradient: it was not recorded, was freed, or holds a value that has
    changed in the meantime.

    >>> try:
    ...     ag.tensor(1.0).backward()
    ... except ag.GraphError as error:
    ...     print(str(error).split(":")[0])
    backward
    """

    __module__ = "autograd_cnn"  # where users import it from


class Node:
    """The half of a tensor that the graph sees.

    Users know `tracked` as requires_grad.  `op` is None for a leaf.  `inputs` is None once backward
    has freed the graph behind the node.  `serial` counts creations, so it orders any graph
    topologically.  `written` records the in-place writes to its memory, if there were any or
    other nodes share the memory.  `attached` holds hooks and the like.
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "array",
        "attached",
        "inputs",
        "op",
        "params",
        "serial",
        "tracked",
        "written",
    )
    result_type: ClassVar[type[Node]]

    array: np.ndarray
    tracked: bool
    op: Op | None
    inputs: tuple[Any, ...] | None
    params: dict[str, Any]
    serial: int
    written: Writes | None
    attached: Attached | None
    _grad: Any

    def attach(self) -> Attached:
        """The hooks and the like of this node, created at first use."""
        if self.attached is None:
            self.attached = Attached()
        return self.attached

    def touch(self) -> None:
        """Note that `array` has been written to: graphs recorded before must not use it."""
        self.write_record().note()

    def write_record(self) -> Writes:
        """The record of in-place writes to this memory, created at first use."""
        if self.written is None:
            self.written = Writes()
            self.written.views = [weakref.ref(self)]
        return self.written

    def share(self, view: Node) -> None:
        """Let `view`, on the same memory, share the record of writes."""
        record = self.written
        if record is None:
            record = self.written = Writes()
            record.views = [weakref.ref(self)]
        if len(record.views) >= record.limit:
            record.forget_the_dead()
        record.views.append(weakref.ref(view))
        view.written = record


class Writes:
    """The in-place writes to memory that a tensor and its views share.

    `serial` is the serial number at the last write that no graph followed: older consumers saw
    another value.  A write that a graph follows gives the views new versions instead.  A detached
    tensor has a record of its own, which learns of every write; so has a view of a tensor with a
    graph that was made without recording.
    """

    # Values of the class, because an `__init__` would cost a call for the first view of a tensor.
    serial = 0
    views: list[weakref.ref[Node]]
    limit = 16
    """The number of views at which `views` loses those that are gone."""
    sharing: list[weakref.ref[Writes]] | None = None
    """All records of this memory, or None for this one alone."""
    grid: Any = None  # the views by their place; see tensor.sharing
    last = 0
    """The serial number of the last write to any memory."""

    def forget_the_dead(self) -> None:
        """Drop the references to views that are gone."""
        self.views = [known for known in self.views if known() is not None]
        self.limit = 16 + 2 * len(self.views)
        self.grid = None

    def restore(self, node: Node, newest: Node, user: Node) -> None:
        """Give `node`, an older version than `newest`, the values back that `user` used."""

    def add_detached(self, node: Node) -> None:
        """Give `node`, on the same memory but without a graph, a record that learns of writes."""
        if self.sharing is None:
            self.sharing = [weakref.ref(self)]
        if (n := len(self.sharing)) & (n - 1) == 0:  # now and then: n additions cost n
            self.sharing[:] = [known for known in self.sharing if known() is not None]
        record = node.write_record()
        record.sharing = self.sharing
        self.sharing.append(weakref.ref(record))

    def note(self, followed: bool = False) -> None:
        """Note a write, which a graph has `followed` in the tensors of this record."""
        Writes.last = serial = next_serial()
        if not followed:
            self.serial = serial
        for known in self.sharing or ():
            record = known()
            if record is not None and record is not self:
                record.serial = serial


_new = object.__new__


def wrap(array: Any, requires_grad: bool = False) -> Any:
    """A leaf tensor around an array, which is not copied."""
    array = array if type(array) is np.ndarray else np.asarray(array)
    return fill_node(_new(Node.result_type), array, requires_grad)


def fill_node(node: Node, array: np.ndarray, requires_grad: bool = False) -> Any:
    """Give a freshly allocated node the state of a leaf, and return it."""
    node.array = array
    node.tracked = requires_grad
    node.op = None
    node.inputs = ()
    node.params = {}
    node.serial = next_serial()
    node.written = None
    node.attached = None
    node._grad = None
    return node


def values(x: Any) -> Any:
    """The array of a tensor; anything else unchanged."""
    return x.array if isinstance(x, Node) else x


def describe(x: Any) -> str:
    """Shape and dtype of an input for an error message."""
    x = values(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return f"of shape {x.shape} and dtype {x.dtype}"
    number = isinstance(x, (bool, int, float, complex))
    return f"= {x!r}" if number else f"of type {type(x).__name__}"


class Handle:
    """The handle of a registered hook; `remove`, or leaving ``with``, removes the hook."""

    __slots__ = ("_functions", "_number")

    def __init__(self, functions: dict[int, Callable[..., Any]], number: int) -> None:
        self._functions = functions
        self._number = number

    def __repr__(self) -> str:
        state = "" if self._number in self._functions else ", removed"
        return f"Handle(hook {self._number}{state})"

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._functions.pop(self._number, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """Functions in the order in which they were added; a hook may remove itself while it runs."""

    __slots__ = ("_functions",)
    _numbers = itertools.count()

    def __init__(self) -> None:
        self._functions: dict[int, Callable[..., Any]] = {}

    def add(self, function: Callable[..., Any]) -> Handle:
        """Attach `function`; raises TypeError when it cannot be called."""
        if not callable(function):
            raise TypeError(f"a hook must be a function, got {type(function).__name__}")
        number = next(Hooks._numbers)
        self._functions[number] = function
        return Handle(self._functions, number)

    def __len__(self) -> int:
        return len(self._functions)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(list(self._functions.values()))


class Attached:
    """Extras that few tensors have: hooks, the wish to keep the gradient, an origin.

    `overwritten` says that the values were changed through another tensor on the same memory.
    """

    __slots__ = ("hooks", "origin", "overwritten", "retains_grad")

    def __init__(self) -> None:
        self.hooks = Hooks()
        self.retains_grad = self.overwritten = False
        self.origin: Any = None

    def final_gradient(self, node: Node, g: Array | None, create_graph: bool) -> Array | None:
        """The gradient of `node`, which carries this, after its hooks; each may replace it."""
        for hook in self.hooks:
            if g is None:
                g = np.zeros_like(node.array)
            shown = g
            if not isinstance(g, Node):
                view = np.asarray(g).view()
                view.flags.writeable = False  # the memory may also be another tensor's gradient
                shown = wrap(view)
            try:
                answer = hook(shown)
            except Exception as error:
                error.add_note(f"in a hook on a tensor {describe(node)}")
                raise
            if answer is None:
                continue
            new: Any = answer if isinstance(answer, Node) else np.asarray(answer)
            if new.shape != node.array.shape or new.dtype.kind not in "biuf":
                raise ValueError(
                    f"a hook on a tensor {describe(node)} returned a gradient of shape {new.shape} "
                    f"and dtype {new.dtype}; it must be real and have the tensor's shape"
                )
            new = new if create_graph else values(new)
            g = new if new.dtype == node.array.dtype else new.astype(node.array.dtype)
        return g
