"""float16 is summed in float32, harmless underflows are not reported, and a profile names slow calls;
the other byte order and long doubles."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn
from tests.test_ops import EVERY_FUNCTION
from tests.test_points import EVERY, drawn, is_float

# ------------------------------------------------------------------------- float16 summed in float32

NEAR = np.random.default_rng(0).normal(300.0, 2.0, (4, 8, 12, 12))
RAVELED = NEAR.reshape(4, -1)
SUMS: dict[str, tuple[Any, np.ndarray]] = {
    "sum": (lambda x: ag.sum(x * 0.01, axis=0), RAVELED.T),
    "mean": (lambda x: ag.mean(x, axis=0), RAVELED.T),
    "var": (lambda x: ag.var(x, axis=1), RAVELED),
    "std": (lambda x: ag.std(x, axis=0), np.sign(RAVELED.T - 300.0) * 300.0),
    "norm": (lambda x: ag.norm(x, axis=1), RAVELED),
    "norm 3": (lambda x: ag.norm(x, ord=3, axis=1), RAVELED),
    "average": (lambda x: ag.average(x, x, axis=1), RAVELED),
    "nanmean": (lambda x: ag.nanmean(x, axis=1), RAVELED),
    "np.nanvar": (lambda x: np.nanvar(x, axis=1), RAVELED),
    "np.nanstd": (lambda x: np.nanstd(x, axis=1), RAVELED),
    "cumsum": (lambda x: ag.cumsum(x, axis=0), np.full((20_000, 2), 0.5)),
    "logsumexp": (lambda x: ag.logsumexp(x, axis=0), RAVELED.T),
    "softmax": (lambda x: F.softmax(x, 0) * 1000.0, RAVELED.T),
    "log_softmax": (lambda x: F.log_softmax(x, 0), RAVELED.T),
    "avg_pool": (lambda x: F.avg_pool2d(x, 12), np.repeat(NEAR, 2, 2)),
    "adaptive_avg_pool": (lambda x: F.adaptive_avg_pool2d(x, 5), NEAR),
    "batch_norm": (lambda x: F.batch_norm(x, training=True), NEAR),
    "layer_norm": (lambda x: F.layer_norm(x, (8, 12, 12)), NEAR),
    "group_norm": (lambda x: F.group_norm(x, 2), NEAR),
    "instance_norm": (lambda x: F.instance_norm(x), NEAR),
    "matmul": (lambda x: x @ np.ones((12, 3), x.dtype), NEAR),
    "linear": (lambda x: F.linear(x, np.full((3, 1152), 0.1, x.dtype)), RAVELED),
    "conv": (lambda x: F.conv2d(x, np.full((2, 8, 5, 5), 0.1, x.dtype)), NEAR),
    "einsum": (lambda x: ag.einsum("ij->j", x), np.full((200, 3), 300.25)),
    "contract": (lambda x: ag.einsum("ij,ij->j", x, x), np.full((3000, 3), 4.03)),
    "trace": (lambda x: ag.trace(x), np.full((3000, 3000), 4.03)),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, np.arange(4), reduction="none"),
        RAVELED - RAVELED.mean(),
    ),
    "mse_loss": (lambda x: F.mse_loss(x, x * 0.9), RAVELED / 10),
}


@pytest.mark.parametrize("name", SUMS)
def test_float16_is_summed_in_float32(name: str) -> None:
    function, values = SUMS[name]
    half = values.astype(np.float16)
    expected = np.asarray(function(half.astype(float)))
    given = [half, ag.tensor(half), ag.tensor(half, requires_grad=True)]
    for x in given[name.startswith("np.") :]:
        found = function(x)
        assert found.dtype == np.float16
        found = np.asarray(found.numpy() if isinstance(found, ag.Tensor) else found, float)
        assert np.allclose(found, expected, rtol=2e-3, atol=2e-3 * max(1.0, abs(expected).max()))


def test_gradients_of_float16_are_summed_in_float32() -> None:
    for function, x in (
        (lambda b: ag.broadcast_to(b, shape=(5000, 3)), 3),
        (
            lambda b: F.linear(
                ag.tensor(np.zeros((5000, 2), "e")), ag.tensor(np.zeros((3, 2), "e")), b
            ),
            3,
        ),
    ):
        b = ag.tensor(np.zeros(x, np.float16), requires_grad=True)
        function(b).backward(np.full((5000, 3), 1.0, np.float16))
        assert b.grad.tolist() == [5000.0] * 3
    w = ag.tensor(np.zeros((2, 1), np.float16), requires_grad=True)
    F.embedding(np.zeros(5000, int), w).backward(np.ones((5000, 1), np.float16))
    assert w.grad.tolist() == [[5000.0], [0.0]]


@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_gradients_of_float16_are_the_same_when_they_are_recorded(name: str) -> None:
    function = EVERY_FUNCTION[name]
    for case, scale in itertools.product(drawn(name, 12), (1.0, 300.0)):
        found: dict[bool, list[Any]] = {}
        for recorded in (False, True):
            xs = [ag.tensor(np.float16(x * scale), True) if is_float(x) else x for x in case.inputs]
            with np.errstate(all="ignore"):
                out = function(*xs, **case.params)
                if not getattr(out, "requires_grad", False):
                    break
                seed = np.linspace(1.0, 2.0, out.size).reshape(out.shape)
                leaves = [x for x in xs if isinstance(x, ag.Tensor)]
                found[recorded] = ag.grad(
                    out, leaves, seed, create_graph=recorded, allow_unused=True
                )
        for plain, other in zip(*found.values()) if found else ():
            if plain is None or not plain.size:
                assert other is None or not other.size
                continue
            a, b = np.asarray(plain, float), np.asarray(other.detach(), float)
            size = np.abs(a[np.isfinite(a)]).max(initial=1e-3)
            assert np.allclose(a, b, rtol=4e-3, atol=4e-3 * size, equal_nan=True)


@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm], ids=lambda norm: norm.__name__)
def test_running_statistics_of_float16_images_are_those_of_float32(norm: Any) -> None:
    images = (np.random.default_rng(0).standard_normal((4, 3, 8, 8)) * 600).astype(np.float16)
    found = []
    for x in (images, images.astype(np.float32)):
        running = np.zeros(3, np.float32), np.ones(3, np.float32)
        settings = {"training": True} if norm is F.batch_norm else {}
        norm(ag.tensor(x), *running, momentum=1.0, **settings)
        found.append(np.stack(running))
    assert np.allclose(*found, rtol=1e-5)


# ----------------------------------------------------------------------------- underflow and profile

LOSSES: dict[str, Any] = {
    "cross_entropy": lambda x: F.cross_entropy(x, np.array([0, 1])),
    "smoothed": lambda x: F.cross_entropy(x, np.array([0, 1]), label_smoothing=0.1),
    "of probabilities": lambda x: F.cross_entropy(x, np.full((2, 3), 1 / 3, x.dtype)),
    "nll": lambda x: F.nll_loss(F.log_softmax(x, 1), np.array([0, 1])),
    "kl_div": lambda x: F.kl_div(F.log_softmax(x, 1), F.softmax(x[::-1], 1).detach()),
    "kl_div of logs": lambda x: F.kl_div(
        F.log_softmax(x, 1), F.log_softmax(x[::-1], 1).detach(), log_target=True
    ),
    "logits": lambda x: F.binary_cross_entropy_with_logits(x, np.eye(2, 3, dtype=x.dtype)),
    "mse": lambda x: F.mse_loss(F.sigmoid(x), np.eye(2, 3, dtype=x.dtype)),
    "l1": lambda x: F.l1_loss(F.softmax(x), np.eye(2, 3, dtype=x.dtype)),
    "smooth l1": lambda x: F.smooth_l1_loss(F.silu(x), np.eye(2, 3, dtype=x.dtype)),
    "mean of tiny": lambda x: F.softmax(x).mean(),
}
SMOOTH = ("sigmoid", "silu", "mish", "gelu", "softplus", "logsigmoid", "tanh", "elu", "selu")
SMOOTH += ("softmax", "log_softmax", "hardtanh", "relu", "leaky_relu")
BOUNDED: dict[str, Any] = {
    **{name: getattr(F, name) for name in SMOOTH},
    **LOSSES,
    "gelu tanh": lambda x: F.gelu(x * 0.1, "tanh"),
    "logsumexp": lambda x: ag.logsumexp(x, axis=1),
    "logaddexp": lambda x: ag.logaddexp(x, 0.5),
    "erf": ag.erf,
    "batch_norm": lambda x: F.batch_norm(x, training=True),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("far", [7.0, 12.0, 13.5, 20.0, 100.0, 800.0])
@pytest.mark.parametrize("name", BOUNDED)
def test_no_harmless_underflow_is_reported(name: str, far: float, dtype: str) -> None:
    """Far from 0, forward and backward, with NumPy's underflow raised."""
    values = np.array([[-far, far, 0.0], [far, -far, 1.0]], dtype)
    for scale in (1.0, 1e-3):
        x = ag.tensor(values, requires_grad=True)
        with np.errstate(all="ignore"):
            expected = BOUNDED[name](x)
            seed = np.full(expected.shape, scale, dtype)
            (g,) = ag.grad(BOUNDED[name](x), x, seed)
        with np.errstate(all="ignore", under="raise"):
            out = BOUNDED[name](x)
            (found,) = ag.grad(out, x, seed)
            (h,) = ag.grad(BOUNDED[name](x), x, seed, create_graph=True)
            if h.requires_grad:
                h.backward(np.full(h.shape, scale, dtype))
        assert np.array_equal(out.numpy(), expected.numpy(), equal_nan=True)
        assert np.array_equal(found.numpy(), g.numpy(), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", EVERY)
def test_an_underflow_is_reported_only_by_functions_that_report_it_in_numpy(
    name: str, dtype: str
) -> None:
    """Forward as NumPy's function of that name, backward never."""
    for case in [case for case in drawn(name, 12) if any(map(is_float, case.inputs))]:
        for far in (-20.0, -100.0, -800.0):
            xs = [(x * far).astype(dtype) if is_float(x) else x for x in case.inputs]
            xs = [ag.tensor(x, requires_grad=True) if is_float(x) else x for x in xs]
            with np.errstate(all="ignore"):
                try:
                    outs = EVERY_FUNCTION[name](*xs, **case.params)
                except (ValueError, TypeError, np.linalg.LinAlgError):
                    continue
            with np.errstate(all="ignore", under="raise"):
                try:
                    EVERY_FUNCTION[name](*xs, **case.params)
                except FloatingPointError:
                    if name == "matrix_power" and dtype == "float16":
                        continue  # NumPy has none
                    twin = getattr(np, name, None) or getattr(np.linalg, name)
                    arrays = [x.numpy() if isinstance(x, ag.Tensor) else x for x in xs]
                    with pytest.raises(FloatingPointError):
                        twin(*arrays, **case.params)
            for out in outs if isinstance(outs, (tuple, list)) else [outs]:
                if isinstance(out, ag.Tensor) and out.requires_grad:
                    with np.errstate(all="ignore", under="raise"):
                        out.backward(np.full(out.shape, 1e-4, dtype), retain_graph=True)


def test_underflow_of_a_user_s_own_exponential_is_reported() -> None:
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        ag.exp(ag.tensor([-800.0]))


@pytest.mark.skipif(kernels.REASON != "compiled", reason="the compiled kernels do not serve here")
@pytest.mark.parametrize(
    ("cause", "dtypes"),
    [
        ("float16", ("e", "e")),
        ("float32 and float64", ("f", "d")),
        (str(np.dtype("g")), ("g", "g")),
    ],
)
def test_a_profile_names_slow_calls_and_their_cause(cause: str, dtypes: tuple[str, str]) -> None:
    x, y = (ag.tensor(np.ones((2, 2), d)) for d in dtypes)
    with ag.profile() as found:
        x @ y
        ag.tensor(np.ones((2, 2), "f")) @ ag.tensor(np.ones((2, 2), "f"))
    assert found.slow == {("matmul", "forward", cause): 1}
    assert f"slow: matmul forward in {cause}, 1 calls" in str(found)


@pytest.mark.skipif(kernels.REASON != "compiled", reason="the compiled kernels do not serve here")
def test_training_in_one_dtype_has_no_slow_call() -> None:
    for dtype in ("float32", "float64"):
        net = nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(36, 3), nn.LeakyReLU(np.float64(0.1)), nn.Dropout(np.float64(0.1))),
        )
        for p in net.parameters():
            p.array = p.array.astype(dtype)
        x = ag.tensor(np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(dtype))
        with ag.profile() as found:
            loss = F.cross_entropy(net(x), np.array([0, 1, 2, 0]))
            (loss * np.float64(1.0) / np.int64(2)).backward()
        assert found.slow == {}
        assert all(p.grad.dtype == dtype for p in net.parameters())


# ------------------------------------------------------------------------------------- other floats


NO_LONG_DOUBLES = (  # in NumPy
    *("cholesky", "det", "inv", "logabsdet", "pinv", "slogdet", "solve", "solve_columns"),
)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", np.longdouble])
@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_the_byte_order_and_long_doubles_change_no_result(name: str, dtype: Any) -> None:
    """Values and gradients, of tensors and beside arrays in the other order."""
    native = np.dtype(dtype).newbyteorder("=")

    def results(case: Any, dtype: Any, wrapped: Any) -> list[Any]:
        places = [k for k, x in enumerate(case.inputs) if is_float(x)]
        xs = [np.asarray(x, dtype) if k in places else x for k, x in enumerate(case.inputs)]
        for k in places if wrapped is None else places[:1]:
            xs[k] = ag.tensor(xs[k], requires_grad=True)
        with np.errstate(all="ignore"):
            out = EVERY_FUNCTION[name](*xs, **case.params)
            if not getattr(out, "requires_grad", False):
                return [out]
            leaves = [x for x in xs if isinstance(x, ag.Tensor)]
            seed = np.ones(out.shape)
            more = ag.grad(out, leaves, seed, create_graph=True, allow_unused=True)
            return [out, *more, *ag.grad(out, leaves, seed, allow_unused=True)]

    for case, wrapped in itertools.product(drawn(name, 6), (None, "the first")):
        power = case.params.get("n", 0) if name == "matrix_power" else 0
        try:
            expected = results(case, native if native.itemsize < 16 else float, wrapped)
        except (TypeError, np.linalg.LinAlgError):
            continue  # matrices of float16, and singular ones
        if dtype is np.longdouble and (name in NO_LONG_DOUBLES or power < 0):
            with pytest.raises(TypeError, match="unsupported in linalg"):
                results(case, dtype, wrapped)
            continue
        found = results(case, dtype, wrapped)
        for one, other in zip(expected, found, strict=True):
            assert (one is None) == (other is None)
            if isinstance(one, ag.Tensor):
                assert dtype is np.longdouble or other.dtype == one.dtype
                one, other = one.detach(), other.detach()
            if one is not None:
                one, other = np.asarray(one), np.asarray(other)
                np.testing.assert_allclose(other.astype(one.dtype), one, 1e-3, 1e-3)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "longdouble"])
def test_the_dtype_of_a_tensor_is_the_very_object_that_numpy_has(name: str) -> None:
    """Ops compare dtypes by identity: a copy, such as newbyteorder gives, takes the slow way."""
    before = ag.get_default_dtype()
    try:
        for order in "<>=":
            ag.set_default_dtype(np.dtype(name).newbyteorder(order))
            made, swapped = ag.tensor([1.0]), np.dtype(name).newbyteorder()
            of_arrays = [ag.tensor([1.0], dtype=swapped), ag.tensor(np.ones(2, swapped))]
            for x in (made, *of_arrays, made.astype(swapped), nn.Linear(1, 1).weight):
                assert x.dtype is np.dtype(name)
    finally:
        ag.set_default_dtype(before)
