"""A user's script, for type checkers: every border of the package has a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np

import autograd_cnn as ag
from autograd_cnn import Tensor, data, nn, optim
from autograd_cnn import functional as F
from autograd_cnn.testing import gradcheck

NDArray = np.ndarray[Any, np.dtype[Any]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@ag.op(x=lambda g, out, x: g * 3.0 * x * x)
def cube(x: Floats) -> Floats:
    """x to the third power."""
    return x * x * x


def _scaled_x(g: Tensor, out: Tensor, x: Tensor, y: Tensor, *, factor: float) -> Tensor:
    return g * factor


@ag.op(x=_scaled_x, y=None)
def scaled(x: Floats, y: Floats, *, factor: float = 2.0) -> Floats:
    """x, factor times, plus the sign of y."""
    return x * factor + np.sign(y)


class Block(nn.Module):
    """A convolution with batch norm."""

    def __init__(self, channels: int, filters: int) -> None:
        self.conv = nn.Conv2d(channels, filters, 3, padding=1)
        self.norm = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)


class Net(nn.Module):
    """Two blocks and a classifier, which also gives its features."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = F.relu) -> None:
        self.blocks = [Block(1, 4), Block(4, 8)]
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(8 * 7 * 7, 10))
        self.activation = activation

    def forward(self, x: Tensor, *, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        return self.head(self.activation(x * scale)), x


def train(net: Net, epochs: int = 1) -> list[float]:
    """The mean loss of each epoch."""
    images = data.digits().train
    loader = data.DataLoader(images, batch_size=32, shuffle=True)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.StepLR(optimizer, step_size=1)
    means: list[float] = []
    for _ in range(epochs):
        losses: list[float] = []
        for batch, labels in loader:
            optimizer.zero_grad()
            logits, _features = net(ag.tensor(batch, dtype="float32") / 255.0, scale=1.0)
            loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
            assert_type(loss, Tensor)
            loss.backward()
            assert_type(optimizer.step(), None)
            losses.append(float(loss))
        schedule.step()
        assert_type(schedule.get_last_lr(), list[float])
        means.append(sum(losses) / len(losses))
    return means


def borders(t: Tensor, a: NDArray, w: nn.Parameter, either: Tensor | NDArray) -> None:
    """Tensors in, tensors out; arrays in, arrays out."""
    assert_type(ag.exp(t), Tensor)
    assert_type(ag.exp(a), NDArray)
    assert_type(ag.exp(w), Tensor)
    assert_type(ag.exp([1.0, 2.0]), NDArray)
    assert_type(ag.sum(t, axis=0, keepdims=True), Tensor)
    assert_type(ag.sum(a, 0), NDArray)
    assert_type(ag.reshape(t, (2, -1)), Tensor)
    assert_type(ag.add(a, t), Tensor)
    assert_type(ag.add(a, 1.0), NDArray)
    assert_type(ag.maximum(t, 0.0), Tensor)
    assert_type(ag.maximum(0.0, t), Tensor)
    assert_type(ag.where(a > 0, t, 0.0), Tensor)
    assert_type(ag.where(a > 0, 0.0, t), Tensor)
    assert_type(ag.where(a > 0, 0.0, 1.0), NDArray)
    assert_type(ag.average(t), Tensor)
    assert_type(ag.concatenate([a, t], axis=0), Tensor)
    assert_type(ag.stack(a, a), NDArray)
    assert_type(ag.einsum("ij,jk->ik", a, t), Tensor)
    assert_type(ag.stack([a, t]), Tensor)
    assert_type(ag.exp([[1.0, 2.0], [3.0, 4.0]]), NDArray)
    assert_type(ag.split(t, 2), list[Tensor])
    assert_type(ag.split(a, 2), list[NDArray])
    assert_type(ag.slogdet(t).logabsdet, Tensor)
    assert_type(ag.topk(t, 2), tuple[Tensor, NDArray])
    assert_type(F.conv2d(a, w), Tensor)
    assert_type(F.conv2d(a, a, None, 2), NDArray)
    assert_type(F.linear(t, w, bias=None), Tensor)
    assert_type(F.linear(a, a, w), Tensor)
    assert_type(F.softmax(a, dim=1), NDArray)
    assert_type(F.relu(either + 0.0) if isinstance(either, Tensor) else t, Tensor)
    assert_type(F.max_pool2d(a, 2), NDArray)
    assert_type(F.max_pool2d(t, 2, return_indices=True), tuple[Tensor, NDArray])
    with ag.no_grad():
        w -= 0.1 * t
    assert_type(w, nn.Parameter)
    assert_type(nn.ReLU()(t), Tensor)
    assert_type(nn.ReLU()(a), NDArray)
    assert_type(nn.Linear(2, 3)(a), Tensor)
    assert_type(nn.Conv2d(1, 2, 3)(t), Tensor)
    assert_type(nn.MaxPool2d(2)(a), NDArray)
    assert_type(nn.CrossEntropyLoss()(t, a), Tensor)
    assert_type(Net()(t), tuple[Tensor, Tensor])
    assert_type(nn.Sequential(nn.Linear(2, 2), nn.ReLU())(t), Tensor)
    assert_type(nn.LSTM(2, 3)(t)[1], tuple[Tensor, Tensor])
    assert_type(nn.GRUCell(2, 3)(a), Tensor)
    assert_type(nn.MultiheadAttention(4, 2)(t, t, t), tuple[Tensor, Tensor | None])
    assert_type(nn.TransformerEncoderLayer(4, 2)(t), Tensor)
    assert_type(F.scaled_dot_product_attention(a, a, a), NDArray)
    assert_type(nn.ParameterList([w])[0], nn.Parameter)
    assert_type(nn.ModuleDict({"a": nn.ReLU()})["a"], nn.Module)
    assert_type(nn.ZeroPad2d(1)(a), NDArray)
    assert_type(cube(t), Tensor)
    assert_type(cube(a), NDArray)
    assert_type(scaled(a, t, factor=3.0), Tensor)
    assert_type(scaled(t, t), Tensor)
    assert_type(scaled(t, 1.0), Tensor)
    assert_type(scaled(a, a), NDArray)


def tensors(t: Tensor, a: Floats) -> None:
    """Operators and methods."""
    assert_type(t + 1.0, Tensor)
    assert_type(1.0 + t, Tensor)
    assert_type(a + t, Tensor)
    assert_type(a @ t, Tensor)
    assert_type(np.float32(2.0) * t, Tensor)
    assert_type(-(t**2), Tensor)
    assert_type([[1.0, 2.0]] @ t, Tensor)
    assert_type(t[0, 1:], Tensor)
    assert_type(t.sum(axis=0).T.reshape(-1, 2), Tensor)
    assert_type(t.numpy() > 0, np.ndarray[tuple[Any, ...], np.dtype[np.bool]])
    assert_type(t.grad, Tensor | None)
    assert_type(t.sum(dim=0, keepdim=True), Tensor)
    assert_type(t.mul(2.0).float().unsqueeze(0), Tensor)
    assert_type(t.std(dim=0, unbiased=False), Tensor)
    assert_type(t.max(axis=0), Tensor)
    indices: np.ndarray = t.max(dim=0).indices
    assert indices.any()
    assert_type(ag.mean(t, dim=0), Tensor)
    assert_type(F.softmax(t, axis=0), Tensor)
    assert_type(ag.zeros(2, 3), Tensor)
    (first,) = ag.grad((t**3).sum(), t, create_graph=True)
    assert_type(first, Tensor)
    mask: np.ndarray = t > 0
    assert gradcheck(cube, [t])
    assert mask.any()
    assert gradcheck(lambda x: ag.tanh(x).sum(), [t])
    assert gradcheck(lambda x, y: ag.add(x, y) * y, [t, t])


if __name__ == "__main__":
    print(*train(Net()))
