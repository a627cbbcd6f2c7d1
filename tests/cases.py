"""One case per registered op: generated inputs, parameters, and a reference without the op.

`CASES[name]` generates a `Case`.  The tests run over the registry, so an op without a case fails
the suite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd_cnn.testing import strategies as ag_st
from tests import cases_network, cases_numpy
from tests.case_parts import Case, along_axis, binary, make, reductions, unary

any_array = ag_st.arrays(ag_st.shapes(min_side=0))


@st.composite
def powers(draw: Any) -> Case:
    if draw(st.booleans()):
        return draw(binary(0.3, 2.0))
    exponent = draw(st.sampled_from([0, 1, 2, 3, 5, -1, -2, 0.5, 2.0, -1.5]))
    shape = draw(ag_st.shapes(min_side=0))
    x = draw(ag_st.positive(shape) if isinstance(exponent, float) else ag_st.arrays(shape))
    return make(x, exponent)


@st.composite
def wheres(draw: Any) -> Case:
    chosen, x, y = draw(ag_st.broadcastable(3))
    return make(chosen > 0, x, y)


@st.composite
def clips(draw: Any) -> Case:
    if draw(st.integers(0, 3)):
        x, low, high = draw(ag_st.broadcastable(3))
        return make(x, *draw(st.sampled_from([(low, high), (low,), (None, high)])))
    low, high = draw(st.sampled_from([(-0.5, 0.7), (None, 0.3), (-1.0, None)]))
    return make(draw(any_array), min=low, max=high)


@st.composite
def sums_to(draw: Any) -> Case:
    x, y = draw(ag_st.broadcastable(2))
    shape = np.broadcast_shapes(x.shape, y.shape)
    return make(draw(ag_st.arrays(shape)), shape=y.shape)


@st.composite
def broadcasts(draw: Any) -> Case:
    x, y = draw(ag_st.broadcastable(2))
    return make(x, shape=np.broadcast_shapes(x.shape, y.shape))


@st.composite
def reshapes(draw: Any) -> Case:
    x = draw(any_array)
    options = [(-1,), (x.size,), (1, x.size), x.shape[::-1], x.size]
    return make(x, shape=draw(st.sampled_from(options)))


@st.composite
def transposes(draw: Any) -> Case:
    x = draw(any_array)
    orders = st.permutations(range(x.ndim)).map(tuple)
    negative = orders.map(lambda axes: tuple(a - x.ndim for a in axes))
    return make(x, axes=draw(st.one_of(st.none(), orders, negative)))


@st.composite
def joined(draw: Any, new_axis: bool) -> Case:
    shape = list(draw(ag_st.shapes(0, 3, 0) if new_axis else ag_st.shapes(1)))
    rank = len(shape) + new_axis
    axis = draw(st.integers(-rank, rank - 1))
    parts = []
    for _ in range(draw(st.integers(2, 3))):
        if not new_axis:
            shape[axis] = draw(st.integers(0, 3))
        parts.append(draw(ag_st.arrays(tuple(shape))))
    return make(*parts, axis=axis)


@st.composite
def pads(draw: Any) -> Case:
    x = draw(any_array)
    width = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return make(
        x, widths=tuple(draw(width) for _ in x.shape), value=draw(st.sampled_from([0.0, -1.5]))
    )


@st.composite
def flips(draw: Any) -> Case:
    x = draw(any_array)
    if not x.ndim:
        return make(x, axis=None)
    one = st.integers(-x.ndim, x.ndim - 1)
    return make(x, axis=draw(st.one_of(st.none(), one, one.map(lambda a: (a,)))))


INDICES = [
    0,
    -1,
    slice(None, None, -1),
    slice(1, 3),
    (Ellipsis, 1),
    (None, slice(None), 0),
    (slice(None, None, 2), slice(1, None)),
    np.array([2, 0, 2, 2]),
    np.array([[0, -1], [1, 1]]),
    (np.array([0, 0, 1]), np.array([1, 1, 2])),
    (slice(None), np.array([3, 3, 0])),
    (np.array([0, 2]), slice(None), np.array([1, 1])),
    (0, slice(None), np.array([1, 1])),
    np.arange(3 * 4 * 2).reshape(3, 4, 2) % 3 == 0,
    (slice(None), np.array([True, False, True, False])),
    (np.array([], dtype=int),),
    (),
]


# What is picked by position: the shape to pick from, and an index.
PICKS = st.one_of(
    st.tuples(st.just((3, 4, 2)), st.sampled_from(INDICES)),
    st.tuples(st.just((3, 4, 2)), st.sampled_from(INDICES)),
    st.sampled_from(
        [
            ((), ()),
            ((), (None, Ellipsis)),
            ((0, 2), slice(None, None, -1)),
            ((0, 2), np.array([], dtype=int)),
            ((0, 2), (Ellipsis, np.array([1, 1]))),
            ((0, 2), np.zeros((0, 2), bool)),
        ]
    ),
)


@st.composite
def indexings(draw: Any) -> Case:
    shape, index = draw(PICKS)
    return make(draw(ag_st.arrays(shape)), index=index)


@st.composite
def scatters(draw: Any) -> Case:
    shape, index = draw(PICKS)
    return make(draw(ag_st.arrays(np.empty(shape)[index].shape)), index=index, shape=shape)


@st.composite
def products(draw: Any) -> Case:
    n, k, m = (draw(st.sampled_from([1, 2, 3, 2, 3, 1, 2, 3, 2, 3, 0])) for _ in "nkm")
    batch = draw(
        st.sampled_from(
            [((), ()), ((2,), (2,)), ((2,), ()), ((), (3,)), ((2, 1), (1, 3)), ((0,), (1,))]
        )
    )
    kind = draw(
        st.sampled_from(["matrices", "vector on the left", "vector on the right", "vectors"])
    )
    left = (k,) if kind in ("vector on the left", "vectors") else (*batch[0], n, k)
    right = (k,) if kind in ("vector on the right", "vectors") else (*batch[1], k, m)
    return make(draw(ag_st.arrays(left)), draw(ag_st.arrays(right)))


@st.composite
def linears(draw: Any) -> Case:
    k, f = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    leading = draw(st.sampled_from([(), (1,), (3,), (2, 2), (1, 3), (2, 1, 2), (0,)]))
    if draw(st.integers(0, 4)) == 3:
        k, f, leading = 2, 2, (2,)  # all of one shape: taking one for another shows in the numbers
    inputs = [draw(ag_st.arrays((*leading, k))), draw(ag_st.arrays((f, k)))]
    return make(*inputs, draw(ag_st.arrays((f,)))) if draw(st.booleans()) else make(*inputs)


@st.composite
def casts(draw: Any) -> Case:
    return make(draw(any_array), dtype=np.dtype(np.float64))


CASES: dict[str, Any] = {
    **dict.fromkeys(["abs", "exp", "negative", "relu", "sigmoid", "sign", "tanh"], unary()),
    **dict.fromkeys(["add", "maximum", "minimum", "multiply", "subtract"], binary()),
    **dict.fromkeys(["log", "sqrt"], unary(ag_st.positive)),
    **dict.fromkeys(["log_softmax", "softmax"], along_axis()),
    **dict.fromkeys(["logsumexp", "max", "mean", "min"], reductions()),
    **cases_network.CASES,
    "astype": casts(),
    "broadcast_to": broadcasts(),
    "clip": clips(),
    "concatenate": joined(new_axis=False),
    "divide": st.tuples(binary(0.3, 3.0), st.sampled_from([1.0, -1.0])).map(
        lambda c: make(c[0].inputs[0], np.asarray(c[1] * c[0].inputs[1]))
    ),
    "flip": flips(),
    "getitem": indexings(),
    "linear": linears(),
    "matmul": products(),
    "pad": pads(),
    "power": powers(),
    "relu_grad": ag_st.shapes(min_side=0)
    .flatmap(lambda s: st.tuples(ag_st.arrays(s), ag_st.arrays(s)))
    .map(lambda xs: make(*xs)),
    "reshape": reshapes(),
    "scatter_add": scatters(),
    "stack": joined(new_axis=True),
    "sum": reductions(minimum=0),
    "sum_to": sums_to(),
    "transpose": transposes(),
    "var": reductions(minimum=2, ddof=st.sampled_from([0, 1])),
    "where": wheres(),
    **cases_numpy.CASES,
}


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(divide="ignore"):  # the sum of nothing
        return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def _scatter_add(g: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    positions = np.arange(math.prod(shape)).reshape(shape)[index].reshape(-1)
    return np.bincount(positions, g.reshape(-1), math.prod(shape)).reshape(shape)


def _same(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return (
        x.sum(axis=tuple(range(x.ndim - len(shape))))
        .sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
        .reshape(shape)
    )


# References where NumPy has no function of the op's name and arguments.
REFERENCES: dict[str, Any] = {
    **cases_network.REFERENCES,
    "astype": lambda x, dtype: x.astype(dtype),
    "clip": lambda x, min=None, max=None: np.clip(x, min, max),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "getitem": lambda x, index: x[index],
    "linear": lambda x, w, b=0.0: np.einsum("...k,fk->...f", x, w) + b,
    "log_softmax": _log_softmax,
    "logsumexp": lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "pad": lambda x, widths, value: np.pad(x, widths, constant_values=value) if x.ndim else x,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "relu_grad": lambda g, x: np.where(x > 0, g, 0.0),
    "reshape": lambda x, shape: np.reshape(x, shape),  # the name of the argument is NumPy 2.1's
    "scatter_add": _scatter_add,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softmax": lambda x, axis: np.exp(_log_softmax(x, axis)),
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "sum_to": _same,
    "transpose": np.transpose,
    **cases_numpy.REFERENCES,
}


# Ops linear in these inputs, for the exact adjoint test on whole numbers.
LINEAR = {
    **cases_network.LINEAR,
    **cases_numpy.LINEAR,
    **dict.fromkeys(["add", "linear", "matmul", "multiply", "subtract"], (0, 1)),
    **dict.fromkeys(
        [
            "broadcast_to", "concatenate", "flip", "getitem", "negative", "pad", "relu_grad",
            "reshape", "scatter_add", "stack", "sum", "sum_to", "transpose",
        ],
        (0,),
    ),
    "where": (1, 2),
}  # fmt: skip

# Ops whose forward is analytic and runs on complex arrays, for the complex-step test.
ANALYTIC = {
    *cases_network.ANALYTIC,
    *[
        "add", "divide", "exp", "getitem", "linear", "log", "matmul", "mean", "multiply",
        "negative", "power", "sqrt", "subtract", "sum", "tanh",
    ],
    *cases_numpy.ANALYTIC,
}  # fmt: skip
