"""float16 is summed in float32, harmless underflows are not reported, and a profile names slow calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn

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

FAR = np.array([[-800.0, 800.0, 0.0], [800.0, -800.0, 1.0]])
BOUNDED: dict[str, Any] = {
    **{
        name: getattr(F, name)
        for name in ("sigmoid", "silu", "mish", "gelu", "softplus", "logsigmoid", "tanh")
    },
    **{
        name: getattr(F, name)
        for name in ("elu", "selu", "softmax", "log_softmax", "hardtanh", "relu")
    },
    "gelu tanh": lambda x: F.gelu(x * 0.1, "tanh"),
    "leaky_relu": F.leaky_relu,
    "logsumexp": lambda x: ag.logsumexp(x, axis=1),
    "logaddexp": lambda x: ag.logaddexp(x, 0.5),
    "expm1": lambda x: ag.expm1(ag.minimum(x, 1.0)),
    "erf": ag.erf,
    "logits": lambda x: F.binary_cross_entropy_with_logits(x, np.eye(2, 3, dtype=x.dtype)),
    "cross_entropy": lambda x: F.cross_entropy(x, np.array([0, 1])),
    "smoothed": lambda x: F.cross_entropy(x, np.array([0, 1]), label_smoothing=0.1),
    "of probabilities": lambda x: F.cross_entropy(x, np.full((2, 3), 1 / 3, x.dtype)),
    "batch_norm": lambda x: F.batch_norm(x, training=True),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BOUNDED)
def test_no_harmless_underflow_is_reported(name: str, dtype: str) -> None:
    """Far from 0, forward and backward, with all of NumPy's errors raised."""
    x = ag.tensor(FAR.astype(dtype), requires_grad=True)
    expected = BOUNDED[name](x)
    with np.errstate(all="raise"):
        out = BOUNDED[name](x)
        (g,) = ag.grad(out, x, np.ones(out.shape, dtype), create_graph=False)
        (h,) = ag.grad(BOUNDED[name](x), x, np.ones(out.shape, dtype), create_graph=True)
    assert np.array_equal(out.numpy(), expected.numpy())
    assert np.allclose(g.numpy(), h.numpy())
    assert np.isfinite(g.numpy()).all()


def test_underflow_of_a_user_s_own_exponential_is_reported() -> None:
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        ag.exp(ag.tensor([-800.0]))


@pytest.mark.skipif(kernels.REASON != "compiled", reason="the compiled kernels do not serve here")
@pytest.mark.parametrize(
    ("cause", "dtypes"),
    [("float16", ("e", "e")), ("float32 and float64", ("f", "d")), (">f4", (">f4", ">f4"))],
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
