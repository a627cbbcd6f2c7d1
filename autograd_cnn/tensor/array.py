"""Tensors as arrays: shape, dtype and values."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Node, wrap

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Tensor


def _of_array(name: str, summary: str, example: str) -> Any:
    """A property that reads the attribute `name` of the array, without a call in Python."""
    text = f"{summary}\n\n>>> ag.tensor([[1.0, 2.0]]).{name}\n{example}\n"
    return property(operator.attrgetter(f"array.{name}"), doc=text)


class _Count(int):
    """The number of values, which explains itself to who calls it."""

    __slots__ = ()

    def __call__(self, dim: Any = None) -> Any:
        instead = "x.shape" if dim is None else f"x.shape[{dim}]"
        raise TypeError(f"size: x.size is the number of values, as in NumPy; write {instead}")


class ArrayAttributes(Node):
    """The half of a tensor that describes its values and gives access to them."""

    __slots__ = ()

    shape: tuple[int, ...] = _of_array("shape", "Sizes of the axes.", "(1, 2)")
    dtype: np.dtype[Any] = _of_array("dtype", "NumPy dtype of the values.", "dtype('float32')")
    ndim: int = _of_array("ndim", "Number of axes.", "2")
    nbytes: int = _of_array("nbytes", "Memory of the values, in bytes.", "8")
    device = "cpu"

    @property
    def size(self) -> int:
        """Number of values.

        >>> ag.tensor([[1.0, 2.0]]).size
        2
        """
        return _Count(self.array.size)

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, cut off from the graph, as `Tensor.detach` gives it.

        Assigning replaces the values (same shape and dtype).  Backward through graphs recorded
        before a change raises GraphError.

        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> x.data -= 0.5
        >>> x.data = x.data * 2.0
        >>> x.data
        tensor([1., 3.])
        """
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, Node) and value.array is self.array:
            return  # as x.data -= 1 assigns what it has changed already
        array = np.array(as_numbers("Tensor.data", "the new value", value, self.dtype), self.dtype)
        if array.shape != self.shape:
            raise ValueError(
                f"Tensor.data: expected values of shape {self.shape}, got {array.shape}"
            )
        self.array = array
        self.touch()
        self.write_record().forget_the_dead()  # and where its views lay

    def detach(self) -> Tensor:
        """A tensor on the same memory, cut off from the graph.

        >>> (ag.tensor([1.0], requires_grad=True) * 2.0).detach()
        tensor([2.])
        """
        detached: Tensor = wrap(self.array)
        self.write_record().add_detached(detached)
        return detached

    def numpy(self) -> np.ndarray:
        """The values as a read-only array, without a copy: a graph may need them unchanged.

        To change values, use in-place arithmetic or item assignment on the tensor, under `no_grad`
        for a leaf.  For a writable array, take ``.numpy().copy()``.

        >>> ag.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        view = self.array.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The single value as a Python number.

        >>> ag.tensor([[2.5]]).item()
        2.5
        """
        if self.size != 1:
            raise ValueError(f"item: the tensor must have one value, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers.

        >>> ag.tensor([[1.0, 2.0]]).tolist()
        [[1.0, 2.0]]
        """
        return self.array.tolist()

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.size != 1:
            raise TypeError(
                f"format {spec!r}: the tensor must have one value, got shape {self.shape}; reduce "
                "it, or leave the format out"
            )
        return format(self.item(), spec)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.array.__index__()
