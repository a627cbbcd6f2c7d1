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


def _three(function: Any, ufunc: Any = None) -> tuple[Any, Any, Any]:
    """An operator, the one with the tensor on the right, and the one in place."""

    def on_the_right(self: Any, other: Any) -> Any:
        return function(other, self)

    def in_place(self: Any, other: Any) -> Any:
        writes.update(self, function, ufunc, other)
        return self

    return function, on_the_right, in_place


class Operators(Node):
    """Arithmetic gives tensors; comparisons and ``& | ^ ~`` give plain arrays, as constants.

    In-place arithmetic and item assignment write into memory: views and detached tensors see the
    new values, as in NumPy.  Where a graph is recorded, the tensor and its views become results of
    ops, differentiable in their old values and in the new ones; results computed before keep the
    old value.  Changes of leaves that require gradients, and changes of recorded results under
    `no_grad`, raise GraphError.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __add__(self, other: Input) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __iadd__(self, other: Input) -> Self: ...
        def __and__(self, other: Input) -> np.ndarray: ...
        def __invert__(self) -> np.ndarray: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __add__
        __matmul__ = __rmatmul__ = __add__
        __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __and__
        __abs__, __isub__ = __neg__, __iadd__
        __imul__ = __itruediv__ = __ipow__ = __iand__ = __ior__ = __ixor__ = __iadd__
    else:
        __add__, __radd__, __iadd__ = _three(arithmetic.add, np.add)
        __sub__, __rsub__, __isub__ = _three(arithmetic.subtract, np.subtract)
        __mul__, __rmul__, __imul__ = _three(arithmetic.multiply, np.multiply)
        __truediv__, __rtruediv__, __itruediv__ = _three(arithmetic.divide, np.true_divide)
        __pow__, __rpow__, __ipow__ = _three(exponential.power, np.power)
        __floordiv__, __rfloordiv__ = _three(arithmetic.floor_divide)[:2]
        __mod__, __rmod__ = _three(arithmetic.remainder)[:2]
        __matmul__, __rmatmul__ = _three(product.matmul)[:2]
        __and__, __rand__, __iand__ = _three(lambda x, y: values(x) & values(y), np.bitwise_and)
        __or__, __ror__, __ior__ = _three(lambda x, y: values(x) | values(y), np.bitwise_or)
        __xor__, __rxor__, __ixor__ = _three(lambda x, y: values(x) ^ values(y), np.bitwise_xor)
        __neg__, __abs__, __invert__ = arithmetic.negative, arithmetic.abs, lambda x: ~x.array

    def __pos__(self) -> Tensor:
        return arithmetic.astype(self, dtype=self.array.dtype)

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
