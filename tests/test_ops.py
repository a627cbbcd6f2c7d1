"""Every op and composition against its reference and its numerical derivatives, enumerated over the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import ops
from autograd_cnn.engine.op import COMPOSITIONS, OPS, Op
from autograd_cnn.testing import check_adjoint, check_complex_step, check_op
from tests import cases, cases_compositions
from tests.cases import ANALYTIC, CASES, LINEAR
from tests.cases_compositions import COMPOSITION_CASES, WRAPPED, einsums

FUNCTIONS = {
    function.op.name: function
    for module in vars(ops).values()
    if getattr(module, "__name__", "").startswith("autograd_cnn.ops.")
    for function in vars(module).values()
    if isinstance(getattr(function, "op", None), Op) and function.op.name in OPS
}

EVERY_CASE = {**CASES, **COMPOSITION_CASES, "einsum": einsums()}
EVERY_FUNCTION = {**FUNCTIONS, **COMPOSITIONS, **WRAPPED}

# Ops and compositions that users reach under another name, if at all.
INTERNAL = {
    "avg_pool": "F.avg_pool1d, 2d, 3d and the adaptive ones",
    "avg_pool_grad": "the gradient of avg_pool",
    "banded": "F.interpolate and the adaptive pools",
    "conv": "F.conv1d, 2d, 3d",
    "conv_input_grad": "F.conv_transpose1d, 2d, 3d",
    "conv_weight_grad": "the gradient of conv",
    "curve": "F.gelu, F.silu, F.softplus",
    "max_pool": "F.max_pool1d, 2d, 3d",
    "relu_grad": "the gradient of relu",
    "row_norm": "F.layer_norm, F.group_norm, F.instance_norm",
    "sigmoid_cross_entropy": "F.binary_cross_entropy_with_logits",
    "sum_to": "the gradient of broadcast_to",
    "window_gather": "the gradient of window_scatter",
    "window_scatter": "the gradient of max_pool",
}


def test_every_op_and_composition_has_a_case_and_no_case_is_left_over() -> None:
    missing, left_over = sorted(OPS.keys() - CASES), sorted(CASES - OPS.keys())
    assert missing == [], "ops without a case: add one to CASES in tests/cases.py"
    assert left_over == [], "cases without an op: delete them from CASES in tests/cases*.py"
    missing = sorted(OPS.keys() ^ FUNCTIONS)
    assert missing == [], "ops that no module in autograd_cnn/ops has under their name"
    missing = sorted(COMPOSITIONS.keys() - COMPOSITION_CASES)
    left_over = sorted(COMPOSITION_CASES.keys() - COMPOSITIONS)
    assert missing == [], "compositions without a case: add one in tests/cases_compositions.py"
    assert left_over == [], "cases without a composition: delete them in cases_compositions.py"
    assert sorted(COMPOSITIONS.keys() & OPS) == [], "names of both an op and a composition"


def test_every_op_is_exported_or_internal() -> None:
    public = {*ag.__all__, *ag.functional.__all__}
    hidden = {*OPS, *COMPOSITIONS} - public
    missing, left_over = sorted(hidden - INTERNAL.keys()), sorted(INTERNAL.keys() - hidden)
    assert missing == [], "neither in __all__ of their module nor in INTERNAL in tests/test_ops.py"
    assert left_over == [], "exported or gone: delete them from INTERNAL in tests/test_ops.py"


def test_a_new_op_without_a_case_or_export_fails_the_suite() -> None:
    @ag.op(x=lambda g, out, x: g)
    def forgotten(x: Any) -> Any:
        """The op that nobody wrote a case for."""
        return x

    try:
        with pytest.raises(AssertionError, match="add one to CASES in tests/cases.py"):
            test_every_op_and_composition_has_a_case_and_no_case_is_left_over()
        with pytest.raises(AssertionError, match="INTERNAL in tests/test_ops.py"):
            test_every_op_is_exported_or_internal()
        with pytest.raises(AssertionError, match="forgotten has no reference: add one to REF"):
            reference("forgotten")
    finally:
        del OPS["forgotten"]


def reference(name: str) -> Any:
    table, file = (
        (cases.REFERENCES, "cases.py")
        if name in OPS
        else (cases_compositions.REFERENCES, "cases_compositions.py")
    )
    found = table.get(name) or getattr(np, name, None)
    assert found is not None, f"{name} has no reference: add one to REFERENCES in tests/{file}"
    return found


def check(name: str, case: Any) -> None:
    """Forward, first and second derivative, dtype, layout, untouched inputs."""
    check_op(
        EVERY_FUNCTION[name],
        *case.inputs,
        reference=reference(name),
        keeps_dtype=name != "astype",
        **case.params,
    )


@pytest.mark.parametrize("name", EVERY_CASE)
def test_op_or_composition(name: str) -> None:
    given(EVERY_CASE[name])(lambda case: check(name, case))()


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
