"""The state of modules: names, copies, files, and loading all or nothing."""

import copy
import io
import pickle

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from tests.test_module import small_cnn

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
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert list(state) == [
        *("0.weight", "0.bias", *(f"1.{name}" for name in norm), "4.weight"),
        *(f"5.{name}" for name in norm[2:]),
        *("7.weight", "7.bias"),
    ]
    shapes = {"0.weight": (4, 1, 3, 3), "1.running_var": (4,), "4.weight": (8, 2, 3, 3)}
    shapes |= {"1.num_batches_tracked": (), "7.weight": (10, 200), "7.bias": (10,)}
    assert {name: state[name].shape for name in shapes} == shapes
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
    result = net.load_state_dict({"7.bias": np.ones(10), "extra": 1}, strict=False)
    assert result.missing_keys == [name for name in before if name != "7.bias"]
    assert result.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(net[7].bias.array, np.ones(10))


def test_load_wants_a_mapping_and_numbers():
    with pytest.raises(
        TypeError, match=r"state_dict must be a mapping .*np\.load gives, got 'weights"
    ):
        nn.Linear(1, 1).load_state_dict("weights.npz")
    with pytest.raises(ValueError, match="bias: expected dtype float32, got <U1"):
        nn.Linear(1, 1).load_state_dict({"weight": [[1.0]], "bias": ["x"]})


def test_two_parameters_of_one_name_are_refused():
    net = nn.Module()
    net.a = {"b": nn.Linear(1, 1), "b.weight": nn.Parameter([1.0])}
    with pytest.raises(ValueError, match=r"two parameters are named 'a\.b\.weight'"):
        net.state_dict()


class Tagged(nn.Parameter):
    """A Parameter with an attribute that its constructor takes second."""

    def __init__(self, data, tag="none"):
        super().__init__(data)
        self.tag = tag


class SlottedTensor(ag.Tensor):
    __slots__ = ("tag",)

    def __init__(self, data, tag):
        super().__init__(data, True)
        self.tag = tag


class Both(SlottedTensor):
    __slots__ = ("more", "unset")

    def __init__(self, data, tag):
        super().__init__(data, tag)
        self.more = tag


class Holder(nn.Module):
    def __init__(self, parameter):
        self.weight = parameter


@pytest.mark.parametrize("kind", [Tagged, SlottedTensor, Both])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_copies_of_a_tensor_keep_the_attributes_of_its_subclass(kind, inside, how):
    x = kind([1.0, 2.0], {"decay": [0.1]})
    make = {
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    }[how]
    twin = make(Holder(x)).weight if inside else make(x)
    assert type(twin) is kind
    assert (twin.tag, twin.tolist(), twin.requires_grad) == ({"decay": [0.1]}, [1.0, 2.0], True)
    assert (twin.tag is x.tag) == (how == "copy")
    assert not hasattr(twin, "unset")
    if kind is Both:
        assert twin.more is twin.tag
