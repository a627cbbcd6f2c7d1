"""Counts that must not grow unnoticed: calls per step, layer and op, and large arrays per step.

Time on a shared machine varies by half; these numbers do not vary.  Each is an upper bound.  A
count that falls is welcome.  ``python -m tests.counting`` prints what a step does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn
from autograd_cnn.engine.node import wrap
from tests.counting import LARGE, allocated_sizes, count_calls, count_hops

# One training step of S4 at batch 32.  A wrapper around every op adds 16 calls, around a
# parameter's update 14; one copy of an activation adds a large array of 0.2 to 1.6 MB.
STEPS = {
    "numpy": {"calls": 276, "large arrays": 23, "megabytes": 18.8},
    "compiled": {"calls": 249, "large arrays": 9, "megabytes": 6.8},
}

# Calls in the package on ten values: forward with recording, then forward and backward.
OPS: dict[str, tuple[Callable[[Any, Any], Any], int, int]] = {
    "multiply": (lambda x, y: x * y, 4, 15),
    "exp": (lambda x, y: ag.exp(x), 3, 11),
    "sum": (lambda x, y: x.sum(), 4, 13),
    "index": (lambda x, y: x[2:5], 7, 19),
    "reshape": (lambda x, y: x.reshape(2, 5), 5, 13),
    "matmul": (lambda x, y: ag.matmul(x, y), 3, 15),
}


def check(count: float, bound: float, what: str) -> None:
    """`count` is at most `bound`."""
    assert count <= bound, f"{what}: {count}, where {bound} was enough; what was added?"


@pytest.fixture(scope="module", params=list(STEPS))
def step(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """What a step does, with these kernels, in a process of its own."""
    if request.param == "compiled" and kernels.REASON != "compiled":
        pytest.skip("the compiled kernels do not serve here")
    done = subprocess.run(
        [sys.executable, "-m", "tests.counting"],
        env=os.environ | {"AUTOGRAD_CNN_KERNELS": request.param},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return request.param, json.loads(done.stdout)


@pytest.mark.parametrize("what", ["calls", "large arrays", "megabytes"])
def test_a_training_step_does_no_more_than_before(
    step: tuple[str, dict[str, Any]], what: str
) -> None:
    chosen, counts = step
    check(counts[what], STEPS[chosen][what], f"{what} in a step with the {chosen} kernels")


def test_a_training_step_computes_what_is_wanted_once(step: tuple[str, dict[str, Any]]) -> None:
    """Two convolutions, two gradients of weights, and one of an input: nobody wants the images'."""
    calls = step[1]["by function"]
    wanted = {"conv": 2, "conv_weight_grad": 2, "conv_input_grad": 1}
    assert {name: calls[f"ops/conv.py:{name}"] for name in wanted} == wanted


def leaves() -> tuple[Any, Any]:
    x, y = np.linspace(0.5, 0.9, 10, dtype="f4"), np.linspace(0.9, 0.6, 10, dtype="f4")
    return ag.tensor(x, requires_grad=True), ag.tensor(y, requires_grad=True)


@pytest.mark.parametrize("name", OPS)
def test_an_op_makes_no_more_calls_than_before(name: str) -> None:
    function, forward, both = OPS[name]
    x, y = leaves()
    seed = ag.tensor(np.ones_like(function(x, y).numpy()))
    check(count_calls(lambda: function(x, y)).total(), forward, f"calls in {name} forward")
    total = count_calls(lambda: function(x, y).backward(seed)).total()
    check(total, both, f"calls in {name} forward and backward")


# ------------------------------------------------------------------------------ hops around a kernel


def images(batch: int, order: str) -> ag.Tensor:
    """Images with the batch as the first or the last axis in memory."""
    shape = (3, 8, 8, batch) if order == "batch last" else (batch, 3, 8, 8)
    x = np.random.default_rng(0).random(shape, np.float32)
    return wrap(x.transpose(3, 0, 1, 2) if order == "batch last" else x, requires_grad=True)


def second_call(work: Callable[[], Any]) -> int:
    work()
    return count_hops(work)


needs_compiled = pytest.mark.skipif(
    kernels.REASON != "compiled", reason="the compiled kernels do not serve here"
)


@needs_compiled
@pytest.mark.parametrize("order", ["batch first", "batch last"])
@pytest.mark.parametrize("batch", [1, 32])
def test_little_python_stands_around_a_convolution(batch: int, order: str) -> None:
    x = images(batch, order)
    w = ag.tensor(np.ones((4, 3, 3, 3), np.float32), requires_grad=True)
    b = ag.tensor(np.ones(4, np.float32), requires_grad=True)
    assert second_call(lambda: F.conv2d(x, w, b)) <= 12
    constant = x.detach()
    assert second_call(lambda: F.conv2d(constant, w, b)) <= 12
    seed = ag.tensor(np.ones((batch, 4, 6, 6), np.float32))
    for wanted in ((x,), (w,), (b,), (x, w), (x, w, b)):
        for tensor in (x, w, b):
            tensor.requires_grad_(any(tensor is t for t in wanted))
        results = [F.conv2d(x, w, b), F.conv2d(x, w, b)]
        hops = second_call(lambda: results.pop().backward(seed))  # noqa: B023
        assert hops <= 12 * len(wanted), f"{hops} calls for {len(wanted)} inputs"


@needs_compiled
@pytest.mark.parametrize("order", ["batch first", "batch last"])
@pytest.mark.parametrize("batch", [1, 32])
def test_little_python_stands_around_six_layers(batch: int, order: str) -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 5)),
    )
    x = images(batch, order)
    assert second_call(lambda: net(x)) <= 60
    net.eval()
    with ag.no_grad():
        assert second_call(lambda: net(x)) <= 60


# ---------------------------------------------------------------------------- that the counts notice


def test_every_allocation_of_an_array_is_counted() -> None:
    x = np.ones(1000, np.float32)
    assert allocated_sizes(lambda: x + x) == [4000]
    assert allocated_sizes(lambda: (x.copy(), np.zeros(7))) == [4000, 56]
    assert allocated_sizes(lambda: x.reshape(10, 100).transpose()) == []
    with pytest.raises(ZeroDivisionError):
        allocated_sizes(lambda: 1 / 0)
    assert np.array_equal(np.ones(1000) + 1, np.full(1000, 2.0))  # as before, uncounted


class Copied(nn.Module):
    """A layer that works on a copy of what it is given."""

    def forward(self, x: Any) -> Any:
        return F.relu(ag.tensor(np.array(x.numpy())))


def test_a_copy_of_an_activation_and_a_layer_of_calls_are_noticed() -> None:
    x = ag.tensor(np.ones((32, 16, 14, 14), np.float32))
    plain, copied = nn.ReLU(), Copied()
    assert x.numpy().nbytes >= LARGE
    with ag.no_grad():
        kept = [size for size in allocated_sizes(lambda: plain(x)) if size >= LARGE]
        more = [size for size in allocated_sizes(lambda: copied(x)) if size >= LARGE]
        calls = count_calls(lambda: plain(x)).total()
        wrapped = count_calls(lambda: nn.Sequential(plain)(x)).total()
        assert count_hops(lambda: nn.Sequential(plain)(x)) >= wrapped
    assert len(more) > len(kept)
    assert wrapped > calls


def test_a_count_that_grows_is_reported_and_one_that_falls_is_not() -> None:
    check(80, 100, "calls")
    check(100, 100, "calls")
    with pytest.raises(AssertionError, match="calls: 101, where 100 was enough"):
        check(101, 100, "calls")


# --------------------------------------------------------------------------------- many pieces of one


def looped(pick: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
    """A sum of pieces, each picked by itself."""

    def total(x: Any, n: int) -> Any:
        return sum((pick(x, k) * 2.0).sum() for k in range(n))

    return total


def listed(join: Callable[[list[Any]], Any]) -> Callable[[Any, int], Any]:
    """The pieces of x, joined; each is a tensor of its own."""
    return lambda x, n: (join([x[k] * 2.0 for k in range(n)]) * 3.0).sum()


PIECES: dict[str, Callable[[Any, int], Any]] = {
    "concatenate": listed(ag.concatenate),
    "stack": listed(lambda parts: ag.stack(parts, axis=-1)),
    "hstack": listed(ag.hstack),
    "vstack": listed(ag.vstack),
    "column_stack": listed(ag.column_stack),
    "dstack": listed(np.dstack),
    "concatenate, first derivatives kept": lambda x, n: (
        ag.grad(listed(ag.concatenate)(x * x, n), x, create_graph=True)[0] * 2.0
    ).sum(),
    "one array n times": lambda x, n: ag.concatenate([x[:1]] * n).sum(),
    "split": lambda x, n: sum((p * p).sum() for p in ag.split(x, n)),
    "array_split": lambda x, n: sum((p * p).sum() for p in ag.array_split(x, n)),
    "np.split": lambda x, n: sum((p * p).sum() for p in np.split(x, n)),
    "rows": lambda x, n: sum((row * row).sum() for row in x),
    "x[k]": looped(lambda x, k: x[k]),
    "x[k : k + 1]": looped(lambda x, k: x[k : k + 1]),
    "x[:, k]": lambda x, n: looped(lambda x, k: x[:, k])(x.T, n),
    "x[k, 0]": looped(lambda x, k: x[k, 0]),
    "x[[k, k]]": looped(lambda x, k: x[[k, k]]),
    "x[..., [k, k]]": lambda x, n: looped(lambda x, k: x[..., [k, k]])(x.T, n),
    "take": looped(lambda x, k: ag.take(x, [k], axis=0)),
    "sum of many": lambda x, n: sum([x[:1]] * n).sum(),
}


@pytest.mark.parametrize(("order", "kept"), [(1, False), (1, True), (2, False), (3, False)])
@pytest.mark.parametrize("name", PIECES)
def test_pieces_cost_their_own_size_not_that_of_the_whole(
    name: str, order: int, kept: bool
) -> None:
    """Four times as many take about four times the memory and calls, in all derivatives."""

    def costs(n: int) -> tuple[int, int]:
        x = ag.tensor(np.ones((n, 50), "f4"), requires_grad=True)

        def work() -> None:
            total = PIECES[name](x * x * x, n)
            for _ in range(order - 1):
                (g,) = ag.grad(total, x, create_graph=True)
                total = PIECES[name](g * x, n)
            ag.grad(total, x, create_graph=kept)

        work()
        return sum(allocated_sizes(work)), count_hops(work)

    few, many = costs(50), costs(200)
    for what, less, more in zip(("bytes", "calls"), few, many):
        check(more, 5 * less, f"{what} of {name}, 200 pieces beside {less} for 50")


@pytest.mark.parametrize("name", PIECES)
def test_gradients_of_pieces_add_up(name: str) -> None:
    """Each piece by itself, in a graph where nothing adds in place, gives the same gradient."""
    x = ag.tensor(np.arange(1.0, 13.0).reshape(4, 3), requires_grad=True)
    (found,) = ag.grad(PIECES[name](x, 4), x)
    (expected,) = ag.grad(PIECES[name](x, 4), x, create_graph=True)
    assert np.array_equal(found.numpy(), expected.numpy())
    assert found.numpy().all() or name in ("one array n times", "sum of many", "x[k, 0]")
