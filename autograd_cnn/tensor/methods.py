"""NumPy's methods on tensors, each an op or a composition of the same name."""
# mypy: disable-error-code="call-overload, type-var, return-value"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from autograd_cnn import ops
from autograd_cnn.config import native
from autograd_cnn.engine.node import Node

if TYPE_CHECKING:
    from typing import Unpack

    from autograd_cnn.ops.pick import Picked
    from autograd_cnn.tensor.types import Spread, Tensor, Words


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
        if len(axes) == self.array.ndim == 2 and axes[0] % 2 < axes[1] % 2:
            raise TypeError(
                f"transpose: axes {axes} in NumPy's meaning leave a matrix as it is; write x.T, or "
                "x.swapaxes(0, 1) for PyTorch's transpose"
            )
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return ops.shape.transpose(self, axes=None if order is None else tuple(order))

    def reshape(self, *shape: Any) -> Tensor:
        """The same values under another shape; see `reshape`."""
        return ops.shape.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    flatten = ops.shape.flatten

    def squeeze(self, axis: Any = None, **words: Unpack[Words]) -> Tensor:
        """Remove the axes of size 1, or only those in `axis`; see `squeeze`."""
        return ops.shape.squeeze(self, axis=axis, **words)

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

    def sum(self, axis: Any = None, keepdims: bool = False, **words: Unpack[Words]) -> Tensor:
        """Sum over `axis`; see `sum`."""
        return ops.reduce.sum(self, axis=axis, keepdims=keepdims, **words)

    def prod(self, axis: Any = None, keepdims: bool = False, **words: Unpack[Words]) -> Tensor:
        """Product over `axis`; see `prod`."""
        return ops.reduce.prod(self, axis=axis, keepdims=keepdims, **words)

    def mean(self, axis: Any = None, keepdims: bool = False, **words: Unpack[Words]) -> Tensor:
        """Mean over `axis`; see `mean`."""
        return ops.reduce.mean(self, axis=axis, keepdims=keepdims, **words)

    if TYPE_CHECKING:
        # ruff: noqa: D102 - the docstrings are those of the ops
        @overload
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        @overload
        def max(self, *, dim: int, keepdim: bool = False) -> Picked: ...
        def max(self, *args: Any, **named: Any) -> Any: ...

        min = max

        def var(
            self, axis: Any = None, keepdims: bool = False, ddof: float = 0, **words: Unpack[Spread]
        ) -> Tensor: ...

        std = var
    else:
        max, min, var, std = ops.reduce.max, ops.reduce.min, ops.reduce.var, ops.reduce.std

    def cumsum(self, axis: int | None = None, **words: Unpack[Words]) -> Tensor:
        """Running sum along `axis`; see `cumsum`."""
        return ops.reduce.cumsum(self, axis=axis, **words)

    def take(self, indices: Any, axis: int | None = None, **words: Unpack[Words]) -> Tensor:
        """The values at `indices` along `axis`; see `take`."""
        return ops.pick.take(self, indices=indices, axis=axis, **words)

    # ------------------------------------------------------------------------------------ constants

    argmax, argmin, argsort = ops.constants.argmax, ops.constants.argmin, ops.constants.argsort
    all, any, nonzero = ops.constants.all, ops.constants.any, ops.constants.nonzero


for _method in vars(ArrayMethods).values():
    if (
        callable(_method) and _method.__module__ == __name__
    ):  # errors of Python's own name a method by this
        _method.__qualname__ = f"Tensor.{_method.__name__}"
