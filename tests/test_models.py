"""Fifteen models as people write them: each trains, and has what only it needs checked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_cnn as ag
import autograd_cnn.functional as F
from autograd_cnn import data, nn, optim, testing, training

DIGITS, _ = data.digits()
IMAGES = F.avg_pool2d(DIGITS.images[:64, :, 2:26, 2:26] / np.float32(255), 3)  # 8 x 8
LABELS = DIGITS.labels[:64]


def trained(
    parameters: Any, loss: Callable[[], Any], steps: int, lr: float = 0.01
) -> tuple[float, float]:
    """The loss before and after some steps of Adam."""
    optimizer = optim.Adam(parameters, lr=lr)
    first = loss().item()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return first, loss().item()


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Conv2d(channels, filters, 1, stride=stride, bias=False)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def test_a_residual_network() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(
        Residual(1, 8, 1),
        Residual(8, 16, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    first, last = trained(net.parameters(), lambda: F.cross_entropy(net(IMAGES), LABELS), 40)
    assert first > 2.0
    assert last < 0.8


def test_a_convolutional_autoencoder() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.Linear(16, 128),
        nn.Unflatten(1, (8, 4, 4)),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )
    assert net(IMAGES).shape == IMAGES.shape
    first, last = trained(net.parameters(), lambda: F.mse_loss(net(IMAGES), IMAGES), 120)
    assert last < 0.4 * first


def test_a_variational_autoencoder() -> None:
    ag.manual_seed(0)
    encode, decode = nn.Linear(64, 8), nn.Linear(4, 64)
    x = ag.tensor(IMAGES.reshape(-1, 64))

    def loss() -> Any:
        mu, logvar = encode(x).chunk(2, dim=1)
        z = mu + ag.randn_like(mu) * ag.exp(0.5 * logvar)
        rebuilt = F.binary_cross_entropy_with_logits(decode(z), x, reduction="sum")
        divergence = -0.5 * (1 + logvar - mu**2 - ag.exp(logvar)).sum()
        return (rebuilt + divergence) / len(x)

    first, last = trained([*encode.parameters(), *decode.parameters()], loss, 150)
    assert last < 0.8 * first


def test_an_adversarial_pair_with_a_gradient_penalty() -> None:
    ag.manual_seed(0)
    rng = np.random.default_rng(0)
    make = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    judge = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    by = [
        optim.Adam(net.parameters(), lr=lr, betas=(0.0, 0.9))
        for net, lr in ((judge, 0.02), (make, 0.005))
    ]

    def penalty(points: Any) -> Any:
        points = points.detach().requires_grad_()
        (slope,) = ag.grad(judge(points).sum(), points, create_graph=True)
        return ((slope.norm(dim=1) - 1) ** 2).mean()

    def distance() -> float:
        return float(abs(make(rng.normal(size=(256, 2)).astype("f4")).mean(axis=0) - 2.0).max())

    before = distance()
    for step in range(600):
        real = ag.tensor(rng.normal(2.0, 0.3, (32, 2)).astype("f4"))
        fake = make(rng.normal(size=(32, 2)).astype("f4"))
        if step % 4:
            mixed = real + ag.rand(32, 1) * (fake.detach() - real)
            loss = judge(fake.detach()).mean() - judge(real).mean() + 10 * penalty(mixed)
        else:
            loss = -judge(fake).mean()
        for optimizer in by:
            optimizer.zero_grad()
        loss.backward()
        by[step % 4 == 0].step()
    assert distance() < 0.5 * before

    points = rng.normal(size=(3, 2))
    weights = [
        ag.tensor(p.numpy(), dtype="float64", requires_grad=True) for p in judge.parameters()
    ]

    def exactly(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        p = ag.tensor(points, requires_grad=True)
        out = F.linear(ag.tanh(F.linear(p, w1, b1)), w2, b2)
        (slope,) = ag.grad(out.sum(), p, create_graph=True)
        return ((slope.norm(dim=1) - 1) ** 2).mean()

    testing.gradcheck(exactly, weights)


TEXT = "to be or not to be that is the question "


def test_characters_by_an_lstm() -> None:
    ag.manual_seed(0)
    letters = sorted(set(TEXT))
    numbers = np.array([letters.index(c) for c in TEXT * 2])
    embed, lstm, head = nn.Embedding(len(letters), 16), nn.LSTM(16, 32, batch_first=True), None
    head = nn.Linear(32, len(letters))
    x, y = numbers[None, :-1], numbers[None, 1:]

    def loss() -> Any:
        out, _ = lstm(embed(x))
        return F.cross_entropy(out.reshape(-1, 32) @ head.weight.T + head.bias, y.reshape(-1))

    parameters = [*embed.parameters(), *lstm.parameters(), *head.parameters()]
    first, last = trained(parameters, loss, 60, lr=0.02)
    assert first > 2.0
    assert last < 0.3
    state, said = None, [letters.index("t")]
    with ag.no_grad():
        for _ in range(8):
            out, state = lstm(embed(np.array([[said[-1]]])), state)
            said.append(int(head(out[0, -1]).argmax()))
    assert "".join(letters[k] for k in said) == TEXT[:9]


def test_a_transformer_that_reverses() -> None:
    ag.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (64, 5))
    embed, place = nn.Embedding(6, 16), nn.Parameter(0.1 * rng.normal(size=(5, 16)).astype("f4"))
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    head = nn.Linear(16, 6)

    def loss() -> Any:
        return F.cross_entropy(head(layer(embed(x) + place)).reshape(-1, 6), x[:, ::-1].reshape(-1))

    parameters = [*embed.parameters(), place, *layer.parameters(), *head.parameters()]
    first, last = trained(parameters, loss, 120)
    assert first > 1.5
    assert last < 0.2


def test_a_network_for_a_differential_equation() -> None:
    """u'' = -u with u(0) = 0 and u'(0) = 1 is the sine."""
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    net.double()
    t = ag.tensor(np.linspace(0.0, 2.0, 24)[:, None], requires_grad=True)

    def loss() -> Any:
        u = net(t) * t**2 + t
        (speed,) = ag.grad(u.sum(), t, create_graph=True)
        (force,) = ag.grad(speed.sum(), t, create_graph=True)
        return ((force + u) ** 2).mean()

    trained(net.parameters(), loss, 400)
    np.testing.assert_allclose((net(t) * t**2 + t).numpy(), np.sin(t.numpy()), atol=0.02)


def test_learning_to_learn() -> None:
    """MAML: the gradient goes through a step of gradient descent."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 1))

    def after_a_step(w: Any, slope: float) -> Any:
        (inner,) = ag.grad(F.mse_loss(x @ w, slope * x), w, create_graph=True)
        return F.mse_loss(x @ (w - 0.1 * inner), slope * x)

    w = ag.tensor([[0.3]], dtype="float64", requires_grad=True)
    (through,) = ag.grad(after_a_step(w, 2.0), w)
    square = float((x * x).mean())
    shrink = 1 - 0.2 * square
    assert through.item() == pytest.approx(2 * shrink**2 * square * (0.3 - 2.0))
    testing.gradcheck(lambda w: after_a_step(w, 2.0), [w])


@pytest.fixture(scope="module")
def classifier() -> Any:
    ag.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    trained(net.parameters(), lambda: F.cross_entropy(net(IMAGES), LABELS), 60)
    return net.eval()


def test_adversarial_and_saliency_images(classifier: Any) -> None:
    x = ag.tensor(IMAGES, requires_grad=True)
    F.cross_entropy(classifier(x), LABELS).backward()
    assert (classifier(IMAGES).argmax(axis=1) == LABELS).mean() > 0.95
    wrong = IMAGES + 0.3 * np.sign(x.grad.numpy())
    assert (classifier(wrong).argmax(axis=1) == LABELS).mean() < 0.5
    x.grad = None
    classifier(x)[0, LABELS[0]].backward()
    saliency = abs(x.grad).numpy()
    assert saliency[0].max() > 0
    assert not saliency[1:].any()
    assert all(p.grad is None or p.requires_grad for p in classifier.parameters())


def test_logistic_regression_by_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    x, y = IMAGES.reshape(64, -1).astype("f8"), (LABELS % 2).astype("f8")

    def loss(w: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x @ w, y) + 0.01 * (w * w).sum()

    value_and_slope, start, _ = ag.func.objective(loss, np.zeros(64))
    found = optimize.minimize(value_and_slope, start, jac=True, method="L-BFGS-B")
    assert found.success
    assert np.abs(ag.func.grad(loss)(found.x)).max() < 1e-4


def test_logistic_regression_by_our_l_bfgs() -> None:
    x, y = IMAGES.reshape(64, -1).astype("f8"), (LABELS % 2).astype("f8")
    w = nn.Parameter(np.zeros(64))
    optimizer = optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ w, y) + 0.01 * (w * w).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    closure()
    assert np.abs(w.grad.numpy()).max() < 1e-4


def test_a_matrix_in_two_factors() -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(12, 2)) @ rng.normal(size=(2, 9))
    seen = rng.random((12, 9)) < 0.7
    users = nn.Parameter(rng.normal(size=(12, 2)))
    films = nn.Parameter(rng.normal(size=(9, 2)))

    def loss() -> Any:
        return (((users @ films.T - whole) * seen) ** 2).sum()

    _, last = trained([users, films], loss, 1500, lr=0.03)
    assert last < 1e-3
    assert np.median(abs((users @ films.T).numpy() - whole)[~seen]) < 0.1


@ag.op(x=lambda g, out, x, alpha: g * (1.0 - out * out) * alpha, register=False)
def scaled_tanh(x: Any, *, alpha: float = 1.0) -> Any:
    """An op as somebody else writes it."""
    return np.tanh(alpha * x)


@given(
    x=hnp.arrays("f8", hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-2, 2)),
    alpha=st.floats(-2, 2),
)
def test_an_op_of_ones_own(x: Any, alpha: float) -> None:
    t = ag.tensor(x, requires_grad=True)
    testing.gradcheck(lambda t: scaled_tanh(t, alpha=alpha), [t])
    testing.gradgradcheck(lambda t: scaled_tanh(t, alpha=alpha), [t])


def test_an_epoch_goes_on_where_it_stopped(tmp_path: Any) -> None:
    def start() -> Any:
        ag.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.2), nn.Linear(16, 10))
        loader = data.DataLoader((IMAGES, LABELS), batch_size=8, shuffle=True)
        return net, optim.Adam(net.parameters(), lr=0.01), loader

    def run(net: Any, optimizer: Any, loader: Any, most: int) -> int:
        for count, (x, y) in enumerate(loader, 1):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if count == most:
                return count
        return count

    straight = start()
    assert run(*straight, 99) == 8
    net, optimizer, loader = start()
    run(net, optimizer, loader, 3)
    training.save_checkpoint(tmp_path / "c.npz", model=net, optimizer=optimizer, loader=loader)
    net, optimizer, loader = start()
    ag.manual_seed(99)
    training.load_checkpoint(tmp_path / "c.npz", model=net, optimizer=optimizer, loader=loader)
    assert run(net, optimizer, loader, 99) == 5
    for name, value in straight[0].state_dict().items():
        assert value.tobytes() == net.state_dict()[name].tobytes(), name


def test_weights_from_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 3),
    )
    ours = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    ours.eval(), theirs.eval()
    expected = theirs(torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(ours(IMAGES).numpy(), expected, rtol=1e-4, atol=1e-6)
    trained(ours.parameters(), lambda: (ours(IMAGES) ** 2).mean(), 3)
    state = {name: torch.from_numpy(np.array(v)) for name, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    expected = theirs(torch.from_numpy(IMAGES)).detach().numpy()
    np.testing.assert_allclose(ours(IMAGES).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_a_typed_script_runs() -> None:
    """mypy reads it in test_typing.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.typed_script"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
