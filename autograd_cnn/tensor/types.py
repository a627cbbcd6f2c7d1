"""The types that users see, for type checkers only; nothing imports this module at run time.

Ops are polymorphic: arrays in, array out; any tensor in, tensor out.  `ArrayFunction` says so once
for every function, whatever its signature; the bodies see their inputs as `Array`, which is Any.
"""
# ruff: noqa: D102

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypedDict, overload

import numpy as np
from typing_extensions import TypeVar

from autograd_cnn.ops.matrix import SlogdetResult
from autograd_cnn.tensor import Tensor as Tensor

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_Row: TypeAlias = Sequence[np.generic | complex | NDArray]
Numbers: TypeAlias = (
    np.generic | complex | _Row | Sequence[_Row] | Sequence[Sequence[_Row | Sequence[_Row]]]
)
"""Numbers and nested lists, which become arrays.  A recursive type would admit strings."""
Plain: TypeAlias = NDArray | Numbers
"""What computes without a graph."""
Input: TypeAlias = Tensor | Plain
AnyArray: TypeAlias = Tensor | NDArray
ArrayT = TypeVar("ArrayT", Tensor, NDArray, default=NDArray)
"""A tensor or an array: what goes in comes out."""
Batch = TypeVar("Batch", default=tuple[np.ndarray, ...])
"""What a `DataLoader` yields."""
Setting: TypeAlias = int | str | Sequence[int] | np.dtype[Any] | type[Any] | None
Dim: TypeAlias = int | Sequence[int] | None

_Of1: TypeAlias = "ArrayFunction[Concatenate[Any, Q]]"
_Of2: TypeAlias = "ArrayFunction[Concatenate[Any, Any, Q]]"
_Of3: TypeAlias = "ArrayFunction[Concatenate[Any, Any, Any, Q]]"


class Words(TypedDict, total=False):
    """PyTorch's names for `axis` and `keepdims`."""

    dim: Dim
    keepdim: bool


class Spread(Words, total=False):
    """PyTorch's names for the settings of `std` and `var`."""

    unbiased: bool
    correction: float


class ArrayFunction(Protocol[P]):
    """A function with parameters P that gives a tensor when an input is one, otherwise an array.

    The first three overloads say which of two or three inputs decides, the fifth lets settings
    follow the inputs by position, and the last takes a call with names only.
    """

    __name__: str

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: _Of3[Q], x: Input, y: Input, z: Tensor, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Tensor: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: _Of2[Q], x: Input, y: Tensor, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Tensor: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: _Of2[Q], x: ArrayT | Numbers, y: Plain | None, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> ArrayT: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: _Of1[Q], x: ArrayT | Numbers, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> ArrayT: ...
    @overload
    def __call__(
        self, x: ArrayT | Numbers, setting: Setting, /, *args: Any, **kwargs: Any
    ) -> ArrayT: ...
    @overload
    def __call__(self, x: ArrayT | Numbers, /, *args: Any, dim: Dim, **named: Any) -> ArrayT: ...
    @overload
    def __call__(self, x: ArrayT | Numbers, /, *args: Any, axis: Dim, **named: Any) -> ArrayT: ...
    @overload
    def __call__(self, /, **named: Any) -> Any: ...


class PoolFunction(Protocol[P]):
    """A function that also gives the positions of its values with ``return_indices=True``."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, x: ArrayT, /, *args: Any, return_indices: Literal[True], **kwargs: Any
    ) -> tuple[ArrayT, NDArray]: ...
    @overload
    def __call__(
        self: PoolFunction[Concatenate[Any, Q]], x: ArrayT, /, *args: Q.args, **kwargs: Q.kwargs
    ) -> ArrayT: ...


class JoinFunction(Protocol):
    """A function of any number of inputs, or of a list of them."""

    @overload
    def __call__(
        self, *xs: NDArray | complex | str | Sequence[Plain], **settings: Any
    ) -> NDArray: ...
    @overload
    def __call__(
        self, *xs: NDArray | complex | str | Tensor | Sequence[Input], **settings: Any
    ) -> Tensor: ...


class EitherFunction(Protocol[T_co, A_co]):
    """A function that gives a T for a tensor and an A for an array."""

    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> T_co: ...
    @overload
    def __call__(self, x: Plain, /, *args: Any, **kwargs: Any) -> A_co: ...


ListFunction: TypeAlias = EitherFunction[list[Tensor], list[NDArray]]
PairFunction: TypeAlias = EitherFunction[tuple[Tensor, NDArray], tuple[NDArray, NDArray]]
SlogdetFunction: TypeAlias = EitherFunction[SlogdetResult[Tensor], SlogdetResult[NDArray]]
Gradient: TypeAlias = AnyArray | None
Rule: TypeAlias = (
    Callable[Concatenate[Tensor, Tensor, Tensor, Tensor, Tensor, ...], Gradient]
    | Callable[Concatenate[Tensor, Tensor, Tensor, Tensor, ...], Gradient]
    | Callable[Concatenate[Tensor, Tensor, Tensor, ...], Gradient]
)
"""``rule(g, out, *inputs, **params)`` for three, two or one input."""
Outputs: TypeAlias = Tensor | Sequence[Tensor]
TensorFunction: TypeAlias = (
    Callable[[Tensor], Outputs]
    | Callable[[Tensor, Tensor], Outputs]
    | Callable[[Tensor, Tensor, Tensor], Outputs]
    | Callable[[Tensor, Tensor, Tensor, Tensor], Outputs]
)


class HasForward(Protocol[P, R_co]):
    """A module as its call sees it."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
