"""What check_op and the exact checks find beside wrong derivatives: each on a throw-away op with a planted fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.engine.node import values
from autograd_cnn.testing import GradientError, check_adjoint, check_complex_step, check_op


def registered(forward: Any, rule: Any = lambda g, out, x: g * 2.0) -> Any:
    """A throw-away op ``bad``, unguarded like those of the package, that is not in the registry."""
    forward.__name__, forward.__module__ = "bad", "autograd_cnn.ops.bad"
    function = ag.op(register=False, x=rule)(forward)
    return function


GOOD = np.array([1.0, -2.0, 3.0])


def test_the_throw_away_op_is_good_when_nothing_is_planted() -> None:
    check_op(registered(lambda x: x * 2.0), GOOD, reference=lambda x: 2.0 * x)


def in_place(x: Any) -> Any:
    x *= 1.0 + 1e-12
    return x * 2.0


def contiguous_only(g: Any, out: Any, x: Any) -> Any:
    """A kernel that reads memory as if it were contiguous: the most repeated silent kernel bug."""
    if isinstance(g, np.ndarray) and g.strides != (8,) and g.ndim == 1 and g.dtype == np.float64:
        g = np.lib.stride_tricks.as_strided(g, g.shape, (8,)) if g.strides[0] > 0 else g[::-1]
    return g * 2.0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (registered(lambda x: x * 2.0 + 1e-3), "forward result is off"),
        (registered(lambda x: (x * 2.0)[:, None]), "shape"),
        (registered(in_place), "forward|modified|off"),
        (registered(lambda x: x * np.float64(2.0)), "float16 inputs gave a float64 result"),
        (
            registered(lambda x: x * 2.0, contiguous_only),
            "gradient of input 0 for (sliced|reversed)",
        ),
    ],
)
def test_check_op_finds(function: Any, message: str) -> None:
    with pytest.raises(GradientError, match=message):
        check_op(function, GOOD.copy(), reference=lambda x: 2.0 * x)


def test_check_op_finds_a_modified_input() -> None:
    with pytest.raises(GradientError, match="modified"):
        check_op(registered(in_place), GOOD.copy(), order=1)


def test_the_adjoint_and_complex_step_checks_find_a_wrong_rule() -> None:
    wrong = registered(lambda x: x * 2.0, lambda g, out, x: g * 2.0000001)
    with pytest.raises(GradientError, match="adjoint"):
        check_adjoint(wrong, [GOOD], 0)
    with pytest.raises(GradientError, match="complex-step"):
        check_complex_step(wrong, [GOOD], [0])


def in_the_gradient(g: Any, out: Any, x: Any) -> Any:
    g *= 2.0
    return g


def in_the_result(g: Any, out: Any, x: Any) -> Any:
    found = 2.0 * g
    if not isinstance(out, ag.Tensor):
        out *= 0.0
    return found


def idempotent(g: Any, out: Any, x: Any) -> Any:
    """Twice is once: no other check would notice."""
    values(g)[values(x) < 0] = 0.0
    return g


@pytest.mark.parametrize(
    ("forward", "rule", "what"),
    [
        (lambda x: x * 2.0, in_the_gradient, "the incoming gradient"),
        (lambda x: np.maximum(x, 0.0), idempotent, "the incoming gradient"),
        (lambda x: x * 2.0, in_the_result, "the result"),
    ],
)
def test_check_op_finds_a_rule_that_writes_into_what_it_was_given(
    forward: Any, rule: Any, what: str
) -> None:
    with pytest.raises(GradientError, match=f"{what} was modified"):
        check_op(registered(forward, rule), GOOD.copy())


def test_check_op_finds_a_modified_parameter() -> None:
    def forward(x: Any, *, factors: Any) -> Any:
        factors.sort()
        return x * factors

    bad = registered(forward, lambda g, out, x, *, factors: g * factors)
    with pytest.raises(GradientError, match="parameter 'factors' was modified"):
        check_op(bad, GOOD, keeps_dtype=False, factors=np.array([3.0, 1.0, 2.0]))
