"""Time per op under pytest-benchmark: on ten values, where overhead is all, and at a CNN's sizes.

    python -m pytest tests/benchmarks/bench_ops.py -n 0
    python -m pytest tests/benchmarks/bench_ops.py -n 0 -k "conv and backward"

The ordinary test run does not collect this file.  `examples/benchmark.py --overhead` measures the
small ones beside PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F

Inputs = tuple[Any, ...]
Case = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]

TEN = (10,)
SMALL: dict[str, Case] = {
    "add": (lambda x, y: x + y, (TEN, TEN)),
    "multiply": (lambda x, y: x * y, (TEN, TEN)),
    "divide": (lambda x, y: x / y, (TEN, TEN)),
    "exp": (ag.exp, (TEN,)),
    "tanh": (ag.tanh, (TEN,)),
    "relu": (ag.relu, (TEN,)),
    "maximum": (ag.maximum, (TEN, TEN)),
    "sum": (ag.sum, (TEN,)),
    "index": (lambda x: x[2:5], (TEN,)),
    "reshape": (lambda x: x.reshape(2, 5), (TEN,)),
    "matmul": (ag.matmul, ((2, 5), (5, 2))),
}

LABELS = np.arange(32) % 10
CNN: dict[str, Case] = {
    "conv2d 1 to 16, 28 x 28": (
        lambda x, w, b: F.conv2d(x, w, b, padding=1),
        ((32, 1, 28, 28), (16, 1, 3, 3), (16,)),
    ),
    "conv2d 16 to 32, 14 x 14": (
        lambda x, w, b: F.conv2d(x, w, b, padding=1),
        ((32, 16, 14, 14), (32, 16, 3, 3), (32,)),
    ),
    "conv2d 16 to 32, stride 2": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        ((32, 16, 14, 14), (32, 16, 3, 3), (32,)),
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), ((32, 16, 28, 28),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), ((32, 16, 28, 28),)),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        ((32, 16, 28, 28), (16,), (16,)),
    ),
    "relu": (ag.relu, ((32, 16, 28, 28),)),
    "linear": (F.linear, ((32, 1568), (128, 1568), (128,))),
    "cross_entropy": (lambda x: F.cross_entropy(x, LABELS), ((32, 10),)),
}

CASES = {f"ten values, {name}": case for name, case in SMALL.items()} | CNN


def make_inputs(shapes: tuple[tuple[int, ...], ...]) -> Inputs:
    """float32 values above 0; images lie in memory as a layer leaves them, the batch innermost."""
    random = np.random.default_rng(0)
    arrays = (random.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes)
    return tuple(
        ag.tensor(
            np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
            if a.ndim == 4 and a.shape[0] == 32 and a.shape[2] > 3
            else a,
            requires_grad=True,
        )
        for a in arrays
    )


@pytest.mark.parametrize("name", CASES)
def test_forward(name: str, benchmark: Any) -> None:
    function, shapes = CASES[name]
    inputs = make_inputs(shapes)
    benchmark.group = name
    assert benchmark(function, *inputs).requires_grad


@pytest.mark.parametrize("name", CASES)
def test_forward_backward(name: str, benchmark: Any) -> None:
    function, shapes = CASES[name]
    inputs = make_inputs(shapes)
    seed = ag.tensor(np.ones_like(function(*inputs).numpy()))

    def both() -> None:
        function(*inputs).backward(seed)
        for x in inputs:
            x.grad = None

    benchmark.group = name
    benchmark(both)
    function(*inputs).backward(seed)
    assert all(x.grad is not None for x in inputs)
