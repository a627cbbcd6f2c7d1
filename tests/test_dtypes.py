"""The dtype of a call: weak operands, layers of one dtype, integers in floats."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from tests.test_ops import EVERY_FUNCTION
from tests.test_points import KEEPS, OF_SEVERAL, drawn, is_float

F32 = np.dtype(np.float32)


def x32(*shape: int, low: float = 0.2, high: float = 0.9, grad: bool = True) -> Any:
    values = np.linspace(low, high, int(np.prod(shape))).reshape(shape)
    return ag.tensor(values, grad, "float32")


# ---------------------------------------------------------------------------------- weak operands

WEAK: dict[str, Any] = {
    "a NumPy scalar": lambda v: np.float64(v),
    "an integer scalar": lambda v: np.int64(round(v) or 1),
    "a bool": lambda v: np.bool_(True),
    "an array without axes": lambda v: np.asarray(v),
    "a tensor without axes": lambda v: ag.tensor(np.asarray(v)),
    "a leaf without axes": lambda v: ag.tensor(np.asarray(v), requires_grad=True),
    "a narrow leaf": lambda v: ag.tensor(np.float16(v), requires_grad=True),
}
ELEMENTWISE = [
    *("add", "arctan2", "divide", "floor_divide", "hypot", "logaddexp", "maximum", "minimum"),
    *("multiply", "power", "remainder", "subtract"),
]


@pytest.mark.parametrize("kind", WEAK)
@pytest.mark.parametrize(("name", "place"), list(itertools.product(ELEMENTWISE, (0, 1))))
def test_an_operand_without_axes_takes_the_dtype_of_the_tensor(
    name: str, place: int, kind: str
) -> None:
    op, t, weak = EVERY_FUNCTION[name], x32(3), WEAK[kind](0.7)
    pair = [t, t]
    pair[place] = weak
    out = op(*pair)
    plain = [np.asarray(x.numpy() if x is t else np.float32(float(weak))) for x in pair]
    assert out.dtype == F32
    assert np.allclose(out.numpy(), op(*plain), rtol=2e-6)
    for x in out.inputs:  # what the rules and the graph see
        assert getattr(x, "dtype", F32) == F32
    inputs = [x for x in pair if getattr(x, "requires_grad", False)]
    for x, g in zip(inputs, ag.grad(out, inputs, np.ones(3), allow_unused=True)):
        assert g is None or g.dtype == x.dtype


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
@pytest.mark.parametrize("wrap", [ag.tensor, np.asarray])
@pytest.mark.parametrize("name", OF_SEVERAL)
def test_integers_take_the_dtype_of_a_floating_tensor(name: str, wrap: Any, dtype: str) -> None:
    """In every op with several inputs, beside an input of float32."""
    for case in drawn(name, 12):
        places = [k for k, x in enumerate(case.inputs) if is_float(x)]
        for weak in places if (name, dtype) != ("solve_columns", "bool") else []:
            xs = [np.abs(x).astype(F32) if k in places else x for k, x in enumerate(case.inputs)]
            whole = np.round(xs[weak] * 3 + 1).astype(dtype)
            if any(not xs[k].ndim for k in places) or len(places) < 2:
                continue
            if name in KEEPS and weak == 0:
                continue
            strong = [ag.tensor(x) if k in places else x for k, x in enumerate(xs)]
            with np.errstate(all="ignore"):
                found = EVERY_FUNCTION[name](
                    *(wrap(whole) if k == weak else x for k, x in enumerate(strong)), **case.params
                )
                expected = EVERY_FUNCTION[name](
                    *(whole.astype(F32) if k == weak else x for k, x in enumerate(strong)),
                    **case.params,
                )
            assert found.dtype == F32
            assert np.array_equal(found.numpy(), expected.numpy(), equal_nan=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t / np.sqrt(4),
        lambda t: np.sqrt(4) * t,
        lambda t: t ** np.float64(2),
        lambda t: ag.tensor(3) * t,
        lambda t: np.array([True, False, True]) * t,
        lambda t: ag.tensor([1, 2, 3]) - t,
        lambda t: ag.where(np.array([True, False, True]), t, np.float64(0)),
        lambda t: np.where(np.array([True, False, True]), t, np.zeros(3, int)),
        lambda t: ag.clip(t, min=np.float64(0.1), max=np.array(0.7)),
        lambda t: F.leaky_relu(t, np.float64(0.1)),
        lambda t: F.elu(t, np.float64(0.1)),
        lambda t: F.softplus(t, np.float64(2.0)),
        lambda t: F.hardtanh(t, np.float64(-0.5), np.float64(0.5)),
        lambda t: F.batch_norm(t.reshape((3, 1)), training=True, eps=np.float64(1e-5)),
        lambda t: F.layer_norm(t, 3, eps=np.float64(1e-5)),
        lambda t: ag.concatenate([t, [1, 2]]),
        lambda t: ag.stack([t, np.array([1, 2, 3])]),
        lambda t: ag.einsum("i,i->", t, np.array([1, 2, 3])),
        lambda t: t @ [0.1, 0.7, 0.3],
        lambda t: F.mse_loss(t, ag.tensor([1, 2, 3])),
        lambda t: F.mse_loss(t, np.array([0.1, 0.2, 0.3])),
        lambda t: F.l1_loss(t, ag.tensor(np.array([0.1, 0.2, 0.3]))),
        lambda t: F.huber_loss(t, [0.1, 0.2, 0.3], delta=np.float64(0.5)),
        lambda t: F.kl_div(t, np.array([0.1, 0.2, 0.7])),
        lambda t: F.binary_cross_entropy_with_logits(t, np.array([0, 1, 1])),
        lambda t: F.linear(t, ag.tensor(np.array([[1, 2, 3]]))),
    ],
)
def test_nothing_weak_makes_float32_float64(call: Any) -> None:
    t = x32(3)
    out = call(t)
    assert out.dtype == F32
    (g,) = ag.grad(out, t, np.ones(out.shape))
    assert g.dtype == F32


def test_lists_are_read_in_the_dtype_of_the_tensor_or_array_beside_them() -> None:
    t = ag.tensor(np.array([1.0, 1.0]), requires_grad=True)
    for call in (
        lambda x, values: x * values,
        lambda x, values: ag.multiply(values, x),
        lambda x, values: ag.where(np.zeros(2, bool), x, values),
        lambda x, values: ag.concatenate([x, values])[2:],
        lambda x, values: ag.einsum("i,i->i", x, values),
        lambda x, values: F.l1_loss(x - 1.0, values, "none"),
    ):
        for x in (t, t.numpy()):
            found = call(x, [0.1, 0.7])
            assert found.dtype == np.float64
            assert np.array_equal(np.asarray(ag.tensor(found).numpy()), [0.1, 0.7])
    assert (x32(2) * [0.1, 0.7]).dtype == F32


def test_arrays_with_axes_promote_as_in_numpy_and_so_do_values_without() -> None:
    assert (x32(3) * np.ones(3)).dtype == np.float64
    assert (x32(3).sum() * np.float64(2)).dtype == np.float64
    assert (x32(3).sum() * np.arange(3)).dtype == F32
    assert ag.multiply(np.ones(3, F32), np.arange(3)).dtype == np.float64


def test_a_user_s_input_without_a_rule_is_taken_as_it_is() -> None:
    @ag.op(
        x=lambda g, out, x, rows: ag.scatter_add(g, index=rows, shape=x.shape),
        rows=None,
        register=False,
    )
    def rows_of(x: Any, rows: Any) -> Any:
        return x[rows]

    @ag.custom_gradient(
        lambda g, out, x, rows: (ag.scatter_add(g, index=rows, shape=x.shape), None)
    )
    def picked(x: Any, rows: Any) -> Any:
        return x[rows]

    for function in (rows_of, picked):
        x = x32(3)
        function(x, np.array([2, 2])).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0, 2.0]


# ------------------------------------------------------------------------------ layers of one dtype

WEIGHTED: dict[str, tuple[Any, tuple[int, ...], list[tuple[int, ...]]]] = {
    "linear": (F.linear, (2, 3), [(4, 3), (4,)]),
    "conv1d": (F.conv1d, (1, 2, 5), [(3, 2, 3), (3,)]),
    "conv2d": (F.conv2d, (1, 2, 5, 5), [(3, 2, 3, 3), (3,)]),
    "conv3d": (F.conv3d, (1, 2, 3, 3, 3), [(3, 2, 2, 2, 2), (3,)]),
    "conv_transpose2d": (F.conv_transpose2d, (1, 2, 3, 3), [(2, 3, 2, 2), (3,)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (4, 3), [(3,), (3,)]),
    "batch_norm by running": (
        lambda x, w, b: F.batch_norm(x, np.zeros(3, F32), np.ones(3, F32), w, b),
        *((4, 3), [(3,), (3,)]),
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 3, w, b), (4, 3), [(3,), (3,)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 1, w, b), (4, 3, 2), [(3,), (3,)]),
    "instance_norm": (
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        *((4, 3, 2), [(3,), (3,)]),
    ),
}


@pytest.mark.parametrize("other", ["float16", "float64"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_a_layer_refuses_an_input_of_another_floating_dtype(name: str, other: str) -> None:
    layer, shape, weights = WEIGHTED[name]
    w = [x32(*s) for s in weights]
    x = x32(*shape, grad=False)
    assert layer(x, *w).dtype == F32
    for given in (x.numpy().astype(other), x.astype(other)):
        with pytest.raises(TypeError, match=f"input has dtype {other}.*float32.*astype.'float32'"):
            layer(given, *w)
    with pytest.raises(TypeError, match=f"weights have float32 and {other}"):
        layer(x, w[0], w[1].astype(other))
    with pytest.raises(ValueError, match="shape|channels|features|expect"):  # the shape comes first
        layer(x.astype(other), w[0], w[1][:-1])


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_layer_takes_integers_in_the_dtype_of_its_weights(name: str) -> None:
    layer, shape, weights = WEIGHTED[name]
    w = [x32(*s) for s in weights]
    whole = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    expected = layer(whole.astype(F32), *w)
    for given in (whole, ag.tensor(whole)):
        found = layer(given, *w)
        assert found.dtype == F32
        assert np.allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------------------------- integers in floats

IMAGE = np.full((1, 2, 4, 4), 200)
IMAGE[0, 0, 1, 2], IMAGE[0, 1, 3, 3] = 190, 180
IN_FLOATS: dict[str, Any] = {
    "mean": ag.mean,
    "var": ag.var,
    "std": lambda x: ag.std(x, axis=0),
    "average": lambda x: ag.average(x, np.asarray(IMAGE, np.uint8)),
    "nanmean": ag.nanmean,
    "np.nanvar": lambda x: np.nanvar(x),
    "np.nanstd": lambda x: np.nanstd(x),
    "median": ag.median,
    "norm": ag.norm,
    **{f"norm {p}": lambda x, p=p: ag.norm(x, ord=p, axis=0) for p in (1, 3)},
    "frobenius": lambda x: ag.norm(x, ord="fro", axis=(2, 3)),
    "logsumexp": lambda x: ag.logsumexp(x, axis=1),
    "softmax": lambda x: F.softmax(x - 100, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "sigmoid": lambda x: F.sigmoid(x),
    "avg_pool": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool": lambda x: F.adaptive_avg_pool2d(x, 2),
    "uneven adaptive_avg_pool": lambda x: F.adaptive_avg_pool2d(x, 3),
    "bilinear": lambda x: F.interpolate(x, 7, mode="bilinear"),
    "batch_norm": lambda x: F.batch_norm(x, training=True),
    "batch_norm by running": lambda x: F.batch_norm(x, np.ones(2, F32), np.ones(2, F32)),
    "layer_norm": lambda x: F.layer_norm(x, (4, 4)),
    "group_norm": lambda x: F.group_norm(x, 1),
    "instance_norm": lambda x: F.instance_norm(x),
    "mse_loss": lambda x: F.mse_loss(x, np.flip(IMAGE, 3).astype(np.uint8)),
    "l1_loss": lambda x: F.l1_loss(x, np.flip(IMAGE, 3).astype(np.uint8)),
    "huber_loss": lambda x: F.huber_loss(x, np.zeros(IMAGE.shape, np.uint8)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, np.zeros(IMAGE.shape, np.uint8)),
    "kl_div": lambda x: F.kl_div(x, np.ones(IMAGE.shape, np.uint8)),
    "nll_loss": lambda x: F.nll_loss(x, np.zeros((1, 4, 4), int)),
    "cross_entropy": lambda x: F.cross_entropy(x, np.zeros((1, 4, 4), int)),
    "logits": lambda x: F.binary_cross_entropy_with_logits(x, np.ones(IMAGE.shape, int)),
    "dropout": lambda x: F.dropout(x, 0.0) * 1.0,
    "exp": lambda x: ag.exp(x - 199),
    **{
        name: lambda x, name=name: EVERY_FUNCTION[name](x)
        for name in (
            "cbrt",
            "erf",
            "gelu",
            "log",
            "log1p",
            "log2",
            "mish",
            "sin",
            "silu",
            "sqrt",
            "tanh",
        )
    },
    "quantile": lambda x: np.quantile(x, 0.3),
    "percentile": lambda x: np.percentile(x, [30, 70], axis=2),
    "nanquantile": lambda x: np.nanquantile(x, 0.3, axis=3),
    "nanmedian": np.nanmedian,
    "divide": lambda x: ag.divide(x, x - 1),
    "det": lambda x: np.linalg.det(x - 190 * np.eye(4, dtype=x.dtype)),
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
@pytest.mark.parametrize("name", IN_FLOATS)
def test_integers_compute_in_floats(name: str, dtype: str) -> None:
    """As doubles; a tensor's result is rounded to the default dtype."""
    whole = IMAGE.astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = whole - 199 if name == "exp" else whole
        expected = np.asarray(IN_FLOATS[name](whole.astype(float)))
        if narrow.min() < 0 or narrow.max() > 200 or name == "det":
            return  # unsigned differences wrap, as in NumPy
        array, tensor = IN_FLOATS[name](whole), IN_FLOATS[name](ag.tensor(whole))
    assert tensor.dtype == F32
    assert np.asarray(array).dtype.kind == "f"
    for found in (array, tensor.numpy()):
        np.testing.assert_allclose(found, expected, 2e-3 if found is array else 2e-5, 1e-6)


def test_small_integers_have_exponentials_in_float32() -> None:
    x = np.array([-128, 0, 10], np.int8)
    for function in (ag.exp, F.softmax, ag.sigmoid, ag.sqrt):
        with np.errstate(invalid="ignore"):
            found, expected = function(ag.tensor(x)), function(x.astype(float))
        assert found.dtype == F32
        assert np.allclose(found.numpy(), expected, 1e-6, equal_nan=True)


def test_selecting_keeps_integers() -> None:
    x = ag.tensor(IMAGE.astype(np.uint8))
    for found in (
        F.max_pool2d(x, 2),
        F.adaptive_max_pool2d(x, 3),
        F.interpolate(x, 8),
        F.interpolate(x, 7),
        ag.sort(x),
        ag.max(x, axis=1),
        x[..., 1:],
    ):
        assert found.dtype == np.uint8
        assert set(np.unique(found.numpy())) <= {180, 190, 200}
