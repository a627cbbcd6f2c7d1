"""What takes the place of a part of a layer: parameters, buffers, modules and forwards."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from tests.test_nn import every_layer
from tests.test_nn_fused import normal, one_by_one

# ------------------------------------------------------------------------- parameters and buffers

NOT_PARAMETERS = {
    "tensor": lambda p: ag.tensor(np.ones(p.shape, np.float32)),
    "result": lambda p: p * 2.0,
    "array": lambda p: np.ones(p.shape, np.float32),
    "list": lambda p: [[1.0]],
    "number": lambda p: 3,
    "module": lambda p: nn.ReLU(),
}


@pytest.mark.parametrize("kind", NOT_PARAMETERS)
@every_layer
def test_a_parameter_is_replaced_by_a_parameter_or_none(
    name: str, given: Any, shape: Any, settings: Any, kind: str
) -> None:
    """PyTorch's rule, also where the settings leave the bias or the weight out."""
    layer = getattr(nn, name)(*given)
    before = dict(layer.named_parameters())
    for place in [n for n in ("weight", "bias") if hasattr(layer, n)]:
        old = getattr(layer, place)
        for module in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            value = NOT_PARAMETERS[kind](nn.Parameter([1.0]) if old is None else old)
            with pytest.raises(TypeError, match=f"^{name}: {place} must be a Parameter, .* got "):
                setattr(module, place, value)
        assert getattr(layer, place) is old
        assert dict(layer.named_parameters()) == before
        new = nn.Parameter(np.ones(2, np.float32))
        for value in (new, None, new):
            setattr(layer, place, value)
            assert (place in dict(layer.named_parameters())) == (value is not None)
        setattr(layer, place, old)


NOT_BUFFERS = {
    "text": "text",
    "list": [1.0],
    "number": 3.0,
    "tracked": ag.tensor([1.0], requires_grad=True),
}


@pytest.mark.parametrize("kind", NOT_BUFFERS)
@every_layer
def test_a_buffer_is_replaced_by_an_array_or_none(
    name: str, given: Any, shape: Any, settings: Any, kind: str
) -> None:
    layer = getattr(nn, name)(*given)
    for place in ("running_mean", "running_var", "num_batches_tracked"):
        if not hasattr(layer, place):
            continue
        with pytest.raises(TypeError, match=f"^{name}: {place} must be an array, .* got "):
            setattr(layer, place, NOT_BUFFERS[kind])
        for value in (np.ones(2), np.float32(1), ag.tensor([2.0, 2.0])):
            setattr(layer, place, value)
            assert type(getattr(layer, place)) is np.ndarray
            np.testing.assert_array_equal(layer.state_dict()[place], value)
        setattr(layer, place, None)
        assert place not in layer.state_dict()


def test_a_module_is_replaced_by_a_module_or_none() -> None:
    net = nn.Module()
    net.head = nn.Linear(2, 1)
    for value in (3, "text", np.ones(2), ag.tensor([1.0]), [nn.Linear(2, 1)]):
        with pytest.raises(TypeError, match=r"^Module: head must be a module or None, got"):
            net.head = value
    net.head = nn.Tanh()
    net.head = None
    with pytest.raises(TypeError, match="head must be a module"):
        net.head = 3
    net.head = nn.Parameter([1.0])  # as PyTorch allows
    with pytest.raises(TypeError, match="head must be a Parameter"):
        net.head = nn.Tanh()
    del net.head  # then the name is free
    net.head = 3
    with pytest.raises(TypeError, match="Sequential: 1 must be a module or None, got 3"):
        setattr(nn.Sequential(nn.Tanh(), nn.ReLU()), "1", 3)


@pytest.mark.parametrize("container", [list, tuple, lambda ws: dict(enumerate(ws))])
@pytest.mark.parametrize("member", [lambda k: nn.Parameter([1.0 + k]), lambda k: nn.Linear(1, 1)])
def test_a_container_of_parameters_is_replaced_by_one_of_parameters(
    container: Any, member: Any
) -> None:
    net = nn.Module()
    net.scales = container([member(0), [member(1)]])
    names = [*net.state_dict()]
    scaled = [p * 2.0 for p in net.parameters()]
    for value in (
        *(container(scaled), [container(scaled)], scaled[0], ag.tensor([1.0])),
        *(container([p.numpy() for p in net.parameters()]), np.ones(2), 3, "text"),
        *((p for p in net.parameters()), map(nn.Parameter, [[1.0]]), {1.0}, nn.ReLU),
        [nn.Parameter([1.0]), np.ones(2)],
    ):
        with pytest.raises(TypeError, match="Module: scales must be None, or a list, tuple or dic"):
            net.scales = value
    assert [*net.state_dict()] == names
    for value in ([], None, {}):
        net.scales = container([member(0), member(1)])
        net.scales = value
    net.scales = [ag.tensor([1.0])]  # the name is free again


@pytest.mark.parametrize("container", [list, lambda ws: dict(enumerate(ws))])
def test_items_of_a_container_are_what_it_holds_at_the_time(container: Any) -> None:
    net = nn.Module()
    net.scales = container([nn.Parameter([1.0]), nn.Parameter([2.0])])
    net.scales[0] = net.scales[0] * 2.0  # no attribute of the module is assigned to
    assert [*net.state_dict()] == ["scales.1"]
    for new in (nn.Parameter([3.0]), nn.Linear(1, 1, bias=False)):
        net.scales[0] = new
        assert len([*net.parameters()]) == len(net.state_dict()) == 2


# -------------------------------------------------------------------------------- replaced forwards

FUSED = {
    "ReLU": (lambda: [nn.ReLU(), nn.MaxPool2d(2)], (2, 3, 6, 6)),
    "BatchNorm1d": (lambda: [nn.BatchNorm1d(3), nn.ReLU()], (4, 3)),
    "BatchNorm2d": (lambda: [nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)], (2, 3, 6, 6)),
    "BatchNorm3d": (lambda: [nn.BatchNorm3d(3), nn.MaxPool3d(2), nn.ReLU()], (2, 3, 4, 4, 4)),
    "Linear": (lambda: [nn.Linear(4, 3), nn.BatchNorm1d(3).eval(), nn.ReLU()], (5, 4)),
    "Conv1d": (lambda: [nn.Conv1d(2, 3, 3), nn.MaxPool1d(2), nn.ReLU()], (2, 2, 9)),
    "Conv2d": (
        lambda: [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4).eval(), nn.ReLU(), nn.MaxPool2d(2)],
        (2, 2, 6, 6),
    ),
    "Conv3d": (lambda: [nn.Conv3d(2, 3, 2), nn.ReLU(), nn.MaxPool3d(2)], (2, 2, 5, 5, 5)),
}


def replace(layer: Any, how: str, called: list[Any], patch: pytest.MonkeyPatch) -> None:
    """Let another function compute the layer, one that doubles the result and leaves a trace."""
    kind = type(layer)
    original = kind.__call__ if how == "call" else kind.forward

    def other(self: Any, x: Any) -> Any:
        out = original(self, x)
        if self is layer:
            called.append(self)
            out = out * 2.0
        return out

    if how == "instance":
        layer.forward = lambda x: other(layer, x)
    elif how == "class":
        patch.setattr(kind, "forward", other)
    elif how == "call":
        patch.setattr(nn.Module, "__call__", other)
    elif how == "hook":
        layer.register_forward_hook(lambda m, args, out: called.append(m) or out * 2.0)
    else:
        layer.__class__ = type("Sub", (kind,), {"forward": other})


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("how", ["instance", "class", "subclass", "call", "hook"])
@pytest.mark.parametrize(
    ("name", "place"), [(name, i) for name, (make, _) in FUSED.items() for i in range(len(make()))]
)
def test_a_replaced_forward_is_called(
    name: str, place: int, how: str, recording: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, shape = FUSED[name]
    net = nn.Sequential(*make())
    x = ag.tensor(normal(*shape), requires_grad=True)
    called: list[Any] = []
    replace(net[place], how, called, monkeypatch)
    with ag.set_grad_enabled(recording):
        found = net(x)
        assert called == [net[place]]
        expected = one_by_one(net, x)
    assert called == [net[place]] * 2
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert found.requires_grad == recording


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("how", ["instance", "class", "subclass", "call", "hook"])
@every_layer
def test_the_replaced_forward_of_any_layer_is_called(
    name: str,
    given: Any,
    shape: Any,
    settings: Any,
    how: str,
    recording: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between layers that would join with it, if one can."""
    layer, called = getattr(nn, name)(*given), []
    replace(layer, how, called, monkeypatch)
    with ag.set_grad_enabled(recording):
        nn.Sequential(layer, nn.ReLU(), nn.Identity())(normal(*shape))
        nn.Sequential(nn.Identity(), layer, nn.ReLU())(normal(*shape))
    assert called == [layer] * 2


@pytest.mark.parametrize("name", FUSED)
def test_a_forward_takes_its_input_alone(name: str) -> None:
    make, shape = FUSED[name]
    layer = make()[0]
    for flag in ({"relu": True}, {"pool": (2,)}, {"norm": None}):
        with pytest.raises(
            TypeError, match="unexpected keyword|unknown argument|expected input, got"
        ):
            layer(normal(*shape), **flag)


@pytest.mark.parametrize("recording", [True, False])
@pytest.mark.parametrize("kind", [nn.ReLU, nn.MaxPool2d, nn.Conv2d])
@pytest.mark.parametrize("on", ["instance", "class"])
def test_a_replaced_function_is_called(
    on: str, kind: Any, recording: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2))
    layer = next(m for m in net if type(m) is kind)
    called: list[Any] = []
    function = kind.function

    def other(*args: Any) -> Any:
        called.append(layer)
        return function(*args)

    if on == "instance":
        layer.function = other
    else:
        monkeypatch.setattr(kind, "function", staticmethod(other))
    with ag.set_grad_enabled(recording):
        net(normal(2, 2, 6, 6))
    assert called == [layer]


# ------------------------------------------------------------------------- the note of each name


class Slotted(nn.Module):
    __slots__ = ("place",)

    def __init__(self):
        self.place, self.scale = 3, nn.Parameter([1.0])


class OwnState(nn.Module):
    def __init__(self):
        self.scale = nn.Parameter([1.0])

    def __setstate__(self, state):
        self.__dict__.update(state)


ROLE_MODULES = {
    "layer": lambda: nn.BatchNorm1d(3),
    "container": lambda: nn.Sequential(nn.Linear(2, 2)),
    "empty": nn.ReLU,
    "slots": Slotted,
    "own state": OwnState,
}


@pytest.mark.parametrize("make", [*ROLE_MODULES])
def test_a_shallow_copy_has_its_own_notes(make):
    net = ROLE_MODULES[make]()
    twin = copy.copy(net)
    twin.extra = nn.Parameter([2.0])
    twin.register_buffer("seen", [1.0])
    net.extra = 3
    assert net.extra == 3
    assert [*twin.state_dict()] != [*net.state_dict()] == [*ROLE_MODULES[make]().state_dict()]
    assert getattr(twin, "place", None) == getattr(net, "place", None)


@every_layer
def test_a_pickle_of_version_0_2_keeps_its_buffers_and_notes(name, given, shape, settings):
    """It lists the names of its buffers, and knows nothing of the other names."""
    layer = getattr(nn, name)(*given)
    layer.extra = nn.Parameter([2.0])
    layer.inner = nn.ReLU()
    layer.register_buffer("seen", [1.0])
    buffers = tuple(name for name, _ in layer.named_buffers(recurse=False))
    state = {k: v for k, v in vars(layer).items() if k != "_roles"}
    old = type(layer).__new__(type(layer))
    old.__setstate__({**state, "_buffer_names": buffers})
    assert [*old.state_dict()] == [*layer.state_dict()]
    for attribute in ("extra", "inner", "seen"):
        with pytest.raises(TypeError, match=attribute):
            setattr(old, attribute, "text")
    twin = pickle.loads(pickle.dumps(old))
    assert [*twin.state_dict()] == [*layer.state_dict()]


def test_a_new_name_is_noted_in_place():
    """Else a module of n parts would cost n * n."""
    net = nn.Sequential(nn.ReLU())
    notes = vars(net)["_roles"]
    net.extra = nn.Parameter([1.0])
    net.register_buffer("seen", [1.0])
    del net.extra
    assert vars(net)["_roles"] is notes
    assert [*notes] == ["0", "seen"]


class Guarded(nn.Module):
    """Refuses a module, and keeps the values of what is assigned to `scale`."""

    def __init__(self):
        self.inner = None

    @property
    def scale(self):
        return self._scale

    @scale.setter
    def scale(self, value):
        self._scale = nn.Parameter(np.asarray(value, np.float32))

    @property
    def fixed(self):
        return 1


def test_a_property_looks_after_its_values_itself():
    net = Guarded()
    net.scale = nn.Parameter([1.0])
    net.scale = [2.0]
    assert [name for name, _ in net.named_parameters()] == ["_scale"]
    with pytest.raises(AttributeError):
        net.fixed = nn.ReLU()
    assert not {"scale", "fixed"} & {*vars(net)["_roles"]}
