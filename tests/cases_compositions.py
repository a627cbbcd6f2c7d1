"""One case per composed function, as `cases.CASES` has one per registered op."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd_cnn.ops import join, matrix, product, sort, words
from autograd_cnn.testing import strategies as ag_st
from tests import cases_words
from tests.case_parts import Case, fixed, joined, make, pairs, reductions, unary
from tests.cases_numpy import between, regular, systems


@st.composite
def with_zeros(draw: Any, **axes: Any) -> Case:
    case = draw(reductions(minimum=0))
    x = case.inputs[0]
    zeros = np.random.default_rng(draw(st.integers(0, 99))).random(x.shape) < 0.2
    return Case((np.asarray(np.where(zeros, 0.0, x)),), case.params)


@st.composite
def averages(draw: Any) -> Case:
    x = draw(ag_st.arrays((3, 4)))
    kind = draw(st.sampled_from(["none", "full", "line"]))
    if kind == "none":
        return make(x, axis=draw(st.sampled_from([None, 0, (0, 1)])), keepdims=True)
    if kind == "full":
        return make(x, draw(ag_st.positive((3, 4))), axis=draw(st.sampled_from([None, 1])))
    return make(x, draw(ag_st.positive((4,))), axis=draw(st.sampled_from([1, -1])))


EINSUMS = [
    ("ij,jk", [(2, 3), (3, 2)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iij->j", [(2, 2, 3)]),
    ("iii->i", [(2, 2, 2)]),
    ("ijij->ij", [(2, 3, 2, 3)]),
    ("ij->", [(2, 3)]),
    ("ij,k->i", [(2, 3), (2,)]),
    ("i,j,k->kj", [(2,), (3,), (2,)]),
    ("ii,ij->j", [(2, 2), (2, 3)]),
    ("...ij,...jk->...ik", [(2, 1, 2, 3), (3, 3, 2)]),
    ("...i->...", [(2, 3)]),
    ("i...,i...->i...", [(3, 2), (3, 1)]),
    ("...,...", [(2, 3), (3,)]),
    ("ij,ij->i", [(2, 3), (2, 1)]),
    ("ba", [(2, 3)]),
    (" i , i -> ", [(3,), (3,)]),
]


@st.composite
def einsums(draw: Any) -> Case:
    subscripts, shapes = draw(st.sampled_from(EINSUMS))
    return make(*(draw(ag_st.arrays(shape)) for shape in shapes), subscripts=subscripts)


LENGTHS = [
    {},
    {"axis": 0},
    {"axis": (0, 1)},
    {"axis": 1, "keepdims": True},
    {"ord": 1, "axis": 1},
    {"ord": 3, "axis": 0},
    {"ord": 1.5, "axis": 0},
    {"ord": np.inf, "axis": 1},
    {"ord": -np.inf, "axis": 0, "keepdims": True},
    {"ord": "fro"},
    {"ord": 1},
    {"ord": -1, "keepdims": True},
    {"ord": np.inf},
    {"ord": -np.inf, "axis": (1, 0)},
]
STACKED = (((2, 3), (2, 3)), ((3,), (3,)))
SHORT = ag_st.shapes(min_dims=1)

COMPOSITION_CASES: dict[str, Any] = {
    "array_split": fixed((5, 2), {"indices_or_sections": 3}, {"indices_or_sections": [1, 3]}),
    "amax": reductions(),
    "amin": reductions(),
    "average": averages(),
    "celu": fixed((3, 2), {}, {"alpha": 0.7}),
    "chunk": fixed((5, 2), {"chunks": 2}, {"chunks": 2, "axis": 1}),
    "column_stack": pairs(*STACKED, ((2,), (2, 3))),
    "cumprod": fixed((3, 5), {"axis": 0}, {"axis": -1}, {"axis": None}),
    "degrees": unary(),
    "diag": st.one_of(fixed((3,), {}, {"k": 1}, {"k": -2}), fixed((2, 3), {}, {"k": 1})),
    "diagonal": fixed(
        (3, 2, 4), {}, {"offset": 1}, {"offset": -2}, {"axis1": 2, "axis2": 0}, {"offset": 9}
    ),
    "diff": fixed((4, 3), {}, {"n": 2, "axis": 0}, {"n": 0}),
    "dot": pairs(
        ((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (2, 3, 2)), ((), (3,)), ((3,), (2, 3, 2))
    ),
    "elu": fixed((3, 2), {}, {"alpha": 0.7}),
    "expand_dims": fixed((2, 3), {"axis": 0}, {"axis": -1}, {"axis": (0, -1)}),
    "fliplr": fixed((2, 3), {}),
    "flipud": fixed((2, 3), {}),
    "gelu": fixed((3, 2), {}, {"approximate": "tanh"}),
    "glu": fixed((2, 4), {}, {"dim": 0}),
    "hardshrink": fixed((3, 2), {}, {"lambd": 0.31}),
    "hardsigmoid": unary(),
    "hardswish": unary(),
    "hardtanh": fixed((3, 2), {}, {"min_val": -0.5, "max_val": 1.3}),
    "hstack": pairs(*STACKED),
    "index_select": fixed((3, 4), {"dim": 1, "index": [2, 0, 2]}),
    "inner": pairs(((2, 3), (4, 3)), ((3,), (3,)), ((), (2,))),
    "leaky_relu": fixed((3, 2), {}, {"negative_slope": 0.3}),
    "logsigmoid": unary(),
    "masked_fill": st.builds(
        lambda x, y: make(x, x > 0.1, y), ag_st.arrays((2, 3)), ag_st.arrays(())
    ),
    "matrix_power": st.builds(
        lambda x, n: make(x, n=n), regular(), st.sampled_from([0, 1, 2, 3, 5, -1, -2])
    ),
    "matrix_transpose": fixed((2, 3, 4), {}),
    "median": reductions(),
    "mish": unary(),
    "moveaxis": fixed(
        (2, 3, 4),
        {"source": 0, "destination": -1},
        {"source": (0, 1), "destination": (2, 0)},
    ),
    "nanmean": reductions(),
    "nansum": reductions(minimum=0),
    "norm": fixed((3, 2), *LENGTHS).map(
        # Sums of evenly spaced values tie, and a largest sum that ties has no second derivative.
        lambda c: Case((c.inputs[0] * [[1.0, 1.013], [1.029, 0.971], [1.041, 0.957]],), c.params)
    ),
    "outer": pairs(((2,), (3,)), ((2, 2), (3,))),
    "prod": with_zeros(),
    "ptp": reductions(),
    "radians": unary(),
    "ravel": unary(),
    "reciprocal": between(0.3, 2.0),
    "repeat": fixed(
        (2, 3), {"repeats": 2}, {"repeats": [0, 2, 1], "axis": 1}, {"repeats": 0, "axis": 0}
    ),
    "relu6": unary(),
    "roll": fixed(
        (2, 3), {"shift": 1}, {"shift": -4, "axis": 1}, {"shift": (1, 2), "axis": (0, 1)}
    ),
    "rrelu": fixed((3, 2), {}, {"lower": 0.2, "upper": 0.4}),
    "selu": unary(),
    "silu": unary(),
    "slogdet": regular().map(make),
    "softmin": fixed((2, 3), {}, {"dim": 0}),
    "softplus": fixed((3, 2), {}, {"beta": 2.0}, {"beta": 8.0, "threshold": 5.0}),
    "softshrink": fixed((3, 2), {}, {"lambd": 0.31}),
    "softsign": unary(),
    "solve": st.one_of(
        systems(),
        st.builds(lambda a: make(a, np.linspace(-1.0, 1.3, a.shape[-1])), regular()),
    ),
    "sort": fixed((3, 4), {}, {"axis": 0}, {"axis": None}),
    "split": fixed((4, 3), {"indices_or_sections": 2}, {"indices_or_sections": (1,), "axis": 1}),
    "square": unary(),
    "squeeze": fixed((1, 3, 1), {}, {"axis": 0}, {"axis": (0, -1)}),
    "std": reductions(minimum=2, ddof=st.sampled_from([0, 1])),
    "swapaxes": fixed((2, 3, 4), {"axis1": 0, "axis2": -1}, {"axis1": 1, "axis2": 1}),
    "take": fixed(
        (3, 4),
        {"indices": [2, 0, 2]},
        {"indices": [[1, -1]], "axis": 0},
        {"indices": 1, "axis": -1},
    ),
    "take_along_axis": fixed(
        (2, 3),
        {"indices": np.array([[2, 0], [1, 1]]), "axis": -1},
        {"indices": np.array([4, 4]), "axis": None},
    ),
    "tanhshrink": unary(),
    "tensordot": st.one_of(
        pairs(((2, 3), (3, 2)), ((3,), (3, 2)), axes=1),
        pairs(((2, 3), (3, 2)), axes=([0, 1], [1, 0])),
        pairs(((2,), (3,)), axes=0),
    ),
    "threshold": fixed((3, 2), {"threshold": 0.31, "value": -2.0}),
    "tile": fixed((2, 3), {"reps": 2}, {"reps": (2, 1, 2)}, {"reps": (0, 1)}),
    "topk": fixed((3, 4), {"k": 2}, {"k": 3, "axis": 0}, {"k": 1, "largest": False}),
    "trace": fixed((3, 3, 2), {}, {"offset": 1}, {"axis1": 1, "axis2": -1}),
    "tril": fixed((2, 3, 3), {}, {"k": 1}, {"k": -1}),
    "triu": fixed((2, 3, 3), {}, {"k": 1}, {"k": -1}),
    "vdot": pairs(((2, 3), (3, 2))),
    "vstack": pairs(*STACKED),
    **cases_words.CASES,
}

# What is checked where a function does not give one array, or takes its settings first.
WRAPPED: dict[str, Any] = {
    "array_split": lambda x, **p: joined(join.array_split(x, **p)),
    "chunk": lambda x, **p: joined(words.chunk(x, **p)),
    "einsum": lambda *xs, subscripts: product.einsum(subscripts, *xs),
    "slogdet": lambda x: matrix.slogdet(x).logabsdet,
    "split": lambda x, **p: joined(join.split(x, **p)),
    "topk": lambda x, **p: sort.topk(x, **p)[0],
    **cases_words.WRAPPED,
}


def _exact_gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))(x)


def _topk(x: np.ndarray, k: int, axis: int = -1, largest: bool = True) -> np.ndarray:
    ordered = np.sort(x, axis=axis)
    return np.take(np.flip(ordered, axis) if largest else ordered, range(k), axis=axis)


_softmin = lambda x, dim=-1: np.exp(-x) / np.exp(-x).sum(dim, keepdims=True)  # noqa: E731


def _glu(x: np.ndarray, dim: int = -1) -> np.ndarray:
    half, gate = np.split(x, 2, dim)
    return half / (1 + np.exp(-gate))


REFERENCES: dict[str, Any] = {
    "array_split": lambda x, **p: np.concatenate([v.ravel() for v in np.array_split(x, **p)]),
    "average": lambda x, w=None, axis=None, keepdims=False: np.average(
        x, axis, w, keepdims=keepdims
    ),
    "celu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
    "chunk": lambda x, chunks, axis=0: np.concatenate(
        [v.ravel() for v in np.array_split(x, chunks, axis)]
    ),
    "column_stack": lambda *xs: np.column_stack(xs),
    "einsum": lambda *xs, subscripts: np.einsum(subscripts, *xs),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
    "gelu": _exact_gelu,
    "glu": _glu,
    "hardshrink": lambda x, lambd=0.5: np.where(abs(x) > lambd, x, 0.0),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
    "hstack": lambda *xs: np.hstack(xs),
    "index_select": lambda x, dim, index: np.take(x, index, dim),
    "leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
    "logsigmoid": lambda x: -np.log1p(np.exp(-x)),
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "matrix_power": lambda x, n: np.linalg.matrix_power(x, n),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "norm": lambda x, **p: np.linalg.norm(x, **p),
    "relu6": lambda x: np.clip(x, 0, 6),
    "rrelu": lambda x, lower=0.125, upper=1 / 3: np.where(x > 0, x, x * (lower + upper) / 2),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "softmin": _softmin,
    "softplus": lambda x, beta=1.0, threshold=20.0: np.where(
        x * beta > threshold, x, np.log1p(np.exp(beta * x)) / beta
    ),
    "softshrink": lambda x, lambd=0.5: np.sign(x) * np.maximum(abs(x) - lambd, 0.0),
    "softsign": lambda x: x / (1 + abs(x)),
    "solve": np.linalg.solve,
    "split": lambda x, **p: np.concatenate([v.ravel() for v in np.split(x, **p)]),
    "tanhshrink": lambda x: x - np.tanh(x),
    "threshold": lambda x, threshold, value: np.where(x > threshold, x, value),
    "topk": _topk,
    "vstack": lambda *xs: np.vstack(xs),
    **cases_words.REFERENCES,
}
