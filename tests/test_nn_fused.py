"""Batch norm and the relu after it: Sequential computes them in one pass, to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.diagnose import profile

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


def test_the_graph_holds_one_op() -> None:
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
