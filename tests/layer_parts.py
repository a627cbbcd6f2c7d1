"""What tests of layers share: values, derivatives in inputs and weights, PyTorch's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.func import functional_call
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def parts(found: Any) -> list[Any]:
    """The results of a layer in a row, without None."""
    if isinstance(found, tuple):
        return [part for entry in found for part in parts(entry)]
    return [] if found is None else [found]


def called(layer: Any, *inputs: Any) -> Any:
    return layer(*inputs)


def check_layer(net: nn.Module, arrays: list[np.ndarray], use: Any = called) -> None:
    """``use(net, *arrays)`` has exact derivatives, twice, in the arrays and in all parameters."""
    names, count = [name for name, _ in net.named_parameters()], len(arrays)

    def function(*xs: Any) -> Any:
        weights = dict(zip(names, xs[count:]))
        return use(lambda *args, **call: functional_call(net, weights, args, call), *xs[:count])

    weights = [ag_st.evenly_spaced(p.shape, k, -0.9, 1.1) for k, p in enumerate(net.parameters())]
    check_op(function, *arrays, *weights)


def both(name: str, **settings: Any) -> list[Any]:
    """A layer of PyTorch and ours, in float64."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    return [getattr(lib, name)(**settings).double() for lib in (torch.nn, nn)]


def same_as_in_torch(
    theirs: Any, ours: nn.Module, arrays: list[np.ndarray], use: Any = called, **call: Any
) -> None:
    """Names and shapes of parameters are theirs; with their values so are results and gradients."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    state = {name: x.detach().numpy() for name, x in theirs.state_dict().items()}
    own = [(name, x.shape) for name, x in ours.state_dict().items()]
    assert own == [(name, x.shape) for name, x in state.items()]
    ours.load_state_dict(state)
    as_torch = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    sides = []
    for net, tensor, settings in ((ours, ag.tensor, call), (theirs, torch.tensor, as_torch)):
        xs = [tensor(x, requires_grad=True) for x in arrays]
        results = parts(use(net, *xs, **settings))
        weighed = [x * tensor(normal(*x.shape, seed=k)) for k, x in enumerate(results, 9)]
        sum(x.sum() for x in weighed).backward()  # type: ignore[union-attr]
        sides.append((results, [*xs, *net.parameters()]))
    (found, leaves), (wanted, their_leaves) = sides
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x.numpy(), y.detach().numpy(), 1e-8, 1e-11)
    for x, y in zip(leaves, their_leaves, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), 1e-7, 1e-9)
