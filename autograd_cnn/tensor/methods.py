"""NumPy's methods on tensors, each an op or a composition of the same name."""
# mypy: disable-error-code="call-overload, type-var, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn import ops
from autograd_cnn.config import native
from autograd_cnn.engine.node import Node

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Input, Tensor


class ArrayMethods(Node):
    """Methods with NumPy's names and arguments.

    Positions and truth values are plain arrays.  `sort`, `fill` and `put` are left out because they
    work in place.
    """

    __slots__ = ()

    # ---------------------------------------------------------------------------------------- shape

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes reversed; see `transpose`."""
        return ops.shape.transpose(self)

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes exchanged; see `matrix_transpose`."""
        return ops.shape.matrix_transpose(self)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged; see `swapaxes`."""
        return ops.shape.swapaxes(self, axis1=axis1, axis2=axis2)

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in the given order, reversed by default; see `transpose`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return ops.shape.transpose(self, axes=None if order is None else tuple(order))

    def reshape(self, *shape: Any) -> Tensor:
        """The same values under another shape; see `reshape`."""
        return ops.shape.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def flatten(self) -> Tensor:
        """All values along one axis; see `ravel`."""
        return ops.shape.ravel(self)

    def ravel(self) -> Tensor:
        """All values along one axis; see `ravel`."""
        return ops.shape.ravel(self)

    def squeeze(self, axis: Any = None) -> Tensor:
        """Remove the axes of size 1, or only those in `axis`; see `squeeze`."""
        return ops.shape.squeeze(self, axis=axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Each value `repeats` times along `axis`; see `repeat`."""
        return ops.join.repeat(self, repeats=repeats, axis=axis)

    def broadcast_to(self, shape: Any) -> Tensor:
        """Values repeated to `shape`; see `broadcast_to`."""
        return ops.shape.broadcast_to(self, shape=shape)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """Values converted to `dtype`; without `copy` the tensor itself if it has that dtype.

        >>> x = ag.tensor([1.0, 2.0])
        >>> x.astype("float64").dtype, x.astype("float32", copy=False) is x
        (dtype('float64'), True)
        """
        if not copy and native(dtype) == self.array.dtype:
            return self
        return ops.arithmetic.astype(self, dtype=native(dtype))

    def copy(self) -> Tensor:
        """The same values in new memory, differentiable.

        >>> ag.tensor([1.0, 2.0]).copy()
        tensor([1., 2.])
        """
        return ops.arithmetic.astype(self, dtype=self.array.dtype)

    # ----------------------------------------------------------------------------------- reductions

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis`; see `sum`."""
        return ops.reduce.sum(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Product over `axis`; see `prod`."""
        return ops.reduce.prod(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`; see `mean`."""
        return ops.reduce.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Variance over `axis`; see `var`."""
        return ops.reduce.var(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def std(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Standard deviation over `axis`; see `std`."""
        return ops.reduce.std(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Largest value over `axis`; see `max`."""
        return ops.reduce.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Smallest value over `axis`; see `min`."""
        return ops.reduce.min(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Running sum along `axis`; see `cumsum`."""
        return ops.reduce.cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Tensor:
        """Running product along `axis`; see `cumprod`."""
        return ops.reduce.cumprod(self, axis=axis)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The sum of a diagonal; see `trace`."""
        return ops.matrix.trace(self, offset=offset, axis1=axis1, axis2=axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The values on a diagonal; see `diagonal`."""
        return ops.pick.diagonal(self, offset=offset, axis1=axis1, axis2=axis2)

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """The values at `indices` along `axis`; see `take`."""
        return ops.pick.take(self, indices=indices, axis=axis)

    def dot(self, other: Input) -> Tensor:
        """NumPy's dot product; see `dot`."""
        return ops.product.dot(self, other)

    # ------------------------------------------------------------------------------------ constants

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Position of the largest value over `axis`; a tie goes to the first.

        >>> ag.tensor([[1.0, 3.0], [5.0, 2.0]]).argmax(axis=1)
        array([1, 0])
        """
        ops.reduce.check_some("argmax", self.array, axis)
        return np.argmax(self.array, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Position of the smallest value over `axis`; a tie goes to the first.

        >>> ag.tensor([[1.0, 3.0], [5.0, 2.0]]).argmin(axis=1)
        array([0, 1])
        """
        ops.reduce.check_some("argmin", self.array, axis)
        return np.argmin(self.array, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int | None = -1) -> Any:
        """Positions in ascending order along `axis`, plain integers; the sort is stable.

        >>> ag.tensor([3.0, 1.0, 2.0]).argsort()
        array([1, 2, 0])
        """
        return self.array.argsort(axis=axis, kind="stable")

    def nonzero(self) -> tuple[np.ndarray, ...]:
        """Positions of the values that are not 0, one plain array per axis.

        >>> ag.tensor([3.0, 0.0, 2.0]).nonzero()
        (array([0, 2]),)
        """
        return self.array.nonzero()

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether all values over `axis` are true or not 0, a plain array.

        >>> ag.tensor([[1.0, 0.0], [5.0, 2.0]]).all(axis=1)
        array([False,  True])
        """
        return self.array.all(axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether a value over `axis` is true or not 0, a plain array.

        >>> ag.tensor([[0.0, 0.0], [5.0, 2.0]]).any(axis=1)
        array([False,  True])
        """
        return self.array.any(axis=axis, keepdims=keepdims)

    # -------------------------------------------------------------------------------- single values

    def exp(self) -> Tensor:
        """e to the power of each value; see `exp`."""
        return ops.exponential.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm; see `log`."""
        return ops.exponential.log(self)

    def sqrt(self) -> Tensor:
        """Square root; see `sqrt`."""
        return ops.exponential.sqrt(self)

    def abs(self) -> Tensor:
        """Absolute value; see `abs`."""
        return ops.arithmetic.abs(self)

    def round(self, decimals: int = 0) -> Tensor:
        """Rounded to `decimals` places, with gradient 0; see `round`."""
        return ops.arithmetic.round(self, decimals=decimals)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent; see `tanh`."""
        return ops.trigonometry.tanh(self)

    def sigmoid(self) -> Tensor:
        """Logistic function; see `sigmoid`."""
        return ops.exponential.sigmoid(self)

    def relu(self) -> Tensor:
        """max(x, 0); see `relu`."""
        return ops.arithmetic.relu(self)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Values limited to [min, max]; see `clip`."""
        return ops.arithmetic.clip(self, min, max)


for _method in vars(ArrayMethods).values():
    if callable(_method):  # errors of Python's own name a method by this
        _method.__qualname__ = f"Tensor.{_method.__name__}"
