"""One case per registered op: generated inputs, parameters, and a NumPy reference written without the op.

`CASES[name]` generates a `Case`; the tests run over the registry, so an op without a case fails the suite.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from autograd_cnn.ops.pool import winners
from autograd_cnn.testing import strategies as ag_st
from tests import naive


class Case(NamedTuple):
    """Inputs and keyword parameters of one call."""

    inputs: tuple[Any, ...]
    params: dict[str, Any]


def make(*inputs: Any, **params: Any) -> Case:
    return Case(inputs, params)


def unary(strategy: Any = None) -> Any:
    shape = ag_st.shapes(min_side=0)
    return (strategy(shape) if strategy else ag_st.arrays(shape)).map(make)


def binary(low: float = -2.0, high: float = 2.0) -> Any:
    return ag_st.broadcastable(2, low, high).map(lambda xs: make(*xs))


def reductions(minimum: int = 1, **more: Any) -> Any:
    @st.composite
    def build(draw: Any) -> Case:
        shape = draw(ag_st.shapes(min_dims=0 if minimum < 2 else 1, min_side=minimum))
        axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
        several = st.lists(
            st.integers(0, max(len(shape) - 1, 0)), unique=True, max_size=len(shape)
        ).map(tuple)
        axis = draw(st.one_of(st.none(), axes, several if shape and minimum < 2 else axes))
        params = {"axis": axis, "keepdims": draw(st.booleans())}
        params |= {k: draw(v) for k, v in more.items()}
        return make(draw(ag_st.arrays(shape)), **params)

    return build()


@st.composite
def along_axis(draw: Any) -> Case:
    shape = draw(ag_st.shapes(min_dims=1))
    return make(draw(ag_st.arrays(shape)), axis=draw(st.integers(-len(shape), len(shape) - 1)))


@st.composite
def powers(draw: Any) -> Case:
    if draw(st.booleans()):
        x, y = draw(ag_st.broadcastable(2, 0.3, 2.0))
        return make(x, y)
    exponent = draw(st.sampled_from([0, 1, 2, 3, 5, -1, -2, 0.5, 2.0, -1.5]))
    x = draw(ag_st.positive() if isinstance(exponent, float) else ag_st.arrays())
    return make(x, exponent)


@st.composite
def wheres(draw: Any) -> Case:
    x, y = draw(ag_st.broadcastable(2))
    shape = np.broadcast_shapes(x.shape, y.shape)
    chosen = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.5
    return make(chosen, x, y)


@st.composite
def clips(draw: Any) -> Case:
    low, high = draw(st.sampled_from([(-0.5, 0.7), (None, 0.3), (-1.0, None)]))
    return make(draw(ag_st.arrays()), min=low, max=high)


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
    x = draw(ag_st.arrays())
    options = [(-1,), (x.size,), (1, x.size), x.shape[::-1], x.size]
    return make(x, shape=draw(st.sampled_from(options)))


@st.composite
def transposes(draw: Any) -> Case:
    x = draw(ag_st.arrays())
    orders = st.permutations(range(x.ndim)).map(tuple)
    negative = orders.map(lambda axes: tuple(a - x.ndim for a in axes))
    return make(x, axes=draw(st.one_of(st.none(), orders, negative)))


@st.composite
def joined(draw: Any, new_axis: bool) -> Case:
    shape = list(draw(ag_st.shapes(min_dims=0 if new_axis else 1)))
    rank = len(shape) + new_axis
    axis = draw(st.integers(-rank, rank - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        if not new_axis:
            shape[axis] = draw(st.integers(0, 3))
        parts.append(draw(ag_st.arrays(tuple(shape))))
    return make(*parts, axis=axis)


@st.composite
def pads(draw: Any) -> Case:
    x = draw(ag_st.arrays())
    width = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return make(
        x, widths=tuple(draw(width) for _ in x.shape), value=draw(st.sampled_from([0.0, -1.5]))
    )


@st.composite
def flips(draw: Any) -> Case:
    x = draw(ag_st.arrays(ag_st.shapes(min_dims=1)))
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


@st.composite
def indexings(draw: Any) -> Case:
    return make(draw(ag_st.arrays((3, 4, 2))), index=draw(st.sampled_from(INDICES)))


@st.composite
def scatters(draw: Any) -> Case:
    index = draw(st.sampled_from(INDICES))
    shape = np.empty((3, 4, 2))[index].shape
    return make(draw(ag_st.arrays(shape)), index=index, shape=(3, 4, 2))


@st.composite
def products(draw: Any) -> Case:
    n, k, m = (draw(st.integers(1, 3)) for _ in "nkm")
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
    leading = draw(st.sampled_from([(), (1,), (3,), (2, 2), (0,)]))
    inputs = [draw(ag_st.arrays((*leading, k))), draw(ag_st.arrays((f, k)))]
    return make(*inputs, draw(ag_st.arrays((f,)))) if draw(st.booleans()) else make(*inputs)


@st.composite
def convolutions(draw: Any) -> Case:
    x, w, settings = draw(ag_st.conv_settings())
    inputs = [draw(ag_st.arrays(x)), draw(ag_st.arrays(w))]
    if draw(st.booleans()):
        inputs.append(draw(ag_st.arrays((w[0],))))
    return make(*inputs, **settings)


def convolution_output(
    x: tuple[int, ...], w: tuple[int, ...], settings: dict[str, Any]
) -> tuple[int, ...]:
    return naive.conv2d(np.zeros(x), np.zeros(w), **settings).shape


@st.composite
def input_gradients(draw: Any) -> Case:
    x, w, settings = draw(ag_st.conv_settings())
    out = convolution_output(x, w, settings)
    return make(draw(ag_st.arrays(out)), draw(ag_st.arrays(w)), size=x[2:], **settings)


@st.composite
def weight_gradients(draw: Any) -> Case:
    x, w, settings = draw(ag_st.conv_settings())
    out = convolution_output(x, w, settings)
    return make(draw(ag_st.arrays(x)), draw(ag_st.arrays(out)), size=w[2:], **settings)


@st.composite
def max_pools(draw: Any) -> Case:
    shape, settings = draw(ag_st.pool_settings())
    x = draw(ag_st.arrays(shape))
    # A window over nothing but padding is -inf, which has no numerical derivative (see test_edges.py).
    assume(np.isfinite(naive.max_pool2d(x, **settings)).all())
    return make(x, **settings)


@st.composite
def window_gathers(draw: Any, scatter: bool = False) -> Case:
    shape, settings = draw(ag_st.pool_settings())
    x = draw(ag_st.arrays(shape))
    out = naive.max_pool2d(x, **settings)
    found = winners(x, out, **settings)
    if scatter:
        return make(draw(ag_st.arrays(out.shape)), winners=found, size=shape[2:], **settings)
    return make(x, winners=found, **settings)


@st.composite
def average_pools(draw: Any, gradient: bool = False) -> Case:
    shape, settings = draw(ag_st.pool_settings(dilated=False))
    settings |= {
        "count_include_pad": draw(st.booleans()),
        "divisor_override": draw(st.sampled_from([None, None, 5])),
    }
    if not gradient:
        return make(draw(ag_st.arrays(shape)), **settings)
    out = naive.avg_pool2d(np.zeros(shape), **settings).shape
    return make(draw(ag_st.arrays(out)), size=shape[2:], **settings)


@st.composite
def batch_norms(draw: Any) -> Case:
    shape = draw(st.sampled_from([(4, 2), (3, 1), (2, 2, 3), (2, 3, 2, 2), (1, 2, 2, 2)]))
    inputs = [draw(ag_st.arrays(shape))]
    affine = draw(st.sampled_from([0, 1, 2]))
    inputs += [draw(ag_st.arrays(shape[1:2])) for _ in range(affine)]
    return make(*inputs, eps=draw(st.sampled_from([1e-5, 0.1])))


@st.composite
def cross_entropies(draw: Any) -> Case:
    n, k = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    rest = draw(st.sampled_from([(), (2,), (2, 1)]))
    target = np.random.default_rng(draw(st.integers(0, 99))).integers(0, k, (n, *rest))
    dtype = draw(st.sampled_from([np.int64, np.uint8, np.int32]))
    return make(draw(ag_st.arrays((n, k, *rest))), target=target.astype(dtype))


@st.composite
def casts(draw: Any) -> Case:
    return make(draw(ag_st.arrays()), dtype=np.dtype(np.float64))


CASES: dict[str, Any] = {
    "abs": unary(),
    "add": binary(),
    "astype": casts(),
    "avg_pool2d": average_pools(),
    "avg_pool2d_grad": average_pools(gradient=True),
    "batch_norm": batch_norms(),
    "broadcast_to": broadcasts(),
    "clip": clips(),
    "concatenate": joined(new_axis=False),
    "conv2d": convolutions(),
    "conv2d_input_grad": input_gradients(),
    "conv2d_weight_grad": weight_gradients(),
    "divide": st.tuples(binary(0.3, 3.0), st.sampled_from([1.0, -1.0])).map(
        lambda c: make(c[0].inputs[0], np.asarray(c[1] * c[0].inputs[1]))
    ),
    "exp": unary(),
    "flip": flips(),
    "getitem": indexings(),
    "linear": linears(),
    "log": unary(ag_st.positive),
    "log_softmax": along_axis(),
    "logsumexp": reductions(),
    "matmul": products(),
    "max": reductions(),
    "max_pool2d": max_pools(),
    "maximum": binary(),
    "mean": reductions(),
    "min": reductions(),
    "minimum": binary(),
    "multiply": binary(),
    "negative": unary(),
    "pad": pads(),
    "power": powers(),
    "relu": unary(),
    "relu_grad": ag_st.shapes()
    .flatmap(lambda s: st.tuples(ag_st.arrays(s), ag_st.arrays(s)))
    .map(lambda xs: make(*xs)),
    "reshape": reshapes(),
    "scatter_add": scatters(),
    "sigmoid": unary(),
    "sign": unary(),
    "softmax": along_axis(),
    "softmax_cross_entropy": cross_entropies(),
    "sqrt": unary(ag_st.positive),
    "stack": joined(new_axis=True),
    "subtract": binary(),
    "sum": reductions(minimum=0),
    "sum_to": sums_to(),
    "tanh": unary(),
    "transpose": transposes(),
    "var": reductions(minimum=2, ddof=st.sampled_from([0, 1])),
    "where": wheres(),
    "window_gather": window_gathers(),
    "window_scatter": window_gathers(scatter=True),
}


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def _scatter_add(g: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    positions = np.arange(math.prod(shape)).reshape(shape)[index].reshape(-1)
    return np.bincount(positions, g.reshape(-1), math.prod(shape)).reshape(shape)


def _cross_entropy(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    losses = np.empty(target.shape)
    for place in np.ndindex(target.shape):
        n, rest = place[0], place[1:]
        losses[place] = -_log_softmax(logits[(n, slice(None), *rest)], 0)[target[place]]
    return losses


def _same(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return (
        x.sum(axis=tuple(range(x.ndim - len(shape))))
        .sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
        .reshape(shape)
    )


# References where NumPy has no function of the op's name and arguments.
REFERENCES: dict[str, Any] = {
    "astype": lambda x, dtype: x.astype(dtype),
    "avg_pool2d": naive.avg_pool2d,
    "avg_pool2d_grad": naive.avg_pool2d_grad,
    "batch_norm": naive.batch_norm,
    "clip": lambda x, min, max: np.clip(x, min, max),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "conv2d": naive.conv2d,
    "conv2d_input_grad": naive.conv2d_input_grad,
    "conv2d_weight_grad": naive.conv2d_weight_grad,
    "getitem": lambda x, index: x[index],
    "linear": lambda x, w, b=0.0: np.einsum("...k,fk->...f", x, w) + b,
    "log_softmax": _log_softmax,
    "logsumexp": lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "max_pool2d": naive.max_pool2d,
    "pad": lambda x, widths, value: np.pad(x, widths, constant_values=value) if x.ndim else x,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "relu_grad": lambda g, x: np.where(x > 0, g, 0.0),
    "scatter_add": _scatter_add,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softmax": lambda x, axis: np.exp(_log_softmax(x, axis)),
    "softmax_cross_entropy": _cross_entropy,
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "sum_to": _same,
    "transpose": np.transpose,
    "window_gather": naive.window_gather,
    "window_scatter": naive.window_scatter,
}


def reference(name: str) -> Any:
    return REFERENCES.get(name) or getattr(np, name)


# Ops linear in these inputs, for the exact adjoint test on whole numbers.
LINEAR = {
    "add": (0, 1),
    "avg_pool2d_grad": (),
    "broadcast_to": (0,),
    "concatenate": (0,),
    "conv2d": (0, 1),
    "conv2d_input_grad": (0, 1),
    "conv2d_weight_grad": (0, 1),
    "flip": (0,),
    "getitem": (0,),
    "linear": (0, 1),
    "matmul": (0, 1),
    "multiply": (0, 1),
    "negative": (0,),
    "pad": (0,),
    "relu_grad": (0,),
    "reshape": (0,),
    "scatter_add": (0,),
    "stack": (0,),
    "subtract": (0, 1),
    "sum": (0,),
    "sum_to": (0,),
    "transpose": (0,),
    "where": (1, 2),
    "window_gather": (0,),
    "window_scatter": (0,),
}

# Ops whose forward is analytic and runs on complex arrays, for the complex-step test.
ANALYTIC = {
    "add",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "divide",
    "exp",
    "getitem",
    "linear",
    "log",
    "matmul",
    "mean",
    "multiply",
    "negative",
    "power",
    "sqrt",
    "subtract",
    "sum",
    "tanh",
}
