"""Python's operators on tensors, also in place, and item assignment."""
# mypy: disable-error-code="call-overload, type-var, return-value"

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autograd_cnn.engine import modes, watch
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Attached, GraphError, Node, describe, values
from autograd_cnn.ops import arithmetic, exponential, pick, product

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Input, Tensor

_PARTS = ("getitem", "transpose")
"""Ops whose results NumPy's users write to in order to change the whole array."""


class Operators(Node):
    """Arithmetic gives tensors; comparisons give plain boolean arrays, which are constants.

    In-place arithmetic and item assignment write into a leaf, or into a tensor without gradients.
    Where a graph is recorded they rebind instead: ``x[i] = v`` makes x the result of an op (`put`),
    differentiable in its old value and in v.  Earlier results, views and detached tensors keep the
    old value.  In-place arithmetic on a view therefore does not change the whole tensor; item
    assignment into a view raises GraphError, and so do changes of recorded results under `no_grad`.
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
        index = pick.plain_index(index)
        as_numbers("item assignment", "the value", value, self.array.dtype)
        if isinstance(value, (list, tuple)):
            value = np.asarray(value, self.array.dtype)
        recorded = self._recorded_with("item assignment", value)
        if recorded and self._is_part():
            raise GraphError(
                "item assignment into a part of a tensor, such as x[0][1] = v or x.T[0] = v, would "
                "not reach the whole; assign in one step, x[0, 1] = v, or .copy() the part first"
            )
        if not recorded:
            self.array[index] = values(value)
            self.touch()
            return

        def assigned(old: Node) -> Any:
            new: Any = old if value is self else value
            rank = np.ndim(values(new))
            surplus = rank - np.ndim(self.array[index]) if rank else 0
            if surplus > 0 and all(n == 1 for n in new.shape[:surplus]):
                new = new.reshape(new.shape[surplus:])  # as NumPy does, but an op need not
            return pick.put(old, new, index=index)

        self._become(assigned)

    def _recorded_with(self, what: str, value: Any) -> bool:
        """Whether a graph records a change of this tensor by `value`, so that it must rebind."""
        recording = modes.is_grad_enabled()
        if watch.open_blocks:
            watch.tell("changing", self)
        if self.op is not None and self.requires_grad:
            if not recording:
                raise GraphError(
                    f"{what} under no_grad on a result of {self.op.name} would leave its graph "
                    "with a value that it cannot differentiate; change x = x.detach(), or record "
                    "the change"
                )
            return True
        if self.requires_grad and recording:
            raise GraphError(
                f"{what} on a leaf that requires gradients would lose the leaf; write x = x + y "
                "instead of x += y, or wrap an update of a leaf in ag.no_grad()"
            )
        tracked = recording and isinstance(value, Node) and value.requires_grad
        if tracked and self.array.dtype.kind != "f":
            raise TypeError(
                f"{what}: a tensor of dtype {self.array.dtype} cannot take gradients; convert it "
                "first, for example with .astype('float32')"
            )
        return tracked

    def _is_part(self) -> bool:
        """Whether this is a view made by indexing, or without recording, of another tensor."""
        if self.op is None:
            return self.array.base is not None and self.written is not None
        viewed = self.inputs[0] if self.op.name in _PARTS and self.inputs else None
        return isinstance(viewed, Node) and np.may_share_memory(self.array, viewed.array)

    def _become(self, change: Callable[[Node], Any]) -> None:
        """Become the result of `change` on the old value."""
        old = hidden_copy(self)
        take_over(self, old, change(old))

    def _update(self, function: Any, ufunc: np.ufunc, other: Any) -> Any:
        if not self._recorded_with(f"in-place {ufunc.__name__}", other):
            as_numbers(f"in-place {ufunc.__name__}", "the value", other)
            ufunc(self.array, values(other), out=self.array, casting="same_kind")
            self.touch()
            return self

        def updated(old: Node) -> Any:
            result = function(old, old if other is self else other)
            if result.array.shape != self.array.shape:
                raise ValueError(
                    f"in-place {ufunc.__name__}: the result has shape {result.array.shape}, but "
                    f"the tensor is {describe(self)}; write x = x + y instead of x += y"
                )
            same = result.array.dtype == self.array.dtype
            return result if same else arithmetic.astype(result, dtype=self.array.dtype)

        self._become(updated)
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


# A recorded tensor changes in place by taking over the result of an op.  A hidden node keeps its
# old value for the results that used it.  These results still hold the tensor itself; backward sees
# that they are older than its new version.  Each version is the first input of its successor.

_STATE = tuple(name for name in Node.__slots__ if name != "__weakref__")


def hidden_copy(node: Node) -> Node:
    """A second node with the state of `node`: the same array, origin and place in the order."""
    copy = object.__new__(type(node))
    _move(node, copy)
    return copy


def _move(source: Node, target: Node) -> None:
    for name in _STATE:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def take_over(node: Node, old: Node, result: Node) -> None:
    """Make `node` the newest version: the `result` of an op whose first input leads to `old`.

    Hooks stay with the old value; `retain_grad` moves to the new one.
    """
    _redirect(result, node, old)
    retains = old.attached is not None and old.attached.retains_grad
    _move(result, node)
    if retains and old.attached is not None:
        old.attached.retains_grad = False
        node.attached = Attached()
        node.attached.retains_grad = True


def _redirect(result: Node, node: Node, old: Node) -> None:
    """Replace `node` by `old` in the graph behind `result`, so that no cycle arises."""
    stack, seen = [result], {result.serial}
    while stack:
        for x in stack.pop().inputs or ():
            if isinstance(x, Node) and x is not node and x.serial > old.serial:
                if x.serial in seen:
                    continue
                seen.add(x.serial)
                if x.inputs and any(part is node for part in x.inputs):
                    x.inputs = tuple(old if part is node else part for part in x.inputs)
                stack.append(x)
