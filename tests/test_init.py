"""Initial values: ranges, moments, reproducibility, and what PyTorch would give."""

import math

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.nn import init

RANDOM = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
]


def weight(*shape, dtype=np.float32):
    return nn.Parameter(np.zeros(shape, dtype))


@pytest.fixture(autouse=True)
def _seed():
    ag.manual_seed(0)


@pytest.mark.parametrize("fill", RANDOM)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_fills_write_in_place_and_repeat_with_the_seed(fill, dtype):
    w = weight(6, 5, 3, dtype=dtype)
    array = w.array
    ag.manual_seed(3)
    assert fill(w) is w
    assert w.array is array
    assert w.dtype == dtype
    assert w.requires_grad
    assert w.is_leaf
    first = array.copy()
    assert len(np.unique(first)) == first.size
    fill(w)
    assert not np.array_equal(w.array, first)
    ag.manual_seed(3)
    np.testing.assert_array_equal(fill(w).array, first)
    np.testing.assert_array_equal(fill(w, generator=np.random.default_rng(3)).array, first)


@pytest.mark.parametrize("fill", RANDOM)
def test_random_fills_refuse_what_they_cannot_fill(fill):
    with pytest.raises(TypeError, match=f"{fill.__name__}: tensor must be a Tensor, got an array"):
        fill(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="floating tensor, got dtype int64"):
        fill(ag.tensor([[1, 2]]))
    with pytest.raises(TypeError, match="leaf tensor, got a result of multiply"):
        fill(weight(2, 2) * 2.0)


def test_constants():
    w = weight(2, 3)
    for fill, value in ((init.ones_, 1), (init.zeros_, 0)):
        assert (fill(w).array == value).all()
    assert (init.constant_(w, 0.25).array == 0.25).all()
    assert init.ones_(ag.tensor([3, 4])).tolist() == [1, 1]


def test_a_fill_makes_earlier_graphs_refuse():
    w, x = weight(2, 2), ag.tensor([[1.0, 2.0]], requires_grad=True)
    loss = (x @ w).sum()
    init.ones_(w)
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


def fits(values, cdf):
    """Kolmogorov and Smirnov: no further off than all but 1 of 10^6 true samples."""
    x = np.sort(values.ravel().astype(np.float64))
    steps = np.arange(x.size + 1) / x.size
    expected = cdf(x)
    distance = max((expected - steps[:-1]).max(), (steps[1:] - expected).max())
    return distance < math.sqrt(math.log(2e6) / 2 / x.size)


def uniform_cdf(a, b):
    return lambda x: np.clip((x - a) / (b - a), 0, 1)


def normal_cdf(mean, std):
    return lambda x: 0.5 * (1 + np.vectorize(math.erf)((x - mean) / std / math.sqrt(2)))


def truncated_cdf(mean, std, a, b):
    if b < mean:  # by symmetry: the tail below is exact far above the mean
        mirrored = truncated_cdf(-mean, std, -b, -a)
        return lambda x: 1 - mirrored(-x)
    tail = np.vectorize(lambda z: math.erfc(z / math.sqrt(2)) / 2)
    low, high = tail((a - mean) / std), tail((b - mean) / std)
    return lambda x: (low - tail((x - mean) / std)) / (low - high)


def test_uniform_and_normal():
    w = weight(100, 100, dtype=np.float64)
    assert fits(init.uniform_(w, -2, 5).array, uniform_cdf(-2, 5))
    assert fits(init.normal_(w, 3, 0.5).array, normal_cdf(3, 0.5))
    assert not fits(init.normal_(w, 3, 0.5).array, normal_cdf(3, 0.6))  # the check can fail


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2),
        (1, 2, -2, 2),
        (0, 100, -2, 2),
        (0, 1, 5, 6),
        (0, 1, 3, 50),
        (0, 1, 10, np.inf),
        (0, 1, -0.01, 0.02),
        (0, 1, -6, -5),
    ],
)
def test_trunc_normal(mean, std, a, b):
    w = init.trunc_normal_(weight(100, 100, dtype=np.float64), mean, std, a, b)
    assert a <= w.array.min() <= w.array.max() <= b
    assert fits(w.array, truncated_cdf(mean, std, a, b))


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_kaiming_and_xavier_scales(mode):
    w = weight(40, 30, 3, 3, dtype=np.float64)
    fan = {"fan_in": 270, "fan_out": 360}[mode]
    bound = math.sqrt(2) * math.sqrt(3 / fan)
    values = init.kaiming_uniform_(w, mode=mode, nonlinearity="relu").array
    assert fits(values, uniform_cdf(-bound, bound))
    std = math.sqrt(2 / (1 + 0.5**2)) / math.sqrt(fan)
    assert fits(init.kaiming_normal_(w, 0.5, mode).array, normal_cdf(0, std))
    bound = 2 * math.sqrt(6 / 630)
    assert fits(init.xavier_uniform_(w, 2.0).array, uniform_cdf(-bound, bound))
    assert fits(init.xavier_normal_(w, 2.0).array, normal_cdf(0, 2 * math.sqrt(2 / 630)))


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (6, 2, 2, 2), (2, 3, 3), (1, 1)])
def test_orthogonal(shape):
    w = init.orthogonal_(weight(*shape, dtype=np.float64), gain=2.0).array.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)  # a few roundings


def test_orthogonal_is_uniform_over_signs():
    values = [init.orthogonal_(weight(2, 2)).array[0, 0] for _ in range(200)]
    assert 60 < sum(v > 0 for v in values) < 140  # 5.6 standard deviations


@pytest.mark.parametrize(
    ("given", "gain"),
    [
        (("linear",), 1),
        (("conv_transpose2d",), 1),
        (("sigmoid",), 1),
        (("tanh",), 5 / 3),
        (("relu",), math.sqrt(2)),
        (("selu",), 0.75),
        (("leaky_relu",), math.sqrt(2 / (1 + 0.01**2))),
        (("leaky_relu", 0.5), math.sqrt(2 / 1.25)),
    ],
)
def test_gains(given, gain):
    assert init.calculate_gain(*given) == gain


@pytest.mark.parametrize("fill", RANDOM)
def test_nothing_to_fill(fill):
    assert fill(weight(0, 3)).shape == (0, 3)


def test_layers_start_as_in_pytorch():
    conv = nn.Conv2d(4, 60, 3, groups=2)
    bound = 1 / math.sqrt(2 * 9)
    assert fits(conv.weight.array, uniform_cdf(-bound, bound))
    assert fits(conv.bias.array, uniform_cdf(-bound, bound))
    fc = nn.Linear(100, 50)
    assert fits(fc.weight.array, uniform_cdf(-0.1, 0.1))
    assert fits(fc.bias.array, uniform_cdf(-0.1, 0.1))


def test_the_same_seed_gives_the_same_net():
    def net(seed):
        ag.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(8, 2)).state_dict()

    a, b, c = net(1), net(1), net(2)
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name])
        assert not np.array_equal(array, c[name])


def test_layers_follow_the_default_dtype():
    ag.set_default_dtype("float64")
    try:
        layers = [nn.Conv2d(1, 1, 1), nn.Linear(1, 1), nn.BatchNorm1d(2)]
    finally:
        ag.set_default_dtype("float32")
    for layer in layers:
        assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float64)}
    assert layers[2].running_var.dtype == np.float64
