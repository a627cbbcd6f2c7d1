"""The node of the graph, which is the half of a tensor that remembers how it was made, and the
record of an operation.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from autograd_cnn.engine.hooks import Attached

Array = Any  # an np.ndarray or a Tensor: what goes in comes out
Rule = Callable[..., Array]  # rule(g, out, *inputs, **params) -> gradient of one input

serials = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A NumPy function and its backward rules, one per differentiable input.

    A rule of None says that the derivative is zero everywhere it exists.  `joint`, where an op has
    it, replaces the rules: it returns the gradients of all inputs at once because they share work.
    `variadic` ops take any number of inputs; their one rule learns which from `position`.

    >>> import autograd_cnn as ag
    >>> multiply = ag.OPS["multiply"]
    >>> multiply.inputs, multiply.params
    (('x', 'y'), ())
    """

    name: str
    forward: Callable[..., Any]
    signature: inspect.Signature
    inputs: tuple[str, ...]
    rules: tuple[Rule | None, ...]
    joint: Callable[..., Sequence[Array | None]] | None
    saves: tuple[str, ...]
    variadic: bool
    defaults: dict[str, Any] = field(repr=False)
    """Values of the keyword parameters that have one, and of optional inputs (None)."""
    params: tuple[str, ...] = ()
    required: int = 0
    """How many of the inputs a caller must give."""

    def rule(self, position: int) -> Rule | None:
        """The backward rule of the input at `position`."""
        return self.rules[0 if self.variadic else position]


class GraphError(RuntimeError):
    """A gradient was asked of a graph that cannot give it: never recorded, freed, or changed in
    place.

    >>> import autograd_cnn as ag
    >>> try:
    ...     ag.tensor(1.0).backward()
    ... except ag.GraphError as error:
    ...     print(str(error).split(":")[0])
    backward
    """

    __module__ = "autograd_cnn"  # where users import it from


class Node:
    """The half of a tensor that the graph sees: an array and how it was made.

    `tracked` is what users know as requires_grad.  `op` is None for a leaf; `inputs` is None once
    backward has freed the graph behind the node.
    `serial` counts creations, so it orders any graph topologically.  `written`, where there is one,
    holds the serial number that was current at the last in-place write: a consumer that is older
    saw another value.  Tensors on the same memory (`detach`) share it.  `attached` holds hooks and
    the like, where there are any.
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
    written: list[int] | None
    attached: Attached | None
    _grad: Any

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for this tensor, or one behind it.

        Assigning is `requires_grad_`: it refuses what would lose a gradient or give a wrong one.

        >>> import autograd_cnn as ag
        >>> x = ag.tensor([1.0])
        >>> x.requires_grad = True
        >>> (x * 2.0).requires_grad
        True
        """
        return self.tracked

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """See `Tensor.requires_grad_`."""
        raise NotImplementedError

    def attach(self) -> Attached:
        """What this tensor carries beside its values, made when somebody first needs it.

        >>> import autograd_cnn as ag
        >>> x = ag.tensor(1.0)
        >>> x.attached is None, x.attach() is x.attached
        (True, True)
        """
        if self.attached is None:
            self.attached = Attached()
        return self.attached

    def touch(self) -> None:
        """Note that `array` has been written to: graphs recorded before must not use it.

        >>> import autograd_cnn as ag
        >>> x = ag.tensor([2.0], requires_grad=True)
        >>> y = x * x
        >>> x.array[...] = 3.0
        >>> x.touch()
        >>> try:
        ...     y.backward()
        ... except ag.GraphError:
        ...     print("y was made from another x")
        y was made from another x
        """
        self.write_record()[0] = next(serials)

    def write_record(self) -> list[int]:
        """The record of in-place writes to this memory, made when somebody first needs it.

        A result of an op that is a view of an input shares the input's.

        >>> import autograd_cnn as ag
        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> x[:1].write_record() is x.write_record()
        True
        """
        views, owner = [], self
        while owner.written is None:
            views.append(owner)
            viewed = (x for x in owner.inputs or () if isinstance(x, Node))
            source = next((x for x in viewed if np.may_share_memory(x.array, owner.array)), None)
            if source is None:
                owner.written = [0]
            else:
                owner = source
        for view in views:
            view.written = owner.written
        return owner.written


def values(x: Any) -> Any:
    """The plain array behind `x`; `x` itself when it is already plain."""
    return x.array if isinstance(x, Node) else x


def wrap(array: Any, requires_grad: bool = False) -> Any:
    """A leaf tensor around an array, which is not copied."""
    node = object.__new__(Node.result_type)
    fill_node(node, array if type(array) is np.ndarray else np.asarray(array), requires_grad)
    return node


def recorded(op: Op, array: np.ndarray, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """A tensor around `array` that remembers `op` as its origin, for ops with no NumPy forward."""
    node = wrap(array, True)
    node.op, node.inputs, node.params = op, inputs, params
    return node


def next_serial() -> int:
    """A number between those of the tensors made before and those made after."""
    return next(serials)


def fill_node(node: Node, array: np.ndarray, requires_grad: bool = False) -> None:
    """Give a freshly allocated node the state of a leaf."""
    node.array = array
    node.tracked = requires_grad
    node.op = None
    node.inputs = ()
    node.params = {}
    node.serial = next(serials)
    node.written = None
    node.attached = None
    node._grad = None


def describe(x: Any) -> str:
    """Shape and dtype of an input for an error message."""
    x = values(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return f"of shape {x.shape} and dtype {x.dtype}"
    return (
        f"= {x!r}" if isinstance(x, (bool, int, float, complex)) else f"of type {type(x).__name__}"
    )
