"""What the functions share: checks of their arguments, geometry, reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_cnn.engine.node import Array, Node
from autograd_cnn.kernels.window import Window

SHAPES = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
"""The shape of an input with so many spatial axes."""


def check_images(name: str, shape: tuple[int, ...], axes: int) -> None:
    """Raise ValueError unless there are a batch axis, a channel axis and `axes` spatial ones."""
    if len(shape) != axes + 2:
        hint = "; add a batch axis with x[None]" if len(shape) == axes + 1 else ""
        raise ValueError(f"{name}: input must have shape {SHAPES[axes]}, got {shape}{hint}")


def shape_of(x: Array | None) -> tuple[int, ...] | None:
    """The shape of an argument that may be left out."""
    return None if x is None else x.shape


def window_of(name: str, make: Callable[..., Window], *settings: Any) -> Window:
    """The geometry that `make` checks and builds; errors start with the function's name."""
    try:
        return make(*settings)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def reduce_losses(name: str, losses: Array, reduction: str) -> Array:
    """The mean, the sum or, for 'none', all of the losses; ValueError for another word."""
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def plain_value(name: str, argument: str, value: Any) -> None:
    """Raise TypeError for a tensor that requires gradients where none are computed."""
    if isinstance(value, Node) and value.requires_grad:
        raise TypeError(f"{name}: {argument} gets no gradient; pass .detach() of it")


def same_shape(name: str, input: Array, target: Array) -> Array:
    """`target`, which must have the shape of `input`; ValueError otherwise.

    (N, 1) against (N,) would broadcast to (N, N) and train on nonsense.
    """
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: input and target must have the same shape, got {input.shape} and "
            f"{target.shape}; reshape one of them"
        )
    return target
