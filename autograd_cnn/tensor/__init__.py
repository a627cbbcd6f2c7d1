"""Tensor: an array that remembers how it was made, with NumPy's methods and operators."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_cnn.config import default_array, native
from autograd_cnn.engine import modes
from autograd_cnn.engine.annotations import DType
from autograd_cnn.engine.arguments import as_numbers, checked, tensors
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.gradients import accumulate_gradients, seed_gradient
from autograd_cnn.engine.node import GraphError, Handle, Node, describe, fill_node, values, wrap
from autograd_cnn.tensor import exchange, numpy_functions
from autograd_cnn.tensor.array import ArrayAttributes
from autograd_cnn.tensor.methods import Methods
from autograd_cnn.tensor.numpy_special import refuse_hidden_conversion
from autograd_cnn.tensor.showing import LINES, brief_values, escaped, folded


class Tensor(ArrayAttributes, Methods):
    """An array that records operations, so that `backward` can compute gradients.

    `data` is an array, a tensor, a number or nested lists of numbers, and is copied.  Arrays keep
    their dtype unless `dtype` names another; Python floats become the default dtype (float32).

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ()
    __array_priority__ = 1000
    __pandas_priority__ = 5000  # pandas leaves ``series * t`` to the tensor
    _shown_as, _trained = "tensor", False

    @checked
    def __init__(self, data: Any, requires_grad: bool = False, dtype: DType | None = None) -> None:
        plain = as_numbers(type(self).__name__, "data", data, dtype)
        if dtype is None:
            plain = default_array(values(data))
        fill_node(self, np.array(plain, native(plain.dtype if dtype is None else dtype)))
        if requires_grad:
            self.requires_grad_()

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor.

        >>> x = Tensor(1.0, requires_grad=True)
        >>> x.is_leaf, (x + 1.0).is_leaf
        (True, False)
        """
        return self.op is None

    def __repr__(self) -> str:
        text = brief_values(self.array, f"{self._shown_as}(")
        hidden = "..." in text or (self.size == 0 and self.ndim > 1)
        text += f", shape={self.shape}" if hidden else ""
        text += "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        return f"{self._shown_as}({text}{self._origin()})"

    def _repr_html_(self) -> str:
        title = f"{self._shown_as} {self.shape} {self.dtype}{self._origin()}"
        values = np.array2string(self.array, separator=", ")
        body = f"<pre>{escaped(values)}</pre></details>"
        return folded(title, body, shown=values.count("\n") < LINES)

    def _origin(self) -> str:
        """The op that made it, or whether it is a leaf with other gradients than its class has."""
        if self.op is not None:
            return f", op={self.op.name}"
        return "" if self.tracked is self._trained else f", requires_grad={self.tracked}"

    # ------------------------------------------------------------------------------------ gradients

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up, a tensor of this shape and dtype, or None.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad
        tensor(6.)
        """
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        new = value
        if value is not None:
            plain = as_numbers("Tensor.grad", "the new value", value, self.dtype)
            new = value if isinstance(value, Tensor) else Tensor(plain, dtype=self.dtype)
        if new is not None and new.shape != self.shape:
            raise ValueError(
                f"grad: expected None or a gradient of shape {self.shape}, got {new.shape}"
            )
        self._grad = new

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for this tensor, or for one behind it.

        Assigning calls `requires_grad_`.

        >>> x = ag.tensor([1.0])
        >>> x.requires_grad = True
        >>> (x * 2.0).requires_grad
        True
        """
        return self.tracked

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @checked
    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Let `backward` compute the gradient of this leaf, or stop it, and return the leaf.

        >>> Tensor([1.0]).requires_grad_()
        tensor([1.], requires_grad=True)
        """
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(
                f"requires_grad_: only floating tensors can require gradients, got dtype "
                f"{self.dtype}; convert it first, for example with .astype('float32')"
            )
        if self.op is not None and not requires_grad:
            raise GraphError(
                f"requires_grad_(False): this tensor is a result of {self.op.name}; use .detach() "
                "to cut it off"
            )
        self.tracked = requires_grad
        return self

    @checked
    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Iterable[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of the leaves behind it (or only of `inputs`).

        A tensor of several values needs a `gradient` of its shape.  The graph is freed unless
        `retain_graph` (default: `create_graph`) is set; with `create_graph` the gradients can be
        differentiated.  Raises GraphError when an input was changed in place in the meantime.

        >>> w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (w ** 2).sum().backward()
        >>> w.grad
        tensor([2., 4., 6.])
        """
        if inputs is not None:
            inputs = tensors("backward", "inputs", inputs)
        seed = seed_gradient("backward", self, gradient, create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        found = backpropagate(
            [self], [seed], create_graph=create_graph, retain_graph=retain, targets=inputs
        )
        accumulate_gradients(found)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call ``hook(gradient)`` whenever a backward pass has the final gradient of this tensor.

        Unless the hook returns None, its result replaces the gradient: an array or tensor of this
        shape.  Hooks run in the order in which they were registered.  The gradient is read-only
        and, under ``create_graph``, differentiable.  Returns a handle with ``remove()``.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: g.clip(-3.0, 3.0))
        >>> (x * x * x).sum().backward()
        >>> x.grad
        tensor([3., 3.])
        """
        self._need_gradients("register_hook")
        return self.attach().hooks.add(hook)

    def retain_grad(self) -> None:
        """Let `backward` also keep the gradient of this result of an op in `.grad`.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (y * 3.0).sum().backward()
        >>> y.grad
        tensor([3., 3.])
        """
        self._need_gradients("retain_grad")
        self.attach().retains_grad = True

    def _need_gradients(self, what: str) -> None:
        if not self.requires_grad:
            raise GraphError(
                f"{what}: the tensor {describe(self)} does not require gradients, so backward "
                "never comes here"
            )

    def __copy__(self) -> Tensor:
        if self.op is not None:
            return self[...]
        new = _made(type(self), self.array, self.requires_grad)
        self.write_record().add_detached(new)
        for name, value in self._own_attributes().items():
            setattr(new, name, value)
        return new

    def __deepcopy__(self, memo: Any) -> Tensor:
        self._refuse_graph("copied")
        new = _made(type(self), self.array.copy(order="K"), self.requires_grad)
        if self._grad is not None:
            new._grad = wrap(self._grad.array.copy(order="K"))
        memo[id(self)] = new
        for name, value in self._own_attributes().items():
            setattr(new, name, copy.deepcopy(value, memo))
        return new

    def __reduce__(self) -> Any:
        self._refuse_graph("pickled")
        own = self._own_attributes()
        return _made, (type(self), self.array, self.requires_grad), (None, own) if own else None

    def _own_attributes(self) -> dict[str, Any]:
        """What a subclass of the user's adds, in slots or not."""
        state: Any = object.__getstate__(self)
        held, slots = state
        return {**(held or {}), **{k: v for k, v in slots.items() if k not in Node.__slots__}}

    def _refuse_graph(self, done: str) -> None:
        if self.op is not None:
            raise GraphError(
                f"a result of {self.op.name} cannot be {done} with its graph; use .detach()"
            )

    # ---------------------------------------------------------------------------- others' protocols

    def __array__(
        self, dtype: Any = None, copy: bool | None = None
    ) -> np.ndarray[Any, np.dtype[np.generic]]:
        if self.requires_grad and modes.is_grad_enabled():
            refuse_hidden_conversion()
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        return numpy_functions.apply_ufunc(ufunc, method, args, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_functions.apply_function(function, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return importlib.import_module(f"{__name__}.array_api")  # which loads when asked for

    __dlpack__ = exchange.export

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU


Node.result_type = Tensor


def _made(kind: Any, array: np.ndarray, requires_grad: bool) -> Any:
    """A leaf of this class on this memory, without a call of its constructor."""
    return fill_node(object.__new__(kind), array, requires_grad)


def tensor(data: Any, requires_grad: bool = False, dtype: DType | None = None) -> Tensor:
    """A new tensor with a copy of `data`; see `Tensor`.

    >>> tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
    """
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)


from_numpy = tensor
