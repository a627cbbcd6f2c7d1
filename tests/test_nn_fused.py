"""Neighbours that Sequential computes together: to the same bits, or to rounding where weights are folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import kernels, nn
from autograd_cnn.diagnose import profile
from autograd_cnn.kernels.window import pool_window

LAYERS = {
    "1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "sequences": (lambda: nn.BatchNorm1d(3), (5, 3, 4)),
    "2d": (lambda: nn.BatchNorm2d(3), (5, 3, 4, 6)),
    "plain": (lambda: nn.BatchNorm2d(3, affine=False), (5, 3, 4, 6)),
    "untracked": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (5, 3, 4, 6)),
    "3d": (lambda: nn.BatchNorm3d(3), (5, 3, 4, 2, 2)),
}


def made_ops(output: Any) -> list[str]:
    """The ops behind a tensor, last first."""
    found = []
    while output.op is not None:
        found.append(output.op.name)
        output = output.inputs[0]
    return found


def layer(name: str) -> tuple[nn.Module, np.ndarray]:
    make, shape = LAYERS[name]
    norm, rng = make(), np.random.default_rng(0)
    for value in norm.state_dict().values():
        if value.ndim:
            value[:] = rng.random(value.shape) + 0.5
    norm.load_state_dict(
        {k: v + 0.1 * rng.random() if v.ndim else v for k, v in norm.state_dict().items()}
    )
    return norm, rng.standard_normal(shape).astype(np.float32)


def outcome(net: Any, norm: nn.Module, x: np.ndarray) -> list[np.ndarray]:
    """Result, gradients and running statistics of a step."""
    given = ag.tensor(x, requires_grad=True)
    norm.zero_grad()
    out = net(given)
    (out * out).sum().backward()
    grads = [p.grad.numpy() for p in norm.parameters()]
    return [out.numpy(), given.grad.numpy(), *grads, *norm.buffers()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_one_pass_gives_the_bits_of_two(name: str, training: bool) -> None:
    results = []
    for together in (True, False):
        norm, x = layer(name)
        norm.train(training)
        relu = nn.ReLU()
        net = nn.Sequential(norm, relu) if together else (lambda v, n=norm, r=relu: r(n(v)))
        results.append(outcome(net, norm, x))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)


def one_by_one(net: nn.Sequential, x: Any) -> Any:
    for module in net:
        x = module(x)
    return x


POOLED = {
    "1d": (nn.BatchNorm1d, nn.MaxPool1d(2), (5, 3, 9)),
    "2d": (nn.BatchNorm2d, nn.MaxPool2d(2), (5, 3, 7, 6)),
    "vectors": (nn.BatchNorm2d, nn.MaxPool2d(2), (16, 3, 6, 6)),
    "overlapping": (nn.BatchNorm2d, nn.MaxPool2d(3, 2, 1, ceil_mode=True), (5, 3, 7, 6)),
    "dilated": (nn.BatchNorm2d, nn.MaxPool2d(2, 2, dilation=2), (5, 3, 5, 5)),
    "padding alone": (nn.BatchNorm2d, nn.MaxPool2d(2, 1, 1, dilation=3), (5, 3, 2, 2)),
    "3d": (nn.BatchNorm3d, nn.MaxPool3d(2), (2, 3, 4, 4, 5)),
}


@pytest.mark.parametrize("order", ["pool", "relu, pool", "pool, relu", "recording off"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", POOLED)
def test_pooling_joins_batch_norm_to_the_same_bits(name: str, training: bool, order: str) -> None:
    make, pool, shape = POOLED[name]
    x, results = np.random.default_rng(0).standard_normal(shape).astype(np.float32), []
    follow = {"pool": [pool], "pool, relu": [pool, nn.ReLU()]}.get(order, [nn.ReLU(), pool])
    for together in (True, False):
        norm = make(3).train(training)
        net = nn.Sequential(norm, *follow)
        run = net if together else (lambda v, n=net: one_by_one(n, v))
        if order == "recording off":
            with ag.no_grad():
                results.append([run(x).numpy(), *norm.buffers()])
        else:
            results.append(outcome(run, norm, x))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 1, 1)])
def test_a_pooling_that_fails_fails_where_it_stands(shape: Any) -> None:
    told = []
    for together in (True, False):
        norm = nn.BatchNorm2d(3)
        net = nn.Sequential(norm, nn.ReLU(), nn.MaxPool2d(2))
        with pytest.raises(ValueError, match="batch_norm|max_pool2d") as caught:
            (net if together else lambda x, n=net: one_by_one(n, x))(np.ones(shape, np.float32))
        told.append((str(caught.value), int(norm.num_batches_tracked)))
        if together and shape[0] > 1:
            assert caught.value.__notes__ == ["in Sequential.2 (MaxPool2d)"]
    assert told[0] == told[1]
    with ag.no_grad(), pytest.raises(ValueError, match="max_pool2d") as caught:
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.MaxPool2d(2))(np.ones(shape, np.float32))
    assert caught.value.__notes__ == ["in Sequential.1 (MaxPool2d)"]


def test_what_cannot_be_pooled_is_told_in_the_same_words() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.MaxPool1d(2))
    told = []
    for run in (net, lambda v: one_by_one(net, v)):
        with pytest.raises(ValueError, match=r"max_pool1d: input must have shape") as caught:
            run(np.ones((4, 3), np.float32))
        told.append(str(caught.value))
    assert told[0] == told[1]
    with pytest.raises(ValueError, match=r"nothing to pool in an input of \(4, 3\)"):
        ag.functional.batch_norm(np.ones((4, 3)), training=True, pool=[2])
    for pool in ([], [2, 2, 0, 1, False, 0]):
        with pytest.raises(ValueError, match="pool must be kernel_size, and up to four more"):
            ag.functional.batch_norm(np.ones((4, 3, 8)), training=True, pool=pool)


def test_the_graph_holds_one_op() -> None:
    images = ag.tensor(np.random.default_rng(0).standard_normal((2, 1, 4, 4)), requires_grad=True)
    block = nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU())
    assert made_ops(block(images)) == ["relu", "batch_norm"]
    x = ag.tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True)
    norm, relu = nn.BatchNorm1d(3), nn.ReLU()
    assert made_ops(nn.Sequential(norm, relu)(x)) == ["batch_norm"]
    assert made_ops(relu(norm(x))) == ["relu", "batch_norm"]
    assert made_ops(nn.Sequential(norm, nn.Tanh(), relu)(x)) == ["relu", "tanh", "batch_norm"]
    assert made_ops(nn.Sequential(norm)(x)) == ["batch_norm"]
    assert made_ops(nn.Sequential(norm, relu, relu)(x)) == ["relu", "batch_norm"]


def test_hooks_and_watchers_see_both_layers() -> None:
    x = ag.tensor(np.ones((4, 3), np.float32), requires_grad=True)
    for hooked in (0, 1):
        net, seen = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()), []
        handle = net[hooked].register_forward_hook(lambda m, args, out: seen.append(out))  # noqa: B023
        assert made_ops(net(x)) == ["relu", "batch_norm"]
        assert made_ops(seen[0]) == ["relu", "batch_norm"][1 - hooked :]
        handle.remove()
    with profile() as report:
        net(x)
    assert "relu" in str(report)


def test_subclasses_are_called_as_they_are() -> None:
    class Halving(nn.BatchNorm1d):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 0.5

    class Twice(nn.ReLU):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 2.0

    x = ag.tensor(np.random.default_rng(0).standard_normal((4, 3)), requires_grad=True)
    assert made_ops(nn.Sequential(Halving(3), nn.ReLU())(x)) == ["relu", "multiply", "batch_norm"]
    assert made_ops(nn.Sequential(nn.BatchNorm1d(3), Twice())(x)) == [
        "multiply",
        "relu",
        "batch_norm",
    ]


def test_a_failing_layer_is_named_in_either_way() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.BatchNorm1d(5), nn.ReLU()))
    with pytest.raises(ValueError, match="num_features is 5") as caught:
        net(np.ones((4, 3), np.float32))
    assert any("1.0" in note for note in caught.value.__notes__)


# ----------------------------------------------------------------------------- relu and max pooling


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
    relu, results = nn.ReLU(), []
    weights = rng.standard_normal(pool(x).shape)
    for net in (nn.Sequential(relu, pool), lambda v: pool(relu(v))):
        given = ag.tensor(x, requires_grad=True)
        out = net(given)
        out.backward(weights)
        results.append((out.numpy(), given.grad.numpy()))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_relu_comes_after_max_pool_unless_positions_are_asked_for() -> None:
    x = ag.tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
    assert made_ops(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))(x)) == ["relu", "max_pool"]
    asked = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, return_indices=True))
    assert made_ops(asked(x)[0]) == ["max_pool", "relu"]
    averaged = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2))
    assert made_ops(averaged(x)) == ["avg_pool", "relu"]


# ------------------------------------------------------------------- batch norm after other layers

FOLLOWED = {
    "Linear": (lambda: (nn.Linear(4, 3), nn.BatchNorm1d(3)), (5, 4)),
    "Conv1d": (lambda: (nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3)), (5, 2, 6)),
    "Conv2d": (lambda: (nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4)), (5, 2, 6, 6)),
    "Conv3d": (lambda: (nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3, affine=False)), (5, 2, 3, 3, 3)),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_without_recording_batch_norm_scales_the_sums(name: str) -> None:
    (make, shape), rng = FOLLOWED[name], np.random.default_rng(0)
    layer, norm = make()
    for value in norm.running_mean, norm.running_var:
        value[:] = rng.random(len(value)) + 0.5
    for p in norm.parameters():
        p.data = rng.standard_normal(p.shape).astype(np.float32)
    net, x = nn.Sequential(layer, norm, nn.ReLU()), rng.standard_normal(shape).astype(np.float32)
    seen = []
    original = type(norm).running_affine
    type(norm).running_affine = lambda self, *given: seen.append(self) or original(self, *given)  # type: ignore
    try:
        with ag.no_grad():
            training = net(x)
            assert seen == []  # the batch's statistics are not known beforehand
            expected = norm.eval()(layer(x)).relu()
            found = net(x)
        assert seen == [norm]
        recorded = net(x)
        assert seen == [norm]
    finally:
        type(norm).running_affine = original  # type: ignore[method-assign]
    assert training.shape == found.shape
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(recorded.numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)
    assert found.dtype == expected.dtype
    assert not found.requires_grad


def test_what_does_not_fit_is_computed_one_by_one() -> None:
    sequence = np.ones((2, 3, 4), np.float32)  # batch norm's channels are not the features here
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    with ag.no_grad():
        np.testing.assert_array_equal(net(sequence), net[1](net[0](sequence)))
        with pytest.raises(ValueError, match="num_features is 5"):
            nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(5)).eval()(sequence[0])


def test_a_layer_without_running_statistics_follows_nothing() -> None:
    norm = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert not norm.follows(np.ones((3, 2), np.float32))
    with pytest.raises(
        ValueError, match=r"BatchNorm1d\.running_affine: there are no running statistics"
    ):
        norm.running_affine(None)


# ---------------------------------------------------------------- what a pass takes in, unrecorded

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


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_pass_gives_the_bits_of_one_by_one(chain: str, batch: int) -> None:
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), *(make() for make in CHAINS[chain]))
    x = ag.tensor(rng.standard_normal((batch, 3, 9, 8)).astype(np.float32), requires_grad=True)
    with ag.no_grad():
        found = net(x)
        np.testing.assert_array_equal(found.numpy(), one_by_one(net, x).numpy())
    assert not found.requires_grad
    assert net(x).requires_grad  # recorded as ever
    np.testing.assert_array_equal(net(x).numpy(), one_by_one(net, x).numpy())


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
    net = nn.Sequential(layer(), nn.ReLU(), pool())
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for given in (x, x.astype(float), (8 * x).astype(np.int16)):
        with ag.no_grad():
            found, expected = net(given), one_by_one(net, given)
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
        assert found.dtype == expected.dtype


def test_one_kernel_computes_all_of_it() -> None:
    calls, original = [], kernels.conv
    kernels.conv = lambda *args: calls.append(args[5:]) or original(*args)
    try:
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2))
        x = np.ones((1, 1, 6, 6), np.float32)
        with ag.no_grad():
            net.eval()(x)
    finally:
        kernels.conv = original
    assert [call[:2] for call in calls] == [(True, pool_window((4, 4), 2, None, 0, 1, False))]


def test_hooked_layers_and_positions_are_left_alone() -> None:
    x, seen = np.random.default_rng(0).standard_normal((2, 1, 6, 6)).astype(np.float32), []
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    with ag.no_grad(), net[1].register_forward_hook(lambda module, args, out: seen.append(out)):
        net(x)
    assert seen[0].shape == (2, 2, 4, 4)
    asked = nn.Sequential(net[0], nn.ReLU(), nn.MaxPool2d(2, return_indices=True))
    with ag.no_grad():
        values, places = asked(x)
    assert values.shape == places.shape == (2, 2, 2, 2)


@pytest.mark.parametrize(
    "x",
    [
        np.ones((2, 3, 6, 6), np.float32),
        np.ones((1, 6, 6), np.float32),
        np.ones((2, 1, 3, 3), np.float32),
        np.ones((2, 1, 2, 2), np.float32),
        np.ma.masked_array(np.ones((2, 1, 6, 6)), True),
        "text",
        [[1.0]],
        None,
    ],
    ids=["channels", "axes", "pool", "kernel", "masked", "text", "list", "none"],
)
def test_mistakes_are_told_in_the_same_words(x: Any) -> None:
    net, told = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)), []
    for run in (net, lambda v: one_by_one(net, v)):
        with ag.no_grad(), pytest.raises((TypeError, ValueError)) as caught:
            run(x)
        told.append((type(caught.value), str(caught.value)))
    assert told[0] == told[1]
    with ag.no_grad(), pytest.raises(ValueError, match="has 5 features, weight of shape"):
        nn.Sequential(nn.Linear(4, 3), nn.ReLU())(np.ones((2, 5), np.float32))
