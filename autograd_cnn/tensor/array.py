"""What a tensor is as an array: its shape, its dtype, its values."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Node


def _of_array(name: str, text: str) -> Any:
    """A property that reads the attribute `name` of the array, without a call in Python."""
    return property(operator.attrgetter(f"array.{name}"), doc=text)


class ArrayAttributes(Node):
    """The half of a tensor that tells what is in it, and hands its values out."""

    __slots__ = ()

    shape: tuple[int, ...] = _of_array(
        "shape",
        """Sizes of the axes.

        >>> ag.tensor([[1.0, 2.0]]).shape
        (1, 2)
        """,
    )
    dtype: np.dtype[Any] = _of_array(
        "dtype",
        """NumPy dtype of the values.

        >>> ag.tensor([1.0, 2.0]).dtype
        dtype('float32')
        """,
    )
    ndim: int = _of_array(
        "ndim",
        """Number of axes.

        >>> ag.tensor([[1.0, 2.0]]).ndim
        2
        """,
    )
    size: int = _of_array(
        "size",
        """Number of values.

        >>> ag.tensor([[1.0, 2.0]]).size
        2
        """,
    )
    nbytes: int = _of_array(
        "nbytes",
        """Memory that the values take, in bytes.

        >>> ag.tensor([1.0, 2.0]).nbytes
        8
        """,
    )

    @property
    def data(self) -> np.ndarray:
        """The values as an array; a read-only view where a graph may need them unchanged.

        Assigning replaces the values (same shape and dtype) and makes graphs recorded before refuse
        to run backward.

        >>> x = ag.tensor([1.0, 2.0])
        >>> x.data = [3.0, 4.0]
        >>> x.data
        array([3., 4.], dtype=float32)
        """
        return self.numpy()

    @data.setter
    def data(self, value: Any) -> None:
        array = np.array(as_numbers("Tensor.data", "the new value", value), dtype=self.dtype)
        if array.shape != self.shape:
            raise ValueError(
                f"Tensor.data: expected values of shape {self.shape}, got {array.shape}"
            )
        self.array = array
        self.touch()

    def numpy(self) -> np.ndarray:
        """The values as a read-only array, without a copy: a graph may need them as they are.

        To change values, assign to `data` or use in-place arithmetic under `no_grad`; for an array
        to write to, take ``.numpy().copy()``.

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
            raise ValueError(f"item: only a tensor of one value has one, got shape {self.shape}")
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
                f"format {spec!r}: only a tensor of one value takes a format, got shape "
                f"{self.shape}; reduce it, or leave the format out"
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
