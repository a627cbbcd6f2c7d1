"""Every registered op against its reference and its numerical derivatives, enumerated over the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import ops
from autograd_cnn.engine.op import OPS, Op
from autograd_cnn.testing import check_adjoint, check_complex_step, check_op
from tests.cases import ANALYTIC, CASES, LINEAR, reference

FUNCTIONS = {
    name: function
    for module in vars(ops).values()
    if getattr(module, "__name__", "").startswith("autograd_cnn.ops.")
    for name, function in vars(module).items()
    if isinstance(getattr(function, "op", None), Op)
}


def test_every_registered_op_has_a_case_and_no_case_is_left_over() -> None:
    assert set(CASES) == set(OPS)
    assert set(FUNCTIONS) == set(OPS)


def test_a_new_op_without_a_case_fails_the_suite() -> None:
    @ag.op(x=lambda g, out, x: g)
    def forgotten(x: Any) -> Any:
        """The op that nobody wrote a case for."""
        return x

    try:
        with pytest.raises(AssertionError):
            test_every_registered_op_has_a_case_and_no_case_is_left_over()
    finally:
        del OPS["forgotten"]


@pytest.mark.parametrize("name", sorted(OPS))
def test_op(name: str) -> None:
    """Forward, first and second derivative, dtype, layout, untouched inputs."""

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


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_linear_op_is_exactly_adjoint(name: str) -> None:
    @given(CASES[name], st.integers(0, 2**32 - 1))
    def check(case: Any, seed: int) -> None:
        rng = np.random.default_rng(seed)
        whole = [
            rng.integers(-4, 5, x.shape).astype(float)
            if isinstance(x, np.ndarray) and x.dtype.kind == "f"
            else x
            for x in case.inputs
        ]
        for position in LINEAR[name] if name not in ("concatenate", "stack") else range(len(whole)):
            check_adjoint(lambda *xs: FUNCTIONS[name](*xs, **case.params), whole, position)

    check()


@pytest.mark.parametrize("name", sorted(ANALYTIC))
def test_analytic_op_against_the_complex_step(name: str) -> None:
    @given(CASES[name])
    def check(case: Any) -> None:
        free = [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)]
        check_complex_step(lambda *xs: FUNCTIONS[name](*xs, **case.params), case.inputs, free)

    check()
