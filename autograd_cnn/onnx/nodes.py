"""The nodes and constants of a graph that is being written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache, partialmethod
from typing import Any

import numpy as np

from autograd_cnn.onnx.recording import Filled, Size, Value


@cache
def library() -> Any:
    """The onnx library, which is loaded when a model is first exported."""
    try:
        import onnx.reference
    except ImportError as error:
        raise ImportError(
            "export: needs the onnx library: pip install 'autograd-cnn[onnx]'"
        ) from error
    return onnx


def number_of(dtype: np.dtype[Any]) -> int:
    """The number of a dtype in ONNX."""
    return library().helper.np_dtype_to_tensor_dtype(dtype)


def as_proto(array: np.ndarray, name: str | None = None) -> Any:
    """An array as it stands in a file."""
    return library().numpy_helper.from_array(array, name)


class NoFormError(Exception):
    """A call cannot be written in ONNX; the message says why."""


class Term:
    """A value of the graph: calls ``x("Relu")`` and arithmetic add nodes.

    Numbers and arrays among the others are constants, and numbers take its dtype.  None is an input
    that is left out.
    """

    def __init__(self, nodes: Nodes, name: str, dtype: Any) -> None:
        self.nodes, self.name, self.dtype = nodes, name, np.dtype(dtype)

    def __call__(self, kind: str, *others: Any, dtype: Any = None, **attributes: Any) -> Any:
        """The result, of this dtype if no other is given, of a node that takes this and others."""
        inputs = [self, *(self.nodes.term(x, self.dtype) for x in others)]
        return self.nodes.add(kind, inputs, dtype or self.dtype, attributes)

    __add__, __sub__ = partialmethod(__call__, "Add"), partialmethod(__call__, "Sub")
    __mul__, __truediv__ = partialmethod(__call__, "Mul"), partialmethod(__call__, "Div")
    __lt__ = partialmethod(__call__, "Less", dtype=bool)
    __neg__ = partialmethod(__call__, "Neg")

    def where(self, x: Any, y: Any) -> Any:
        """`x` where this is true, else `y`; one of them is a term."""
        dtype = x.dtype if isinstance(x, Term) else y.dtype
        given = [self, self.nodes.term(x, dtype), self.nodes.term(y, dtype)]
        return self.nodes.add("Where", given, dtype, {})

    def cast(self, dtype: Any) -> Any:
        """The values in this dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self("Cast", dtype=dtype, to=number_of(dtype))

    def over(self, kind: str, axes: Any, keepdims: bool = True) -> Any:
        """Reduced over `axes`, or over all for None."""
        axes = (axes,) if isinstance(axes, int) else axes
        if axes == ():
            return self
        if kind == "ReduceSum" and axes is not None:  # in opset 17 the only one with axes as input
            return self(kind, np.array(axes), keepdims=int(keepdims))
        return self(kind, keepdims=int(keepdims), **({} if axes is None else {"axes": list(axes)}))

    def reshape(self, shape: Sequence[Any]) -> Any:
        """The values in another shape; a single size that depends on the batch becomes -1."""
        free = [n for n in shape if isinstance(n, Size)]
        if len(free) == 1 and 0 not in shape:
            return self("Reshape", np.array([-1 if n in free else n for n in shape]))
        return self("Reshape", self.nodes.sizes(shape), allowzero=1)


class Nodes:
    """The nodes and initializers of a graph; the names of nodes begin with the path of a layer."""

    batch: tuple[str, int]
    """The input and its axis that tell the batch."""

    def __init__(self, named: dict[int, str], taken: set[str]) -> None:
        self.named, self.path = named, ""
        self.all: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.terms: dict[Value, Term] = {}
        self._names = taken
        self._same: dict[Any, str] = {}

    def unique(self, name: str) -> str:
        """This name, with a number behind it if it is taken."""
        found, count = name, 0
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def add(self, kind: str, inputs: Iterable[Any], dtype: Any, attributes: dict[str, Any]) -> Term:
        """A node with one output, which has the name of the node."""
        name = self.unique(f"{self.path}.{kind}" if self.path else kind)
        given = [x.name if x is not None else "" for x in inputs]
        self.all.append(library().helper.make_node(kind, given, [name], name, **attributes))
        return Term(self, name, dtype)

    def initializer(self, name: str, array: np.ndarray) -> Term:
        """A parameter or a buffer under its name."""
        if name not in self.initializers:
            self.initializers[name] = as_proto(np.array(array, order="C"), name)
        return Term(self, name, array.dtype)

    def term(self, x: Any, dtype: Any = None) -> Any:
        """A term for a value, an array, a number or a size; numbers get the dtype."""
        if x is None or isinstance(x, Term):
            return x
        if isinstance(x, Value):
            return self.terms[x]
        if isinstance(x, Size):
            return self.size(x)("Squeeze").cast(dtype or np.int64)
        if isinstance(x, Filled):
            one = np.array(x.value).reshape(1)
            given = {"value": as_proto(one)}
            return self.add("ConstantOfShape", [self.sizes(x.shape)], one.dtype, given)
        if isinstance(x, np.ndarray) and id(x) in self.named:
            return self.initializer(self.named[id(x)], x)
        array = np.asarray(x, None if isinstance(x, np.ndarray) else dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._same:  # no initializer: those are what trains on elsewhere
            name = self._same[key] = self.unique("constant")
            proto = as_proto(np.array(array, order="C"))
            self.all.append(library().helper.make_node("Constant", [], [name], name, value=proto))
        return Term(self, self._same[key], array.dtype)

    def size(self, n: int | Size) -> Any:
        """A number, maybe one that depends on the batch, as a vector."""
        if not isinstance(n, Size):
            return self.term(np.array([n]))
        name, axis = self.batch
        found = Term(self, name, np.int64)("Shape", start=axis, end=axis + 1)
        found = found if n.times == 1 else found * np.array([n.times])
        return found if n.plus == 0 else found + np.array([n.plus])

    def sizes(self, shape: Sequence[Any]) -> Any:
        """A shape as a vector of integers."""
        if not any(isinstance(n, Size) for n in shape):
            return self.term(np.array(shape, np.int64))
        first, *rest = map(self.size, shape)
        return first("Concat", *rest, axis=0)


def shape_of(x: Any) -> tuple[Any, ...]:
    """The shape of an input of a value, or of an index."""
    return () if isinstance(x, Size) else x.shape if hasattr(x, "shape") else np.shape(x)


def product(shape: Iterable[Any]) -> int:
    """The number of values, which must not depend on the batch."""
    found = list(shape)
    if any(isinstance(n, Size) for n in found):
        raise NoFormError("it mixes the batch with other axes")
    return math.prod(found)
