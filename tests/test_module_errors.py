"""Errors in modules carry the path of the module; `Sequential` and what it refuses."""

import pickle

import numpy as np
import pytest

from autograd_cnn import nn

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
