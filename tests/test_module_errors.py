"""Errors in modules carry the path of the module; `Sequential` and what it refuses."""

import pickle

import numpy as np
import pytest

from autograd_cnn import nn

# ------------------------------------------------------------------------------------- errors' path


class Features(nn.Module):
    def __init__(self):
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 4, 3)
        )

    def forward(self, x):
        return self.features(x)


def module_that(forward, **held):
    """A module with these attributes, whose forward gets itself and the input."""
    net = nn.Module()
    vars(net).update(held)
    net.forward = lambda x: forward(net, x)
    return net


@pytest.mark.parametrize(
    ("net", "channels", "note"),
    [
        (Features(), 1, "in Features.features.3 (Conv2d)"),
        (Features().features[3], 2, "in Conv2d"),
        (
            module_that(lambda net, x: net.parts["body"](x), parts={"body": Features()}),
            *(1, "in Module.parts.body.features.3 (Conv2d)"),
        ),
        (  # levels that were not called
            module_that(lambda net, x: net.inner.features[3](x), inner=Features()),
            *(2, "in Module.inner.features.3 (Conv2d)"),
        ),
        (  # modules that are not held
            nn.Sequential(module_that(lambda net, x: nn.Sequential(nn.ReLU(), nn.Linear(2, 2))(x))),
            *(1, "in Sequential.0 (Module), in Sequential.1 (Linear)"),
        ),
    ],
)
def test_an_error_carries_one_note_with_the_whole_path(net, channels, note):
    with pytest.raises(ValueError, match="has 2 channels|has 12 features") as caught:
        net(np.ones((1, channels, 12, 12), np.float32))
    assert caught.value.__notes__ == [note]


def test_notes_of_others_stay_and_a_noted_error_can_be_pickled():
    def fail(x):
        error = ValueError("no")
        error.add_note("before")
        raise error

    net = nn.Sequential(nn.Sequential(nn.Identity()))
    net[0][0].forward = fail
    with pytest.raises(ValueError, match="no") as caught:
        net(1)
    assert caught.value.__notes__ == ["before", "in Sequential.0.0 (Identity)"]
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
    with pytest.raises(TypeError, match="expected modules, got int at '0'"):
        net[0] = 3
    assert nn.Sequential()(7) == 7


def test_sequential_with_names():
    net = nn.Sequential({"conv": nn.Conv2d(1, 2, 3), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"]
    assert net.act is net[1]
