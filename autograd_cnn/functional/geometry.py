"""What convolution, pooling and resampling share: checks of images, windows kept by their settings,
and the batch axis of a single image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, ParamSpec, TypeVar

from autograd_cnn.engine.node import Array
from autograd_cnn.kernels.window import Window

P = ParamSpec("P")
R = TypeVar("R")

SHAPES = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
"""The shape of an input with that many spatial axes."""


def check_images(name: str, shape: tuple[int, ...], axes: int) -> None:
    """Raise ValueError unless `shape` has a batch axis, a channel axis and `axes` spatial axes."""
    if len(shape) != axes + 2:
        single = SHAPES[axes].replace("N, ", "")
        raise ValueError(f"{name}: input must have shape {SHAPES[axes]} or {single}, got {shape}")


def batch_of_one(function: Callable[..., Any], x: Array, *settings: Any) -> Any:
    """``function(x, *settings)`` of x (C, ...) without a batch axis: the results have none either.

    Functions call this themselves, because a decorator would cost other inputs a call.
    """
    out = function(x.reshape((1, *x.shape)), *settings)
    if isinstance(out, tuple):
        return tuple(part.reshape(part.shape[1:]) for part in out)
    return out.reshape(out.shape[1:])


def kept(make: Callable[..., Window]) -> Callable[..., Window]:
    """Cache windows by their settings, unless these are unhashable, such as lists.

    Checking settings takes 3.4 us of a convolution's 16.
    """
    cached = functools.lru_cache(maxsize=4096, typed=True)(make)

    @functools.wraps(make)
    def window(*settings: Any, **named: Any) -> Window:
        try:
            return cached(*settings, **named)
        except TypeError:
            return make(*settings, **named)

    return window


def of_rank(
    axes: int, function: Callable[Concatenate[int, P], R]
) -> Callable[[Callable[[], None]], Callable[P, R]]:
    """Decorate the name and the docstring of a function for that many spatial axes.

    What is decorated has no parameters.  It becomes `function`, which takes `axes` first.
    """

    def declare(named: Callable[[], None]) -> Callable[P, R]:
        found: Any = functools.update_wrapper(functools.partial(function, axes), named)
        found.__wrapped__ = MethodType(function, axes)  # its signature lacks `axes`
        return found

    return declare
