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


LEAVES = {
    "parameter": lambda: nn.Parameter([1.0, 2.0]),
    "frozen": lambda: nn.Parameter([1.0, 2.0], requires_grad=False),
    "whole numbers": lambda: nn.Parameter([1, 2], requires_grad=False),
    "tensor": lambda: ag.tensor([1.0, 2.0]),
    "tracked": lambda: ag.tensor([1.0, 2.0], requires_grad=True),
    "number": lambda: ag.tensor(2.0, requires_grad=True),
    "columns": lambda: ag.tensor(np.ones((2, 3)).T, requires_grad=True),
}


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("kind", LEAVES)
def test_copies_of_a_leaf_keep_its_class_and_its_gradients(kind, recording):
    """A shallow copy is on the same memory, as in PyTorch, and a deep one on its own."""
    x = LEAVES[kind]()
    if x.requires_grad:
        x.grad = np.ones(x.shape)
    for make in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        with ag.set_grad_enabled(recording):
            twin = make(x)
        assert twin is not x
        assert (type(twin), twin.dtype, twin.is_leaf) == (type(x), x.dtype, True)
        assert twin.requires_grad == x.requires_grad
        np.testing.assert_array_equal(twin.numpy(), x.numpy())
        assert np.shares_memory(twin.array, x.array) == (make is copy.copy)
        assert (twin.grad is not None) == (make is copy.deepcopy and x.requires_grad)
        if x.requires_grad:
            twin.grad = None
            (twin * 3.0).sum().backward()
            assert twin.grad.tolist() == np.full(x.shape, 3.0).tolist()
            assert x.grad.tolist() == np.ones(x.shape).tolist()


def test_a_write_to_a_shallow_copy_is_a_write_to_the_leaf():
    x = nn.Parameter([1.0, 2.0])
    twin, loss = copy.copy(x), (x * x).sum()
    with ag.no_grad():
        twin += 1.0
    assert x.tolist() == [2.0, 3.0]
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_a_shallow_copy_of_a_result_passes_the_gradient_on(shape):
    x = ag.tensor(np.ones(shape), requires_grad=True)
    y = x * 2.0
    twin = copy.copy(y)
    assert np.shares_memory(twin.array, y.array) or not y.size
    (twin * 3.0 + y).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(shape, 8.0))


@pytest.mark.parametrize("make", [copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize(
    ("hold", "name"),
    [
        (lambda m, y: setattr(m, "hidden", y), "hidden"),
        (lambda m, y: setattr(m, "states", [1, {"a": (y,)}]), "states.1.a.0"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_copy_of_a_module_that_holds_a_graph_names_the_attribute(make, hold, name, inside):
    cell = nn.Linear(2, 2)
    net = nn.Sequential(nn.ReLU(), cell) if inside else cell
    hold(cell, ag.tensor([1.0], requires_grad=True) * 2.0)
    assert vars(copy.copy(cell)).items() >= vars(cell).items()  # a shallow copy shares the graph
    with pytest.raises(ag.GraphError) as caught:
        make(net)
    assert str(caught.value) == (
        f"Linear: {name} is a result of multiply, which cannot be copied or pickled with its "
        f"graph; assign {name}.detach() first"
    )
    hold(cell, ag.tensor([1.0], requires_grad=True))
    make(net)


def test_a_module_may_leave_a_graph_out_of_its_copies():
    class Cell(nn.Linear):
        def __getstate__(self):
            return {name: x for name, x in super().__getstate__().items() if name != "hidden"}

    cell = Cell(2, 2)
    cell.hidden = ag.tensor([1.0], requires_grad=True) * 2.0
    assert not hasattr(copy.deepcopy(cell), "hidden")
    assert copy.deepcopy(cell).weight.tolist() == cell.weight.tolist()


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
