"""The further layers: that they are their functions, their parameters, how those start, their losses."""

from __future__ import annotations

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


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_pass_their_settings_on(axes: int) -> None:
    x = normal(2, 4, *(5, 6, 7)[:axes])
    layer = getattr(nn, f"Conv{axes}d")(4, 6, 2, 2, 1, 2, 2)
    expected = getattr(F, f"conv{axes}d")(x, layer.weight.array, layer.bias.array, 2, 1, 2, 2)
    same(layer(x), expected)
    layer = getattr(nn, f"ConvTranspose{axes}d")(4, 6, 2, 3, 1, 2, 2, True, 2)
    arrays = (layer.weight.array, layer.bias.array)
    same(layer(x), getattr(F, f"conv_transpose{axes}d")(x, *arrays, 3, 1, 2, 2, 2))
    assert layer.weight.shape == (4, 3, *(2,) * axes)
    assert layer.bias.shape == (6,)


def test_a_transposed_convolution_restores_the_size_that_a_convolution_took() -> None:
    x = normal(2, 3, 28, 27)
    down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    up = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=(1, 0))
    assert up(down(x)).shape == x.shape


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pooling_passes_its_settings_on(axes: int) -> None:
    x = normal(2, 3, *(5, 6, 7)[:axes])
    layer = getattr(nn, f"MaxPool{axes}d")(3, 2, 1, 1, True, True)
    for found, expected in zip(layer(x), getattr(F, f"max_pool{axes}d")(x, 3, 2, 1, 1, True, True)):
        same(found, expected)
    layer = getattr(nn, f"AvgPool{axes}d")(3, 2, 1, True, False)
    same(layer(x), getattr(F, f"avg_pool{axes}d")(x, 3, 2, 1, True, False))
    layer = getattr(nn, f"AdaptiveAvgPool{axes}d")(2)
    same(layer(x), getattr(F, f"adaptive_avg_pool{axes}d")(x, 2))
    layer = getattr(nn, f"AdaptiveMaxPool{axes}d")(2, True)
    for found, expected in zip(layer(x), getattr(F, f"adaptive_max_pool{axes}d")(x, 2, True)):
        same(found, expected)


def test_other_layers_are_their_functions() -> None:
    x = normal(2, 4, 3, 5)
    columns = F.unfold(x, (2, 3), 1, (1, 0), 2)
    same(nn.Unfold((2, 3), padding=(1, 0), stride=2)(x), columns)
    same(
        nn.Fold((3, 5), (2, 3), 1, (1, 0), 2)(columns),
        F.fold(columns, (3, 5), (2, 3), 1, (1, 0), 2),
    )
    same(
        nn.Upsample((4, 7), None, "bilinear", True)(x),
        F.interpolate(x, (4, 7), None, "bilinear", True),
    )
    same(nn.InstanceNorm2d(4, eps=0.1)(x), F.instance_norm(x, eps=0.1))
    same(nn.GroupNorm(2, 4, 0.1, affine=False)(x), F.group_norm(x, 2, eps=0.1))
    same(nn.LayerNorm((3, 5), 0.1, False)(x), F.layer_norm(x, (3, 5), eps=0.1))
    for layer, expected in (
        (nn.LeakyReLU(0.3), F.leaky_relu(x, 0.3)),
        (nn.ELU(0.3), F.elu(x, 0.3)),
        (nn.SELU(), F.selu(x)),
        (nn.GELU("tanh"), F.gelu(x, "tanh")),
        (nn.SiLU(), F.silu(x)),
        (nn.Mish(), F.mish(x)),
        (nn.Softplus(2.0, 1.0), F.softplus(x, 2.0, 1.0)),
        (nn.Hardtanh(-0.2, 0.3), F.hardtanh(x, -0.2, 0.3)),
        (nn.LogSigmoid(), F.logsigmoid(x)),
        (nn.Softmax(1), F.softmax(x, 1)),
        (nn.LogSoftmax(2), F.log_softmax(x, 2)),
    ):
        same(layer(x), expected)
    ag.manual_seed(3)
    found = nn.Dropout2d(0.4)(x)
    ag.manual_seed(3)
    same(found, F.dropout2d(x, 0.4))


def test_losses_are_their_functions() -> None:
    x, t = normal(3, 4), np.abs(normal(4, 3)).T
    for layer, expected in (
        (nn.L1Loss(reduction="sum"), F.l1_loss(x, t, "sum")),
        (nn.SmoothL1Loss(reduction="none", beta=0.5), F.smooth_l1_loss(x, t, "none", 0.5)),
        (nn.HuberLoss("sum", 0.5), F.huber_loss(x, t, "sum", 0.5)),
        (nn.KLDivLoss(reduction="batchmean"), F.kl_div(x, t, "batchmean")),
        (nn.KLDivLoss(log_target=True), F.kl_div(x, t, log_target=True)),
    ):
        same(layer(x, t), expected)
    loss = nn.BCEWithLogitsLoss([2.0, 1.0, 1.0, 0.5], reduction="sum", pos_weight=[3.0] * 4)
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    expected = F.binary_cross_entropy_with_logits(x, t, [2, 1, 1, 0.5], "sum", [3.0] * 4)
    same(loss(x, t), expected)
    assert list(nn.BCEWithLogitsLoss().state_dict()) == []


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.ConvTranspose2d(2, 4, 3), ["weight", "bias"]),
        (nn.Conv3d(2, 4, 3, bias=False), ["weight"]),
        (nn.LayerNorm(3), ["weight", "bias"]),
        (nn.LayerNorm(3, bias=False), ["weight"]),
        (nn.LayerNorm(3, elementwise_affine=False), []),
        (nn.GroupNorm(1, 3), ["weight", "bias"]),
        (nn.InstanceNorm2d(3), []),
        (nn.InstanceNorm2d(3, affine=True), ["weight", "bias"]),
        (
            nn.InstanceNorm2d(3, track_running_stats=True),
            ["running_mean", "running_var", "num_batches_tracked"],
        ),
        (nn.Embedding(4, 3), ["weight"]),
    ],
)
def test_states_have_pytorchs_names(layer: nn.Module, names: list[str]) -> None:
    assert list(layer.state_dict()) == names


def test_initial_values() -> None:
    # fan_in of a transposed weight is its second axis times the kernel, as in PyTorch.
    layer = nn.ConvTranspose2d(8, 64, 5, groups=2)
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


def test_an_embedding_trains_all_rows_but_the_padding() -> None:
    layer = nn.Embedding(4, 2, padding_idx=0)
    out = layer([[0, 1], [1, 3]])
    out.backward(np.ones((2, 2, 2), np.float32))
    assert layer.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_instance_norm_follows_running_statistics_only_when_asked() -> None:
    layer, x = nn.InstanceNorm2d(2, track_running_stats=True), normal(3, 2, 4, 4)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.1 * x.mean((0, 2, 3)), rtol=1e-4)
    before = layer.running_mean.copy()
    found = layer.eval()(x)
    expected = F.instance_norm(x, layer.running_mean, layer.running_var, use_input_stats=False)
    same(found, expected)
    same(layer.running_mean, before)
    plain = nn.InstanceNorm2d(2)
    same(plain(x), plain.eval()(x))


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
    x = np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32)
    optimizer = ag.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(40):
        loss = nn.SmoothL1Loss()(net(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]  # noise, through a bottleneck of half the size
