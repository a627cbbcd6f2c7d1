"""Parameters as one vector, and back: values, gradients of every order, what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.nn.utils import parameters_to_vector, vector_to_parameters
from autograd_cnn.testing import gradcheck, gradgradcheck
from tests.optim_parts import leaf


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))


def test_there_and_back() -> None:
    net, other = network(), network()
    vector = parameters_to_vector(net.parameters())
    parts = [p.numpy().ravel() for p in net.parameters()]
    np.testing.assert_array_equal(vector.numpy(), np.concatenate(parts))
    assert vector.dtype == np.float32
    vector_to_parameters(vector, other.parameters())
    for p, q in zip(net.parameters(), other.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert q.is_leaf
        assert q.requires_grad
        assert not np.shares_memory(q.numpy(), vector.numpy())


@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (), (4,)], [(3,), (0, 2), (1, 2, 2)]])
def test_gradients_pass_to_second_order(shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    parameters = [leaf(rng.normal(size=shape)) for shape in shapes]

    def function(*xs: ag.Tensor) -> ag.Tensor:
        vector = parameters_to_vector(list(xs))
        return (vector**3 * np.arange(1.0, vector.size + 1)).sum()

    assert gradcheck(function, parameters)
    assert gradgradcheck(function, parameters)


def test_the_parameters_keep_their_dtype_and_graphs_notice_the_write() -> None:
    x = leaf([1.0, 2.0], np.float16)
    loss = (x * x).sum()
    vector_to_parameters(ag.tensor([3.0, 4.0], requires_grad=True), x)
    assert (x.dtype, x.tolist()) == (np.float16, [3.0, 4.0])
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


def test_a_vector_of_another_length_changes_nothing() -> None:
    net = network()
    before = net.state_dict()
    for wrong in (np.ones(3), np.ones((32, 1)), 1.0):
        with pytest.raises(ValueError, match=r"vec must have the shape \(32,\) of all"):
            vector_to_parameters(wrong, net.parameters())
    assert all(np.array_equal(x, before[n]) for n, x in net.state_dict().items())


def test_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    net = network()
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2, bias=False)
    )
    theirs.load_state_dict({n: torch.tensor(x) for n, x in net.state_dict().items()})
    expected = torch.nn.utils.parameters_to_vector(theirs.parameters())
    np.testing.assert_array_equal(parameters_to_vector(net.parameters()).numpy(), expected.detach())
