"""The workloads of --breadth: families of calls, each in several sizes.

A family is a builder here and a row of `GROUPS`.  The name of a size holds the builder's first
arguments, so `conv 3x3/32x16x28` has a batch of 32, 16 channels and 28 x 28 pixels.  The calls are
written once, with the names that PyTorch and autograd_cnn share.  `calls` in with_*.py has those
names that differ.  This module imports only NumPy, so every worker can read it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Work:
    """Inputs, and a call on them; those numbered in `constant` and integers need no gradient."""

    call: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    constant: tuple[int, ...] = ()


# ------------------------------------------------------------------------------------------ inputs


def values(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Normal numbers in float32; the same ones for the same shape and seed."""
    return (np.random.default_rng((seed, *shape)).standard_normal(shape) * scale).astype("f4")


def maps(*shape: int, order: str = "ours") -> np.ndarray:
    """Images (N, C, ...): in memory the batch comes last, as autograd_cnn makes them, or first."""
    x = values(*shape)
    return x if order == "C" else np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)


def weights(filters: int, *shape: int) -> np.ndarray:
    return values(filters, *shape, scale=float(np.prod(shape)) ** -0.5)


# ------------------------------------------------------------------------------------ convolutions


def convolution(
    *sizes: int, k: int = 3, groups: int = 1, order: str = "ours", first: bool = False, **how: Any
) -> Work:
    """Sizes are batch, channels, image, and filters (as many as channels).

    `groups=0` gives every channel its own group.  A network's `first` needs no image gradient.
    """
    n, c, size, filters = (*sizes, sizes[1])[:4]
    groups = groups or c
    inputs = maps(n, c, size, size, order=order), weights(filters, c // groups, k, k)

    def call(lib: Any, x: Any, w: Any, b: Any) -> Any:
        return lib.F.conv2d(x, w, b, groups=groups, **how)

    return Work(call, (*inputs, values(filters)), (0,) if first else ())


def line(n: int, c: int, size: int) -> Work:
    inputs = maps(n, c, size), weights(c, c, 9), values(c)
    return Work(lambda lib, x, w, b: lib.F.conv1d(x, w, b, padding=4), inputs)


def transposed(n: int, c: int, size: int) -> Work:
    """Twice as large, with half the channels."""
    inputs = maps(n, c, size, size), weights(c, c // 2, 4, 4), values(c // 2)
    return Work(lambda lib, x, w, b: lib.F.conv_transpose2d(x, w, b, stride=2, padding=1), inputs)


# -------------------------------------------------------------- pooling, norms, functions of values


def on_maps(n: int, c: int, size: int, call: Callable[..., Any]) -> Work:
    return Work(call, (maps(n, c, size, size),))


def on_rows(*shape: int, call: Callable[..., Any]) -> Work:
    return Work(call, (values(*shape),))


def pooling(kind: str, k: int, *sizes: int, **how: Any) -> Work:
    return on_maps(*sizes, call=lambda lib, x: getattr(lib.F, f"{kind}_pool2d")(x, k, **how))


def batch_norm(n: int, c: int, size: int, order: str = "ours") -> Work:
    def call(lib: Any, x: Any, w: Any, b: Any) -> Any:
        return lib.F.batch_norm(x, None, None, w, b, training=True)

    return Work(call, (maps(n, c, size, size, order=order), values(c), values(c)))


def layer_norm(n: int, t: int, c: int) -> Work:
    inputs = values(n, t, c), values(c), values(c)
    return Work(lambda lib, x, w, b: lib.F.layer_norm(x, (c,), w, b), inputs)


def group_norm(n: int, c: int, size: int) -> Work:
    inputs = maps(n, c, size, size), values(c), values(c)
    return Work(lambda lib, x, w, b: lib.F.group_norm(x, 8, w, b), inputs)


def attention(n: int, heads: int, t: int, c: int) -> Work:
    inputs = tuple(values(n, heads, t, c, seed=seed) for seed in range(3))
    return Work(lambda lib, q, k, v: lib.attention(q, k, v), inputs)


# -------------------------------------------------------------------------- products and recurrence


def linear(*sizes: int) -> Work:
    """Sizes are those of the input, and the number of outputs."""
    *shape, outputs = sizes
    inputs = values(*shape), weights(outputs, shape[-1]), values(outputs)
    return Work(lambda lib, x, w, b: lib.F.linear(x, w, b), inputs)


def matmul(*shape: int) -> Work:
    """Square matrices: of one size, or a batch of them."""
    shape = (*shape, shape[-1])
    return Work(lambda lib, x, y: lib.matmul(x, y), (values(*shape), values(*shape, seed=1)))


def einsum(n: int, t: int, heads: int, c: int) -> Work:
    def call(lib: Any, x: Any, y: Any) -> Any:
        return lib.einsum("nthc,nshc->nhts", x, y)

    return Work(call, (values(n, t, heads, c), values(n, t, heads, c, seed=1)))


def rnn(n: int, t: int, c: int) -> Work:
    def call(lib: Any, x: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        for i in range(t):
            h = lib.tanh(lib.matmul(x[:, i], w) + lib.matmul(h, u) + b)
        return h

    inputs = values(n, t, c), weights(c, c), weights(c, c), values(c), np.zeros((n, c), "f4")
    return Work(call, inputs, (4,))


def lstm(n: int, t: int, c: int) -> Work:
    def call(lib: Any, x: Any, w: Any, u: Any, b: Any, h: Any) -> Any:
        kept = h
        for i in range(t):
            z = lib.matmul(x[:, i], w) + lib.matmul(h, u) + b
            gates = lib.F.sigmoid(z[:, : 3 * c])
            new = lib.tanh(z[:, 3 * c :])
            kept = gates[:, :c] * kept + gates[:, c : 2 * c] * new
            h = gates[:, 2 * c :] * lib.tanh(kept)
        return h

    wide = weights(c, 4 * c), weights(c, 4 * c), values(4 * c)
    return Work(call, (values(n, t, c), *wide, np.zeros((n, c), "f4")), (4,))


# ------------------------------------------------------------------------------------------- others


def embedding(n: int, t: int, c: int) -> Work:
    words = np.random.default_rng(n).integers(0, 1000, (n, t))
    return Work(lambda lib, i, w: lib.F.embedding(i, w), (words, values(1000, c)))


def concatenate(n: int, c: int, size: int) -> Work:
    inputs = maps(n, c, size, size), maps(n, c, size, size)
    return Work(lambda lib, x, y: lib.concatenate(x, y, 1), inputs)


def interpolate(lib: Any, x: Any, **how: Any) -> Any:
    return lib.F.interpolate(x, scale_factor=2, **how)


# ---------------------------------------------------------------------------------------- the table


conv, pool = partial(partial, convolution), partial(partial, pooling)
each, rows = (lambda call: partial(on_maps, call=call)), (lambda call: partial(on_rows, call=call))
GROUPS: dict[str, dict[str, tuple[str, Callable[..., Work]]]] = {
    "conv 3x3": {
        "conv 3x3": ("32x16x28 100x48x14 32x64x14 17x3x32x16", conv(padding=1)),
        "conv 3x3 C order": ("32x16x28 100x48x14", conv(padding=1, order="C")),
    },
    "other convolutions": {
        "conv 3x3 wide": ("32x130x14 17x256x8", conv(padding=1)),
        "conv 3x3 small batch": ("1x16x28 1x64x14 3x48x28 8x64x14", conv(padding=1)),
        "conv 3x3 stride 2": ("32x16x28 8x64x28 1x48x14x130", conv(padding=1, stride=2)),
        "conv 3x3 dilated": ("32x16x28 3x48x28", conv(padding=2, dilation=2)),
        "conv transposed": ("32x16x14 3x64x8", transposed),
        "patches 4x4": ("32x3x32x48 8x3x56x130", conv(k=4, stride=4, first=True)),
        "conv 7x7 stride 2": ("8x3x56x64 32x3x56x16", conv(k=7, padding=3, stride=2, first=True)),
        "conv 1-D long": ("8x16x1000 32x48x256", line),
    },
    "depthwise, grouped, 1x1": {
        "depthwise 3x3": ("32x48x28 1x64x28 8x256x14", conv(padding=1, groups=0)),
        "depthwise 3x3 stride 2": ("17x64x28", conv(padding=1, groups=0, stride=2)),
        "grouped 3x3": ("32x64x14 8x48x28", conv(padding=1, groups=4)),
        "conv 1x1": ("32x64x14 8x256x8x64 1x64x28x130 100x16x14x48", conv(k=1)),
    },
    "pooling": {
        "max pool 2": ("32x16x28 1x64x28 100x48x8", pool("max", 2)),
        "max pool 3 stride 2": ("17x64x28", pool("max", 3, stride=2, padding=1)),
        "average pool 2": ("32x16x28 8x130x14", pool("avg", 2)),
        "global average": ("32x64x8 1x256x14", pool("adaptive_avg", 1)),
    },
    "norms": {
        "batch norm": ("32x16x28 100x48x14 3x256x8", batch_norm),
        "batch norm C order": ("32x16x28", partial(batch_norm, order="C")),
        "layer norm": ("32x50x64 1x100x256 8x64x130", layer_norm),
        "group norm": ("32x16x28 3x64x14", group_norm),
    },
    "activations, softmax, attention": {
        "gelu": ("32x16x28 3x64x8", each(lambda lib, x: lib.F.gelu(x))),
        "gelu of rows": ("8x50x256", rows(lambda lib, x: lib.F.gelu(x))),
        "silu": ("32x16x28 3x64x8", each(lambda lib, x: lib.F.silu(x))),
        "tanh": ("32x16x28 3x64x8", each(lambda lib, x: lib.tanh(x))),
        "exp": ("32x16x28 3x64x8", each(lambda lib, x: lib.exp(x))),
        "softmax": ("100x10 32x1000 8x64x130", rows(lambda lib, x: lib.F.softmax(x, -1))),
        "log_softmax": ("100x10 32x1000 8x64x130", rows(lambda lib, x: lib.F.log_softmax(x, -1))),
        "attention": ("8x4x64x32 1x8x100x48 32x4x17x16", attention),
    },
    "products": {
        "linear of sequences": ("32x50x64x256 8x100x130x48", linear),
        "wide linear": ("100x784x256 32x2048x1000 1x784x128", linear),
        "square matmul": ("256 600", matmul),
        "batched matmul": ("32x48 8x130", matmul),
        "einsum": ("8x64x4x32 32x17x3x16", einsum),
    },
    "recurrence": {
        "RNN loop": ("32x20x48 1x20x64 100x8x130", rnn),
        "LSTM loop": ("32x16x64 3x16x48", lstm),
    },
    "others": {
        "embedding": ("32x50x64 100x17x130", embedding),
        "concatenate": ("32x16x28 3x64x14", concatenate),
        "interpolate nearest": ("17x16x14", each(partial(interpolate, mode="nearest"))),
        "interpolate bilinear": ("17x16x14", each(partial(interpolate, mode="bilinear"))),
        "sum over axis 1": ("32x48x256", rows(lambda lib, x: lib.sum(x, axis=1))),
        "sum over the last axis": ("100x64x130", rows(lambda lib, x: lib.sum(x, axis=-1))),
        "cumsum": ("100x1000", rows(lambda lib, x: lib.cumsum(x, axis=1))),
        "sort": ("100x1000", rows(lambda lib, x: lib.sort(x, axis=1))),
    },
}
"""The families by groups: the name of each, its sizes, and the builder of its workloads."""


def make(name: str) -> Work:
    """The workload FAMILY/SIZE."""
    family, _, size = name.rpartition("/")
    _, build = next(group[family] for group in GROUPS.values() if family in group)
    return build(*map(int, size.split("x")))
