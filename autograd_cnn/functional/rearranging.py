"""Images padded, cropped and rearranged between channels and space; unpooling."""

from __future__ import annotations

import math

import numpy as np

from autograd_cnn.checks import choice, integer, misfit, per_axis
from autograd_cnn.engine.node import Array
from autograd_cnn.functional.geometry import SHAPES, of_rank
from autograd_cnn.ops import join
from autograd_cnn.ops.formulas import functional
from autograd_cnn.ops.pick import positions, put
from autograd_cnn.ops.shape import along
from autograd_cnn.ops.signatures import array_function

__all__ = [
    "max_unpool1d", "max_unpool2d", "max_unpool3d", "pad", "pixel_shuffle", "pixel_unshuffle",
]  # fmt: skip

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's modes of padding and NumPy's names for them."""


@array_function
def pad(
    input: Array, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> Array:
    """The input with `pad` more values: (before, after) for the last axis, then for the one before
    it, and so on.  Negative numbers cut values off.

    `mode` is 'constant' (`value`, 0 by default), 'reflect' (mirrored, without the edge itself),
    'replicate' (the edge) or 'circular' (the other end).  `ag.pad` takes pairs from the first axis.

    >>> F.pad(np.array([1.0, 2.0, 3.0]), (2, -1), mode="reflect")
    array([3., 2., 1., 2.])
    """
    choice("pad", "mode", mode, (*_MODES,))
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise misfit("pad", f"pad {pad} must be two numbers for each of the last axes", input)
    if mode != "constant" and value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    pairs = [*[(0, 0)] * (input.ndim - len(pad) // 2), *list(zip(pad[::2], pad[1::2]))[::-1]]
    grown = [(max(before, 0), max(after, 0)) for before, after in pairs]
    for n, pair, widths in zip(input.shape, pairs, grown):
        most = {"reflect": n - 1, "circular": n, "replicate": n and np.inf}.get(mode, np.inf)
        if max(widths) > max(most, 0) or n + sum(pair) < 0:
            raise misfit("pad", f"{mode} padding {pair} is too much for an axis of size {n}", input)
    if mode == "constant":
        input = join.pad(input, widths=tuple(grown), value=value or 0.0)
    for axis, ((before, after), widths) in enumerate(zip(pairs, grown)):
        if mode != "constant" and any(widths):
            cells = np.pad(np.arange(input.shape[axis]), widths, _MODES[mode])  # type: ignore[call-overload]
            input = input[along(axis, cells)]
        if min(before, after) < 0:
            end = input.shape[axis] + min(after, 0)
            input = input[along(axis, slice(max(-before, 0), end))]
    return input


def _rearranged(name: str, x: Array, factor: int, down: bool) -> Array:
    """Pixels as channels, or back."""
    r = integer(name, "downscale_factor" if down else "upscale_factor", factor, 1)
    sides, step = (x.shape[-2:], r) if down else (x.shape[-3:-2], r * r)
    if x.ndim < 3 or any(n % step for n in sides):
        raise misfit(name, f"needs (..., C, H, W) with sizes that {step} divides", x)
    *lead, c, h, w = x.shape
    if down:
        order, split, size = (0, 2, 4, 1, 3), (c, h // r, r, w // r, r), (c * r * r, h // r, w // r)
    else:
        c //= r * r
        order, split, size = (0, 3, 1, 4, 2), (c, r, r, h, w), (c, h * r, w * r)
    n = len(lead)
    x = x.reshape((*lead, *split)).transpose((*range(n), *(n + a for a in order)))
    return x.reshape((*lead, *size))


def _max_unpool(
    axes: int,
    input: Array,
    indices: Array,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    output_size: tuple[int, ...] | None = None,
) -> Array:
    name, lead = f"max_unpool{axes}d", input.shape[:-axes]
    if len(lead) not in (1, 2) or indices.shape != input.shape:
        wanted = f"input and indices must have one shape {SHAPES[axes]}"
        raise misfit(name, wanted, input, indices)
    kernel = per_axis(name, "kernel_size", kernel_size, 1, axes)
    steps = kernel if stride is None else per_axis(name, "stride", stride, 1, axes)
    pads, inner = per_axis(name, "padding", padding, 0, axes), input.shape[-axes:]
    sides = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(inner, steps, pads, kernel))
    if output_size is not None:  # it may be a whole shape
        given = output_size[-axes:] if isinstance(output_size, (tuple, list)) else output_size
        sides = per_axis(name, "output_size", given, 0, axes)
    rows, cells = math.prod(lead), math.prod(sides)
    at = positions(name, "indices", indices, cells, f"images of {sides} have {cells} cells")
    index = np.arange(rows)[:, None], at.reshape((rows, -1))
    out = put(np.zeros((rows, cells), input.dtype), input.reshape(index[1].shape), index=index)
    return out.reshape((*lead, *sides))


@array_function
@of_rank(1, _max_unpool)
def max_unpool1d() -> None:
    """Zeros, with the values of input (N, C, L) in the cells that `indices` names; see
    `max_unpool2d`.

    >>> F.max_unpool1d(np.array([[[3.0, 4.0]]]), np.array([[[1, 2]]]), 2)
    array([[[0., 3., 4., 0.]]])
    """


@array_function
@of_rank(2, _max_unpool)
def max_unpool2d() -> None:
    """Zeros, with the values of input (N, C, H, W) in the cells that `indices` names.

    Both are as `max_pool2d` returns them with these settings.  `output_size` replaces the size that
    they give.  If cells repeat, the last value stays.

    >>> x, at = F.max_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), 2, return_indices=True)
    >>> F.max_unpool2d(x, at, 2)
    array([[[[0., 0.],
             [0., 3.]]]])
    """


@array_function
@of_rank(3, _max_unpool)
def max_unpool3d() -> None:
    """Zeros, with the values of input (N, C, D, H, W) in the cells that `indices` names; see
    `max_unpool2d`.

    >>> F.max_unpool3d(np.full((1, 1, 1, 1, 1), 5.0), np.full((1, 1, 1, 1, 1), 7), 2).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 5.])
    """


# fmt: off
pixel_shuffle = functional(
    lambda input, upscale_factor: _rearranged("pixel_shuffle", input, upscale_factor, False),
    "Channels as pixels: (..., C * r * r, H, W) -> (..., C, H * r, W * r).\n\n"
    "Shi and others, \"Real-time single image and video super-resolution\" (2016).",
    "pixel_shuffle([[[0.0]], [[1.0]], [[2.0]], [[3.0]]], 2)[0, 1] -> [2., 3.]", numbers=1)
pixel_unshuffle = functional(
    lambda input, downscale_factor: _rearranged("pixel_unshuffle", input, downscale_factor, True),
    "Pixels as channels: (..., C, H * r, W * r) -> (..., C * r * r, H, W).",
    "pixel_unshuffle([[[0.0, 1.0], [2.0, 3.0]]], 2)[:, 0, 0] -> [0., 1., 2., 3.]", numbers=1)
# fmt: on
