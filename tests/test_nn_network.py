"""Layers with a state: batch statistics, masks, tables; how they start, their names, and that they train."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn


@pytest.fixture(autouse=True)
def _seed() -> None:
    ag.manual_seed(0)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


# --------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("momentum", [0.3, None])
def test_running_statistics_follow_the_batches(momentum: float | None) -> None:
    layer = nn.BatchNorm2d(3, momentum=momentum)
    mean, var = np.zeros(3), np.ones(3)
    buffers = list(layer.buffers())
    for seed in range(5):
        x = np.random.default_rng(seed).normal(seed, 2, size=(4, 3, 2, 5))
        layer(x.astype(np.float32))
        share = 1 / (seed + 1) if momentum is None else momentum  # None: the plain average
        mean = (1 - share) * mean + share * x.mean((0, 2, 3))
        var = (1 - share) * var + share * x.var((0, 2, 3), ddof=1)
    assert layer.num_batches_tracked == 5
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)  # five float32 roundings
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-5)
    # Updated in place: whoever holds the buffer sees it.
    assert [id(b) for b in layer.buffers()] == [id(b) for b in buffers]


def test_evaluation_uses_the_running_statistics_and_leaves_them() -> None:
    layer = nn.BatchNorm2d(2)
    state = {"weight": [2.0, 3.0], "bias": [0.5, 1.0], "num_batches_tracked": 7}
    layer.load_state_dict(state | {"running_mean": [1.0, -1.0], "running_var": [4.0, 9.0]})
    x = normal(1, 2, 3, 3)
    mean, std, weight, bias = (
        np.array(v).reshape(1, 2, 1, 1)
        for v in ([1, -1], np.sqrt([4 + 1e-5, 9 + 1e-5]), [2, 3], [0.5, 1])
    )
    out = layer.eval()(x).numpy()
    np.testing.assert_allclose(out, (x - mean) / std * weight + bias, rtol=1e-5, atol=1e-6)
    assert layer.num_batches_tracked == 7
    same(layer.running_mean, [1, -1])


def test_training_normalises_with_the_biased_variance() -> None:
    x = normal(4, 2, 3).astype(np.float64)
    out = nn.BatchNorm1d(2, affine=False)(x)
    expected = (x - x.mean((0, 2), keepdims=True)) / np.sqrt(x.var((0, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_without_running_statistics_the_batch_always_counts() -> None:
    layer, x = nn.BatchNorm1d(2, track_running_stats=False), normal(4, 2)
    same(layer(x), layer.eval()(x))


NORMS = {
    **{f"BatchNorm{n}d": (4, 3, 5, 2, 2)[: n + 2] for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": (4, 3, 5, 2, 2)[: n + 2] for n in (1, 2, 3)},
}


@pytest.mark.parametrize("momentum", [0.5, None])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", NORMS)
def test_tracking_can_be_switched_off_later(name: str, alone: bool, momentum: Any) -> None:
    """Then training leaves running statistics alone.  In evaluation batch norm still uses them,
    and instance norm the input's, as in PyTorch."""
    x = normal(*NORMS[name])
    layer = getattr(nn, name)(3, track_running_stats=True)
    layer.momentum = momentum
    plain = getattr(nn, name)(3, track_running_stats=False)
    layer(x)
    layer.track_running_stats = False
    before = {n: b.copy() for n, b in layer.named_buffers()}
    net = layer if alone else nn.Sequential(layer, nn.ReLU())
    for recording in (True, False):
        with ag.set_grad_enabled(recording):
            out = net(2 * x + 1)
            expected = plain(2 * x + 1)
        same(out, expected if alone else F.relu(expected))
    assert all(np.array_equal(b, before[n]) for n, b in layer.named_buffers())
    affine = (layer.weight, layer.bias)
    running = F.batch_norm(x, layer.running_mean, layer.running_var, *affine)
    wanted = running if name.startswith("Batch") else plain(x)
    same(layer.eval()(x), wanted)
    layer.track_running_stats = True
    layer.train()(x)
    assert any(not np.array_equal(b, before[n]) for n, b in layer.named_buffers())


def test_a_refused_or_empty_batch_is_not_counted() -> None:
    layer = nn.BatchNorm2d(2)
    with pytest.raises(ValueError, match="one value per channel"):
        layer(np.ones((1, 2, 1, 1), np.float32))
    with warnings.catch_warnings():  # the mean of nothing is NaN, perhaps with a word from NumPy
        warnings.simplefilter("ignore", RuntimeWarning)
        assert layer(np.ones((0, 2, 3, 3), np.float32)).shape == (0, 2, 3, 3)
    assert layer.num_batches_tracked == 0
    same(layer.running_var, [1, 1])
    layer.eval()(np.ones((1, 2, 1, 1), np.float32))


def test_instance_norm_follows_running_statistics_only_when_asked() -> None:
    layer, x = nn.InstanceNorm2d(2, track_running_stats=True), normal(3, 2, 4, 4)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.1 * x.mean((0, 2, 3)), rtol=1e-4)
    before = layer.running_mean.copy()
    layer.eval()(x)
    same(layer.running_mean, before)
    plain = nn.InstanceNorm2d(2)
    same(plain(x), plain.eval()(x))


# ------------------------------------------------------------------------------ masks and tables


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_that_many_and_keeps_the_mean(p: float) -> None:
    x = ag.tensor(np.ones((200, 500), np.float32), requires_grad=True)
    out = nn.Dropout(p)(x)
    assert out.dtype == np.float32
    values = out.numpy()
    dropped = (values == 0).mean()
    assert abs(dropped - p) < 6 * np.sqrt(p * (1 - p) / values.size)  # six standard deviations
    np.testing.assert_allclose(values[values != 0], 1 / (1 - p), rtol=1e-6)
    out.sum().backward()
    same(x.grad, values)  # the gradient has the same mask


def test_dropout_is_nothing_in_evaluation_and_at_zero() -> None:
    x = normal(5, 5)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert not nn.Dropout(1.0)(x).any()
    assert not np.array_equal((layer := nn.Dropout(0.5))(x), layer(x))


def test_an_embedding_trains_all_rows_but_the_padding() -> None:
    layer = nn.Embedding(4, 2, padding_idx=0)
    out = layer([[0, 1], [1, 3]])
    out.backward(np.ones((2, 2, 2), np.float32))
    assert layer.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


# ------------------------------------------------------------------------------- names and starts


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.ConvTranspose2d(2, 4, 3), ["weight", "bias"]),
        (nn.Conv3d(2, 4, 3, bias=False), ["weight"]),
        (nn.LayerNorm(3), ["weight", "bias"]),
        (nn.LayerNorm(3, bias=False), ["weight"]),
        (nn.LayerNorm(3, elementwise_affine=False), []),
        (nn.GroupNorm(1, 3), ["weight", "bias"]),
        (nn.BatchNorm1d(2, track_running_stats=False), ["weight", "bias"]),
        (nn.InstanceNorm2d(3), []),
        (nn.InstanceNorm2d(3, affine=True), ["weight", "bias"]),
        (
            nn.InstanceNorm2d(3, track_running_stats=True),
            ["running_mean", "running_var", "num_batches_tracked"],
        ),
        (nn.Embedding(4, 3), ["weight"]),
        (nn.CrossEntropyLoss([1.0, 2.0]), ["weight"]),
        (nn.CrossEntropyLoss(), []),
        (nn.BCEWithLogitsLoss([1.0], pos_weight=[2.0]), ["weight", "pos_weight"]),
        (nn.BCEWithLogitsLoss(), []),
    ],
)
def test_states_have_pytorchs_names(layer: nn.Module, names: list[str]) -> None:
    assert list(layer.state_dict()) == names


def test_initial_values() -> None:
    # fan_in of a transposed weight is its second axis times the kernel, as in PyTorch.
    layer = nn.ConvTranspose2d(8, 64, 5, groups=2)
    assert layer.weight.shape == (8, 32, 5, 5)
    bound = 1 / np.sqrt(32 * 25)
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert 0.9 * bound < np.abs(values).max() <= bound
    weight = nn.Embedding(500, 40, padding_idx=-2).weight.numpy()
    assert not weight[498].any()
    # Four standard deviations of the mean and of the deviation of 20,000 draws.
    assert abs(weight.mean()) < 4 / np.sqrt(20_000)
    assert abs(weight.std() - 1.0) < 4 / np.sqrt(40_000) + 0.5 / 500
    for layer in (nn.LayerNorm((2, 3)), nn.GroupNorm(2, 4)):
        assert (layer.weight.numpy() == 1).all()
        assert (layer.bias.numpy() == 0).all()


def test_a_transposed_convolution_restores_the_size_that_a_convolution_took() -> None:
    x = normal(2, 3, 28, 27)
    down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    up = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=(1, 0))
    assert up(down(x)).shape == x.shape


@pytest.mark.parametrize("layer", [nn.Conv2d(1, 2, 1), nn.Linear(3, 2)])
def test_layers_are_called_with_the_input_and_nothing_else(layer: nn.Module) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'relu'"):
        layer(np.ones((1, 1, 3, 3), np.float32), relu=True)


def test_a_small_autoencoder_trains() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.GroupNorm(2, 4),
        nn.GELU(),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d(8),
        nn.Conv2d(4, 1, 1),
    )
    x = normal(8, 1, 8, 8)
    optimizer = ag.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(40):
        loss = nn.SmoothL1Loss()(net(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]  # noise, through a bottleneck of half the size
