"""Long chains, endless training, and graphs that die with their last tensor."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.engine.op import OPS
from tests.case_parts import examples
from tests.cases import CASES
from tests.leaves import grad_of, leaf
from tests.test_ops import FUNCTIONS


def test_a_chain_of_100_000_ops_runs_and_is_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert grad_of(x) == [1.0]
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y  # freed without recursion, without ever running backward


@pytest.mark.parametrize("create_graph", [False, True])
def test_no_reference_cycles(create_graph: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        x = ag.tensor([1.0, 2.0], requires_grad=True)
        y = ag.exp(x) * x
        z = F.batch_norm(y.reshape(2, 1), training=True).sum() + F.log_softmax(y).sum()
        grads = ag.grad(z, x, create_graph=create_graph)
        watched = [weakref.ref(t) for t in (x, y, z, *grads)]
        del x, y, z, grads
        assert [ref() for ref in watched] == [None] * len(watched)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", sorted(OPS))
def test_graphs_of_every_op_die_without_the_cyclic_collector(name: str) -> None:
    def is_float(x: Any) -> bool:
        return isinstance(x, np.ndarray) and x.dtype.kind == "f"

    case = max(examples(CASES[name], 25), key=lambda c: sum(np.size(x) for x in c.inputs))
    gc.collect()
    gc.disable()
    try:
        xs = [ag.tensor(x, True) if is_float(x) else x for x in case.inputs]
        tensors = [x for x in xs if isinstance(x, ag.Tensor)]
        tensors.append(FUNCTIONS[name](*xs, **case.params))
        leaves, outputs = tensors[:-1], tensors[-1:]
        for _ in "12":  # first and second derivatives
            ones = [np.ones(t.shape) for t in outputs]
            found = ag.grad(outputs, leaves, ones, create_graph=True, allow_unused=True)
            outputs = [g for g in found if g is not None and g.requires_grad]
            tensors += outputs
        watched = [weakref.ref(t) for t in tensors]
        del xs, tensors, leaves, outputs, found
        assert [ref() for ref in watched] == [None] * len(watched)
    finally:
        gc.enable()


def test_a_deep_graph_of_second_derivatives_is_freed() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(30_000):
        y = y * 1.0 + 0.0 * x
    (g,) = ag.grad(y * y, x, create_graph=True)
    (second,) = ag.grad(g, x, create_graph=True)
    assert second.tolist() == [2.0]
    del y, g, second


def test_backward_frees_intermediate_values_as_it_goes() -> None:
    x = leaf(1.0)
    h = ag.exp(x)
    watched = weakref.ref(h)
    y = (h * 2.0).sum()
    del h
    assert watched() is not None
    y.backward()
    assert watched() is None


def training_step(weights: list[ag.Tensor], x: np.ndarray, labels: np.ndarray) -> None:
    h = F.max_pool2d(F.relu(F.conv2d(ag.tensor(x), weights[0], padding=1)), 2)
    loss = F.cross_entropy(F.linear(F.flatten(h, 1), weights[1]), labels)
    for w in weights:
        w.grad = None
    loss.backward()
    with ag.no_grad():
        for w in weights:
            w -= 0.01 * w.grad


def test_memory_is_flat_over_2000_training_steps_without_the_cyclic_collector() -> None:
    rng = np.random.default_rng(0)
    weights = [
        ag.tensor(rng.standard_normal(shape).astype("f"), requires_grad=True)
        for shape in [(2, 1, 3, 3), (3, 8)]
    ]
    x, labels = rng.standard_normal((2, 1, 4, 4)).astype("f"), np.array([0, 2])
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for step in range(2200):
            training_step(weights, x, labels)
            if step == 199:
                gc.collect()  # also empties Python's lists of free tuples, which fill for 2,000 steps
                settled = tracemalloc.get_traced_memory()[0]
        assert gc.collect() == 0, "something was in a reference cycle"
        # An array is at least 112 bytes, so one leaked in every tenth step would be seen.
        assert tracemalloc.get_traced_memory()[0] - settled < 2000 * 112 / 10
    finally:
        tracemalloc.stop()
        gc.enable()
