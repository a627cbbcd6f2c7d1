"""Module: what it finds, its state, its modes, and the path in its errors."""

import copy
import io
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
    "offsets.0",
    "first",
    "stem.weight",
    "stem.bias",
    "layers.0.scale",
    "layers.0.fc.weight",
    "layers.0.fc.bias",
    "layers.1.0.weight",
    "layers.1.0.bias",
    "heads.a.weight",
    "heads.a.bias",
    "heads.b.0.weight",
    "heads.b.0.bias",
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
    assert [name for name, _ in net.named_children()] == [
        "stem",
        "layers.0",
        "layers.1",
        "heads.a",
        "heads.b.0",
        "heads.b.1.0",
    ]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "stem",
        "layers.0",
        "layers.0.fc",
        "layers.1",
        "layers.1.0",
        "layers.1.1",
        "heads.a",
        "heads.b.0",
        "heads.b.1.0",
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


def test_a_plain_tensor_is_no_parameter():
    net = nn.Module()
    net.constant = ag.tensor([1.0], requires_grad=True)
    assert list(net.parameters()) == []


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match="Module: define forward"):
        nn.Module()(1)


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


# ------------------------------------------------------------------------------------------ buffers


def test_register_buffer():
    module = nn.Module()
    source = np.zeros(2)
    module.register_buffer("mean", source)
    module.register_buffer("nothing", None)
    assert not np.shares_memory(module.mean, source)
    assert list(module.state_dict()) == ["mean"]
    module.register_buffer("mean", np.ones(3))  # again: replaced
    module.mean = module.mean + 1  # assignment keeps it a buffer
    np.testing.assert_array_equal(module.state_dict()["mean"], [2, 2, 2])
    module.nothing = np.int64(3)
    assert module.state_dict()["nothing"] == 3
    assert module.load_state_dict({"mean": np.ones(3), "nothing": 4}) == ([], [])
    assert module.nothing == 4
    with pytest.raises(ValueError, match="'forward' is already an attribute"):
        module.register_buffer("forward", source)
    with pytest.raises(ValueError, match="not an identifier"):
        module.register_buffer("a.b", source)


# -------------------------------------------------------------------------------------------- state


def test_names_shapes_and_order_are_pytorchs():
    state = small_cnn().state_dict()
    assert [(name, array.shape) for name, array in state.items()] == [
        ("0.weight", (4, 1, 3, 3)),
        ("0.bias", (4,)),
        ("1.weight", (4,)),
        ("1.bias", (4,)),
        ("1.running_mean", (4,)),
        ("1.running_var", (4,)),
        ("1.num_batches_tracked", ()),
        ("4.weight", (8, 2, 3, 3)),
        ("5.running_mean", (8,)),
        ("5.running_var", (8,)),
        ("5.num_batches_tracked", ()),
        ("7.weight", (10, 200)),
        ("7.bias", (10,)),
    ]
    assert state["1.num_batches_tracked"].dtype == np.int64
    assert {a.dtype for n, a in state.items() if "num" not in n} == {np.dtype(np.float32)}


def test_state_survives_a_file():
    net, twin = small_cnn(), small_cnn()
    net(np.random.default_rng(0).normal(size=(4, 1, 14, 14)).astype(np.float32))
    file = io.BytesIO()
    np.savez(file, **net.state_dict())
    file.seek(0)
    with np.load(file) as saved:
        assert twin.load_state_dict(saved) == ([], [])
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
    x = np.ones((2, 1, 14, 14), np.float32)
    np.testing.assert_array_equal(net.eval()(x).numpy(), twin.eval()(x).numpy())


def test_state_dict_holds_copies():
    net = small_cnn()
    state = net.state_dict()
    for value in state.values():
        value[...] = 7
    assert not (net[0].weight.array == 7).any()
    assert net[1].num_batches_tracked == 0


def test_load_writes_in_place_and_keeps_the_dtype():
    layer = nn.Linear(2, 2)
    weight, array = layer.weight, layer.weight.array
    new = {"weight": np.array([[1.0, 2], [3, 4]]), "bias": ag.tensor([5.0, 6.0])}
    layer.load_state_dict(new)
    assert layer.weight is weight
    assert weight.array is array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, new["weight"])
    assert not np.shares_memory(array, new["weight"])
    layer.load_state_dict({"weight": weight.array[::-1], "bias": [5, 6]})  # a view of the target
    np.testing.assert_array_equal(array, [[3, 4], [1, 2]])


def test_load_makes_earlier_graphs_refuse():
    layer = nn.Linear(2, 2)
    x = ag.tensor([[1.0, 2.0]], requires_grad=True)
    loss = layer(x).sum()
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


def test_load_reports_every_problem_and_changes_nothing():
    net = small_cnn()
    before = net.state_dict()
    wrong = {name: np.full_like(array, 9) for name, array in before.items()}
    del wrong["0.bias"], wrong["7.bias"]
    wrong["9.weight"] = np.ones(1)
    wrong["7.weight"] = np.ones((10, 100))
    wrong["1.num_batches_tracked"] = np.array(1.5)
    with pytest.raises(ValueError, match=r"Sequential\.load_state_dict") as caught:
        net.load_state_dict(wrong)
    assert str(caught.value).splitlines()[1:] == [
        "  missing: 0.bias",
        "  missing: 7.bias",
        "  unexpected: 9.weight",
        "  1.num_batches_tracked: expected dtype int64, got float64",
        "  7.weight: expected shape (10, 200), got (10, 100)",
    ]
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        net.load_state_dict(wrong, strict=False)
    assert len(str(caught.value).splitlines()) == 3
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_not_strict_returns_what_did_not_match():
    layer = nn.Linear(2, 2)
    result = layer.load_state_dict({"bias": np.ones(2), "extra": 1}, strict=False)
    assert result.missing_keys == ["weight"]
    assert result.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(layer.bias.array, [1, 1])


def test_load_wants_a_mapping_and_numbers():
    with pytest.raises(TypeError, match=r"mapping of names to arrays, got str.*np.load"):
        nn.Linear(1, 1).load_state_dict("weights.npz")
    with pytest.raises(ValueError, match="bias: expected dtype float32, got <U1"):
        nn.Linear(1, 1).load_state_dict({"weight": [[1.0]], "bias": ["x"]})


def test_two_parameters_of_one_name_are_refused():
    net = nn.Module()
    net.a = {"b": nn.Linear(1, 1), "b.weight": nn.Parameter([1.0])}
    with pytest.raises(ValueError, match=r"two parameters are named 'a\.b\.weight'"):
        net.state_dict()


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
    net = nn.Linear(2, 2)
    net(np.ones((1, 2), np.float32)).sum().backward()
    net.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(net.weight.grad.numpy(), np.zeros((2, 2)))
    net.zero_grad()
    assert net.weight.grad is None
    assert net.requires_grad_(False) is net
    assert not net(np.ones((1, 2), np.float32)).requires_grad
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


# ------------------------------------------------------------------------------------- errors' path


def notes_of(call, *args):
    try:
        call(*args)
    except ValueError as error:
        return error.__notes__
    pytest.fail("no ValueError")


class Features(nn.Module):
    def __init__(self):
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 4, 3)
        )

    def forward(self, x):
        return self.features(x)


def test_an_error_carries_one_note_with_the_whole_path():
    x = np.ones((1, 1, 12, 12), np.float32)
    net = Features()
    assert notes_of(net, x) == ["in Features.features.3 (Conv2d)"]
    outer = nn.Module()
    outer.parts = {"body": net}
    outer.forward = lambda x: outer.parts["body"](x)
    assert notes_of(outer, x) == ["in Module.parts.body.features.3 (Conv2d)"]
    assert notes_of(net.features[3], x[0]) == ["in Conv2d"]


def test_the_path_skips_levels_that_were_not_called():
    net = nn.Module()
    net.inner = Features()
    net.forward = lambda x: net.inner.features[3](x)
    assert notes_of(net, np.ones((1, 2, 5, 5))) == ["in Module.inner.features.3 (Conv2d)"]


def test_modules_that_are_not_held_are_named_by_class():
    class Hidden(nn.Module):
        def forward(self, x):
            return nn.Sequential(nn.Identity(), nn.Linear(2, 2))(x)

    net = nn.Sequential(Hidden())
    note = "in Sequential.0 (Hidden), in Sequential.1 (Linear)"
    assert notes_of(net, np.ones((1, 3))) == [note]


def test_notes_of_others_stay_and_a_noted_error_can_be_pickled():
    def fail(x):
        error = ValueError("no")
        error.add_note("before")
        raise error

    net = nn.Sequential(nn.Sequential(nn.Identity()))
    net[0][0].forward = fail
    assert notes_of(net, 1) == ["before", "in Sequential.0.0 (Identity)"]
    with pytest.raises(ValueError, match="no") as caught:
        net(1)
    assert pickle.loads(pickle.dumps(caught.value)).args == ("no",)


def test_no_note_for_an_interrupt():
    def stop(x):
        raise KeyboardInterrupt

    layer = nn.Identity()
    layer.forward = stop
    with pytest.raises(KeyboardInterrupt) as caught:
        layer(1)
    assert not hasattr(caught.value, "__notes__")


# --------------------------------------------------------------------------------------- Sequential


def test_sequential_indexing():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    assert len(net) == 3
    assert net[-1] is net[2] is list(net)[2]
    part = net[1:]
    assert isinstance(part, nn.Sequential)
    assert [name for name, _ in part.named_children()] == ["1", "2"]
    assert part[1] is net[2]
    net[1] = nn.Tanh()
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "Linear"]
    assert net.append(nn.Sigmoid()) is net
    assert list(net.state_dict())[-1] == "2.bias"
    assert len(net) == 4
    assert net(np.ones((5, 1), np.float32)).shape == (5, 3)
    with pytest.raises(IndexError, match="index 4 is out of range for 4 modules"):
        net[4]
    with pytest.raises(TypeError, match="expected a module, got int"):
        net[0] = 3
    assert nn.Sequential()(7) == 7


def test_sequential_with_names():
    net = nn.Sequential({"conv": nn.Conv2d(1, 2, 3), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"]
    assert net.act is net[1]


@pytest.mark.parametrize("name", ["", "a.b", "forward", "training"])
def test_sequential_refuses_names(name):
    with pytest.raises(ValueError, match="cannot name a module"):
        nn.Sequential({name: nn.ReLU()})


def test_sequential_wants_modules():
    with pytest.raises(TypeError, match=r"got function at '1'"):
        nn.Sequential(nn.ReLU(), lambda x: x)
    with pytest.raises(TypeError, match=r"got list at '0'; pass the modules one by one"):
        nn.Sequential([nn.ReLU()])
