"""The checkers themselves: every one must fail on a planted fault, and say why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings

import autograd_cnn as ag
from autograd_cnn.engine.node import values
from autograd_cnn.engine.op import OPS, Op
from autograd_cnn.kernels.window import conv_window
from autograd_cnn.ops.conv import conv_input_grad
from autograd_cnn.testing import GradientError, check_op, gradcheck, gradgradcheck
from tests.cases import CASES
from tests.test_ops import FUNCTIONS, reference


def leaf(*numbers: float) -> ag.Tensor:
    return ag.tensor(numbers, dtype="float64", requires_grad=True)


@contextmanager
def planted(name: str, **fields: Any) -> Iterator[None]:
    """The registered op with other rules, for the length of a block.  Ops are frozen, so write underneath."""
    op = OPS[name]
    before = {field: getattr(op, field) for field in fields}
    try:
        for field, value in fields.items():
            object.__setattr__(op, field, value)
        yield
    finally:
        for field, value in before.items():
            object.__setattr__(op, field, value)


def exercise(name: str) -> None:
    @settings(max_examples=40, phases=[Phase.generate], database=None)
    @given(CASES[name])
    def check(case: Any) -> None:
        check_op(
            FUNCTIONS[name],
            *case.inputs,
            reference=reference(name),
            keeps_dtype=name != "astype",
            **case.params,
        )

    check()


def scaled(rule: Any) -> Any:
    """A gradient too large by a thousandth."""

    def wrong(g: Any, *args: Any, **params: Any) -> Any:
        found = rule(g, *args, **params)
        if isinstance(found, (tuple, list)):
            return [None if f is None else f * 1.001 for f in found]
        return None if found is None else found * 1.001

    return wrong


def faults() -> list[Any]:
    found = []
    for name, op in sorted(OPS.items()):
        if op.joint:
            found.append(pytest.param(name, {"joint": scaled(op.joint)}, id=f"{name}-joint"))
        for position, rule in enumerate(op.rules):
            if rule is not None:
                rules = (*op.rules[:position], scaled(rule), *op.rules[position + 1 :])
                found.append(
                    pytest.param(name, {"rules": rules}, id=f"{name}-{op.inputs[position]}")
                )
    return found


@pytest.mark.parametrize(("name", "changed"), faults())
def test_a_thousandth_too_much_in_any_rule_is_found(name: str, changed: dict[str, Any]) -> None:
    with planted(name, **changed), pytest.raises(GradientError):
        exercise(name)


MATMUL_Y: Any = OPS["matmul"].rules[1]
POINTS = np.array([0.5, 1.5])

SECOND_ORDER_FAULTS: dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...], dict[str, Any]]] = {
    "exp: output detached": ("exp", (lambda g, out, x: g * values(out),), (POINTS,), {}),
    "log: input detached": ("log", (lambda g, out, x: g / values(x),), (POINTS,), {}),
    "multiply: second input detached": (
        "multiply",
        (lambda g, out, x, y: g * values(y), OPS["multiply"].rules[1]),
        (np.array([1.0, 2.0]), np.array([0.5, 3.0])),
        {},
    ),
    "matmul: incoming gradient detached": (
        "matmul",
        (OPS["matmul"].rules[0], lambda g, out, x, y: MATMUL_Y(values(g), out, x, y)),
        (np.array([[1.0, 2.0]]), np.array([[0.5], [3.0]])),
        {},
    ),
    "conv: filters detached": (
        "conv",
        (lambda g, out, x, w, b, **s: conv_input_grad(g, values(w), **s), *OPS["conv"].rules[1:]),
        (np.arange(1.0, 5.0).reshape(1, 1, 2, 2), np.ones((1, 1, 1, 1))),
        {"window": conv_window((2, 2), (1, 1), stride=1, padding=0, dilation=1)},
    ),
    "softmax: sum detached": (
        "softmax",
        (lambda g, out, x, *, axis: out * (g - values((g * out).sum(axis=axis, keepdims=True))),),
        (np.array([0.1, 0.7, -0.3]),),
        {"axis": 0},
    ),
}


@pytest.mark.parametrize("fault", SECOND_ORDER_FAULTS)
def test_a_wrong_second_derivative_is_found_where_the_first_is_right(fault: str) -> None:
    name, rules, inputs, params = SECOND_ORDER_FAULTS[fault]
    with planted(name, rules=rules):
        check_op(FUNCTIONS[name], *inputs, order=1, **params)
        with pytest.raises(GradientError, match="second derivative"):
            check_op(FUNCTIONS[name], *inputs, order=2, **params)


# ------------------------------------------------------------------------------------ what it says


# Rules of exp that are right for every single cotangent of 1, and not linear.
@pytest.mark.parametrize(
    ("rule", "points"),
    [
        (lambda g, out, x: g * g * out, (0.1, 1.0, -0.7)),
        (lambda g, out, x: abs(g) * out, (0.1, 1.0, -0.7)),
        (lambda g, out, x: g.clip(-1.0, 1.0) * out, (0.1, 1.0, -0.7)),
        (lambda g, out, x: g.clip(-1.0, 1.0) * out, (0.1,)),
    ],
)
def test_a_rule_that_is_not_linear_in_the_incoming_gradient_is_found(
    rule: Any, points: Any
) -> None:
    with planted("exp", rules=(rule,)), pytest.raises(GradientError, match="not linear in the in"):
        gradcheck(ag.exp, [leaf(*points)])


def doubled(x: ag.Tensor) -> Any:
    with planted("exp", rules=(lambda g, out, x: g * out * 2.0,)):
        return gradcheck(ag.exp, [x])


def nowhere(x: ag.Tensor) -> Any:
    with planted("exp", rules=(lambda g, out, x: g * np.nan,)):
        return gradcheck(ag.exp, [x])


RNG = np.random.default_rng(0)
DIAGNOSES: dict[str, tuple[Any, tuple[float, ...], str]] = {
    "wrong rule": (
        doubled,
        (0.0, 1.0),
        r"^gradient of output 0\[1\] with respect to input 0\[1\]: analytic 5\.43656\d*, numerical "
        r"2\.71828\d* \(.*2 of 4 elements wrong.*it looks like a wrong backward rule",
    ),
    "kink": (
        lambda x: gradcheck(ag.relu, [x]),
        (0.0,),
        "kink, tie or jump: the slope is 0 on the left and 1 on",
    ),
    "lost precision": (
        lambda x: gradcheck(lambda x: ((x + 1e9) - 1e9) * 1.0 + 0.0 * x, [x]),
        (0.3,),
        "lost precision: with 10 eps",
    ),
    "NaN": (nowhere, (1.0,), "analytic value is not finite"),
    "array": (lambda x: gradcheck(lambda x: np.exp(x.numpy()), [x]), (1.0,), "graph is cut"),
    "detached": (
        lambda x: gradcheck(lambda x: ag.exp(x.detach()), [x]),
        (1.0,),
        r"analytic 0, numerical 2\.7",
    ),
    "random": (
        lambda x: gradcheck(lambda x: x * RNG.random(), [x]),
        (1.0,),
        r"two runs differ by 0\.\d+, more than nondet_tol=0\.0",
    ),
}


@pytest.mark.parametrize("name", DIAGNOSES)
def test_the_message_says_what_it_looks_like(name: str) -> None:
    check, points, message = DIAGNOSES[name]
    with pytest.raises(GradientError, match=message):
        check(leaf(*points))


def test_every_input_is_checked_and_constants_are_left_alone() -> None:
    wrong = (OPS["multiply"].rules[0], lambda g, out, x, y: g * y)
    with planted("multiply", rules=wrong):
        assert gradcheck(ag.multiply, [leaf(1.0, 2.0), np.array([3.0, 4.0])])
        with pytest.raises(GradientError, match="input 1"):
            gradcheck(ag.multiply, [leaf(1.0, 2.0), leaf(3.0, 4.0)])


def test_false_instead_of_an_error() -> None:
    assert gradcheck(ag.relu, [leaf(0.0)], raise_exception=False) is False
    assert gradgradcheck(ag.relu, [leaf(0.0)], raise_exception=False) is False
    assert gradgradcheck(lambda x: x**3, [leaf(0.5)], raise_exception=False) is True


def test_single_precision_warns_and_missing_gradients_raise() -> None:
    with pytest.warns(UserWarning, match="float64"):
        gradcheck(ag.exp, [ag.tensor([1.0], requires_grad=True)], atol=1.0)
    with pytest.raises(ValueError, match="no input requires gradients"):
        gradcheck(ag.exp, [ag.tensor([1.0])])
    with pytest.raises(ValueError, match="input 0 .* NaN or infinity"):
        gradcheck(ag.exp, [leaf(float("nan"))])


def test_functions_of_several_outputs_and_given_cotangents() -> None:
    function = lambda x, y: (x * y, ag.exp(x))  # noqa: E731
    inputs = [leaf(0.5, 1.0), leaf(2.0, -1.0)]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)
    assert gradgradcheck(function, inputs, [np.array([1.0, 2.0]), np.array([3.0, 4.0])])


def test_ops_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        OPS["exp"].name = "other"  # type: ignore[misc]
    assert isinstance(OPS["exp"], Op)
