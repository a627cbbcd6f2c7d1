"""Layers: what they compute, their gradients, their statistics, and their complaints."""

import warnings

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn


@pytest.fixture(autouse=True)
def _seed():
    ag.manual_seed(0)


def spaced(*shape, seed=0, dtype=np.float64):
    """A permutation of evenly spaced non-zero numbers: no difference crosses a kink or a tie."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size // 2 + 0.5) / size * 4
    return np.random.default_rng(seed).permutation(values).reshape(shape).astype(dtype)


@pytest.fixture
def float64():
    ag.set_default_dtype("float64")
    yield
    ag.set_default_dtype("float32")


# ----------------------------------------------------------------------------- values and gradients

LAYERS = {
    "linear": (lambda: nn.Linear(3, 4), (2, 3)),
    "linear_no_bias": (lambda: nn.Linear(3, 4, bias=False), (2, 5, 3)),
    "conv": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 2, 5, 6)),
    "conv_groups": (
        lambda: nn.Conv2d(4, 2, (2, 3), padding="same", dilation=(1, 2), groups=2, bias=False),
        (2, 4, 4, 5),
    ),
    "max_pool": (lambda: nn.MaxPool2d(3, 2, 1), (2, 2, 5, 6)),
    "avg_pool": (lambda: nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), (1, 2, 5, 5)),
    "relu": (nn.ReLU, (3, 4)),
    "tanh": (nn.Tanh, (3, 4)),
    "sigmoid": (nn.Sigmoid, (3, 4)),
    "flatten": (nn.Flatten, (2, 3, 4)),
    "identity": (nn.Identity, (2, 3)),
    "batch_norm_1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "batch_norm_1d_long": (lambda: nn.BatchNorm1d(3), (4, 3, 2)),
    "batch_norm_2d": (lambda: nn.BatchNorm2d(2), (3, 2, 2, 2)),
    "batch_norm_plain": (
        lambda: nn.BatchNorm2d(2, affine=False, track_running_stats=False),
        (3, 2, 2, 2),
    ),
    "batch_norm_eval": (lambda: nn.BatchNorm2d(2).eval(), (3, 2, 2, 2)),
    "batch_norm_3d": (lambda: nn.BatchNorm3d(2), (2, 2, 1, 2, 2)),
    "conv_1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 6)),
    "conv_3d": (lambda: nn.Conv3d(1, 2, (1, 2, 2), padding="same"), (2, 1, 2, 3, 2)),
    "conv_transpose_1d": (lambda: nn.ConvTranspose1d(2, 2, 3, 2, 1, 1, groups=2), (2, 2, 4)),
    "conv_transpose_2d": (lambda: nn.ConvTranspose2d(2, 3, (2, 3), 2, bias=False), (1, 2, 2, 3)),
    "conv_transpose_3d": (lambda: nn.ConvTranspose3d(1, 2, 2, dilation=2), (1, 1, 1, 2, 2)),
    "max_pool_1d": (lambda: nn.MaxPool1d(3, 2, 1), (2, 2, 6)),
    "max_pool_3d": (lambda: nn.MaxPool3d(2, ceil_mode=True), (1, 2, 3, 3, 2)),
    "avg_pool_1d": (lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 2, 6)),
    "avg_pool_3d": (lambda: nn.AvgPool3d(2, divisor_override=3), (1, 2, 2, 4, 2)),
    "adaptive_avg_1d": (lambda: nn.AdaptiveAvgPool1d(2), (2, 2, 5)),
    "adaptive_avg_2d": (lambda: nn.AdaptiveAvgPool2d((1, 2)), (2, 2, 4, 4)),
    "adaptive_avg_3d": (lambda: nn.AdaptiveAvgPool3d(1), (2, 2, 2, 2, 2)),
    "adaptive_max_1d": (lambda: nn.AdaptiveMaxPool1d(3), (2, 2, 5)),
    "adaptive_max_2d": (lambda: nn.AdaptiveMaxPool2d(2), (2, 1, 3, 5)),
    "adaptive_max_3d": (lambda: nn.AdaptiveMaxPool3d((1, None, 2)), (1, 2, 2, 2, 3)),
    "fold": (lambda: nn.Fold((3, 4), 2, padding=1, stride=2), (2, 4, 6)),
    "unfold": (lambda: nn.Unfold((2, 1), dilation=2, padding=1), (1, 2, 3, 3)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 2, 3)),
    "upsample_nearest": (lambda: nn.Upsample((3, 5)), (1, 2, 2, 3)),
    "layer_norm": (lambda: nn.LayerNorm((2, 3)), (3, 2, 3)),
    "layer_norm_no_bias": (lambda: nn.LayerNorm(3, bias=False), (3, 2, 3)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "instance_norm_1d": (lambda: nn.InstanceNorm1d(2), (2, 2, 3)),
    "instance_norm_2d": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 2, 2)),
    "instance_norm_eval": (
        lambda: nn.InstanceNorm3d(2, track_running_stats=True).eval(),
        (2, 2, 2, 1, 2),
    ),
    "leaky_relu": (nn.LeakyReLU, (3, 4)),
    "elu": (lambda: nn.ELU(0.7), (3, 4)),
    "selu": (nn.SELU, (3, 4)),
    "gelu": (nn.GELU, (3, 4)),
    "gelu_tanh": (lambda: nn.GELU("tanh"), (3, 4)),
    "silu": (nn.SiLU, (3, 4)),
    "softplus": (lambda: nn.Softplus(2.0), (3, 4)),
    "hardtanh": (lambda: nn.Hardtanh(-0.7, 0.4), (3, 4)),
    "mish": (nn.Mish, (3, 4)),
    "log_sigmoid": (nn.LogSigmoid, (3, 4)),
    "softmax": (lambda: nn.Softmax(dim=0), (3, 4)),
    "log_softmax": (lambda: nn.LogSoftmax(dim=1), (3, 4)),
    "unflatten": (lambda: nn.Unflatten(1, (2, -1)), (3, 4)),
    "dropout_2d_eval": (lambda: nn.Dropout2d().eval(), (3, 4, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.usefixtures("float64")
def test_gradients_equal_differences(name):
    make, shape = LAYERS[name]
    layer = make()
    x = ag.tensor(spaced(*shape), requires_grad=True)
    out = layer(x)
    cotangent = np.random.default_rng(1).normal(size=out.shape)
    out.backward(cotangent)
    for leaf in (x, *layer.parameters()):
        numerical = np.zeros(leaf.shape)
        step = 1e-6
        for index in np.ndindex(leaf.shape):
            ends = []
            for sign in (1, -1):
                kept = leaf.array[index]
                leaf.array[index] = kept + sign * step
                with ag.no_grad():
                    ends.append((layer(x).numpy() * cotangent).sum())
                leaf.array[index] = kept
            numerical[index] = (ends[0] - ends[1]) / (2 * step)
        # Central differences: rounding 1e-16 / 1e-6, and about 1e-12 from the third derivative.
        np.testing.assert_allclose(leaf.grad.numpy(), numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    make, shape = LAYERS[name]
    layer = make()
    x = ag.tensor(spaced(*shape, dtype=np.float32), requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert {out.dtype, x.grad.dtype, *(p.grad.dtype for p in layer.parameters())} == {
        np.dtype(np.float32)
    }
    assert {b.dtype for b in layer.buffers()} <= {np.dtype(np.float32), np.dtype(np.int64)}


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_contiguous(name):
    layer = LAYERS[name][0]()
    assert all(p.array.flags.c_contiguous for p in layer.parameters())
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())


def test_layers_are_their_functions():
    x = spaced(2, 4, 6, 6, dtype=np.float32)
    conv = nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2)
    expected = F.conv2d(x, conv.weight.array, conv.bias.array, (2, 1), (1, 0), (1, 2), 2)
    np.testing.assert_array_equal(conv(x).numpy(), expected)
    rows = x.reshape(8, 36)
    fc = nn.Linear(36, 5)
    expected = F.linear(rows, fc.weight.array, fc.bias.array)
    np.testing.assert_array_equal(fc(rows).numpy(), expected)
    for layer, function in ((nn.ReLU(), F.relu), (nn.Tanh(), F.tanh), (nn.Sigmoid(), F.sigmoid)):
        np.testing.assert_array_equal(layer(x), function(x))
    pool = nn.MaxPool2d(3, 2, 1, 1, True, True)
    for got, expected in zip(pool(x), F.max_pool2d(x, 3, 2, 1, 1, True, True)):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(x), x.reshape(2, 4, 3, 2, 3, 2).max((3, 5)))
    pool = nn.AvgPool2d((2, 3), 2, (1, 0), True, False, 5)
    np.testing.assert_array_equal(pool(x), F.avg_pool2d(x, (2, 3), 2, (1, 0), True, False, 5))
    assert nn.Flatten(2)(x).shape == (2, 4, 36)
    assert nn.Flatten(0, 1)(x).shape == (8, 6, 6)
    assert nn.Identity(54, unused=1)(x) is x


def test_losses_are_their_functions():
    logits, target = spaced(4, 3), np.array([0, 2, 1, -100])
    weight = [1.0, 2.0, 3.0]
    loss = nn.CrossEntropyLoss(weight, reduction="sum", label_smoothing=0.1)
    expected = F.cross_entropy(logits, target, weight, reduction="sum", label_smoothing=0.1)
    assert loss(logits, target) == expected
    assert list(loss.state_dict()) == ["weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    log_p = F.log_softmax(logits, 1)
    assert nn.NLLLoss(ignore_index=2)(log_p[:3], target[:3]) == F.nll_loss(
        log_p[:3], target[:3], ignore_index=2
    )
    other = spaced(4, 3, seed=1)
    assert nn.MSELoss()(logits, other) == pytest.approx(((logits - other) ** 2).mean(), rel=1e-14)
    assert nn.MSELoss(reduction="none")(logits, other).shape == (4, 3)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Linear(3, 2), "Linear(in_features=3, out_features=2, bias=True)"),
        (nn.Conv2d(1, 4, 3), "Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))"),
        (
            nn.Conv2d(4, 8, 3, 2, (1, 0), 2, 2, False),
            "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), dilation=(2, 2), "
            "groups=2, bias=False)",
        ),
        (
            nn.MaxPool2d(2),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        ),
        (nn.AvgPool2d(3, 2), "AvgPool2d(kernel_size=3, stride=2, padding=0)"),
        (nn.Dropout(0.25), "Dropout(p=0.25)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.ReLU(), "ReLU()"),
        (
            nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, bias=False),
            "ConvTranspose2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "output_padding=(1, 1), bias=False)",
        ),
        (nn.Conv1d(1, 4, 3), "Conv1d(1, 4, kernel_size=(3,), stride=(1,))"),
        (nn.AdaptiveAvgPool2d((1, None)), "AdaptiveAvgPool2d(output_size=(1, None))"),
        (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2, mode='nearest')"),
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)"),
        (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True)"),
        (nn.Embedding(5, 3, -1), "Embedding(5, 3, padding_idx=4)"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.GELU(), "GELU(approximate='none')"),
        (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
        (nn.Softmax(1), "Softmax(dim=1)"),
        (nn.Unflatten(1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))"),
        (nn.Dropout2d(), "Dropout2d(p=0.5)"),
        (nn.HuberLoss(), "HuberLoss()"),
        (
            nn.BatchNorm2d(4),
            "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        ),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


# ---------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Linear(0, 2), ValueError, "Linear: in_features must be at least 1, got 0"),
        (lambda: nn.Linear(2, 1.5), TypeError, "Linear: out_features must be an integer, got 1.5"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels=3 is not divisible"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels=3 is not divisible"),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, "kernel_size must be an integer or one"),
        (lambda: nn.Conv2d(1, 1, 3, stride=(1, 0)), ValueError, "stride must be at least 1, got 0"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), ValueError, "'valid' or 'same', got 'full'"),
        (lambda: nn.Conv2d(1, 1, 3, dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (
            lambda: nn.Conv2d(1, 1, 3, padding_mode="reflect"),
            ValueError,
            "Conv2d: padding_mode must be 'zeros', got 'reflect'",
        ),
        (lambda: nn.MaxPool2d(2, padding=2), ValueError, "MaxPool2d: padding may be at most half"),
        (lambda: nn.MaxPool2d(2, 0), ValueError, "MaxPool2d: stride must be at least 1, got 0"),
        (lambda: nn.AvgPool2d(0), ValueError, "AvgPool2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), ValueError, "divisor_override must be at"),
        (
            lambda: nn.Dropout(1.5),
            ValueError,
            "Dropout: p must be at least 0 and at most 1, got 1.5",
        ),
        (lambda: nn.Dropout(float("nan")), ValueError, "Dropout: p must be finite, got nan"),
        (lambda: nn.BatchNorm1d(0), ValueError, "BatchNorm1d: num_features must be at least 1"),
        (lambda: nn.BatchNorm2d(1, eps=-1), ValueError, "BatchNorm2d: eps must be at least 0"),
        (lambda: nn.BatchNorm2d(1, momentum=2), ValueError, "momentum must be None or between"),
        (lambda: nn.MSELoss(reduction="avg"), ValueError, "MSELoss: reduction must be 'mean' or"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), ValueError, "label_smoothing must be"),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        make()


# --------------------------------------------------------------------------------- batch statistics


def test_running_statistics_follow_the_batches():
    layer = nn.BatchNorm2d(3, momentum=0.3)
    mean, var = np.zeros(3), np.ones(3)
    buffers = (layer.running_mean, layer.running_var, layer.num_batches_tracked)
    for seed in range(5):
        x = np.random.default_rng(seed).normal(seed, 2, size=(4, 3, 2, 5))
        layer(x.astype(np.float32))
        mean = 0.7 * mean + 0.3 * x.mean((0, 2, 3))
        var = 0.7 * var + 0.3 * x.var((0, 2, 3), ddof=1)
    assert layer.num_batches_tracked == 5
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)  # five float32 roundings
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-5)
    # Updated in place: whoever holds the buffer sees it.
    assert [id(b) for b in layer.buffers()] == [id(b) for b in buffers]


def test_momentum_none_is_the_plain_average():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [np.random.default_rng(s).normal(s, 1, (6, 2)).astype(np.float32) for s in range(4)]
    for x in batches:
        layer(x)
    expected = np.mean([x.mean(0) for x in batches], 0)
    np.testing.assert_allclose(layer.running_mean, expected, rtol=1e-5)
    expected = np.mean([x.var(0, ddof=1) for x in batches], 0)
    np.testing.assert_allclose(layer.running_var, expected, rtol=1e-5)


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    layer = nn.BatchNorm2d(2)
    layer.load_state_dict(
        {
            "weight": [2.0, 3.0],
            "bias": [0.5, 1.0],
            "running_mean": [1.0, -1.0],
            "running_var": [4.0, 9.0],
            "num_batches_tracked": 7,
        }
    )
    x = spaced(1, 2, 3, 3, dtype=np.float32)
    out = layer.eval()(x).numpy()
    shape = (1, 2, 1, 1)
    mean, std = np.array([1, -1]).reshape(shape), np.sqrt(np.array([4, 9]) + 1e-5).reshape(shape)
    expected = (x - mean) / std * np.array([2, 3]).reshape(shape)
    expected = expected + np.array([0.5, 1]).reshape(shape)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert layer.num_batches_tracked == 7
    np.testing.assert_array_equal(layer.running_mean, [1, -1])


def test_training_normalises_with_the_biased_variance():
    x = spaced(4, 2, 3, dtype=np.float64)
    out = nn.BatchNorm1d(2, affine=False)(x)
    expected = (x - x.mean((0, 2), keepdims=True)) / np.sqrt(x.var((0, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_without_running_statistics_the_batch_always_counts():
    layer = nn.BatchNorm1d(2, track_running_stats=False)
    assert list(layer.buffers()) == []
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = spaced(4, 2)
    np.testing.assert_array_equal(layer(x).numpy(), layer.eval()(x).numpy())


def test_a_refused_or_empty_batch_is_not_counted():
    layer = nn.BatchNorm2d(2)
    with pytest.raises(ValueError, match="one value per channel"):
        layer(np.ones((1, 2, 1, 1), np.float32))
    with warnings.catch_warnings():  # the mean of nothing is NaN, perhaps with a word from NumPy
        warnings.simplefilter("ignore", RuntimeWarning)
        assert layer(np.ones((0, 2, 3, 3), np.float32)).shape == (0, 2, 3, 3)
    assert layer.num_batches_tracked == 0
    np.testing.assert_array_equal(layer.running_var, [1, 1])
    layer.eval()(np.ones((1, 2, 1, 1), np.float32))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm1d(3), (3,), r"BatchNorm1d: expected an input of shape \(N, C\) or \(N, C, L"),
        (nn.BatchNorm1d(3), (2, 3, 4, 4), "BatchNorm1d: expected an input of shape"),
        (nn.BatchNorm2d(3), (2, 3), r"BatchNorm2d: expected an input of shape \(N, C, H, W\), got"),
        (nn.BatchNorm2d(3), (2, 4, 2, 2), "has 4 channels, num_features is 3"),
    ],
)
def test_batch_norm_refuses_other_shapes(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape, np.float32))


# ------------------------------------------------------------------------------------------ dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_that_many_and_keeps_the_mean(p):
    out = nn.Dropout(p)(np.ones((200, 500), np.float32))
    assert out.dtype == np.float32
    dropped = (out == 0).mean()
    assert abs(dropped - p) < 6 * np.sqrt(p * (1 - p) / out.size)  # six standard deviations
    np.testing.assert_allclose(out[out != 0], 1 / (1 - p), rtol=1e-6)


def test_dropout_gradient_has_the_same_mask():
    x = ag.tensor(np.ones((50, 50)), requires_grad=True)
    out = nn.Dropout(0.3)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())


def test_dropout_is_nothing_in_evaluation_and_at_zero():
    x = spaced(5, 5)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert not nn.Dropout(1.0)(x).any()


def test_dropout_repeats_with_the_seed():
    layer, x = nn.Dropout(0.5), np.ones(100)
    ag.manual_seed(1)
    first = layer(x)
    assert not np.array_equal(layer(x), first)
    ag.manual_seed(1)
    np.testing.assert_array_equal(layer(x), first)
