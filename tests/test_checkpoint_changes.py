"""checkpoint: a second evaluation that differs is refused; one that rounds differently is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn


def leaf(*shape: int, seed: int = 0) -> ag.Tensor:
    return ag.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


# ----------------------------------------------------------------- a function that gives other values


def zero_outputs(x: Any, c: Any) -> Any:
    return x * 0.0 * c


def small_beside_large(x: Any, c: Any) -> Any:
    return np.concatenate([x * 1e12, x * c * 1e-3])


def behind_relu(x: Any, c: Any) -> Any:
    return ag.relu(-abs(x) * c)


def by_a_copy(x: Any, c: Any) -> Any:
    return x * ag.tensor(c) * 0.0


def by_an_index(x: Any, c: Any) -> Any:
    return (x * 0.0)[c.astype(int)]


def by_a_setting(x: Any, c: Any) -> Any:
    return F.leaky_relu(x * 0.0, float(c[0]))


def by_another_tensor(x: Any, c: Any) -> Any:
    return x * 0.0 * TENSORS[int(c[0])]


TENSORS = [ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0])]
READING = [zero_outputs, small_beside_large, behind_relu, by_a_copy, by_an_index, by_a_setting]
READING.append(by_another_tensor)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", READING, ids=lambda f: f.__name__)
def test_a_changed_array_is_noticed_where_the_outputs_do_not_show_it(f: Any, dtype: str) -> None:
    x, c = ag.tensor(leaf(2).numpy(), dtype=dtype, requires_grad=True), np.zeros(2, dtype)
    same, other = (ag.checkpoint(lambda x: f(x, c), x) for _ in range(2))
    same.sum().backward()
    c[0] = 1.0
    with pytest.raises(ag.GraphError, match="other shapes or values when it ran again"):
        other.sum().backward()


STEPS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "where": lambda a, b: ag.where(np.array([True, False]), a, b),
    "stack": lambda a, b: ag.stack([a, b])[0],
    "stack, second": lambda a, b: ag.stack([a, b])[1],
    "tanh": lambda a, b: ag.tanh(a) + b,
    "leaky": lambda a, b: F.leaky_relu(a, 0.1) * b,
    "leakier": lambda a, b: F.leaky_relu(a, 0.2) * b,
    "turned": lambda a, b: a[::-1] + b,
    "without recording": lambda a, b: ag.no_grad()(ag.add)(a, b),
    "written": lambda a, b: assigned(a * 1.0, b),
}


def assigned(a: Any, b: Any) -> Any:
    a[0] = b[0]
    return a


@st.composite
def programs_and_changes(draw: Any) -> tuple[Any, Any]:
    """Steps (name, first input, second input) and the result; another that differs in one entry.

    The value 0 is 2 q, the value 1 is 3 q, each further one the result of a step.
    """
    n = draw(st.integers(1, 4))
    program: list[list[Any]] = [
        [draw(st.sampled_from(sorted(STEPS))), *(draw(st.integers(0, k + 1)) for _ in "ab")]
        for k in range(n)
    ]
    program.append([draw(st.integers(0, n + 1))])
    changed = [list(step) for step in program]
    k = draw(st.integers(0, n))
    place = draw(st.integers(0, 2)) if k < n else 0
    choices = sorted(STEPS) if k < n and place == 0 else list(range(n + 2 if k == n else k + 2))
    changed[k][place] = draw(st.sampled_from([c for c in choices if c != program[k][place]]))
    return program, changed


@given(programs_and_changes(), st.booleans())
def test_another_structure_is_noticed_where_all_values_are_equal(
    programs: tuple[Any, Any], in_a_list: bool
) -> None:
    """Another op, setting, input or result among the recorded ones; all values are 0."""

    def f(q: Any) -> Any:
        known = [q * 2.0, q * 3.0]
        for name, a, b in now[:-1]:
            known.append(STEPS[name](known[a], known[b]))
        out = known[now[-1][0]]
        return [out, q * 1.0] if in_a_list else out

    x, now = ag.tensor(np.zeros(2), requires_grad=True), programs[0]
    same, other = ag.checkpoint(f, x), ag.checkpoint(f, x)
    plain = f(x)
    first = [y[0] if in_a_list else y for y in (same, other, plain)]
    if not first[2].requires_grad:
        return  # a result without a gradient
    expected, found = (ag.grad(y.sum(), x, allow_unused=True) for y in (first[2], first[0]))
    assert found[0].tolist() == ([0.0, 0.0] if expected[0] is None else expected[0].tolist())
    now = programs[1]
    with pytest.raises(ag.GraphError, match="other shapes or values when it ran again"):
        first[1].sum().backward()


@pytest.mark.parametrize("f", READING[:-1], ids=lambda f: f.__name__)
@pytest.mark.parametrize("inside", ["args", "list", "kwargs"])
def test_arrays_among_the_arguments_may_change_as_for_a_plain_op(f: Any, inside: str) -> None:
    def gradient(call: Any) -> Any:
        x, c = leaf(2), np.ones(2)
        if inside == "list":
            y = call(lambda x, cs: f(x, cs[0]["c"]), x, [{"c": c}])
        else:
            y = call(f, x, c) if inside == "args" else call(f, x, c=c)
        c[...] = 0.0
        return ag.grad(y.sum(), x)[0].tolist()

    assert gradient(ag.checkpoint) == gradient(lambda f, *args, **kwargs: f(*args, **kwargs))


def test_an_array_argument_that_the_function_updates_is_updated_once() -> None:
    mean, var = np.zeros(2), np.ones(2)
    x = leaf(3, 2)
    y = ag.checkpoint(lambda x, m, v: F.batch_norm(x, m, v, training=True), x, mean, var)
    after = mean.tolist()
    y.sum().backward()
    assert after == mean.tolist() != [0.0, 0.0]


# ------------------------------------------------------------------------------- no false alarms


def test_infinite_values_are_the_same_both_times() -> None:
    x = leaf(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ag.checkpoint(lambda x: ag.log(x - x) + x, x).sum().backward()
    assert x.grad is not None


LAYERS: list[Any] = [
    lambda: nn.Conv2d(4, 4, 3, padding=1),
    lambda: nn.Conv2d(4, 4, 5, padding=2, groups=2),
    lambda: nn.BatchNorm2d(4),
    lambda: nn.GroupNorm(2, 4),
    lambda: nn.Dropout(0.3),
    lambda: nn.MaxPool2d(3, 1, 1),
    lambda: nn.AvgPool2d(3, 1, 1),
    nn.ReLU,
    nn.GELU,
]
LAYOUTS: list[Any] = [
    lambda x: x,
    lambda x: np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
    lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    lambda x: x[::-1, :, ::-1],
    lambda x: np.broadcast_to(x[:1], x.shape),
    np.asfortranarray,
]


def shifted(x: Any) -> Any:
    """A mask and a shift that are computed from values, outside the graph."""
    return (x - float(x.numpy().mean())) * (x.numpy() > 0)


@given(
    st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5),
    st.sampled_from(LAYOUTS),
    st.sampled_from([np.float32, np.float64]),
    st.integers(1, 9),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.booleans(),
)
def test_no_net_is_refused_in_any_layout_and_with_any_threads(
    layers: list[Any], layout: Any, dtype: Any, batch: int, threads: Any, as_tensor: bool
) -> None:
    ag.set_default_dtype(dtype)
    net = nn.Sequential(*(make() for make in layers), nn.Conv2d(4, 2, 3))
    ag.set_default_dtype("float32")
    images = np.random.default_rng(batch).standard_normal((batch + 1, 4, 8, 8)).astype(dtype)
    x = layout(images)
    given = ag.tensor(x, requires_grad=True) if as_tensor else x
    before = ag.get_num_threads()
    try:
        ag.set_num_threads(threads[0])
        y = ag.checkpoint(lambda x: shifted(net(x)), given)
        ag.set_num_threads(threads[1])
        y.sum().backward()
    finally:
        ag.set_num_threads(before)
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.skipif(kernels.REASON != "compiled", reason="this is the other set of kernels")
def test_no_false_alarms_with_numpys_kernels() -> None:
    env = os.environ | {"AUTOGRAD_CNN_KERNELS": "numpy"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "any_layout", __file__]
    root = Path(__file__).parent.parent
    run = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout
