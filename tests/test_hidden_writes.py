"""Memory that somebody else can write to: a graph keeps copies, and hooks that write are noticed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import autograd_cnn as ag
from autograd_cnn import optim
from tests.case_parts import Case
from tests.leaves import leaf
from tests.test_ops import EVERY_FUNCTION
from tests.test_points import EVERY, drawn, is_float


class Interface:
    """An object that NumPy reads through its protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = array.__array_interface__
        self.array = array


def unlockable(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def mapped(array: np.ndarray) -> np.ndarray:
    return array.view(np.memmap)  # the type, without a file


HIDING = {
    "array": lambda a: a,
    "read-only view": lambda a: unlockable(a.view()),
    "as_strided": lambda a: as_strided(a, a.shape, a.strides, writeable=False),
    "windows": lambda a: sliding_window_view(a, a.shape)[(0,) * a.ndim],
    "locked": unlockable,
    "interface": lambda a: np.asarray(Interface(a)),
    "memmap": mapped,
}
"""Ways to an array whose memory can change although it looks safe."""


def graph(name: str, case: Case, wrap: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The first floating input as a leaf, and the result for it and the other arguments wrapped."""
    first = next(k for k, x in enumerate(case.inputs) if is_float(x))
    x = ag.tensor(case.inputs[first], requires_grad=True)
    inputs = [x if k == first else wrap(a) for k, a in enumerate(case.inputs)]
    return x, EVERY_FUNCTION[name](*inputs, **{k: wrap(a) for k, a in case.params.items()})


def hidden(hide: Callable[[np.ndarray], np.ndarray], written: list[np.ndarray], a: Any) -> Any:
    """Arrays in `a` as copies that are also in `written`, hidden behind `hide`."""
    if type(a) in (tuple, list):
        return type(a)(hidden(hide, written, part) for part in a)
    if type(a) is not np.ndarray or not a.size:
        return a
    written.append(a.copy())
    return hide(written[-1])


@pytest.mark.parametrize("name", EVERY)
def test_a_graph_keeps_its_own_copy_of_arrays(name: str) -> None:
    """Of inputs and of parameters such as indices, however read-only they look."""
    for case in [case for case in drawn(name, 30) if any(map(is_float, case.inputs))][:2]:
        for hide in HIDING.values():
            written: list[np.ndarray] = []
            x, expected = graph(name, case, lambda a: a)
            y, out = graph(name, case, functools.partial(hidden, hide, written))
            if not isinstance(out, ag.Tensor) or not out.requires_grad:
                continue
            g = np.cos(np.arange(out.size)).reshape(out.shape)
            for array in written:
                array.flags.writeable = True
                array[...] = array.flat[0] if array.dtype.kind in "iub" else 77.0
            (wanted,) = ag.grad(expected, x, g)
            (found,) = ag.grad(out, y, g)
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize("hide", ["memmap", "interface", "memoryview", "object"])
def test_indices_of_other_kinds_are_copied_too(hide: str) -> None:
    x, index = leaf(1.0, 2.0, 3.0), np.array([0, 2])
    wrap = {"memoryview": memoryview, "object": Interface, **HIDING}[hide]
    for picked in (x[wrap(index)], x[(wrap(index),)], ag.take(x, indices=wrap(index))):
        index[:] = 1
        assert ag.grad(picked.sum(), x)[0].tolist() == [1.0, 0.0, 1.0]
        index[:] = [0, 2]


@pytest.mark.parametrize("writer", ["leaf", "optimizer", "view", "constant", "result"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_hook_that_writes_what_the_walk_still_needs_is_noticed(
    writer: str, create_graph: bool
) -> None:
    w, x = leaf(2.0, 3.0), leaf(1.0, 1.0)
    constant = ag.tensor([4.0, 4.0])
    h = x * w
    k = h * constant
    z = ag.exp(k)
    w.grad = np.ones(2)

    def hook(g: Any) -> None:
        with ag.no_grad():
            if writer == "leaf":
                w.data = [0.0, 0.0]
            elif writer == "optimizer":
                optim.SGD([w], lr=0.1).step()
            elif writer == "view":
                w[:1].__imul__(5.0)
            elif writer == "constant":
                constant.__imul__(5.0)
        if writer == "result":
            h.detach().__imul__(5.0)

    z.register_hook(hook)
    with pytest.raises(ag.GraphError, match="changed in place"):
        z.sum().backward(create_graph=create_graph)
    assert x.grad is None


def test_a_hook_may_write_what_the_walk_has_passed() -> None:
    """As an optimizer step in a hook does, for a leaf whose gradient is final."""
    w, x = leaf(2.0), leaf(3.0)
    x.register_hook(lambda g: setattr(w, "data", [0.0]))
    ((x * 5.0) * w).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [10.0]
