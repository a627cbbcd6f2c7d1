"""New tensors of the default dtype: filled, spaced, or drawn from the generator of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import integer, whole_numbers
from autograd_cnn.config import default_array, get_default_dtype
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import values, wrap
from autograd_cnn.ops.signatures import checked_late

if TYPE_CHECKING:
    from autograd_cnn.tensor import Tensor

    New = Callable[..., Tensor]

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like",
    "rand", "rand_like", "randint", "randn", "randn_like", "zeros", "zeros_like",
]  # fmt: skip


def _new(make: Callable[..., Any], summary: str, example: str) -> New:
    """The function that wraps the arrays that `make` gives into tensors.

    It takes ``dtype=`` and ``requires_grad=`` besides; floats get the default dtype.
    """
    call, shown = example.split(" -> ")
    name = make.__name__ = make.__qualname__ = call.partition("(")[0]

    def new(*args: Any, dtype: Any = None, requires_grad: bool = False, **named: Any) -> Tensor:
        if len(args) == 2 and isinstance(args[0], (tuple, list)) and make.__code__.co_argcount == 0:
            args, dtype = (args[0],), args[-1]  # as np.zeros((2, 3), "float32")
        try:
            array = checked_late(make)(*args, **named)
            kept = array.dtype.kind != "f" or (name.endswith("_like") and dtype is None)
            wanted = dtype if dtype is not None else array.dtype if kept else get_default_dtype()
            made: Tensor = wrap(array.astype(wanted, copy=False))
        except (TypeError, ValueError) as error:
            text = str(error).removeprefix(f"{name}: ").removeprefix(": ")
            raise type(error)(f"{name}: {text}") from None
        return made.requires_grad_() if requires_grad else made

    new.__name__ = new.__qualname__ = name
    new.__doc__ = f"{summary}\n\n>>> ag.{call}\n{shown}\n"
    return new


def _both(name: str, fill: Callable[[Any], Any], summary: str) -> tuple[New, New]:
    """The function of a size, and the one of an array whose shape and dtype the result has."""

    def like(x: Any) -> Any:
        plain, drawn = as_numbers("", "x", values(x)), name.startswith("rand")
        dtype = plain.dtype if plain.dtype.kind == "f" or not drawn else get_default_dtype()
        return fill(plain.shape).astype(dtype)

    make, shown = lambda *sizes, size=(): fill(_size(sizes or (size,))), f"{name}(2, 3).shape"
    sized = _new(make, f"{summary}.", f"{shown} -> (2, 3)")
    text = f"{summary}, of the shape and dtype of x; draws for integers are floats."
    return sized, _new(like, text, f"{name}_like(ag.eye(2)).shape -> (2, 2)")


def _size(given: tuple[Any, ...]) -> tuple[int, ...]:
    """A size of integers one by one, or in one tuple."""
    listed = len(given) == 1 and isinstance(given[0], (tuple, list))
    found = whole_numbers("", "size", tuple(given[0]) if listed else given)
    return tuple(integer("", "size", n, 0) for n in found)


def _integers(low: int, high: Any = None, size: Any = None) -> Any:
    if isinstance(high, (tuple, list)):  # PyTorch's randint(high, size)
        high, size = None, high
    first, end = (0, low) if high is None else (low, high)
    return np.asarray(random.generator().integers(first, end, size))


def _range(start: Any, stop: Any = None, step: Any = 1) -> Any:
    return np.arange(start) if stop is None else np.arange(start, stop, step)


# fmt: off
zeros, zeros_like = _both("zeros", np.zeros, "Zeros")
ones, ones_like = _both("ones", np.ones, "Ones")
empty, empty_like = _both("empty", np.empty, "Values that nobody has set")
rand, rand_like = _both("rand", lambda n: random.generator().random(n), "Draws from [0, 1)")
randn, randn_like = _both(
    "randn", lambda n: random.generator().standard_normal(n), "Draws from N(0, 1)")
randint = _new(
    _integers, "Draws from the integers from `low` (0 when left out) to below `high`.",
    "randint(0, 10, (2, 3)).shape -> (2, 3)")
full = _new(
    lambda size, fill_value: np.full(
        _size((size,)), default_array(as_numbers("", "fill_value", fill_value))),
    "One value repeated to a size.", "full((2,), 0.5) -> tensor([0.5, 0.5])")
full_like = _new(
    lambda x, fill_value: np.full_like(
        as_numbers("", "x", x), as_numbers("", "fill_value", fill_value)),
    "One value repeated, of the shape and dtype of x.",
    "full_like(ag.zeros(2), 0.5) -> tensor([0.5, 0.5])")
arange = _new(
    _range, "Numbers from `start` (0 when left out) to below `stop`; integers if all three are.",
    "arange(3) -> tensor([0, 1, 2])")
linspace = _new(
    lambda start, stop, num=50: np.linspace(start, stop, num),
    "`num` numbers at equal distances, both ends included.",
    "linspace(0, 1, 3) -> tensor([0. , 0.5, 1. ])")
eye = _new(
    lambda n, m=None: np.eye(n, m), "Ones on the diagonal of n rows and m (by default n) columns.",
    "eye(1, 2) -> tensor([[1., 0.]])")
# fmt: on
