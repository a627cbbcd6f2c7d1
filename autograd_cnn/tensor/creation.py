"""New tensors of the default dtype: filled, spaced, or drawn from the generator of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import integer, whole_numbers
from autograd_cnn.config import default_array, get_default_dtype
from autograd_cnn.engine.arguments import as_numbers, checked
from autograd_cnn.engine.node import values, wrap

if TYPE_CHECKING:
    from autograd_cnn.tensor import Tensor

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like",
    "rand", "rand_like", "randint", "randn", "randn_like", "zeros", "zeros_like",
]  # fmt: skip


def _new(make: Callable[..., Any], summary: str, example: str) -> Callable[..., Tensor]:
    """The function that wraps the arrays that `make` gives into tensors.

    It takes ``dtype=`` and ``requires_grad=`` besides; floats get the default dtype.
    """
    call, shown = example.split(" -> ")
    name = make.__name__ = make.__qualname__ = call.partition("(")[0]
    array_of = checked(make)

    def new(*args: Any, dtype: Any = None, requires_grad: bool = False, **named: Any) -> Tensor:
        if len(args) == 2 and isinstance(args[0], (tuple, list)) and name in _SIZED:
            args, dtype = (args[0],), args[-1]  # as np.zeros((2, 3), "float32")
        try:
            array = array_of(*args, **named)
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


def _size(given: tuple[Any, ...]) -> tuple[int, ...]:
    """A size of integers one by one, or in one tuple."""
    listed = len(given) == 1 and isinstance(given[0], (tuple, list))
    found = whole_numbers("", "size", tuple(given[0]) if listed else given)
    return tuple(integer("", "size", n, 0) for n in found)


def _uniform(shape: Any) -> Any:
    return random.generator().random(shape)


def _normal(shape: Any) -> Any:
    return random.generator().standard_normal(shape)


def _like(draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What `draw` gives for the shape of an array, in its dtype; draws for integers are floats."""

    def make(x: Any) -> Any:
        plain, drawn = as_numbers("", "x", values(x)), draw in (_uniform, _normal)
        kept = plain.dtype.kind == "f" or not drawn
        return draw(plain.shape).astype(plain.dtype if kept else get_default_dtype())

    return make


def _integers(low: int, high: Any = None, size: Any = None) -> Any:
    if isinstance(high, (tuple, list)):  # PyTorch's randint(high, size)
        high, size = None, high
    first, end = (0, low) if high is None else (low, high)
    return np.asarray(random.generator().integers(first, end, size))


_SIZED = ("zeros", "ones", "empty", "rand", "randn")
# fmt: off
zeros = _new(lambda *size: np.zeros(_size(size)), "Zeros.", "zeros(2) -> tensor([0., 0.])")
ones = _new(lambda *size: np.ones(_size(size)), "Ones.", "ones(2) -> tensor([1., 1.])")
empty = _new(
    lambda *size: np.empty(_size(size)), "Values that nobody has set.", "empty(2).shape -> (2,)")
rand = _new(
    lambda *size: _uniform(_size(size)), "Draws from [0, 1).", "rand(2, 3).shape -> (2, 3)")
randn = _new(
    lambda *size: _normal(_size(size)), "Draws from N(0, 1).", "randn(2, 3).shape -> (2, 3)")
randint = _new(
    _integers, "Draws from the integers from `low` (0 when left out) to below `high`.",
    "randint(0, 10, (2, 3)).shape -> (2, 3)")
full = _new(
    lambda size, fill_value: np.full(_size((size,)), default_array(as_numbers(
        "", "fill_value", fill_value))),
    "One value repeated to a size.", "full((2,), 0.5) -> tensor([0.5, 0.5])")
arange = _new(
    lambda start, stop=None, step=1: np.arange(*(
        (start,) if stop is None else (start, stop, step))),
    "Numbers from `start` (0 when left out) to below `stop`; integers if all three are.",
    "arange(3) -> tensor([0, 1, 2])")
linspace = _new(
    lambda start, stop, num=50: np.linspace(start, stop, num),
    "`num` numbers at equal distances, both ends included.",
    "linspace(0, 1, 3) -> tensor([0. , 0.5, 1. ])")
eye = _new(
    lambda n, m=None: np.eye(n, m), "Ones on the diagonal of n rows and m (by default n) columns.",
    "eye(1, 2) -> tensor([[1., 0.]])")
zeros_like = _new(
    _like(np.zeros), "Zeros of the shape and dtype of x.",
    "zeros_like(ag.ones(2)) -> tensor([0., 0.])")
ones_like = _new(
    _like(np.ones), "Ones of the shape and dtype of x.",
    "ones_like(ag.zeros(2)) -> tensor([1., 1.])")
full_like = _new(
    lambda x, fill_value: np.full_like(
        as_numbers("", "x", x), as_numbers("", "fill_value", fill_value)),
    "One value repeated, of the shape and dtype of x.",
    "full_like(ag.zeros(2), 0.5) -> tensor([0.5, 0.5])")
empty_like = _new(
    _like(np.empty), "Values that nobody has set, of the shape and dtype of x.",
    "empty_like(ag.zeros(2)).shape -> (2,)")
rand_like = _new(
    _like(_uniform), "Draws from [0, 1), of the shape and dtype of x.",
    "rand_like(ag.zeros(2)).shape -> (2,)")
randn_like = _new(
    _like(_normal), "Draws from N(0, 1), of the shape and dtype of x.",
    "randn_like(ag.zeros(2)).shape -> (2,)")
# fmt: on
