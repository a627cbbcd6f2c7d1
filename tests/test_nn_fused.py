"""Neighbours that Sequential computes together: to the same bits, or to rounding where weights are folded."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn


def made_ops(output: Any) -> list[str]:
    """The ops behind a tensor, last first."""
    found = []
    while output.op is not None:
        found.append(output.op.name)
        output = output.inputs[0]
    return found


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def one_by_one(net: Any, x: Any) -> Any:
    for module in net:
        x = module(x)
    return x


def same(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def outcome(run: Any, net: nn.Module, x: np.ndarray, recording: bool = True) -> list[np.ndarray]:
    """Result, gradients and running statistics of a step."""
    given = ag.tensor(x, requires_grad=True)
    net.zero_grad()
    if not recording:
        with ag.no_grad():
            return [run(given).numpy(), *net.buffers()]
    out = run(given)
    (out * out).sum().backward()
    grads = [p.grad.numpy() for p in (given, *net.parameters())]
    return [out.numpy(), *grads, *net.buffers()]


def twice(make: Any, x: np.ndarray, recording: bool = True) -> list[list[np.ndarray]]:
    """The outcome of a net as Sequential runs it, and of one like it layer by layer."""
    results = []
    for together in (True, False):
        ag.manual_seed(0)
        net = make()
        run = net if together else lambda v, n=net: one_by_one(n, v)
        results.append(outcome(run, net, x, recording))
    return results


# ------------------------------------------------------------------------------ batch norm's pass


def settled(norm: nn.Module) -> nn.Module:
    """The layer with numbers in place of zeros and ones."""
    rng = np.random.default_rng(1)
    for value in (*norm.buffers(), *(p.array for p in norm.parameters())):
        if value.ndim:
            value[:] = rng.random(value.shape) + 0.5
    return norm


BATCH_NORMS = {
    "1d": (lambda: nn.BatchNorm1d(3), nn.Identity(), (5, 3)),
    "sequences": (lambda: nn.BatchNorm1d(3), nn.MaxPool1d(2), (5, 3, 9)),
    "2d": (lambda: nn.BatchNorm2d(3), nn.MaxPool2d(2), (5, 3, 7, 6)),
    "plain": (lambda: nn.BatchNorm2d(3, affine=False), nn.MaxPool2d(2), (5, 3, 4, 6)),
    "untracked": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False),
        nn.MaxPool2d(2),
        (5, 3, 4, 6),
    ),
    "vectors": (lambda: nn.BatchNorm2d(3), nn.MaxPool2d(2), (16, 3, 6, 6)),
    "overlapping": (lambda: nn.BatchNorm2d(3), nn.MaxPool2d(3, 2, 1, ceil_mode=True), (5, 3, 7, 6)),
    "dilated": (lambda: nn.BatchNorm2d(3), nn.MaxPool2d(2, 2, dilation=2), (5, 3, 5, 5)),
    "padding alone": (lambda: nn.BatchNorm2d(3), nn.MaxPool2d(2, 1, 1, dilation=3), (5, 3, 2, 2)),
    "3d": (lambda: nn.BatchNorm3d(3), nn.MaxPool3d(2), (2, 3, 4, 4, 5)),
}


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("order", ["relu", "pool", "relu, pool", "pool, relu"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", BATCH_NORMS)
def test_batch_norm_takes_in_what_follows_to_the_same_bits(
    name: str, training: bool, order: str, recording: bool
) -> None:
    make, pool, shape = BATCH_NORMS[name]
    after = [{"relu": nn.ReLU(), "pool": pool}[word] for word in order.split(", ")]
    found, expected = twice(
        lambda: nn.Sequential(settled(make()).train(training), *after), normal(*shape), recording
    )
    same(found, expected)


@pytest.mark.parametrize(
    ("layers", "ops"),
    [
        ("bn", "batch_norm"),
        ("bn relu", "batch_norm"),
        ("bn relu pool relu", "relu batch_norm"),
        ("bn relu relu", "relu batch_norm"),
        ("bn tanh relu", "relu tanh batch_norm"),
        ("relu pool", "relu max_pool"),
        ("relu average", "avg_pool relu"),
    ],
)
def test_the_graph_holds_one_op(layers: str, ops: str) -> None:
    kinds = {
        "bn": lambda: nn.BatchNorm2d(1),
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2d(2),
        "average": lambda: nn.AvgPool2d(2),
        "tanh": nn.Tanh,
    }
    net = nn.Sequential(*(kinds[word]() for word in layers.split()))
    x = kernels.laid_out(normal(8, 1, 4, 4))
    assert made_ops(net(ag.tensor(x, requires_grad=True))) == ops.split()


@pytest.mark.parametrize("values", ["normal", "ties", "extremes"])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 1)])
def test_relu_after_max_pool_is_relu_before_it(pool: nn.Module, values: str) -> None:
    """Result and gradient, to the bit: also where windows are tied, hold NaN, or nothing positive."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3, 8, 8))
    if values == "ties":
        x = rng.integers(-1, 2, x.shape).astype(float)
    if values == "extremes":
        x = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1.0], x.shape)
    same(*twice(lambda: nn.Sequential(nn.ReLU(), pool), x))


# ------------------------------------------------------------------ the statistics of batch norm


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("given", ["array", "tensor", "tracked"])
@pytest.mark.parametrize("affine", [True, False, "frozen"])
def test_running_statistics_follow_in_every_mode(affine: Any, given: str, recording: bool) -> None:
    x = normal(5, 3, 4, 4)
    layer = nn.BatchNorm2d(3, affine=bool(affine), momentum=0.5)
    layer.requires_grad_(affine is True)
    value: Any = x if given == "array" else ag.tensor(x, requires_grad=given == "tracked")
    with ag.set_grad_enabled(recording), ag.profile() as found:
        out = nn.Sequential(layer, nn.ReLU())(value)
    assert found.calls == {("batch_norm", "forward"): 1}
    assert isinstance(out, ag.Tensor) == (given != "array" or bool(affine))
    np.testing.assert_allclose(layer.running_mean, 0.5 * x.mean((0, 2, 3)), rtol=1e-4)
    expected = 0.5 + 0.5 * x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_var, expected, rtol=1e-5)
    assert layer.num_batches_tracked == 1


def test_batch_norm_writes_to_none_of_its_arguments() -> None:
    assert list(ag.OPS["batch_norm"].params) == ["eps", "relu", "pool"]
    assert str(inspect.signature(F.batch_norm)).split(" -> ")[0] == (
        "(input: 'Array', running_mean: 'np.ndarray | None' = None, "
        "running_var: 'np.ndarray | None' = None, weight: 'Array | None' = None, "
        "bias: 'Array | None' = None, training: 'bool' = False, momentum: 'float' = 0.1, "
        "eps: 'float' = 1e-05)"
    )


# ------------------------------------------------------------------------------- unrecorded passes


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Linear(4, 3), nn.BatchNorm1d(3), (5, 4)),
        (nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), (5, 2, 6)),
        (nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4), (5, 2, 6, 6)),
        (nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3, affine=False), (5, 2, 3, 3, 3)),
    ],
)
def test_without_recording_batch_norm_scales_the_sums(layer: Any, norm: Any, shape: Any) -> None:
    settled(norm)
    net, x = nn.Sequential(layer, norm, nn.ReLU()), normal(*shape)
    with ag.no_grad(), ag.profile() as found:
        net(x)
        assert (
            "batch_norm",
            "forward",
        ) in found.calls  # the batch's statistics come after the sums
        expected = norm.eval()(layer(x)).relu()
        found.calls.clear()
        result = net(x)
    assert found.calls in ({(f"{kind}_fused", "forward"): 1} for kind in ("conv", "linear"))
    np.testing.assert_allclose(result.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net(x).numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)
    assert result.dtype == expected.dtype
    assert not result.requires_grad


CHAINS = {
    "relu": [nn.ReLU],
    "pool": [lambda: nn.MaxPool2d(2)],
    "relu, pool": [nn.ReLU, lambda: nn.MaxPool2d(2)],
    "pool, relu": [lambda: nn.MaxPool2d(2), nn.ReLU],
    "overlapping": [lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.ReLU],
    "dilated": [lambda: nn.MaxPool2d(2, 2, dilation=2, ceil_mode=True)],
    "padding alone": [nn.ReLU, lambda: nn.MaxPool2d(2, 7, 1, dilation=9), nn.ReLU],
    "twice": [nn.ReLU, nn.ReLU, lambda: nn.MaxPool2d(2), lambda: nn.MaxPool2d(2)],
    "tanh between": [nn.Tanh, nn.ReLU, lambda: nn.MaxPool2d(2)],
    "training norm": [lambda: nn.BatchNorm2d(6), nn.ReLU, lambda: nn.MaxPool2d(2)],
    "norm after pool": [lambda: nn.MaxPool2d(2), lambda: nn.BatchNorm2d(6).eval(), nn.ReLU],
}


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_pass_gives_the_bits_of_one_by_one(chain: str, batch: int, recording: bool) -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *(layer() for layer in CHAINS[chain]))

    same(*twice(make, normal(batch, 3, 9, 8), recording))


@pytest.mark.parametrize(
    ("layer", "pool", "shape"),
    [
        (lambda: nn.Conv1d(2, 3, 3), lambda: nn.MaxPool1d(2), (2, 2, 9)),
        (lambda: nn.Conv3d(2, 3, 2), lambda: nn.MaxPool3d(2), (2, 2, 5, 5, 4)),
        (lambda: nn.Linear(4, 3), nn.Identity, (5, 4)),
        (lambda: nn.Linear(4, 3, bias=False), nn.Identity, (5, 2, 4)),
    ],
)
def test_other_layers_too(layer: Any, pool: Any, shape: Any) -> None:
    net, x = nn.Sequential(layer(), nn.ReLU(), pool()), normal(*shape)
    with (
        ag.no_grad(),
        pytest.raises(TypeError, match="input has dtype float64, weights have float32"),
    ):
        net(x.astype(float))
    for given in (x, (8 * x).astype(np.int16)):
        with ag.no_grad():
            found, expected = net(given), one_by_one(net, given)
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
        assert found.dtype == expected.dtype


def test_batch_norm_of_what_a_linear_layer_makes_of_sequences() -> None:
    sequence = np.ones((2, 3, 4), np.float32)  # batch norm's channels are not the features here
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    with ag.no_grad():
        np.testing.assert_array_equal(net(sequence), net[1](net[0](sequence)))


def test_positions_are_left_alone() -> None:
    x = ag.tensor(normal(2, 1, 6, 6), requires_grad=True)
    pool = nn.MaxPool2d(2, return_indices=True)
    assert made_ops(nn.Sequential(nn.ReLU(), pool)(x)[0]) == ["max_pool", "relu"]
    with ag.no_grad():
        values, places = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), pool)(x)
    assert values.shape == places.shape == (2, 2, 2, 2)


# ---------------------------------------------------------------------------------------- watchers


def test_watchers_see_what_runs_and_the_layers_that_run_together() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.MaxPool2d(1)),
    )
    x = normal(2, 1, 6, 6)
    found = ag.summary(net, x)
    assert [row.shape for row in found.rows[1:]] == [
        *("(2, 2, 4, 4)", "(2, 2, 2, 2)", "in 1", "in 1"),
        *("(2, 3, 1, 1)", "(2, 3, 1, 1)", "(2, 3, 1, 1)"),
    ]
    assert [row.calls for row in found.rows] == [1] * 8
    for recording, ops in ((True, "conv batch_norm max_pool relu"), (False, "conv_fused")):
        net.train(recording)
        with ag.set_grad_enabled(recording), ag.profile() as profile:
            net(x)
        assert {name for name, _ in profile.calls} == set(ops.split())
    bad = nn.Sequential(nn.Identity(), *net[:4])
    bad[1].weight.data = np.full((2, 1, 3, 3), np.inf, np.float32)
    with ag.no_grad(), ag.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        bad.eval()(x)
    assert "conv_fused made" in str(caught.value)
    assert "Sequential.1 (Conv2d)" in str(caught.value)
    assert caught.value.__notes__ == ["in Sequential.1 (Conv2d)"]


# ------------------------------------------------------------------------------------------- errors


CONV = (nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
NORM = (nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))


@pytest.mark.parametrize(
    ("layers", "x"),
    [
        (CONV, (2, 3, 6, 6)),
        (CONV, (6, 6)),
        (CONV, (2, 6, 6)),
        (CONV, (1, 3, 3)),
        (CONV, (2, 1, 3, 3)),
        (CONV, (2, 1, 2, 2)),
        (CONV, np.ma.masked_array(np.ones((2, 1, 6, 6)), True)),
        (CONV, "text"),
        (CONV, [[1.0]]),
        (CONV, None),
        (CONV[1:], "text"),
        (NORM, (2, 3, 1, 1)),
        (NORM, (1, 3, 1, 1)),
        (NORM, (3, 6, 6)),
        ((nn.BatchNorm1d(3), nn.MaxPool1d(4)), (4, 3)),
        ((nn.BatchNorm1d(5), nn.ReLU()), (4, 3)),
        ((nn.Linear(4, 3), nn.ReLU()), (2, 5)),
        ((nn.Linear(4, 3), nn.BatchNorm1d(5).eval()), (2, 4)),
    ],
)
@pytest.mark.parametrize("recording", [True, False])
def test_mistakes_are_told_in_the_same_words(layers: Any, x: Any, recording: bool) -> None:
    net, told = nn.Sequential(*layers), []
    x = np.ones(x, np.float32) if isinstance(x, tuple) else x
    for run in (net, lambda v: one_by_one(net, v)):
        before = [b.copy() for b in net.buffers() if not b.ndim]
        with ag.set_grad_enabled(recording), pytest.raises((TypeError, ValueError)) as caught:
            run(x)
        batches = [int(b - old) for b, old in zip((b for b in net.buffers() if not b.ndim), before)]
        told.append((type(caught.value), str(caught.value), batches, caught.value.__notes__[0]))
    assert told[0][:3] == told[1][:3]
    assert told[0][3].endswith(f"({told[1][3].removeprefix('in ')})")  # in Sequential.2 (MaxPool2d)
