"""Tensor: an array that remembers how it was made, with NumPy's methods and operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn import backward as walk
from autograd_cnn import graph, modes
from autograd_cnn.graph import OPS, GraphError, Node, describe, values, wrap
from autograd_cnn.ops import broadcast, elementwise, indexing, linalg, reduction, shaping

_UFUNC_NAMES = {"absolute": "abs", "true_divide": "divide"}
_CONSTANT_UFUNCS = {
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "isnan",
    "isinf",
    "isfinite",
}


class Tensor(Node):
    """An array that records the operations made on it, so that `backward` can give gradients.

    `data` is anything NumPy takes: arrays keep their dtype, Python floats become the default dtype
    (float32). The values are copied.  Only floating tensors can require gradients; asking for
    others raises TypeError.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ()
    __array_priority__ = 1000

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, (list, tuple)) and any(isinstance(x, Node) for x in data):
            raise TypeError(
                "Tensor: a list of tensors would be cut off from their graph; join them with "
                "ag.stack"
            )
        plain = values(data)
        array = np.array(modes.default_array(plain) if dtype is None else plain, dtype=dtype)
        if array.dtype.kind not in "fiubc":
            raise TypeError(f"Tensor: expected numbers, got {describe(array)}")
        graph.fill_node(self, array)
        if requires_grad:
            self.requires_grad_()

    # ---------------------------------------------------------------------------------- plain facts

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the values."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """Number of values."""
        return self.array.size

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.op is None

    @property
    def data(self) -> np.ndarray:
        """The values as an array; a read-only view where a graph may need them unchanged.

        Assigning replaces the values (same shape and dtype) and makes graphs recorded before refuse
        to run backward.
        """
        return self.numpy()

    @data.setter
    def data(self, value: Any) -> None:
        array = np.array(values(value), dtype=self.dtype)
        if array.shape != self.shape:
            raise ValueError(
                f"Tensor.data: expected values of shape {self.shape}, got {array.shape}"
            )
        self.array = array
        self.touch()

    def numpy(self) -> np.ndarray:
        """The values as an array without a copy, read-only if the tensor takes part in a graph.

        To change values, assign to `data` or use in-place arithmetic under `no_grad`.
        """
        view = self.array.view()
        if self.requires_grad:
            view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The single value as a Python number."""
        if self.size != 1:
            raise ValueError(f"item: only a tensor of one value has one, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.array.tolist()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.array.__index__()

    def __repr__(self) -> str:
        text = np.array2string(self.array, separator=", ", prefix="tensor(")
        dtype = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        origin = "" if self.op is None else f", op={self.op.name}"
        grad = ", requires_grad=True" if self.requires_grad and not origin else ""
        return f"tensor({text}{dtype}{origin}{grad})"

    # ------------------------------------------------------------------------------------ gradients

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up here, a tensor of this shape and dtype, or
        None.
        """
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None or isinstance(value, Tensor):
            new = value
        else:
            new = Tensor(np.asarray(value, self.dtype))
        if new is not None and new.shape != self.shape:
            raise ValueError(
                f"grad: expected None or a gradient of shape {self.shape}, got {new.shape}"
            )
        self._grad = new

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients of this leaf (or stop asking) and return it.

        Raises TypeError for integers, booleans and complex numbers, and GraphError for a tensor
        made by an op.
        """
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(
                f"only floating tensors can require gradients, got dtype {self.dtype}; convert it "
                "first, for "
                f"example with .astype('float32')"
            )
        if self.op is not None and not requires_grad:
            raise GraphError(
                f"requires_grad_(False): this tensor is a result of {self.op.name}; use .detach() "
                "to cut it off"
            )
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """A tensor with the same values (memory shared) that is cut off from the graph."""
        detached: Tensor = wrap(self.array)
        detached.written = self.write_record()
        return detached

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of the leaves behind it (or of `inputs` only).

        A tensor of one value needs no `gradient`; any other needs one of its own shape.  The graph
        is freed unless `retain_graph` (default: `create_graph`) is set; with `create_graph` the
        gradients can be differentiated.

        Raises GraphError when nothing here requires gradients, the graph has been freed, or an
        input was changed in place since; ValueError for a missing or misshapen `gradient`.

        >>> w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (w ** 2).sum().backward()
        >>> w.grad
        tensor([2., 4., 6.])
        """
        seed = walk.seed_gradient("backward", self, gradient, create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        found = walk.backpropagate(
            [self], [seed], create_graph=create_graph, retain_graph=retain, targets=inputs
        )
        walk.accumulate_gradients(found)

    def __copy__(self) -> Tensor:
        return self.detach()

    def __deepcopy__(self, memo: Any) -> Tensor:
        if self.op is not None:
            raise GraphError(
                f"a result of {self.op.name} cannot be copied with its graph; use .detach()"
            )
        new = object.__new__(type(self))
        graph.fill_node(new, self.array.copy(order="K"), self.requires_grad)
        if self._grad is not None:
            new._grad = wrap(self._grad.array.copy(order="K"))
        memo[id(self)] = new
        return new

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise GraphError(
                f"a result of {self.op.name} cannot be pickled with its graph; use .detach()"
            )
        return type(self), (self.array, self.requires_grad)

    # ---------------------------------------------------------------------------- NumPy's protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        name = _UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not options:
            if name in OPS:
                return _call(name, args)
            if name in _CONSTANT_UFUNCS:
                return ufunc(*map(values, args))
        raise TypeError(
            f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} on a Tensor would "
            "cut the graph "
            f"(no op{' with these options' if options else ''}); use an autograd_cnn op, or "
            ".numpy() for plain values"
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in OPS:
            return _call(name, args, kwargs)
        if name in ("shape", "ndim", "size"):
            return getattr(self, name)
        raise TypeError(
            f"np.{name} on a Tensor would cut the graph (no op of that name); use an autograd_cnn "
            "op, or .numpy() for "
            f"plain values"
        )

    # ------------------------------------------------------------------------------------ operators

    def __add__(self, other: Any) -> Any:
        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return elementwise.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return elementwise.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return elementwise.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return elementwise.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return elementwise.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return linalg.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return linalg.matmul(other, self)

    def __neg__(self) -> Any:
        return elementwise.negative(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Any:
        return elementwise.abs(self)

    def __getitem__(self, index: Any) -> Any:
        return indexing.getitem(self, index=indexing.plain_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._writable("item assignment")[indexing.plain_index(index)] = values(value)
        self.touch()

    def _writable(self, what: str) -> np.ndarray:
        """The array for an in-place change, where that is safe."""
        if self.requires_grad and (modes.is_grad_enabled() or self.op is not None):
            raise GraphError(
                f"{what} on a tensor that requires gradients would not be recorded; write x = x + "
                "y instead of x += y, "
                f"or wrap an update of a leaf in ag.no_grad()"
            )
        return self.array

    def _update(self, ufunc: np.ufunc, other: Any) -> Tensor:
        array = self._writable(f"in-place {ufunc.__name__}")
        ufunc(array, values(other), out=array, casting="same_kind")
        self.touch()
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._update(np.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._update(np.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._update(np.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._update(np.true_divide, other)

    # Comparisons answer with plain boolean arrays: they are constants.

    def __lt__(self, other: Any) -> Any:
        return self.array < values(other)

    def __le__(self, other: Any) -> Any:
        return self.array <= values(other)

    def __gt__(self, other: Any) -> Any:
        return self.array > values(other)

    def __ge__(self, other: Any) -> Any:
        return self.array >= values(other)

    def __eq__(self, other: Any) -> Any:
        return self.array == values(other)

    def __ne__(self, other: Any) -> Any:
        return self.array != values(other)

    __hash__ = object.__hash__

    # -------------------------------------------------------------------------------------- methods

    @property
    def T(self) -> Any:  # noqa: N802
        """The axes reversed."""
        return shaping.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes swapped."""
        return self.swapaxes(-1, -2)

    def swapaxes(self, a: int, b: int) -> Any:
        """Two axes exchanged."""
        axes = list(range(self.ndim))
        axes[a], axes[b] = axes[b], axes[a]
        return shaping.transpose(self, axes=tuple(axes))

    def transpose(self, *axes: Any) -> Any:
        """Axes in the given order, reversed by default; see `ops.transpose`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return shaping.transpose(self, axes=None if order is None else tuple(order))

    def reshape(self, *shape: Any) -> Any:
        """The same values under another shape; see `ops.reshape`."""
        return shaping.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def flatten(self) -> Any:
        """All values along one axis."""
        return (
            shaping.reshape(self, shape=(-1,)) if self.size else shaping.reshape(self, shape=(0,))
        )

    def astype(self, dtype: Any) -> Any:
        """Values converted to `dtype`."""
        return elementwise.astype(self, dtype=np.dtype(dtype))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Sum over `axis`."""
        return reduction.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Mean over `axis`."""
        return reduction.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """Variance over `axis`; see `ops.var`."""
        return reduction.var(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Largest value over `axis`."""
        return reduction.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Smallest value over `axis`."""
        return reduction.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Any:
        """Position of the largest value over `axis`, a plain array of integers."""
        return self.array.argmax(axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Position of the smallest value over `axis`, a plain array of integers."""
        return self.array.argmin(axis=axis)

    def exp(self) -> Any:
        """e to the power of each value."""
        return elementwise.exp(self)

    def log(self) -> Any:
        """Natural logarithm."""
        return elementwise.log(self)

    def sqrt(self) -> Any:
        """Square root."""
        return elementwise.sqrt(self)

    def abs(self) -> Any:
        """Absolute value."""
        return elementwise.abs(self)

    def tanh(self) -> Any:
        """Hyperbolic tangent."""
        return elementwise.tanh(self)

    def sigmoid(self) -> Any:
        """Logistic function."""
        return elementwise.sigmoid(self)

    def relu(self) -> Any:
        """max(x, 0)."""
        return elementwise.relu(self)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Values limited to [min, max]."""
        return elementwise.clip(self, min=min, max=max)

    def broadcast_to(self, shape: Any) -> Any:
        """Values repeated to `shape`."""
        return broadcast.broadcast_to(self, shape=shape)


Node.result_type = Tensor


def _call(name: str, args: Any, kwargs: Any = None) -> Any:
    """The registered op by name, for NumPy's dispatch."""
    return _CALLS[name](*args, **(kwargs or {}))


_CALLS = {
    name: function
    for module in (broadcast, elementwise, linalg, reduction, shaping)
    for name, function in vars(module).items()
    if name in OPS and getattr(function, "op", None) is OPS[name]
}


def tensor(data: Any, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """A new tensor with a copy of `data`; see `Tensor`.

    >>> tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
    """
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)
