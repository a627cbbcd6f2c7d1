"""ModuleList, ModuleDict and ParameterList: PyTorch's methods, names and order of state."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn


def filled(net: Any, lib: Any, array: Any) -> Any:
    """A module with all containers, of PyTorch or of this library."""
    net.blocks = lib.ModuleList([lib.Linear(2, 2), lib.ReLU(), lib.Linear(2, 3)])
    net.heads = lib.ModuleDict({"b": lib.Linear(3, 1), "a": lib.Linear(3, 2, bias=False)})
    net.scales = lib.ParameterList([lib.Parameter(array([1.0, 2.0])), array([3.0])])
    net.blocks.append(lib.Linear(3, 3)).extend([lib.Linear(3, 3), lib.Linear(3, 3)])
    net.heads.update({"c": lib.Linear(3, 3), "a": lib.Linear(3, 4)})
    net.scales.append(lib.Parameter(array([4.0])))
    net.blocks.insert(1, lib.Tanh())
    net.blocks.pop(-1)
    net.heads.pop("b")
    return net


class Net(nn.Module):
    """It calls what the containers hold."""

    def forward(self, x: Any) -> Any:
        for block in self.blocks:  # type: ignore[attr-defined]
            x = block(x)
        heads, scales = self.heads, self.scales  # type: ignore[attr-defined]
        return sum(head(x).sum() for head in heads.values()) * scales[2]


def made() -> Any:
    return filled(Net(), nn, lambda x: ag.tensor(x))


def test_names_and_order() -> None:
    pair = ("weight", "bias")
    assert list(made().state_dict()) == [
        *(f"blocks.{k}.{n}" for k in (0, 3, 4, 5) for n in pair),
        *(f"heads.{k}.{n}" for k in ("a", "c") for n in pair),
        *("scales.0", "scales.1", "scales.2"),
    ]


def test_state_is_pytorchs_and_loads_as_it_is() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    theirs, net = filled(torch.nn.Module(), torch.nn, torch.tensor), made()
    state = {n: x.detach().numpy() for n, x in theirs.state_dict().items()}
    assert list(net.state_dict()) == list(state)
    net.load_state_dict(state)
    np.testing.assert_array_equal(net.blocks[3].weight.numpy(), state["blocks.3.weight"])
    assert repr(net.blocks) == repr(theirs.blocks)
    assert repr(net.heads) == repr(theirs.heads)


def test_what_they_hold_is_trained_frozen_copied_and_pickled() -> None:
    net = made()
    x = np.ones((2, 2), np.float32)
    net(x).sum().backward()
    assert net.blocks[0].weight.grad is not None
    assert net.scales[2].grad is not None
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), copy.copy(net)):
        assert twin(x).item() == net(x).item()
        assert list(twin.state_dict()) == list(net.state_dict())
    twin = copy.deepcopy(net)
    twin.heads["new"] = nn.ReLU()
    assert "new" not in net.heads
    net.requires_grad_(False)
    assert not net(x).requires_grad
    assert net.eval().blocks[1].training is False


def test_a_module_list_is_a_list() -> None:
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    layers = nn.ModuleList([a, b])
    layers += [c]
    assert [*layers] == [a, b, c]
    assert layers[-1] is c
    assert isinstance(layers[1:], nn.ModuleList)
    assert [*layers[1:]] == [b, c]
    assert list(dict(layers[1:].named_children())) == ["0", "1"]
    layers[0] = c
    del layers[1]
    assert [*layers] == [c, c]
    assert len(nn.ModuleList()) == len(nn.ModuleList(None)) == 0
    assert layers.pop(0) is c
    with pytest.raises(NotImplementedError, match="ModuleList: define forward"):
        layers(1)


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("kind", ["slice", "named"])
def test_a_part_can_grow(start: int, kind: str) -> None:
    layers = [nn.ReLU(), nn.Tanh(), nn.GELU()]
    whole = nn.Sequential(*layers)
    named = nn.Sequential({str(k): layers[k] for k in range(start, 3)})
    part = whole[start:] if kind == "slice" else named
    new = nn.Sigmoid(), nn.Flatten()
    part.extend(new)
    assert list(part) == [*layers[start:], *new]
    assert part.insert(0, new[0])[0] is new[0]
    assert list(whole) == layers


@pytest.mark.parametrize(("place", "member"), [("0", nn.ReLU()), (None, nn.ReLU()), (0, abs)])
def test_an_insertion_that_fails_changes_nothing(place: Any, member: Any) -> None:
    for held in (nn.ModuleList([nn.Tanh()]), nn.Sequential(nn.Tanh()), nn.ParameterList([[1.0]])):
        before = list(held)
        with pytest.raises(TypeError):
            held.insert(place, member)  # type: ignore[attr-defined]
        assert list(held) == before


def test_a_module_dict_is_a_dict() -> None:
    a, b = nn.ReLU(), nn.Tanh()
    held = nn.ModuleDict([("a", a), ("b", b)])
    assert list(held) == list(held.keys()) == ["a", "b"]
    assert list(held.items()) == [("a", a), ("b", b)]
    assert "a" in held
    assert held.get("c") is None
    assert held.pop("a") is a
    held["b"] = a
    assert [*held.values()] == [a]
    with pytest.raises(KeyError, match="no module 'z'; there is b"):
        held["z"]
    assert held != nn.ModuleDict({"b": a})
    assert len({held, held}) == 1
    held.clear()
    assert not held


def test_a_parameter_list_makes_parameters() -> None:
    held = nn.ParameterList([np.ones((2, 1)), ag.tensor([1.0])])
    assert all(isinstance(p, nn.Parameter) for p in held)
    own = nn.Parameter([5.0])
    held[0] = own
    assert held[0] is own
    assert [*nn.ParameterList(held)] == [*held]
    assert repr(held[1:]) == ("ParameterList(\n  (0): Parameter of shape (1,) and dtype float32\n)")
