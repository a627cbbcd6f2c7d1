"""Checks of images, and windows from settings, for convolution, pooling and resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_cnn.engine.node import Array
from autograd_cnn.kernels.window import Window

SHAPES = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
"""The shape of an input with that many spatial axes."""


def check_images(name: str, shape: tuple[int, ...], axes: int) -> None:
    """Raise ValueError unless `shape` has a batch axis, a channel axis and `axes` spatial axes."""
    if len(shape) != axes + 2:
        hint = "; add a batch axis with x[None]" if len(shape) == axes + 1 else ""
        raise ValueError(f"{name}: input must have shape {SHAPES[axes]}, got {shape}{hint}")


def shape_of(x: Array | None) -> tuple[int, ...] | None:
    """The shape of an optional argument."""
    return None if x is None else x.shape


def window_of(name: str, make: Callable[..., Window], *settings: Any) -> Window:
    """The window that `make` checks and builds; its errors get the function's name."""
    try:
        return make(*settings)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
