"""Cases of the ops that networks are made of: convolution, pooling, normalisation, losses.

Windows have one, two or three spatial axes; three-dimensional ones are kept small.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from autograd_cnn.kernels.window import Window, conv_window, pool_window, transpose_window
from autograd_cnn.ops.pool import winners
from autograd_cnn.testing import strategies as ag_st
from tests import naive
from tests.case_parts import Case, make

conv_windows = st.one_of(
    ag_st.conv_settings().map(lambda s: conv_window(**s)),
    ag_st.transpose_settings().map(lambda s: transpose_window(**s)),
)


@st.composite
def trilinear(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Any]:
    """Shapes of x, w and the output, and the parameters."""
    if draw(st.integers(0, 5)) == 3:
        # One shape for all three, so that taking one for another shows in nothing but the numbers.
        window = conv_window((2,), (2,), stride=1, padding="same", dilation=1)
        return (2, 2, 2), (2, 2, 2), (2, 2, 2), {"window": window, "groups": 1}
    window = draw(conv_windows)
    groups = draw(st.sampled_from([1, 1, 2, 3] if len(window.size) < 3 else [1, 2]))
    each, filters = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    n = draw(st.sampled_from([1, 2, 2, 0]))
    x, w = (n, groups * each, *window.size), (filters, each, *window.kernel)
    return x, w, (n, filters, *window.out), {"window": window, "groups": groups}


@st.composite
def convolutions(draw: Any) -> Case:
    x, w, _, params = draw(trilinear())
    shapes = [x, w, (w[0],)] if draw(st.booleans()) else [x, w]
    return make(*(draw(ag_st.arrays(s)) for s in shapes), **params)


@st.composite
def input_gradients(draw: Any) -> Case:
    _, w, out, params = draw(trilinear())
    return make(draw(ag_st.arrays(out)), draw(ag_st.arrays(w)), **params)


@st.composite
def weight_gradients(draw: Any) -> Case:
    x, _, out, params = draw(trilinear())
    return make(draw(ag_st.arrays(x)), draw(ag_st.arrays(out)), **params)


@st.composite
def columns(draw: Any, folded: bool) -> Case:
    window = draw(conv_windows)
    x = np.zeros((draw(st.integers(0, 2)), draw(st.integers(1, 2)), *window.size))
    shape = naive.unfold(x, window=window).shape if folded else x.shape
    return make(draw(ag_st.arrays(shape)), window=window)


@st.composite
def pooled(draw: Any, dilated: bool = True) -> tuple[np.ndarray, Window]:
    window = pool_window(**draw(ag_st.pool_settings(dilated=dilated)))
    return draw(
        ag_st.arrays((draw(st.sampled_from([1, 2, 2, 0])), draw(st.integers(1, 2)), *window.size))
    ), window


@st.composite
def max_pools(draw: Any) -> Case:
    x, window = draw(pooled())
    # A window over nothing but padding is -inf, which has no numerical derivative (see test_edges.py).
    assume(np.isfinite(naive.max_pool(x, window=window)).all())
    return make(x, window=window)


@st.composite
def window_gathers(draw: Any, scatter: bool = False) -> Case:
    x, window = draw(pooled())
    out = naive.max_pool(x, window=window)
    found = winners(x, out, window)
    return make(draw(ag_st.arrays(out.shape)) if scatter else x, winners=found, window=window)


@st.composite
def average_pools(draw: Any, gradient: bool = False) -> Case:
    x, window = draw(pooled(dilated=False))
    shape = (*x.shape[:2], *window.out) if gradient else x.shape
    return make(
        draw(ag_st.arrays(shape)),
        window=window,
        count_include_pad=draw(st.booleans()),
        divisor_override=draw(st.sampled_from([None, None, 5])),
    )


@st.composite
def banded(draw: Any) -> Case:
    x = draw(ag_st.arrays(draw(ag_st.shapes(min_dims=1, min_side=0))))
    axis = draw(st.integers(0, x.ndim - 1))
    matrix = draw(ag_st.arrays((draw(st.integers(1, 4)), x.shape[axis])))
    return make(x, axis=axis, matrix=np.tril(np.triu(matrix, -1), 1))


def assume_away_from_0(x: np.ndarray) -> None:
    """What is closer to the kink of relu has no numerical derivative."""
    assume(np.abs(x).min(initial=1.0) > 0.01)


def assume_one_largest(x: np.ndarray, window: Window) -> None:
    """Where the two largest values of a window are near each other, there is no numerical derivative."""
    cells, positions = math.prod(window.kernel), math.prod(window.out)
    columns = naive.unfold(x, window=window).reshape(*x.shape[:2], cells, positions)
    largest = np.sort(columns, axis=2)[:, :, -2:]
    assume(np.diff(largest, axis=2).min(initial=1.0) > 0.01)


@st.composite
def batch_norms(draw: Any) -> Case:
    shape = draw(
        st.sampled_from([(4, 2), (3, 1), (2, 2, 3), (2, 3, 2, 2), (1, 2, 2, 3), (0, 2, 2)])
    )
    inputs = [draw(ag_st.arrays(shape))]
    affine = draw(st.sampled_from([0, 1, 2]))
    inputs += [draw(ag_st.arrays(shape[1:2])) for _ in range(affine)]
    eps, relu, pool = draw(st.sampled_from([1e-5, 0.1])), draw(st.booleans()), None
    if len(shape) > 2 and draw(st.booleans()):
        pool = pool_window(shape[2:], 2, draw(st.sampled_from([None, 1])), 0, 1, False)
        assume_one_largest(naive.batch_norm(*inputs, eps=eps), pool)
    if relu:
        assume_away_from_0(naive.batch_norm(*inputs, eps=eps, pool=pool))
    return make(*inputs, eps=eps, relu=relu, pool=pool)


@st.composite
def channel_affines(draw: Any) -> Case:
    shape = draw(st.sampled_from([(4, 2), (0, 3), (2, 2, 3), (2, 3, 2, 2)]))
    inputs = [draw(ag_st.arrays(shape)), draw(ag_st.arrays(shape[1:2]))]
    if draw(st.booleans()):
        inputs.append(draw(ag_st.arrays(shape[1:2])))
    relu = draw(st.booleans())
    if relu:
        assume_away_from_0(naive.channel_affine(*inputs))
    return make(*inputs, relu=relu)


ACTIVATIONS = st.sampled_from(
    [
        *({"name": name} for name in ("gelu", "gelu_tanh", "silu")),
        {"name": "softplus", "beta": 2.0, "threshold": 3.0},
    ]
)


@st.composite
def curves(draw: Any) -> Case:
    return make(draw(ag_st.arrays(draw(ag_st.shapes(min_side=0)))), **draw(ACTIVATIONS))


@st.composite
def row_norms(draw: Any) -> Case:
    shape = draw(st.sampled_from([(4, 2), (2, 4, 3), (2, 2, 2, 2), (1, 4, 2, 1), (0, 2, 2)]))
    groups = draw(st.sampled_from([0, 0, 1, 2]))
    lead = 1 if groups else draw(st.integers(0, len(shape) - 1))
    weights = shape[1:2] if groups else shape[lead:]
    inputs = [draw(ag_st.arrays(shape))]
    inputs += [draw(ag_st.arrays(weights)) for _ in range(draw(st.sampled_from([0, 1, 2])))]
    return make(*inputs, lead=lead, groups=groups, eps=draw(st.sampled_from([1e-5, 0.1])))


@st.composite
def cross_entropies(draw: Any) -> Case:
    n, k = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    rest = draw(st.sampled_from([(), (2,), (2, 1)]))
    target = np.random.default_rng(draw(st.integers(0, 99))).integers(0, k, (n, *rest))
    dtype = draw(st.sampled_from([np.int64, np.uint8, np.int32]))
    return make(draw(ag_st.arrays((n, k, *rest))), target=target.astype(dtype))


@st.composite
def sigmoid_cross_entropies(draw: Any) -> Case:
    shape = draw(ag_st.shapes(min_side=0))
    logits, target = draw(ag_st.arrays(shape)), draw(ag_st.arrays(shape, 0.0, 1.0))
    return make(logits, target, pos_weight=draw(st.sampled_from([1.0, 2.5])))


CASES: dict[str, Any] = {
    "avg_pool": average_pools(),
    "avg_pool_grad": average_pools(gradient=True),
    "banded": banded(),
    "batch_norm": batch_norms(),
    "channel_affine": channel_affines(),
    "conv": convolutions(),
    "conv_input_grad": input_gradients(),
    "conv_weight_grad": weight_gradients(),
    "curve": curves(),
    "fold": columns(folded=True),
    "max_pool": max_pools(),
    "row_norm": row_norms(),
    "sigmoid_cross_entropy": sigmoid_cross_entropies(),
    "softmax_cross_entropy": cross_entropies(),
    "unfold": columns(folded=False),
    "window_gather": window_gathers(),
    "window_scatter": window_gathers(scatter=True),
}


def _log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum())


def _cross_entropy(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    losses = np.empty(target.shape)
    for place in np.ndindex(target.shape):
        n, rest = place[0], place[1:]
        losses[place] = -_log_softmax(logits[(n, slice(None), *rest)])[target[place]]
    return losses


def _sigmoid_cross_entropy(x: np.ndarray, target: np.ndarray, pos_weight: Any) -> np.ndarray:
    s = 1.0 / (1.0 + np.exp(-x))
    return -(pos_weight * target * np.log(s) + (1.0 - target) * np.log(1.0 - s))


def _curve(x: np.ndarray, name: str, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    if name == "softplus":
        return np.where(x * beta > threshold, x, np.log1p(np.exp(beta * x)) / beta)
    if name == "gelu":
        return x * np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes="d")(x)
    cubic = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x / (1 + np.exp(-x)) if name == "silu" else 0.5 * x * (1 + np.tanh(cubic))


def _row_norm(x: np.ndarray, w: Any = 1.0, b: Any = 0.0, *, lead: int, groups: int, eps: float):
    leading = (*x.shape[:lead], groups) if groups else x.shape[:lead]
    spread = lambda v: np.reshape(v, (-1, *(1,) * (x.ndim - 2))) if groups else v  # noqa: E731
    out = np.empty((*leading, math.prod(x.shape) // max(1, math.prod(leading))))
    for place in np.ndindex(*leading):
        row = x.reshape(out.shape)[place]
        out[place] = (row - row.mean()) / np.sqrt(row.var() + eps) if row.size else row
    return out.reshape(x.shape) * spread(w) + spread(b)


REFERENCES: dict[str, Any] = {
    "curve": _curve,
    "row_norm": _row_norm,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "softmax_cross_entropy": _cross_entropy,
    **{name: getattr(naive, name) for name in CASES if hasattr(naive, name)},
}

# Ops linear in these inputs, for the exact adjoint test on whole numbers; averages divide.
LINEAR = {
    **dict.fromkeys(["conv", "conv_input_grad", "conv_weight_grad"], (0, 1)),
    **dict.fromkeys(["fold", "unfold", "window_gather", "window_scatter"], (0,)),
}

# Ops whose forward is analytic and runs on complex arrays, for the complex-step test.
ANALYTIC = {"conv", "conv_input_grad", "conv_weight_grad", "fold", "unfold"}
