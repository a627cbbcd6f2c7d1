"""LBFGS: against PyTorch and known minima, its searches, its state, and errors half way."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim, training
from autograd_cnn.optim import lbfgs
from tests.optim_parts import leaf

SEARCHES = pytest.mark.parametrize("search", [None, "strong_wolfe"])


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quartic(x: Any) -> Any:
    scale = np.arange(1.0, 5.0) ** 2
    return ((x - 1) ** 4 * scale).sum() + 0.1 * (x**2).sum()


def wave(x: Any) -> Any:
    """Hills between the start and the minima, so that searches must turn back."""
    return (x**2).sum() / 4 - (3 * x).cos().sum()


LOSSES = {"rosenbrock": rosenbrock, "quartic": quartic, "wave": wave}
START = [-1.2, 1.0, 0.5, 2.0]


def minimise(loss: Any, x: Any, optimizer: Any, steps: int) -> tuple[list[Any], list[float], int]:
    """The values and the losses after each step, and the calls of the closure."""
    calls = 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        result = loss(x)
        result.backward()
        return result

    found, losses = [], []
    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
        found.append(np.array(x.detach().numpy()))
    return found, losses, calls


def ours(loss: Any, steps: int = 4, dtype: Any = np.float64, **settings: Any) -> Any:
    x = leaf(START, dtype)
    return minimise(loss, x, optim.LBFGS([x], **settings), steps)


# ------------------------------------------------------------------------------------------ minima


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_finds_the_minimum_of_rosenbrock(dtype: Any) -> None:
    x = leaf([-1.2, 1.0], dtype)
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    found, losses, _ = minimise(rosenbrock, x, optimizer, 4)
    assert found[-1].dtype == dtype
    # It ends where the loss, the square of the distance, changes by 1e-9.
    np.testing.assert_allclose(found[-1], 1.0, atol=2e-4 if dtype == np.float64 else 2e-3)
    assert sorted(losses, reverse=True) == losses


def test_a_quadratic_takes_as_many_iterations_as_it_has_curvatures() -> None:
    x = leaf([1.0, 1.0, 1.0])
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    curvatures = np.array([1.0, 10.0, 100.0])
    minimise(lambda p: (p**2 * curvatures).sum(), x, optimizer, 1)
    np.testing.assert_allclose(x.numpy(), 0.0, atol=1e-5)


def test_float16_moves_in_float32() -> None:
    x = leaf([3.0, -2.0], np.float16)
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    minimise(lambda p: ((p - 1.0) ** 2).sum(), x, optimizer, 2)
    assert x.dtype == np.float16
    assert optimizer.state[x]["d"].dtype == np.float32
    assert x.tolist() == [1.0, 1.0]


def test_parameters_of_any_shape_and_layout_move_as_one_vector() -> None:
    start = np.random.default_rng(0).normal(size=(3, 4))
    whole, rows = leaf(start), leaf(start)
    turned = leaf(start)
    turned.array = np.asfortranarray(start)
    target = np.linspace(-1, 1, 12).reshape(3, 4)
    found = []
    for x in (whole, turned):
        optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
        minimise(lambda p: ((p - target) ** 4).sum() + (p**2).sum(), x, optimizer, 1)
        found.append(x.numpy())
    np.testing.assert_array_equal(*found)
    parts = [leaf(row) for row in rows.numpy()]
    optimizer = optim.LBFGS(parts, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum(((p - t) ** 4).sum() + (p**2).sum() for p, t in zip(parts, target))
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(np.stack([p.numpy() for p in parts]), found[0], rtol=1e-9)


# ---------------------------------------------------------------------------------------- searches


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("name", LOSSES)
def test_a_search_ends_where_the_loss_is_low_and_its_slope_flat(name: str, first: float) -> None:
    x, d = np.array(START), None

    def at(t: float) -> Any:
        p = leaf(x if d is None else x + t * d)
        loss = LOSSES[name](p)
        loss.backward()
        g = p.grad.numpy()
        return lbfgs._Point(t, loss.item(), g, float(g @ (0 * g if d is None else d)))

    d = -at(0.0).gradient
    start = at(0.0)
    found, calls = lbfgs._strong_wolfe(at, start, first, 60, 1e-12)
    assert found.loss == at(found.t).loss
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert calls < 25


def test_a_search_turns_back_from_where_the_loss_is_not_finite() -> None:
    x = leaf([0.5, 2.0])
    optimizer = optim.LBFGS([x], lr=50.0, line_search_fn="strong_wolfe")
    with np.errstate(all="ignore"):
        minimise(lambda p: (p - p.log()).sum(), x, optimizer, 2)
    np.testing.assert_allclose(x.numpy(), 1.0, atol=1e-4)


def test_a_cubic_between_two_points() -> None:
    def point(t: float) -> Any:  # of t**3 - 3 * t, lowest at 1
        return lbfgs._Point(t, t**3 - 3 * t, np.zeros(1), 3 * t * t - 3)

    for a, b in ((0.0, 3.0), (3.0, 0.0), (0.5, 1.0)):
        assert lbfgs._between(point(a), point(b), -9.0, 9.0) == pytest.approx(1.0)
    assert lbfgs._between(point(0.0), point(3.0), 1.5, 3.0) == 1.5
    cliff = point(3.0)._replace(loss=math.inf)
    assert lbfgs._between(point(0.0), cliff, 0.0, 3.0) == 1.5
    same = point(2.0)
    assert lbfgs._between(same, same, 2.0, 2.0) == 2.0


@SEARCHES
@pytest.mark.parametrize(("setting", "least"), [("max_iter", 1), ("max_eval", 1)])
def test_a_step_ends_in_time(search: str | None, setting: str, least: int) -> None:
    for most in (least, 3, 7):
        settings = {"max_eval": 99, setting: most, "line_search_fn": search, "lr": 1e-3}
        x = leaf(START)
        optimizer = optim.LBFGS([x], **settings)
        _, _, calls = minimise(rosenbrock, x, optimizer, 1)
        state = optimizer.state[x]
        assert state["func_evals"] == calls
        if setting == "max_iter":
            assert state["n_iter"] == most
        else:
            assert calls <= most + 1  # the first of a search is always made


@SEARCHES
def test_where_nothing_is_left_to_do_it_stays(search: str | None) -> None:
    x = leaf([1.0, 1.0, 1.0, 1.0])
    optimizer = optim.LBFGS([x], line_search_fn=search)
    found, losses, calls = minimise(rosenbrock, x, optimizer, 2)
    assert (found[-1].tolist(), losses, calls) == ([1.0] * 4, [0.0, 0.0], 2)
    still = optim.LBFGS([leaf(START)], lr=0.0, line_search_fn=search)
    y = still.param_groups[0]["params"][0]
    assert minimise(rosenbrock, y, still, 1)[0][0].tolist() == START


# ------------------------------------------------------------------------- frozen, states, failures


def test_a_frozen_parameter_rests() -> None:
    frozen, free = leaf([2.0, 3.0]), leaf([2.0, 3.0])
    optimizer = optim.LBFGS([frozen, free], line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((frozen * free - 1) ** 2).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    frozen.requires_grad_(False)
    kept, frozen.grad = frozen.tolist(), np.array([5.0, 5.0])
    free.data = np.array([9.0, 9.0])
    for _ in range(3):
        optimizer.step(closure)
    assert frozen.tolist() == kept
    assert closure().item() < 1e-6 < first


@SEARCHES
def test_a_saved_state_continues_bit_for_bit(search: str | None, tmp_path: Any) -> None:
    settings = {"lr": 0.02, "max_iter": 4, "history_size": 3, "line_search_fn": search}
    whole, _, _ = ours(rosenbrock, 8, **settings)
    x = leaf(START)
    first = optim.LBFGS([x], **settings)
    minimise(rosenbrock, x, first, 3)
    training.save_checkpoint(tmp_path / "run.npz", optimizer=first)
    for load in (True, False):
        y = leaf(x.numpy())
        second = optim.LBFGS([y])
        if load:
            training.load_checkpoint(tmp_path / "run.npz", optimizer=second)
        else:
            second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
        found, _, _ = minimise(rosenbrock, y, second, 5)
        np.testing.assert_array_equal(found, whole[3:])


def test_a_broken_state_is_refused_and_changes_nothing() -> None:
    x = leaf(START)
    optimizer = optim.LBFGS([x])
    minimise(rosenbrock, x, optimizer, 1)
    state, before = optimizer.state_dict(), repr(optimizer.state_dict())
    for key in state["state"][0]:
        for wrong in ("x", math.nan, [1.0, "x"], np.zeros(77), np.full(3, "x"), [np.zeros(77)]):
            broken = {**state, "state": {0: {**state["state"][0], key: wrong}}}
            with pytest.raises(
                (ValueError, TypeError), match=r"LBFGS.load_state_dict: .*parameter 0"
            ):
                optimizer.load_state_dict(broken)
            assert repr(optimizer.state_dict()) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("call", [1, 2, 5, 9])
@SEARCHES
def test_an_error_in_the_closure_leaves_all_as_it_was(
    search: str | None, call: int, error: type[BaseException]
) -> None:
    x = leaf(START)
    optimizer = optim.LBFGS([x], lr=0.01, line_search_fn=search)
    minimise(rosenbrock, x, optimizer, 1)
    values, state = x.tolist(), repr(optimizer.state_dict())
    calls = 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        optimizer.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    with pytest.raises(error):
        optimizer.step(closure)
    assert x.tolist() == values
    assert repr(optimizer.state_dict()) == state


def test_a_graph_from_before_the_step_is_stale() -> None:
    x = leaf(START)
    loss = rosenbrock(x)
    minimise(rosenbrock, x, optim.LBFGS([x]), 1)
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


def test_it_trains_a_network_on_all_of_its_data_under_no_grad() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    optimizer = optim.LBFGS(net.parameters(), line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(inputs), np.array([0, 1, 1, 0]))
        loss.backward()
        return loss

    with ag.no_grad():
        for _ in range(5):
            optimizer.step(closure)
    assert closure().item() < 1e-3


# ----------------------------------------------------------------------------------------- PyTorch

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"lr": 1e-3, "max_iter": 10},
    "short memory": {"lr": 0.1, "history_size": 2},
    "few calls": {"lr": 0.1, "max_eval": 5},
    "wolfe": {"line_search_fn": "strong_wolfe"},
    "wolfe, short memory": {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 7},
    "wolfe, few calls": {"line_search_fn": "strong_wolfe", "max_eval": 6},
    "wolfe, far": {"line_search_fn": "strong_wolfe", "lr": 40.0},
    "wolfe, near": {"line_search_fn": "strong_wolfe", "lr": 1e-3},
    "lax": {"lr": 0.1, "tolerance_grad": 0.5, "tolerance_change": 1e-2},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", LOSSES)
def test_as_in_pytorch(name: str, settings: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    given = SETTINGS[settings]
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name]
    if name == "quartic":
        scale = torch.arange(1.0, 5.0, dtype=torch.float64) ** 2
        expected = minimise(
            lambda p: ((p - 1) ** 4 * scale).sum() + 0.1 * (p**2).sum(),
            x, torch.optim.LBFGS([x], **given), 3,
        )  # fmt: skip
    else:
        expected = minimise(loss, x, torch.optim.LBFGS([x], **given), 3)
    found = ours(loss, 3, **given)
    # The same operations in float64; each iteration magnifies what the last one rounded.
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6, atol=1e-12)
    assert found[2] == expected[2]


@SEARCHES
def test_a_state_of_theirs_carries_over(search: str | None) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    settings = {"lr": 0.02, "max_iter": 4, "line_search_fn": search}
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.LBFGS([x], **settings)
    minimise(rosenbrock, x, theirs, 2)
    y = leaf(x.detach().numpy())
    optimizer = optim.LBFGS([y])
    optimizer.load_state_dict(theirs.state_dict())
    expected, found = (minimise(rosenbrock, p, o, 2) for p, o in ((x, theirs), (y, optimizer)))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-7)
    assert found[2] == expected[2]
