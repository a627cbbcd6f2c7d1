"""Modules as functions of their parameters: derivatives of whole networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn
from autograd_cnn import functional as F

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.standard_normal((3, 1, 5, 5)), np.array([0, 2, 1])


def network() -> nn.Module:
    ag.manual_seed(0)
    parts = [nn.Conv2d(1, 2, 2), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)]
    return nn.Sequential(*parts)


def doubles(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: p.numpy().astype(float) for name, p in net.named_parameters()}


def test_gradients_of_a_network_by_its_parameters_equal_those_of_backward() -> None:
    net = network()
    F.cross_entropy(net(IMAGES.astype(np.float32)), LABELS).backward()

    def loss(parameters: Any) -> Any:
        return F.cross_entropy(func.functional_call(net, parameters, IMAGES), LABELS)

    found = func.grad(loss)(doubles(net))
    assert list(found) == ["0.weight", "0.bias", "4.weight", "4.bias"]
    for name, p in net.named_parameters():
        assert p.grad is not None
        # Single precision: a few roundings of values around 1.
        assert np.allclose(found[name], p.grad.numpy(), atol=1e-6)


def test_the_hessian_of_a_cnns_loss_by_all_its_parameters_equals_the_numerical_one() -> None:
    net = network()
    parameters = doubles(net)

    def loss(parameters: Any) -> Any:
        return F.cross_entropy(func.functional_call(net, parameters, IMAGES), LABELS)

    found = func.hessian(loss)(parameters)
    eps = 1e-5
    for name, value in parameters.items():
        for element in [(0,) * value.ndim, tuple(n - 1 for n in value.shape)]:
            moved = {key: v.copy() for key, v in parameters.items()}
            moved[name][element] += eps
            above = func.grad(loss)(moved)
            moved[name][element] -= 2 * eps
            below = func.grad(loss)(moved)
            for other in parameters:
                column = found[other][name][(..., *element)]
                # Central differences of a gradient are good to about 1e-9 here.
                difference = (above[other] - below[other]) / (2 * eps)
                assert np.allclose(column, difference, atol=1e-8), (name, other)


def test_the_module_is_as_before_also_after_an_exception() -> None:
    net = network()
    weight = net[0].weight
    new = {"0.weight": np.zeros((2, 1, 2, 2), np.float32)}
    out = func.functional_call(net, new, (IMAGES.astype("f"),))
    assert np.ptp(out.numpy(), axis=0).max() == 0.0
    assert net[0].weight is weight
    with pytest.raises(ValueError, match=r"conv2d: input must"):
        func.functional_call(net, new, IMAGES[0, 0])
    assert net[0].weight is weight


def test_parameters_in_lists_tuples_and_dicts_and_shared_ones() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            self.parts = [nn.Linear(2, 2, bias=False)]
            self.pair = (self.parts[0].weight, nn.Parameter([1.0, 2.0]))
            self.named = {"scale": nn.Parameter([3.0, 3.0])}
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.parts[0](x) @ self.pair[0] * self.pair[1] + self.named["scale"]

    held = Held()
    assert [name for name, _ in held.named_parameters()] == ["pair.0", "pair.1", "named.scale"]
    new = {"pair.0": np.eye(2) * 2.0, "pair.1": np.ones(2), "named.scale": np.zeros(2)}
    assert func.functional_call(held, new, np.array([[1.0, 5.0]])).tolist() == [[4.0, 20.0]]
    assert held.calls == 1
    assert held.pair[1].tolist() == [1.0, 2.0]


def test_buffers_given_as_arrays_are_updated_and_the_modules_own_are_not() -> None:
    layer = nn.BatchNorm1d(2, momentum=0.5)
    mean = np.zeros(2, np.float32)
    x = ag.tensor([[1.0, 2.0], [3.0, 6.0]])
    func.functional_call(layer, {"running_mean": mean}, x)
    assert mean.tolist() == [1.0, 2.0]
    assert layer.running_mean.tolist() == [0.0, 0.0]


def test_gradients_reach_tensors_that_stand_in_for_parameters() -> None:
    layer = nn.Linear(2, 1)
    scale = ag.tensor(3.0, requires_grad=True)
    weight = scale * np.array([[1.0, 2.0]], np.float32)
    func.functional_call(layer, {"weight": weight}, np.ones((1, 2), np.float32)).sum().backward()
    assert scale.grad is not None
    assert scale.grad.item() == 3.0
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
