"""Module: what it finds, parameters and modes."""

import copy
import pickle

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.scale = nn.Parameter(np.ones(width, np.float32))

    def forward(self, x):
        return self.fc(x).relu() * self.scale


class Net(nn.Module):
    """Holds modules in every way: attribute, list, tuple, dict, nested; no super().__init__()."""

    def __init__(self):
        self.stem = nn.Linear(3, 4)
        self.layers = [Block(4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())]
        self.heads = {"a": nn.Linear(4, 2), "b": (nn.Linear(4, 2), [nn.Tanh()])}
        self.offsets = [nn.Parameter([0.0]), 3, "text"]
        self.first = nn.Parameter([1.0, 2.0])
        self.register_buffer("count", np.zeros((), np.int64))

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.heads["a"](x) + self.heads["b"][0](x)


NAMES = [
    *("offsets.0", "first", "stem.weight", "stem.bias"),
    *("layers.0.scale", "layers.0.fc.weight", "layers.0.fc.bias"),
    *("layers.1.0.weight", "layers.1.0.bias", "heads.a.weight", "heads.a.bias"),
    *("heads.b.0.weight", "heads.b.0.bias"),
]


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, groups=2, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.Flatten(),
        nn.Linear(200, 10),
    )


# ------------------------------------------------------------------------------------ what is found


def test_parameters_are_found_in_attributes_lists_tuples_and_dicts():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert len(list(net.parameters())) == len(NAMES)
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == [
        "net.offsets.0",
        "net.first",
    ]
    assert list(net.parameters(recurse=False)) == [net.offsets[0], net.first]
    assert [name for name, _ in net.named_buffers("p")] == ["p.count"]
    assert [id(b) for b in net.buffers()] == [id(net.count)]


def test_modules_and_children():
    net = Net()
    children = "stem layers.0 layers.1 heads.a heads.b.0 heads.b.1.0"
    assert [name for name, _ in net.named_children()] == children.split()
    assert [name for name, _ in net.named_modules("net")] == [
        *("net", "net.stem", "net.layers.0", "net.layers.0.fc", "net.layers.1", "net.layers.1.0"),
        *("net.layers.1.1", "net.heads.a", "net.heads.b.0", "net.heads.b.1.0"),
    ]
    assert next(iter(net.modules())) is net
    assert next(iter(net.children())) is net.stem


def test_a_list_of_modules_trains():
    net = Net()
    net(np.ones((5, 3), np.float32)).sum().backward()
    with_gradient = {name for name, p in net.named_parameters() if p.grad is not None}
    assert with_gradient == set(NAMES) - {"offsets.0", "first"}


def test_shared_parameters_and_modules_are_given_once_but_kept_under_each_name():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2, bias=False)
    net.c.weight = net.a.weight
    net.constant = ag.tensor([1.0], requires_grad=True)  # is not a parameter
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias"]
    assert [name for name, _ in net.named_children()] == ["a", "c"]
    state = net.state_dict()
    assert list(state) == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight"]
    assert net.load_state_dict(state) == ([], [])


def test_cycles_end():
    net = Net()
    net.layers[0].parent = net
    net.itself = [net]
    net.itself.append(net.itself)
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert set(net.state_dict()) == {*NAMES, "count"}
    visited = []
    net.apply(lambda m: visited.append(m))
    assert len(visited) == len(list(net.modules()))
    assert visited[-1] is net
    assert "..." in repr(net)
    assert net.train().eval().training is False


# --------------------------------------------------------------------------------------- parameters


def test_parameter_is_a_contiguous_copy():
    source = np.arange(6.0).reshape(2, 3).T
    p = nn.Parameter(source)
    assert p.requires_grad
    assert p.dtype == np.float64
    assert p.array.flags.c_contiguous
    assert not np.shares_memory(p.array, source)
    assert nn.Parameter(3.0).shape == ()
    assert type(p * 2) is ag.Tensor
    with pytest.raises(TypeError, match="floating"):
        nn.Parameter([1, 2])
    assert not nn.Parameter([1, 2], requires_grad=False).requires_grad


def test_parameter_repr():
    assert repr(nn.Parameter([1.0])) == "Parameter([1.])"
    fixed = nn.Parameter(np.array([1.0]), requires_grad=False)
    assert repr(fixed) == "Parameter([1.], dtype=float64, requires_grad=False)"


def test_deepcopy_and_pickle_keep_classes_and_values():
    net = small_cnn()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        for (name, p), (other, q) in zip(net.named_parameters(), twin.named_parameters()):
            assert name == other
            assert type(q) is nn.Parameter
            assert not np.shares_memory(p.array, q.array)
            np.testing.assert_array_equal(p.array, q.array)
    one = nn.Parameter([1.0])
    holder = nn.Module()
    holder.a = holder.b = one
    twin = copy.deepcopy(holder)
    assert twin.a is twin.b


# -------------------------------------------------------------------------------------------- modes


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(TypeError, match="True or False, got an array"):
        net.train(np.ones(3))


def test_zero_grad_and_requires_grad():
    net, x = nn.Linear(2, 2), np.ones((1, 2), np.float32)
    net(x).sum().backward()
    net.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(net.weight.grad.numpy(), np.zeros((2, 2)))
    net.zero_grad()
    assert net.weight.grad is None
    assert not net.requires_grad_(False)(x).requires_grad
    assert net.requires_grad_().weight.requires_grad


def test_apply_goes_inside_first_and_visits_once():
    shared = nn.ReLU()
    net = nn.Sequential(shared, nn.Sequential(nn.Linear(1, 1), shared))
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["ReLU", "Linear", "Sequential", "Sequential"]


def test_repr_is_nested():
    class Small(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(1, 2), nn.Sequential(nn.Tanh())]

    assert repr(Small()) == (
        "Small(\n"
        "  (layers.0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (layers.1): Sequential(\n"
        "    (0): Tanh()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"
