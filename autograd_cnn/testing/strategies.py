"""Hypothesis strategies for tensors, shapes, convolutions and pooling (needs the package
hypothesis).

Values are permutations of evenly spaced numbers that are not 0, so no finite difference crosses a
kink of relu or abs, or a tie of max.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd_cnn.tensor import Tensor

Strategy = st.SearchStrategy
SEEDS = st.integers(0, 2**32 - 1)


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> Strategy[tuple[int, ...]]:
    """Shapes with sides between `min_side` and `max_side`."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(
        tuple
    )


def evenly_spaced(
    shape: tuple[int, ...], seed: Any, low: float = -2.0, high: float = 2.0
) -> np.ndarray:
    """A random permutation of evenly spaced float64 numbers between `low` and `high`, none of them
    0 or equal.
    """
    n = math.prod(shape)
    rng = np.random.default_rng(seed)
    # An offset of its own keeps two arrays free of ties; between 0.3 and 0.45 it never meets 0 in a
    # symmetric range.
    offset = rng.uniform(0.3, 0.45)
    return (low + (high - low) / max(n, 1) * (rng.permutation(n) + offset)).reshape(shape)


@st.composite
def arrays(draw: Any, shape: Any = None, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Evenly spaced float64 values in random order; `shape` is a shape, a strategy of shapes, or
    any if None.
    """
    if shape is None:
        shape = shapes()
    if isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    return evenly_spaced(tuple(shape), draw(SEEDS), low, high)


def positive(shape: Any = None) -> Strategy[np.ndarray]:
    """As `arrays`, with values between 0.3 and 3."""
    return arrays(shape, 0.3, 3.0)


def tensors(shape: Any = None, low: float = -2.0, high: float = 2.0) -> Strategy[Tensor]:
    """As `arrays`: float64 tensors that require gradients, ready for `gradcheck`."""
    return arrays(shape, low, high).map(lambda a: Tensor(a, requires_grad=True))


@st.composite
def broadcastable(
    draw: Any, count: int = 2, low: float = -2.0, high: float = 2.0
) -> list[np.ndarray]:
    """Arrays of different shapes that broadcast together: axes of size 1 and missing leading axes,
    also size 0.
    """
    full = draw(st.lists(st.sampled_from([1, 2, 3, 2, 3, 0]), max_size=3))
    seed = draw(SEEDS)
    found = []
    for number in range(count):
        sides = [draw(st.sampled_from([n, n, 1])) for n in full]
        skip = draw(st.integers(0, len(sides)))
        found.append(evenly_spaced(tuple(sides[skip:]), [seed, number], low, high))  # no ties
    return found


@st.composite
def conv_settings(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w and the settings of a small convolution: every stride, padding, dilation,
    groups, leftover rows.
    """
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    each = draw(st.integers(1, 2))
    filters = groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride, dilation = (
        draw(st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 2))))
        for _ in "sd"
    )
    padding = draw(
        st.one_of(
            st.integers(0, 2),
            st.tuples(st.integers(0, 2), st.integers(0, 2)),
            st.sampled_from(["same", "valid"]),
        )
    )
    pads = (
        (0, 0)
        if isinstance(padding, str)
        else (padding, padding)
        if isinstance(padding, int)
        else padding
    )
    steps = (dilation, dilation) if isinstance(dilation, int) else dilation
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(steps, kernel, pads)]
    size = [n + draw(st.integers(0, 3)) for n in least]
    x = (draw(st.integers(1, 2)), groups * each, *size)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, (filters, each, *kernel), settings


@st.composite
def pool_settings(draw: Any, dilated: bool = True) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Shape of x and settings of a small pooling: overlapping windows, padding, dilation,
    ceil_mode.
    """
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(
        st.one_of(st.none(), st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
    )
    padding = draw(st.tuples(*(st.integers(0, k // 2) for k in kernel)))
    settings: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    dilation = draw(st.integers(1, 2)) if dilated else 1
    if dilated:
        settings["dilation"] = dilation
    least = [max(1, dilation * (k - 1) + 1 - 2 * p) for k, p in zip(kernel, padding)]
    size = [n + draw(st.integers(0, 3)) for n in least]
    return (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *size), settings
