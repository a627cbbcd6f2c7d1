"""RNN, LSTM, GRU and their cells: their formulas, derivatives, and PyTorch where it is installed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.testing import strategies as ag_st
from tests.layer_parts import both, check_layer, normal, parts, same_as_in_torch

LAYERS = ["RNN", "LSTM", "GRU"]
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@pytest.fixture(autouse=True)
def _seed() -> None:
    ag.manual_seed(0)


@st.composite
def settings(draw: Any, cell: bool = False) -> dict[str, Any]:
    kind = draw(st.sampled_from(LAYERS))
    given = {"input_size": draw(st.integers(1, 3)), "hidden_size": draw(st.integers(1, 4))}
    given["bias"] = draw(st.booleans())
    if kind == "RNN":
        given["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if not cell:
        given |= {"num_layers": draw(st.integers(1, 3)), "batch_first": draw(st.booleans())}
        given["bidirectional"] = draw(st.booleans())
    made = {"kind": kind + "Cell" * cell, "given": given, "batched": draw(st.booleans())}
    return made | {"starts": draw(st.booleans()), "times": draw(st.integers(1, 4))}


def inputs(case: dict[str, Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The input, and the first states, if there are any."""
    given, batch = case["given"], [3] if case["batched"] else []
    cell = "Cell" in case["kind"]
    times = [] if cell else [case["times"]]
    lead = [] if cell else [given["num_layers"] * (1 + given["bidirectional"])]
    order = [*batch, *times] if given.get("batch_first") and batch else [*times, *batch]
    states = [normal(*lead, *batch, given["hidden_size"], seed=k) for k in (1, 2)]
    count = (2 if "LSTM" in case["kind"] else 1) if case["starts"] else 0
    return normal(*order, given["input_size"]), states[:count]


def as_hx(states: list[Any]) -> Any:
    return None if not states else states[0] if len(states) == 1 else tuple(states)


# ------------------------------------------------------------------------------------------ values


def step(kind: str, x: Any, states: list[Any], w: dict[str, Any], nonlinearity: str) -> list[Any]:
    """A step by the formulas of PyTorch's documentation; x (N, inputs)."""

    def sigma(v: Any) -> Any:
        return 1 / (1 + np.exp(-v))

    h = states[0]
    a = np.split(x @ w["weight_ih"].T + w.get("bias_ih", 0), GATES[kind], -1)
    b = np.split(h @ w["weight_hh"].T + w.get("bias_hh", 0), GATES[kind], -1)
    if kind == "RNN":
        return [np.tanh(a[0] + b[0]) if nonlinearity == "tanh" else np.maximum(a[0] + b[0], 0)]
    if kind == "GRU":
        r, z = sigma(a[0] + b[0]), sigma(a[1] + b[1])
        return [(1 - z) * np.tanh(a[2] + r * b[2]) + z * h]
    i, f, g, o = (p + q for p, q in zip(a, b))
    c = sigma(f) * states[1] + sigma(i) * np.tanh(g)
    return [sigma(o) * np.tanh(c), c]


@given(settings())
def test_a_layer_is_its_formula_over_time(case: dict[str, Any]) -> None:
    kind, options = case["kind"], case["given"]
    net = getattr(nn, kind)(**options).double()
    x, states = inputs(case)
    y, *ends = parts(net(x, as_hx(states)))
    w, single = net.state_dict(), not case["batched"]
    layers, directions = options["num_layers"], 1 + options["bidirectional"]
    seq = x[:, None] if single else x.swapaxes(0, 1) if options["batch_first"] else x
    zeros = np.zeros((layers * directions, seq.shape[1], options["hidden_size"]))
    starts = [s.reshape(zeros.shape) for s in states] or [zeros] * (1 + (kind == "LSTM"))
    expected = []
    for layer in range(layers):
        sides = []
        for back in range(directions):
            end = f"_l{layer}" + "_reverse" * back
            own = {n.removesuffix(end): v for n, v in w.items() if n.endswith(end)}
            now, rows = [s[layer * directions + back] for s in starts], []
            for t in range(len(seq))[:: -1 if back else 1]:
                now = step(kind, seq[t], now, own, options.get("nonlinearity", ""))
                rows.append(now[0])
            expected.append(now)
            sides.append(np.stack(rows[:: -1 if back else 1]))
        seq = np.concatenate(sides, -1)
    seq = seq[:, 0] if single else seq.swapaxes(0, 1) if options["batch_first"] else seq
    np.testing.assert_allclose(y.numpy(), seq, 1e-12, 1e-14)
    for end, wanted in zip(ends, map(np.stack, zip(*expected))):
        np.testing.assert_allclose(end.numpy(), wanted[:, 0] if single else wanted, 1e-12, 1e-14)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_cell_is_a_layer_of_one_step(kind: str) -> None:
    cell, layer = getattr(nn, f"{kind}Cell")(3, 4), getattr(nn, kind)(3, 4)
    layer.load_state_dict({f"{name}_l0": x for name, x in cell.state_dict().items()})
    x = normal(2, 3).astype("float32")
    _, *ends = parts(layer(x[None]))
    for found, end in zip(parts(cell(x)), ends):
        np.testing.assert_array_equal(found.numpy(), end.numpy()[0])
        assert found.shape == (2, 4)
    assert parts(cell(x[0]))[0].shape == (4,)


# ----------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_derivatives_are_exact_twice_and_in_every_input(kind: str, bidirectional: bool) -> None:
    net = getattr(nn, kind)(2, 2, num_layers=2 - bidirectional, bidirectional=bidirectional)

    def use(run: Any, x: Any, *states: Any) -> Any:
        y, *ends = parts(run(x, as_hx([*states])))
        return y.sum() + y[0, 0, 0] * (ends[-1] * ends[-1]).sum() + (y * y).sum()

    states = [ag_st.evenly_spaced((2, 1, 2), k) for k in range(2 if kind == "LSTM" else 1)]
    check_layer(net, [ag_st.evenly_spaced((3, 1, 2), 5), *states], use)


@pytest.mark.parametrize("kind", [f"{kind}Cell" for kind in LAYERS])
def test_derivatives_of_cells(kind: str) -> None:
    states = [ag_st.evenly_spaced((2, 3), k) for k in range(2 if "LSTM" in kind else 1)]
    arrays = [ag_st.evenly_spaced((2, 2), 5), *states]
    cell = getattr(nn, kind)(2, 3)
    check_layer(cell, arrays, lambda run, x, *states: parts(run(x, as_hx([*states])))[-1])


# --------------------------------------------------------------------------------------- PyTorch


def compare_with_torch(case: dict[str, Any]) -> None:
    x, states = inputs(case)
    nets = both(case["kind"], **case["given"])
    same_as_in_torch(*nets, [x, *states], lambda net, x, *states: net(x, as_hx([*states])))


@given(settings())
def test_layers_agree_with_pytorch(case: dict[str, Any]) -> None:
    compare_with_torch(case)


@given(settings(cell=True))
def test_cells_agree_with_pytorch(case: dict[str, Any]) -> None:
    compare_with_torch(case)


# ----------------------------------------------------------------------------- settings and state


@pytest.mark.parametrize("kind", LAYERS)
def test_names_shapes_and_first_values(kind: str) -> None:
    net, g = getattr(nn, kind)(3, 16, num_layers=2, bidirectional=True), GATES[kind]
    shapes = {name: x.shape for name, x in net.state_dict().items()}
    first = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ends = ("_l0", "_l0_reverse", "_l1", "_l1_reverse")
    assert list(shapes) == [name + end for end in ends for name in first]
    assert shapes["weight_ih_l0_reverse"] == (16 * g, 3)
    assert shapes["weight_ih_l1"] == (16 * g, 32)
    assert shapes["weight_hh_l1"] == (16 * g, 16)
    assert shapes["bias_hh_l0"] == (16 * g,)
    values = np.concatenate([x.ravel() for x in net.state_dict().values()])
    assert values.dtype == np.float32
    assert 0.24 < np.abs(values).max() <= 0.25  # 1 / sqrt(16)
    assert abs(values.std() - 0.25 / np.sqrt(3)) < 0.01


def test_without_bias_its_names_hold_none() -> None:
    net = nn.GRU(2, 3, bias=False)
    assert list(net.state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert net.bias_ih_l0 is None  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="bias_ih_l0 must be a Parameter"):
        net.bias_ih_l0 = np.zeros(9)  # type: ignore[attr-defined]


def test_dropout_is_between_layers_in_training_only() -> None:
    net = nn.LSTM(2, 50, num_layers=2, dropout=0.5)
    x = normal(3, 4, 2).astype("float32")
    assert not np.array_equal(net(x)[0].numpy(), net(x)[0].numpy())
    net.eval()
    np.testing.assert_array_equal(net(x)[0].numpy(), net(x)[0].numpy())
    with pytest.warns(UserWarning, match="RNN: dropout is between layers"):
        nn.RNN(2, 3, dropout=0.5)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_copy_and_a_pickle_compute_the_same(kind: str) -> None:
    net = getattr(nn, kind)(2, 3, bidirectional=True)
    x = normal(4, 1, 2).astype("float32")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for found, wanted in zip(parts(twin(x)), parts(net(x))):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    net.requires_grad_(False)
    assert not net(x)[0].requires_grad


def test_integers_take_the_dtype_of_the_weights() -> None:
    assert nn.GRU(2, 3)(np.ones((4, 1, 2), int))[0].dtype == np.float32


def test_repr() -> None:
    assert repr(nn.LSTM(3, 4)) == "LSTM(3, 4)"
    text = "GRU(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"
    assert repr(nn.GRU(3, 4, 2, False, True, 0.5, True)) == text
    assert repr(nn.RNNCell(3, 4, nonlinearity="relu")) == "RNNCell(3, 4, nonlinearity='relu')"
