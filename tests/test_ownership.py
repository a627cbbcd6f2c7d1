"""Memory and tensors that somebody else holds too: an error or the right gradient, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn, optim
from autograd_cnn import functional as F
from autograd_cnn.engine.node import values
from autograd_cnn.ops.shape import along
from autograd_cnn.testing import gradcheck
from tests.test_ops import EVERY_FUNCTION
from tests.test_points import EVERY, drawn


def leaf(*numbers: float) -> ag.Tensor:
    return ag.tensor(np.array(numbers), requires_grad=True)


@pytest.mark.parametrize("plain", [lambda t: t.numpy(), np.asarray])
def test_values_of_one_parameter_used_on_another_survive_a_step(plain: Any) -> None:
    v, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * plain(v)).sum()
    v.grad = [5.0, 5.0]
    optim.SGD([v], lr=1.0).step()
    assert v.tolist() == [-4.0, -3.0]
    assert ag.grad(y, x)[0].tolist() == [1.0, 2.0]


def test_the_gradient_that_starts_a_differentiable_backward_is_copied() -> None:
    for start in (
        lambda y, x, seed: ag.grad(y, x, grad_outputs=seed, create_graph=True)[0],
        lambda y, x, seed: y.backward(seed, create_graph=True) or x.grad,
    ):
        x, seed = leaf(3.0, 4.0), np.ones(2)
        first = start(x**3, x, seed)
        seed[:] = 100.0
        assert ag.grad(first.sum(), x)[0].tolist() == [18.0, 24.0]


def test_no_two_gradients_are_one_tensor() -> None:
    x, z, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(1.0, 1.0) * 1.0
    a, b = ag.grad(((x + z) ** 2).sum(), [x, z], create_graph=True)
    c, d = ag.grad((x**2).sum(), [x, x], create_graph=True)
    (e,) = ag.grad(x + 0.0, x, grad_outputs=seed, create_graph=True)
    for changed in (a, c, e):
        changed *= 0.0
    assert [b.tolist(), d.tolist(), seed.tolist()] == [[8.0, 12.0], [2.0, 4.0], [1.0, 1.0]]
    ((x + z) ** 2).sum().backward(create_graph=True)
    assert x.grad is not None
    assert z.grad is not None
    x.grad *= 0.0
    assert z.grad.tolist() == [8.0, 12.0]
    cubes, x.grad = (x**3).sum(), None
    with ag.no_grad():
        cubes.backward(create_graph=True)
        cubes.backward(create_graph=True)
    assert ag.grad(x.grad.sum(), x)[0].tolist() == [12.0, 24.0]


def test_parameters_given_as_arrays_to_a_functional_call_are_copied() -> None:
    weight, layer = np.array([[1.0, 2.0]]), nn.Linear(2, 1, bias=False)
    x = ag.tensor(np.array([[3.0, 4.0]]), requires_grad=True)
    y = func.functional_call(layer, {"weight": weight}, x).sum()
    weight[:] = 100.0
    assert ag.grad(y, x)[0].tolist() == [[1.0, 2.0]]


def test_requires_grad_is_not_set_where_it_would_lose_or_spoil_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    h = x * 2.0
    with pytest.raises(ag.GraphError, match="result of multiply; use .detach"):
        h.requires_grad = False
    with pytest.raises(TypeError, match="only floating tensors can require gradients, got .*int64"):
        ag.tensor([1, 2]).requires_grad = True
    with pytest.raises(TypeError, match="requires_grad must be True or False, got 1"):
        x.requires_grad = 1  # type: ignore[assignment]
    x.requires_grad = False
    assert not (x * 2.0).requires_grad


def test_threads_that_share_a_parameter_add_up() -> None:
    x = ag.tensor(np.ones(200_000), requires_grad=True)

    def work() -> None:
        for _ in range(20):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad is not None
    assert x.grad.numpy().min() == x.grad.numpy().max() == 80.0


def test_soft_targets_get_their_gradient_and_weights_say_that_they_get_none() -> None:
    logits = ag.tensor(np.array([[0.3, -1.0, 0.5]]), requires_grad=True)
    target = ag.tensor(np.array([[0.2, 0.8, 0.0]]), requires_grad=True)
    assert gradcheck(F.cross_entropy, [logits, target])
    weight = ag.tensor(np.ones(3), requires_grad=True)
    for call in (
        lambda: F.cross_entropy(logits, [0], weight),
        lambda: F.nll_loss(logits, [0], weight),
        lambda: F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight),
    ):
        with pytest.raises(TypeError, match="weight gets no gradient; pass .detach"):
            call()


def test_a_constant_is_written_through_its_views_as_in_numpy() -> None:
    buffer = ag.tensor(np.zeros((2, 2)))
    buffer[0][:] = 5.0
    assert buffer.tolist() == [[5.0, 5.0], [0.0, 0.0]]
    picked = buffer[0, [1, 0]]  # not a view
    picked[0] = 7.0
    assert buffer.tolist() == [[5.0, 5.0], [0.0, 0.0]]


def test_plus_x_is_another_tensor() -> None:
    x = leaf(1.0) * 1.0
    y = +x
    y += 5.0
    assert [x.tolist(), y.tolist()] == [[1.0], [6.0]]


NUMPYS = {
    **{"getitem": lambda x, index: x[index], "contract": np.einsum, "einsum": np.einsum},
    "narrow": lambda x, dim, start, length: np.moveaxis(
        np.moveaxis(x, dim, 0)[start:][:length], 0, dim
    ),
}
"""NumPy's function where its name differs or it takes other arguments."""
COPIED = {"diag", "diagonal", "einsum", "contract"}
"""Functions whose results may be views in NumPy and copies here."""


def arrays_in(xs: Any) -> list[np.ndarray]:
    xs = xs if isinstance(xs, (tuple, list)) else [xs]
    return [values(x) for x in xs if isinstance(values(x), np.ndarray)]


def shares(result: Any, inputs: list[Any]) -> bool:
    return any(np.shares_memory(part, x) for part in arrays_in(result) for x in arrays_in(inputs))


def laid(x: Any, gap: int, kind: Any) -> Any:
    """A copy of an array, or a tensor of it, whose values lie `gap` apart in memory."""
    if not isinstance(x, np.ndarray):
        return x
    return kind(x.repeat(gap, -1))[..., ::gap] if x.ndim else kind(x.copy())


@pytest.mark.parametrize("gap", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_results_share_memory_where_those_of_numpy_do(name: str, gap: int) -> None:
    """So a write into a result changes the input only where it does in NumPy."""
    ours = getattr(ag, name) if "split" in name else EVERY_FUNCTION[name]
    numpys = NUMPYS.get(name) or getattr(np, name, None) or getattr(np.linalg, name, None)
    for inputs, params in drawn(name, 20):
        first = next((x for x in inputs if isinstance(x, np.ndarray)), np.zeros(()))
        single = [
            [x[along(axis, slice(1))] if np.ndim(x) > axis else x for x in inputs]
            for axis in range(first.ndim)
        ]
        for xs in ([*inputs], *single):  # axes of size 1 are where nothing need be computed
            plain = [laid(x, gap, np.asarray) for x in xs]
            mixed = [laid(x, gap, ag.tensor) for x in xs]
            try:
                found = shares(ours(*plain, **params), plain)
                result = ours(*mixed, **params)
            except (ValueError, TypeError, IndexError):
                continue  # the parameters are for other sizes
            assert shares(result, mixed) == found
            try:
                given = [params["subscripts"], *plain] if numpys is np.einsum else plain
                more = {} if numpys is np.einsum else params
                expected = numpys is not None and shares(numpys(*given, **more), plain)
            except (ValueError, TypeError, IndexError):
                expected = False
            assert found <= expected, (xs, params)
            assert found == expected or name in COPIED, (xs, params)
            if not found and name not in ("broadcast_to", "unfold"):  # these repeat values
                assert all(part.flags.writeable for part in arrays_in(result)), (xs, params)


RACE = """if True:
    import sys, threading, time
    import numpy as np
    import autograd_cnn as ag
    from autograd_cnn import functional as F, kernels

    right = np.random.default_rng(0).integers(0, 10, 20_000)
    index, done = right.copy(), threading.Event()

    def change():
        while not done.is_set():
            index[::97] = 1 << 45
            index[:] = right
            time.sleep(1e-4)

    logits = np.ones((20_000, 10), np.float32)
    x, w = ag.tensor(logits, requires_grad=True), ag.tensor(np.ones((10, 4)), requires_grad=True)
    losses, probabilities = kernels.cross_entropy(logits, right)
    plain = ag.tensor(np.ones(10))
    calls = {
        "cross_entropy": lambda: F.cross_entropy(x, index).backward(),
        "weighted": lambda: F.cross_entropy(x, index, np.ones(10, np.float32)),
        "nll_loss": lambda: F.nll_loss(x, index).backward(),
        "embedding": lambda: F.embedding(index, w).sum().backward(),
        "one_hot": lambda: F.one_hot(index, 10),
        "getitem": lambda: w[index],
        "setitem": lambda: plain.__setitem__(index, 1.0),
        "take": lambda: ag.take(w, index, axis=0),
        "put": lambda: ag.put(plain, np.ones(20_000), index=index),
        "scatter_add": lambda: ag.scatter_add(np.ones(20_000), index=index, shape=(10,)),
        "kernel": lambda: kernels.cross_entropy(logits, index),
        "its gradient": lambda: kernels.cross_entropy_grad(losses, probabilities, index),
    }
    changing = threading.Thread(target=change)
    changing.start()
    for name, call in calls.items():
        print(name, flush=True)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                call()
            except (IndexError, ValueError):
                pass
    done.set()
"""


@pytest.mark.parametrize("kernels", ["compiled", "numpy"])
def test_indices_that_another_thread_writes_are_right_or_an_error(kernels: str) -> None:
    """They are checked and read later, by loops that do not hold Python's lock: never beyond the array."""
    if kernels == "compiled" and ag.kernels.REASON != "compiled":
        pytest.skip("the compiled kernels were not built here")
    environment = {**os.environ, "AUTOGRAD_CNN_KERNELS": kernels}
    done = subprocess.run(
        [sys.executable, "-c", RACE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()[-1:]


@pytest.mark.parametrize("place", range(3))
def test_an_op_of_ours_may_return_any_of_its_inputs(place: int) -> None:
    """A write into the result is then one into the input, which the graph follows."""

    def pick(a: Any, b: Any, c: Any) -> Any:
        return (a, b, c)[place]

    pick.__module__ = "autograd_cnn.ops"  # those of users get views of their inputs
    op: Any = ag.op(register=False, **dict.fromkeys("abc", lambda g, out, a, b, c: g))(pick)
    inputs = [ag.tensor([1.0, 2.0]) for _ in range(3)]
    result = op(*inputs)
    before = ag.tensor([1.0, 1.0], requires_grad=True) * inputs[place]
    result *= 3.0
    assert inputs[place].tolist() == [3.0, 6.0]
    with pytest.raises(ag.GraphError, match="changed in place"):
        before.sum().backward()


LABELS = np.array([3, 0, 9, 3, 5])
LABELED: dict[str, Any] = {
    "cross_entropy": lambda x, labels: F.cross_entropy(x, labels),
    "weighted": lambda x, labels: F.cross_entropy(x, labels, np.arange(10.0)),
    "nll_loss": lambda x, labels: F.nll_loss(x, labels),
    "getitem by name": lambda x, labels: ag.getitem(x.T, index=(labels, slice(1, 3))),
    "embedding": lambda x, labels: F.embedding(labels, x.T),
    "padded": lambda x, labels: F.embedding(labels, x.T, padding_idx=3),
    "gather": lambda x, labels: F.gather(x, 1, labels[:, None]),
    "getitem": lambda x, labels: x.T[labels],
    "take": lambda x, labels: ag.take(x, labels, axis=1),
    "take_along_axis": lambda x, labels: np.take_along_axis(x, labels[:, None], 1),
    "one_hot": lambda x, labels: x * F.one_hot(labels, 10),
    "one_hot of the largest": lambda x, labels: x.T[:5] * F.one_hot(labels)[:5, :5],
    "put": lambda x, labels: ag.put(x.T, 2.0, index=labels),
    "scatter_add": lambda x, labels: ag.scatter_add(x, index=labels, shape=(1010, 10)),
}


@pytest.mark.parametrize("new", [9 - LABELS, LABELS + 1000], ids=["valid", "out of range"])
@pytest.mark.parametrize("name", LABELED)
def test_labels_that_change_between_any_two_lines_are_read_once(name: str, new: Any) -> None:
    """What comes out, and its gradient, belong to the old labels or the new ones, never to both."""
    rows = np.random.default_rng(0).normal(size=(5, 10))

    def results(labels: np.ndarray, change_at: int) -> tuple[Any, int]:
        """The output and gradient if labels become the new ones before this line, and the lines."""
        passed = 0

        def line(frame: Any, event: str, _: Any) -> Any:
            nonlocal passed
            if "autograd_cnn" not in frame.f_code.co_filename:
                return None
            passed += event == "line"
            if event == "line" and passed == change_at:
                labels[:] = new
                sys.settrace(None)
            return line

        x, tracer = ag.tensor(rows, requires_grad=True), sys.gettrace()
        sys.settrace(line)
        try:
            out = LABELED[name](x, labels)
            (g,) = ag.grad(out, x, np.arange(1.0, out.size + 1).reshape(out.shape))
        except (IndexError, ValueError) as error:
            return type(error), passed
        finally:
            sys.settrace(tracer)
        return [out.tolist(), g.tolist()], passed

    old, lines = results(LABELS.copy(), 0)
    allowed = [old, results(new.copy(), 0)[0]]
    for at in range(1, lines + 1):
        assert results(LABELS.copy(), at)[0] in allowed, at
    assert lines > 20
