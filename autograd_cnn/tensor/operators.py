"""Python's operators on tensors, also in place, and item assignment."""
# mypy: disable-error-code="call-overload, type-var, return-value"

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autograd_cnn.engine.node import Node, values
from autograd_cnn.ops import arithmetic, exponential, pick, product
from autograd_cnn.tensor import writes

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Input, Tensor


class Operators(Node):
    """Arithmetic gives tensors; comparisons give plain boolean arrays, which are constants.

    In-place arithmetic and item assignment write into memory: views and detached tensors see the
    new values, as in NumPy.  Where a graph is recorded, the tensor and its views become results of
    ops, differentiable in their old values and in the new ones; results computed before keep the
    old value.  Changes of leaves that require gradients, and changes of recorded results under
    `no_grad`, raise GraphError.
    """

    __slots__ = ()

    def __add__(self, other: Input) -> Tensor:
        return arithmetic.add(self, other)

    def __radd__(self, other: Input) -> Tensor:
        return arithmetic.add(other, self)

    def __sub__(self, other: Input) -> Tensor:
        return arithmetic.subtract(self, other)

    def __rsub__(self, other: Input) -> Tensor:
        return arithmetic.subtract(other, self)

    def __mul__(self, other: Input) -> Tensor:
        return arithmetic.multiply(self, other)

    def __rmul__(self, other: Input) -> Tensor:
        return arithmetic.multiply(other, self)

    def __truediv__(self, other: Input) -> Tensor:
        return arithmetic.divide(self, other)

    def __rtruediv__(self, other: Input) -> Tensor:
        return arithmetic.divide(other, self)

    def __floordiv__(self, other: Input) -> Tensor:
        return arithmetic.floor_divide(self, other)

    def __rfloordiv__(self, other: Input) -> Tensor:
        return arithmetic.floor_divide(other, self)

    def __mod__(self, other: Input) -> Tensor:
        return arithmetic.remainder(self, other)

    def __rmod__(self, other: Input) -> Tensor:
        return arithmetic.remainder(other, self)

    def __pow__(self, other: Input) -> Tensor:
        return exponential.power(self, other)

    def __rpow__(self, other: Input) -> Tensor:
        return exponential.power(other, self)

    def __matmul__(self, other: Input) -> Tensor:
        return product.matmul(self, other)

    def __rmatmul__(self, other: Input) -> Tensor:
        return product.matmul(other, self)

    def __neg__(self) -> Tensor:
        return arithmetic.negative(self)

    def __pos__(self) -> Tensor:
        return arithmetic.astype(self, dtype=self.array.dtype)

    def __abs__(self) -> Tensor:
        return arithmetic.abs(self)

    def __round__(self, ndigits: int | None = None) -> Tensor:
        return arithmetic.round(self, decimals=ndigits or 0)

    def __getitem__(self, index: Any) -> Tensor:
        return pick.getitem(self, index=pick.plain_index(index))

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # ----------------------------------------------------------------------------- changes in place

    def __setitem__(self, index: Any, value: Any) -> None:
        writes.assign(self, index, value)

    def _update(self, function: Any, ufunc: np.ufunc, other: Any) -> Self:
        writes.update(self, function, ufunc, other)
        return self

    def __iadd__(self, other: Input) -> Self:
        return self._update(arithmetic.add, np.add, other)

    def __isub__(self, other: Input) -> Self:
        return self._update(arithmetic.subtract, np.subtract, other)

    def __imul__(self, other: Input) -> Self:
        return self._update(arithmetic.multiply, np.multiply, other)

    def __itruediv__(self, other: Input) -> Self:
        return self._update(arithmetic.divide, np.true_divide, other)

    def __ipow__(self, other: Input) -> Self:
        return self._update(exponential.power, np.power, other)

    # ---------------------------------------------------------------------------------- comparisons

    def __lt__(self, other: Input) -> np.ndarray:
        return self.array < values(other)

    def __le__(self, other: Input) -> np.ndarray:
        return self.array <= values(other)

    def __gt__(self, other: Input) -> np.ndarray:
        return self.array > values(other)

    def __ge__(self, other: Input) -> np.ndarray:
        return self.array >= values(other)

    def __eq__(self, other: object) -> np.ndarray:  # type: ignore[override]
        return self.array == values(other)

    def __ne__(self, other: object) -> np.ndarray:  # type: ignore[override]
        return self.array != values(other)

    __hash__ = object.__hash__
