"""The nodes and constants of a graph that is being written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.onnx.recording import Filled, Size, Value

try:
    from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun
except ImportError as error:
    raise ImportError(
        "autograd_cnn.onnx needs the onnx library: pip install 'autograd-cnn[onnx]'"
    ) from error


class NoFormError(Exception):
    """A call cannot be written in ONNX; the message says why."""


class Term:
    """A value of the graph: arithmetic on it, and calls ``x("Relu")``, add nodes.

    Beside a term, numbers and arrays are constants of its dtype.
    """

    def __init__(self, nodes: Nodes, name: str, dtype: Any) -> None:
        self.nodes, self.name, self.dtype = nodes, name, np.dtype(dtype)

    def __call__(self, kind: str, *others: Any, dtype: Any = None, **attributes: Any) -> Term:
        """The result, of this dtype unless `dtype` is given, of a node that takes this and others.

        None stands for an input that is left out.
        """
        inputs = [self, *(self.nodes.term(x, self.dtype) for x in others)]
        return self.nodes.add(kind, inputs, dtype or self.dtype, attributes)

    def __add__(self, other: Any) -> Term:
        return self("Add", other)

    def __sub__(self, other: Any) -> Term:
        return self("Sub", other)

    def __mul__(self, other: Any) -> Term:
        return self("Mul", other)

    def __truediv__(self, other: Any) -> Term:
        return self("Div", other)

    def __neg__(self) -> Term:
        return self("Neg")

    def __lt__(self, other: Any) -> Term:
        return self("Less", other, dtype=bool)

    def where(self, x: Any, y: Any) -> Term:
        """`x` where this is true, else `y`; one of them is a term."""
        dtype = x.dtype if isinstance(x, Term) else y.dtype
        given = [self, self.nodes.term(x, dtype), self.nodes.term(y, dtype)]
        return self.nodes.add("Where", given, dtype, {})

    def cast(self, dtype: Any) -> Term:
        """The values in this dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self("Cast", dtype=dtype, to=helper.np_dtype_to_tensor_dtype(dtype))

    def over(self, kind: str, axes: Any, keepdims: bool = True) -> Term:
        """Reduced over `axes`, or over all for None."""
        if isinstance(axes, int):
            axes = (axes,)
        if axes == ():
            return self
        if kind == "ReduceSum":  # in opset 17 the only one whose axes are an input
            given = () if axes is None else (np.array(axes, np.int64),)
            return self(kind, *given, keepdims=int(keepdims))
        more = {} if axes is None else {"axes": list(axes)}
        return self(kind, keepdims=int(keepdims), **more)

    def reshape(self, shape: Sequence[Any]) -> Term:
        """The values in another shape, in which one size may depend on the batch."""
        free = [n for n in shape if isinstance(n, Size)]
        if len(free) == 1 and 0 not in shape:
            return self("Reshape", np.array([-1 if n in free else n for n in shape], np.int64))
        return self("Reshape", self.nodes.sizes(shape), allowzero=1)


class Nodes:
    """The nodes and initializers of a graph, with names that tell the layer."""

    def __init__(self, batch: tuple[str, int], named: dict[int, str]) -> None:
        self.batch, self.named = batch, named
        self.all: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.path = ""
        """The path of the layer whose nodes are being written."""
        self.others: dict[str, str] = {}
        """The paths of layers that run with it in one pass, by the kind of their node."""
        self.terms: dict[int, Term] = {}
        """By the serial of a value in the first run."""
        self._names: set[str] = set()
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
        path = self.others.get(kind, self.path)
        name = self.unique(f"{path}.{kind}" if path else kind)
        given = [x.name if x is not None else "" for x in inputs]
        self.all.append(helper.make_node(kind, given, [name], name, **attributes))
        return Term(self, name, dtype)

    def initializer(self, name: str, array: np.ndarray) -> Term:
        """A parameter, a buffer or a constant under its name."""
        if name not in self.initializers:
            plain = np.ascontiguousarray(array).reshape(array.shape)
            self.initializers[name] = numpy_helper.from_array(plain, name)
            self._names.add(name)
        return Term(self, name, array.dtype)

    def term(self, x: Any, dtype: Any = None) -> Any:
        """A term for a value, an array, a number or a size; numbers get the dtype."""
        if x is None or isinstance(x, Term):
            return x
        if isinstance(x, Value):
            return self.terms[x.nodes[0].serial]
        if isinstance(x, Size):
            return self.size(x, ()).cast(dtype or np.int64)
        if isinstance(x, Filled):
            one = np.array(x.value).reshape((1,))
            given = {"value": numpy_helper.from_array(one)}
            return self.add("ConstantOfShape", [self.sizes(x.shape)], one.dtype, given)
        if isinstance(x, np.ndarray) and id(x) in self.named:
            return self.initializer(self.named[id(x)], x)
        array = np.asarray(x, None if isinstance(x, np.ndarray) else dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._same:
            self._same[key] = self.unique("constant")
        return self.initializer(self._same[key], array)

    def size(self, n: int | Size, shape: tuple[int, ...] = (1,)) -> Term:
        """A number, maybe one that depends on the batch, as integers of `shape` () or (1,)."""
        if not isinstance(n, Size):
            return self.term(np.full(shape, n, np.int64))
        name, axis = self.batch
        found = Term(self, name, np.int64)("Shape", start=axis, end=axis + 1)
        found = found if n.times == 1 else found * np.array([n.times])
        found = found if n.plus == 0 else found + np.array([n.plus])
        return found if shape else found("Squeeze")

    def sizes(self, shape: Sequence[Any]) -> Term:
        """A shape as a vector of integers."""
        if not any(isinstance(n, Size) for n in shape):
            return self.term(np.array(shape, np.int64))
        first, *rest = [self.size(n) for n in shape]
        return first("Concat", *rest, axis=0)


def product(shape: Iterable[Any]) -> int:
    """The number of values, which must not depend on the batch."""
    found = list(shape)
    if any(isinstance(n, Size) for n in found):
        raise NoFormError("it mixes the batch with other axes")
    return math.prod(found)
