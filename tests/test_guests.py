"""Ops of users: what their forwards and rules are given, and what they may return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from tests.leaves import leaf


def made(forward: Any, rule: Any = lambda g, out, x: g, **more: Any) -> Any:
    forward.__name__ = "mine"
    return ag.op(x=rule, register=False, **more)(forward)


def write(x: Any, result: Any = None) -> Any:
    x *= 5.0
    return x if result is None else result


def filled(x: Any) -> Any:
    x[...] = 0.0
    return x


class Subclass(np.ndarray):
    """An array of a class of the user's."""


WRONG_RESULTS = {
    "None": (lambda x: None, r"got None; is its return missing\?"),
    "a string": (lambda x: "two", "got 'two'"),
    "a tuple": (lambda x: (x, x), "got a tuple of 2|got"),
    "a list": (lambda x: [1.0, 2.0], "got"),
    "a tensor": (lambda x: ag.tensor([1.0]), "got a tensor"),
    "masked": (lambda x: np.ma.masked_array(x, x > 0), "got"),
    "a subclass": (lambda x: x.view(Subclass), "got"),
    "objects": (lambda x: x.astype(object), "got"),
    "dates": (lambda x: np.array(["2020-01-01"], "M8[D]"), "got"),
}


@pytest.mark.parametrize("kind", WRONG_RESULTS)
@pytest.mark.parametrize("given", ["an array", "a tensor", "a leaf"])
def test_a_forward_returns_numbers(kind: str, given: str) -> None:
    forward, message = WRONG_RESULTS[kind]
    x: Any = np.array([1.0, 2.0])
    if given != "an array":
        x = ag.tensor(x, requires_grad=given == "a leaf")
    with pytest.raises(TypeError, match=f"mine: the forward must return .*{message}"):
        made(forward)(x)


@pytest.mark.parametrize("number", [1.5, np.float32(1.5), np.array(1.5), np.array([1.5])])
def test_a_forward_may_return_a_number(number: Any) -> None:
    out = made(lambda x: number, lambda g, out, x: np.zeros(2))(leaf(1.0, 2.0))
    assert out.numpy().sum() == 1.5


@pytest.mark.parametrize("forward", [lambda x: write(x), filled, lambda x: np.add(x, 1.0, out=x)])
@pytest.mark.parametrize("given", ["an array", "a tensor", "a leaf"])
def test_a_forward_cannot_write_into_its_inputs(forward: Any, given: str) -> None:
    x: Any = np.array([1.0, 2.0])
    if given != "an array":
        x = ag.tensor(x, requires_grad=given == "a leaf")
    with pytest.raises(ValueError, match=r"mine: the forward changes an argument in place.*copy"):
        made(forward)(x)
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "rule",
    [
        lambda g, out, x: write(g),
        lambda g, out, x: write(out, g),
        lambda g, out, x: write(x, g),
    ],
)
def test_a_rule_cannot_write_into_what_it_is_given(rule: Any, create_graph: bool) -> None:
    """The gradient may belong to another branch or to the caller, the input to anybody."""
    x, seed = leaf(1.0, 2.0), ag.tensor([1.0, 1.0], dtype="float32")
    h = x * 1.0
    out = made(lambda x: x * 1.0, rule)(h) + h * 3.0
    kept = (h.tolist(), out.tolist())
    with pytest.raises((ValueError, ag.GraphError), match="the backward rule for x changes an arg"):
        ag.grad(out, x, seed, create_graph=create_graph)
    assert seed.tolist() == [1.0, 1.0]
    assert (h.tolist(), out.tolist()) == kept


@pytest.mark.parametrize("joint", [False, True])
def test_memory_that_a_rule_or_a_forward_uses_again_is_copied(joint: bool) -> None:
    buffer, result = np.zeros(1, np.float32), np.zeros(1, np.float32)

    def forward(x: Any) -> Any:
        return np.multiply(x, 2.0, out=result)

    def rule(g: Any, out: Any, x: Any, **wanted: Any) -> Any:
        found = np.multiply(g, 2.0, out=buffer)
        return [found] if joint else found

    forward.__name__ = "mine"
    declared = {"joint": rule} if joint else {"x": rule}
    double = ag.op(register=False, **declared)(forward)  # type: ignore[arg-type]
    x, y = leaf(1.0), leaf(10.0)
    first, second = double(x), double(y)
    assert (first.tolist(), second.tolist()) == ([2.0], [20.0])
    gx, gy = ag.grad(first + 10.0 * second, [x, y])
    assert (gx.tolist(), gy.tolist()) == ([2.0], [20.0])


def test_memory_that_was_saved_is_copied() -> None:
    @ag.op(x=lambda g, out, x, *, factor: g * factor, saves=("factor",), register=False)
    def scaled(x: Any) -> Any:
        factor[:] = x
        return x * x / 2.0, {"factor": factor}

    factor = np.zeros(1, np.float32)
    x, y = leaf(1.0), leaf(10.0)
    total = scaled(x) + scaled(y)
    assert [g.tolist() for g in ag.grad(total, [x, y])] == [[1.0], [10.0]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda x: x, r"must return \(result, \{name: value\}\)"),
        (lambda x: (x, [1]), r"must return \(result, \{name: value\}\)"),
        (lambda x: (x, {"other": 1}), r"must save \['factor'\], got \['other'\]"),
        (lambda x: (None, {"factor": 1}), "must return an array of numbers, got None"),
    ],
)
def test_a_forward_that_saves_returns_what_it_declared(returned: Any, message: str) -> None:
    wrong = made(returned, lambda g, out, x, *, factor: g, saves=("factor",))
    with pytest.raises((TypeError, ValueError), match=f"mine: the forward {message}"):
        wrong(leaf(1.0))


@pytest.mark.parametrize("returned", ["two", np.ma.masked_array([1.0]), np.array([None])])
def test_a_rule_returns_numbers(returned: Any) -> None:
    out = made(lambda x: x * 1.0, lambda g, out, x: returned)(leaf(1.0))
    with pytest.raises(TypeError, match="mine: the backward rule for x must return an array"):
        out.backward()


@pytest.mark.parametrize("returned", [[1.0, 2.0], (np.ones(1),), []])
def test_a_rule_of_one_input_returns_one_gradient(returned: Any) -> None:
    out = made(lambda x: x * 1.0, lambda g, out, x: returned)(leaf(1.0, 2.0))
    with pytest.raises(TypeError, match="mine: the backward rule for x must return an array of"):
        out.sum().backward()


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize("variadic", [False, True])
def test_a_joint_rule_returns_a_gradient_per_input(count: int, kind: Any, variadic: bool) -> None:
    def rule(g: Any, out: Any, *inputs: Any, wanted: Any) -> Any:
        return kind([g] * (2 if kind is np.array else count))

    forward = (lambda *xs: xs[0] + xs[1]) if variadic else (lambda x, y: x + y)
    forward.__name__ = "mine"
    out = ag.op(register=False, joint=rule)(forward)(leaf(1.0), leaf(2.0))
    with pytest.raises(TypeError, match="rule for its inputs must return a list of 2 gradients"):
        out.backward()


@pytest.mark.parametrize(
    ("forward", "rules", "wanted"),
    [
        (
            lambda x, y: x,
            {"x": lambda g, out, x: g, "y": None},
            r"for x must take \(g, out, x, y\)",
        ),
        (lambda x: x, {"x": lambda g: g}, r"for x must take \(g, out, x\)"),
        (lambda x, *, k: x, {"x": lambda g, out, x: g}, r"must take \(g, out, x, \*, k\)"),
        (lambda *xs: xs[0], {"xs": lambda g, out, *xs: g}, r"\(g, out, x, \*, position\)"),
        (lambda x: x, {"joint": lambda g, out, x: [g]}, r"its inputs must take .*\*, wanted\)"),
        (lambda x: x, {"x": lambda g, out, x, y: g}, "missing a required argument: 'y'"),
    ],
)
def test_a_rule_takes_what_it_will_be_given(forward: Any, rules: Any, wanted: str) -> None:
    with pytest.raises(TypeError, match=wanted):
        ag.op(register=False, **rules)(forward)


def test_a_gradient_of_a_broadcast_result_names_the_cure() -> None:
    @ag.op(x=lambda g, out, x, y: g, y=lambda g, out, x, y: g, register=False)
    def mine(x: Any, y: Any) -> Any:
        return x + y

    out = mine(leaf(1.0, 2.0), ag.tensor(np.ones((3, 2), np.float32)))
    with pytest.raises(ag.GraphError, match=r"shape \(3, 2\) .* shape \(2,\); sum .*unbroadcast"):
        out.sum().backward()


def test_a_view_that_a_forward_returns_stays_a_view() -> None:
    x = leaf(1.0, 2.0)
    with ag.no_grad():
        out = made(lambda x: x[::-1])(x)
        assert np.shares_memory(out.numpy(), x.numpy())
