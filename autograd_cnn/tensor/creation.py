"""New tensors of the default dtype: filled, spaced, or drawn from the generator of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import mistake, whole_numbers
from autograd_cnn.config import default_array, get_default_dtype
from autograd_cnn.engine.annotations import DType
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, values, wrap

if TYPE_CHECKING:
    from autograd_cnn.tensor import Tensor

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "rand", "rand_like", "randint", "randn", "randn_like",
    "zeros", "zeros_like",
]  # fmt: skip


def _made(array: Any, dtype: Any, requires_grad: bool) -> Tensor:
    """A tensor around `array`, floats in the default dtype unless `dtype` names another."""
    wanted = dtype if dtype is not None or array.dtype.kind != "f" else get_default_dtype()
    new: Tensor = wrap(array if wanted is None else array.astype(wanted, copy=False))
    return new.requires_grad_() if requires_grad else new


def _shape(name: str, size: Any, dtype: Any) -> tuple[tuple[int, ...], Any]:
    """Size and dtype of a call whose size is integers, or one tuple that a dtype may follow."""
    if size and isinstance(size[0], (tuple, list)) and len(size) < 3:
        size, dtype = size[0], size[1] if len(size) > 1 else dtype
    shape = whole_numbers(name, "size", tuple(size))
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: size must be 0 or more along every axis, got {shape}")
    try:
        return shape, dtype if dtype is None else np.dtype(dtype)
    except TypeError:
        raise mistake(name, "dtype", "a dtype of numbers such as 'float32'", dtype) from None


def _sized(name: str, make: Callable[[Any], Any], summary: str, shown: str = "") -> Any:
    """The two functions that make a tensor of a size, and one of the size and dtype of another."""

    def of_size(*size: Any, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
        shape, wanted = _shape(name, size, dtype)
        return _made(make(shape), wanted, requires_grad)

    def of_other(x: Array, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
        own = x.dtype if x.dtype.kind == "f" or not name.startswith("rand") else None
        return _made(make(x.shape), own if dtype is None else dtype, requires_grad)

    like = f"{summary} of the shape and dtype of x; see `{name}`."
    for function, title, text, call in (
        (of_size, name, f"{summary}, of sizes given one by one or as a tuple.", "(2)"),
        (of_other, f"{name}_like", like, "_like(ag.tensor([1.0, 2.0]))"),
    ):
        example = f">>> ag.{name}{call}\n{shown}" if shown else f">>> ag.{name}{call}.shape\n(2,)"
        function.__name__ = function.__qualname__ = title
        function.__doc__ = f"{text}\n\n{example}\n"
    return checked(of_size), checked(of_other)


zeros, zeros_like = _sized("zeros", np.zeros, "Zeros", "tensor([0., 0.])")
ones, ones_like = _sized("ones", np.ones, "Ones", "tensor([1., 1.])")
empty, empty_like = _sized("empty", np.empty, "Values that nobody has set")
rand, rand_like = _sized(
    "rand", lambda shape: random.generator().random(shape), "Numbers drawn evenly from [0, 1)"
)
randn, randn_like = _sized(
    "randn", lambda shape: random.generator().standard_normal(shape), "Numbers drawn from N(0, 1)"
)


@checked
def full(
    size: int | tuple[int, ...],
    fill_value: Any,
    dtype: DType | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` repeated to a size.

    >>> ag.full((2,), 0.5)
    tensor([0.5, 0.5])
    """
    return _made(np.full(size, default_array(values(fill_value))), dtype, requires_grad)


@checked
def full_like(
    x: Array, fill_value: Any, dtype: DType | None = None, requires_grad: bool = False
) -> Tensor:
    """`fill_value` repeated, of the shape and dtype of x.

    >>> ag.full_like(ag.tensor([1, 2]), 7)
    tensor([7, 7])
    """
    return full(x.shape, fill_value, x.dtype if dtype is None else dtype, requires_grad)


@checked
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: DType | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` (0 when left out) up to `stop`; integers if all three are.

    >>> ag.arange(3), ag.arange(0.0, 1.0, 0.5)
    (tensor([0, 1, 2]), tensor([0. , 0.5]))
    """
    first, end = (0, start) if stop is None else (start, stop)
    return _made(np.arange(first, end, step), dtype, requires_grad)


@checked
def linspace(
    start: float,
    stop: float,
    num: int = 50,
    dtype: DType | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`num` numbers at equal distances, from `start` to `stop`, both included.

    >>> ag.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    return _made(np.linspace(start, stop, num), dtype, requires_grad)


@checked
def eye(
    n: int, m: int | None = None, dtype: DType | None = None, requires_grad: bool = False
) -> Tensor:
    """Ones on the diagonal of n rows and m (by default n) columns, zeros elsewhere.

    >>> ag.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _made(np.eye(n, m), dtype, requires_grad)


@checked
def randint(
    low: int, high: Any = None, size: Any = None, dtype: DType | None = None
) -> Tensor:
    """Integers drawn evenly from `low` (0 when left out) to below `high`.

    >>> ag.randint(0, 10, (2, 3)).shape, ag.randint(10, (4,)).shape
    ((2, 3), (4,))
    """
    if isinstance(high, (tuple, list)):
        high, size = None, high
    first, end = (0, low) if high is None else (low, high)
    drawn = random.generator().integers(first, end, size)
    return _made(np.asarray(drawn), dtype, False)
