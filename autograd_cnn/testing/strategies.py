"""Hypothesis strategies for tensors, shapes, convolutions and pooling (needs hypothesis).

Values are permutations of evenly spaced numbers without 0, so no finite difference crosses a kink
of relu or abs, or a tie of max.

>>> from hypothesis import find
>>> find(shapes(), lambda shape: shape == (1, 2))
(1, 2)
>>> find(arrays((2, 3)), lambda x: True).shape, find(tensors((2,)), lambda x: True).requires_grad
((2, 3), True)
>>> bool(find(positive((2,)), lambda x: True).min() > 0.0)
True
>>> x, y = find(broadcastable(), lambda xs: xs[0].shape != xs[1].shape)
>>> (x + y).ndim == max(x.ndim, y.ndim)
True
>>> sorted(find(conv_settings(axes=2), lambda settings: True))
['dilation', 'kernel', 'padding', 'size', 'stride']
>>> len(find(transpose_settings(axes=1), lambda settings: True)["out"])
1
>>> len(find(pool_settings(axes=2), lambda settings: True)["padding"])
2
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
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


def evenly_spaced(
    shape: tuple[int, ...], seed: Any, low: float = -2.0, high: float = 2.0
) -> np.ndarray:
    """Evenly spaced float64 numbers between `low` and `high` in random order, without 0.

    >>> evenly_spaced((2, 2), seed=0).round(3)
    array([[ 1.396,  0.396],
           [-1.604, -0.604]])
    """
    n = math.prod(shape)
    rng = np.random.default_rng(seed)
    # A random offset prevents ties between arrays.  From 0.3 to 0.45 it never yields 0 in a
    # symmetric range.
    offset = rng.uniform(0.3, 0.45)
    return (low + (high - low) / max(n, 1) * (rng.permutation(n) + offset)).reshape(shape)


@st.composite
def arrays(draw: Any, shape: Any = None, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Evenly spaced float64 values in random order; `shape` may be a strategy, None means any."""
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
    """Arrays that broadcast together, with axes of size 1 and 0, and missing leading axes."""
    full = draw(st.lists(st.sampled_from([1, 2, 3, 2, 3, 0]), max_size=3))
    seed = draw(SEEDS)
    found = []
    for number in range(count):
        sides = [draw(st.sampled_from([n, n, 1])) for n in full]
        skip = draw(st.integers(0, len(sides)))
        found.append(evenly_spaced(tuple(sides[skip:]), [seed, number], low, high))  # no ties
    return found


_AXES = st.sampled_from([1, 2, 2, 3])


def _per_axis(axes: int, low: int, high: int) -> Strategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def conv_settings(draw: Any, axes: int | None = None) -> dict[str, Any]:
    """Image size, kernel and settings of a small convolution over `axes` axes (None: one to three).

    Keys: size, kernel, stride, padding, dilation.
    """
    axes = axes or draw(_AXES)
    spare, largest = (3, 3) if axes < 3 else (1, 2)  # volumes are kept small
    kernel = draw(_per_axis(axes, 1, largest))
    stride = draw(st.one_of(st.integers(1, 3), _per_axis(axes, 1, 3)))
    dilation = draw(st.one_of(st.integers(1, 2), _per_axis(axes, 1, largest)))
    padding = draw(st.one_of(_per_axis(axes, 0, 2), st.sampled_from([0, 1, "same", "valid"])))
    numbers = (0 if isinstance(padding, str) else padding, dilation)
    pads, steps = (v if isinstance(v, tuple) else (v,) * axes for v in numbers)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for d, k, p in zip(steps, kernel, pads)]
    size = tuple(n + draw(st.integers(0, spare)) for n in least)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return {"size": size, "kernel": kernel, **settings}


@st.composite
def transpose_settings(draw: Any, axes: int | None = None) -> dict[str, Any]:
    """As `conv_settings`, for a transposed convolution whose input has the size `out`.

    Keys: out, kernel, stride, padding, output_padding, dilation.
    """
    axes = axes or draw(_AXES)
    largest = 3 if axes < 3 else 2
    kernel, out = draw(_per_axis(axes, 1, largest)), draw(_per_axis(axes, 1, largest))
    stride, dilation = draw(_per_axis(axes, 1, 3)), draw(_per_axis(axes, 1, 2))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation))
    places = zip(out, kernel, stride, extra, dilation)
    bare = [(n - 1) * s + d * (k - 1) + e + 1 for n, k, s, e, d in places]
    padding = tuple(draw(st.integers(0, min(2, (n - 1) // 2))) for n in bare)
    settings = {"stride": stride, "padding": padding, "output_padding": extra}
    return {"out": out, "kernel": kernel, **settings, "dilation": dilation}


@st.composite
def pool_settings(draw: Any, axes: int | None = None, dilated: bool = True) -> dict[str, Any]:
    """Image size and settings of a small pooling that fits it.

    Keys: size, kernel, stride, padding, dilation (1 unless `dilated`), ceil_mode.
    """
    axes = axes or draw(_AXES)
    kernel = draw(_per_axis(axes, 1, 3 if axes < 3 else 2))
    stride = draw(st.one_of(st.none(), st.integers(1, 3), _per_axis(axes, 1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = draw(st.integers(1, 2)) if dilated else 1
    least = [max(1, dilation * (k - 1) + 1 - 2 * p) for k, p in zip(kernel, padding)]
    size = tuple(n + draw(st.integers(0, 3 if axes < 3 else 1)) for n in least)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return {"size": size, "kernel": kernel, **settings, "ceil_mode": draw(st.booleans())}
