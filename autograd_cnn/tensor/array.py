"""What a tensor is as an array: its shape, its dtype, its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Node


class PlainFacts(Node):
    """The half of a tensor that tells what is in it, and hands its values out."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes.

        >>> from autograd_cnn import tensor
        >>> tensor([[1.0, 2.0]]).shape
        (1, 2)
        """
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the values.

        >>> from autograd_cnn import tensor
        >>> tensor([1.0, 2.0]).dtype
        dtype('float32')
        """
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """Number of axes.

        >>> from autograd_cnn import tensor
        >>> tensor([[1.0, 2.0]]).ndim
        2
        """
        return self.array.ndim

    @property
    def size(self) -> int:
        """Number of values.

        >>> from autograd_cnn import tensor
        >>> tensor([[1.0, 2.0]]).size
        2
        """
        return self.array.size

    @property
    def nbytes(self) -> int:
        """Memory that the values take, in bytes.

        >>> from autograd_cnn import tensor
        >>> tensor([1.0, 2.0]).nbytes
        8
        """
        return self.array.nbytes

    @property
    def data(self) -> np.ndarray:
        """The values as an array; a read-only view where a graph may need them unchanged.

        Assigning replaces the values (same shape and dtype) and makes graphs recorded before refuse
        to run backward.

        >>> from autograd_cnn import tensor
        >>> x = tensor([1.0, 2.0])
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

        >>> from autograd_cnn import tensor
        >>> tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        view = self.array.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The single value as a Python number.

        >>> from autograd_cnn import tensor
        >>> tensor([[2.5]]).item()
        2.5
        """
        if self.size != 1:
            raise ValueError(f"item: only a tensor of one value has one, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers.

        >>> from autograd_cnn import tensor
        >>> tensor([[1.0, 2.0]]).tolist()
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
