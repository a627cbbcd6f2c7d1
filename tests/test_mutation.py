"""Every fault of every rule is reported by the suite's own check, or listed with why it is none."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import autograd_cnn as ag
from autograd_cnn.engine.op import OPS
from autograd_cnn.testing import check_op
from tests.case_parts import examples
from tests.cases import CASES, reference
from tests.mutations import Fault, faults
from tests.mutations_terms import term_faults
from tests.test_gradcheck import planted
from tests.test_ops import FUNCTIONS

RULES = [
    pytest.param(name, k, id=f"{name}-{op.inputs[k]}")
    for name, op in sorted(OPS.items())
    for k in range(len(op.inputs))
]
THOROUGH = settings.default.max_examples >= 60  # the profile of conftest.py
EXAMPLES = 100 if THOROUGH else 25
MORE = 300
"""Examples for a fault that the first ones do not show, before it counts as missed."""

# ------------------------------------------------------------ faults that change nothing, and why

REASONS = {
    "the rule asks this input for its shape and no value": """
        add x: x detached, output and x exchanged, x and y exchanged
        add y: y detached, output and y exchanged, x and y exchanged
        broadcast_to x: x detached, output and x exchanged
        concatenate xs: inputs backwards, xs detached, output and xs exchanged
        cumsum x: x detached, output and x exchanged
        divide x: x detached, output and x exchanged
        getitem x: x detached, output and x exchanged
        matmul x: x detached, output and x exchanged
        matmul y: y detached, output and y exchanged
        mean x: x detached, output and x exchanged
        multiply x: x detached, output and x exchanged
        multiply y: y detached, output and y exchanged
        pad x: x detached, output and x exchanged
        power y: y detached
        put v: x detached, v detached, output and x exchanged
        remainder x: x detached, output and x exchanged, x and y exchanged
        reshape x: x detached, output and x exchanged
        solve_columns b: b detached, output and b exchanged
        stack xs: inputs backwards, xs detached
        subtract x: x detached, output and x exchanged, x and y exchanged
        subtract y: y detached, output and y exchanged, x and y exchanged
        sum x: x detached, output and x exchanged
        sum_to x: x detached, output and x exchanged
        where x: x detached, output and x exchanged, x and y exchanged
        where y: y detached, output and y exchanged, x and y exchanged""",
    "the rule asks this input for its dtype only, which the walk would correct": """
        astype x: x detached, output and x exchanged""",
    "the rule asks this argument only whether it is a tensor": """
        batch_norm x: output detached""",
    "the formula does not need this input, but the kernel": """
        batch_norm x: bias detached""",
    "the slope in this input is a step, whose own derivative is 0": """
        abs x: x detached
        channel_affine scale: output detached
        channel_affine shift: output detached
        channel_affine x: output detached
        clip x: x detached
        max x: x detached, output detached
        max_pool x: x detached, output detached
        maximum x: x detached, y detached
        maximum y: x detached, y detached
        min x: x detached, output detached
        minimum x: x detached, y detached
        minimum y: x detached, y detached
        relu x: x detached
        relu_grad g: x detached
        remainder y: x detached, y detached""",
    "the condition holds no floats: it has no derivative, at any order": """
        where condition: a gradient where there is none
        where x: condition detached
        where y: condition detached""",
    "the output is positive where the input is": """
        relu x: output and x exchanged""",
    "both have one shape only where nothing is reduced, and then they are equal": """
        logsumexp x: output and x exchanged
        max x: output and x exchanged
        min x: output and x exchanged""",
    "the rule is a product, and its factors commute": """
        channel_affine scale: incoming gradient and x exchanged
        divide y: incoming gradient and output exchanged
        exp x: incoming gradient and output exchanged
        exp2 x: incoming gradient and output exchanged
        hypot x: incoming gradient and x exchanged
        hypot y: incoming gradient and y exchanged
        multiply x: incoming gradient and y exchanged
        multiply y: incoming gradient and x exchanged
        power y: incoming gradient and output exchanged""",
    "the op reads the symmetric part of its input, so the gradient is symmetric": """
        cholesky x: transposed""",
}
# The same for faults in formulas: for each reason, lines of op, input and fault.
TERMS = {
    "the determinant is the same polynomial however its matrix is split, but loses digits": """
        det x: first factor dropped in _is_regular: np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
        det x: second factor dropped in _is_regular: condition * np.sqrt(np.finfo(x.dtype).eps)
        det x: all axes in _is_regular: np.linalg.norm(x, axis=(-2, -1))
        det x: all axes in _is_regular: np.linalg.norm(inverse, axis=(-2, -1))
        det x: other number in _is_regular: 1
        det x: call dropped in _is_regular: np.sqrt(np.finfo(x.dtype).eps)
        det x: first factor dropped in _small_directions: np.sqrt(np.finfo(x.dtype).eps) * largest
        det x: second factor dropped in _small_directions: np.sqrt(np.finfo(x.dtype).eps) * largest
        det x: second factor dropped in _small_directions: left[..., -k:] * scale
        det x: second factor dropped in _small_directions: right[..., -k:, :] * scale
        det x: call dropped in _small_directions: max(int(np.max(np.sum(small, axis=-1))), 1)
        det x: call dropped in _small_directions: np.sqrt(np.finfo(x.dtype).eps)
        det x: other number in _small_directions: 1
        det x: other number in _small_directions: 1, number 2
        det x: all axes in _small_directions: np.sum(small, axis=-1)""",
    "a matrix and a polynomial of it commute": """
        det x: arguments 0 and 1 exchanged in _polynomial_adjugate: matmul(x, adjugate)""",
    "the last two axes have one size": """
        cholesky x: other number in _cholesky_x: 1
        det x: other number in _polynomial_adjugate: 1, number 2""",
    "the number only guards a place whose gradient is 0 whatever it is": """
        arctan2 y: other number in _share: 1.0
        arctan2 x: other number in _share: 1.0
        hypot x: other number in _share: 1.0
        hypot y: other number in _share: 1.0
        power x: other number in _power_x: 1.0
        power y: other number in _power_y: 1.0""",
    "the rule is a product, and its factors commute": """
        power y: arguments 0 and 1 exchanged in _power_y(g, out, x)""",
    "an answer that nobody wants is dropped later": """
        batch_norm joint: first branch always in _batch_norm_grads: (g * normal).sum(axis=axes) if wanted[1] else None
        batch_norm joint: first branch always in _batch_norm_grads: g.sum(axis=axes) if wanted[2] else None""",
    "only a shortcut where there is nothing to do": """
        broadcast_to x: second branch always in unbroadcast: g if g.shape == x.shape else sum_to(g, shape=x.shape)
        linear w: second branch always in _rows: x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
        linear b: second branch always in _rows: x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
        max x: call dropped in _tied: np.isnan(extreme)
        min x: call dropped in _tied: np.isnan(extreme)""",
    "the walk corrects the dtype": """
        max x: call dropped in _tied: np.asarray(1.0 / np.sum(tied, axis=axis, keepdims=True), x.dtype)
        min x: call dropped in _tied: np.asarray(1.0 / np.sum(tied, axis=axis, keepdims=True), x.dtype)""",
}
EQUIVALENT_TERMS: dict[tuple[str, str, str], str] = {
    (op, name, kind): reason
    for reason, lines in TERMS.items()
    for op, name, kind in re.findall(r"(\w+) (\w+): (.+)", lines)
}
LOG_4 = 2.0 * np.log(2.0)
# Ties, zeros and infinity, where there is no numerical derivative: inputs (lists become tensors), incoming
# gradient, gradients, parameters.
INF, NAN = np.inf, np.nan
EDGES: dict[str, list[Any]] = {
    "arctan2": [([[0.0], [0.0]], [3.0], [[0.0], [0.0]], {})],
    "hypot": [([[0.0], [0.0]], [3.0], [[0.0], [0.0]], {})],
    "logaddexp": [
        (
            [[-INF, 0.0, INF], [-INF, -INF, INF]],
            [2.0, 3.0, 4.0],
            [[1.0, 3.0, 2.0], [1.0, 0.0, 2.0]],
            {},
        )
    ],
    "max": [
        ([[3.0, 1.0, 3.0]], 3.0, [[1.5, 0.0, 1.5]], {}),
        ([[3.0, NAN, 3.0]], 3.0, [[0.0, 3.0, 0.0]], {}),
    ],
    "maximum": [([[1.0, 2.0], [1.0, 3.0]], [3.0, 5.0], [[1.5, 0.0], [1.5, 5.0]], {})],
    "mean": [([[]], 3.0, [[]], {})],
    "min": [
        ([[3.0, 1.0, 1.0]], 3.0, [[0.0, 1.5, 1.5]], {}),
        ([[3.0, NAN, 3.0]], 3.0, [[0.0, 3.0, 0.0]], {}),
    ],
    "minimum": [([[1.0, 2.0], [1.0, 3.0]], [3.0, 5.0], [[1.5, 5.0], [1.5, 0.0]], {})],
    "power": [
        ([[0.0, 2.0], [2.0, 0.0]], [3.0, 3.0], [[0.0, 0.0], [0.0, 3.0 * np.log(2.0)]], {}),
        ([[INF, 2.0, 0.0], [0.0, 1.0, -1.0]], [1.0] * 3, [[0.0, 1.0, -INF], [INF, LOG_4, 0.0]], {}),
        ([[0.0, INF], 0], [3.0, 3.0], [[0.0, 0.0]], {}),
    ],
    "var": [([[]], 3.0, [[]], {})],
}
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (op, name, kind): reason
    for reason, lines in REASONS.items()
    for op, name, kinds in re.findall(r"(\w+) (\w+): (.+)", lines)
    for kind in kinds.split(", ")
}


# ------------------------------------------------------------------------------------ the check


@functools.cache
def shapes(name: str, count: int) -> list[tuple[Any, ...]]:
    """The shapes of gradient, output and inputs in the examples; None for what is no array."""
    found = []
    for inputs, params in examples(CASES[name], count):
        out = np.shape(FUNCTIONS[name](*inputs, **params))
        found.append((out, out, *(getattr(x, "shape", None) for x in inputs)))
    return found


def check(name: str, case: Any) -> None:
    """What `test_ops.test_op` does with an example."""
    check_op(
        FUNCTIONS[name],
        *case.inputs,
        reference=reference(name),
        keeps_dtype=name != "astype",
        **case.params,
    )


def check_edge(name: str) -> None:
    """The gradients that are documented where inputs tie or vanish."""
    for inputs, g, expected, params in EDGES[name]:
        xs = [ag.tensor(x, True, "float64") if isinstance(x, list) else x for x in inputs]
        found = ag.grad(FUNCTIONS[name](*xs, **params), xs[: len(expected)], np.asarray(g))
        for x, right in zip(found, expected):
            np.testing.assert_allclose(x.numpy(), right, rtol=1e-12)


def report(fault: Fault, count: int) -> Exception | None:
    """What the check of the op says to a planted fault; None if it says nothing."""
    with planted(fault.op, **fault.fields), np.errstate(all="ignore"):
        cases = examples(CASES[fault.op], count)
        for place, case in enumerate(cases):
            try:
                check(fault.op, case)
            except Exception as error:
                cases.insert(0, cases.pop(place))  # it may well show the next fault too
                return error
        try:
            if fault.op in EDGES:
                check_edge(fault.op)
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize(("name", "position"), RULES)
def test_every_fault_is_reported_or_equivalent(name: str, position: int) -> None:
    planted_kinds, places = set(), [(name, argument) for argument in OPS[name].inputs]
    for fault in faults(name, position, shapes(name, EXAMPLES)):
        key = fault[:3]
        planted_kinds.add(fault.kind)
        error = report(fault, EXAMPLES)
        if key in EQUIVALENT:
            assert error is None, f"{key} is listed as equivalent, but it is reported: {error}"
        else:
            assert error or report(fault, MORE), f"{key} is not reported by the suite"
    listed = {kind for op, place, kind in EQUIVALENT if (op, place) == places[position]}
    assert {kind for kind in listed if "exchanged" not in kind} <= planted_kinds
    assert len(planted_kinds) > (OPS[name].rules[position : position + 1] != (None,)) * 10


@pytest.mark.parametrize(("name", "position"), RULES)
def test_every_fault_in_a_formula_is_reported_or_equivalent(name: str, position: int) -> None:
    found = list(term_faults(name, position))
    equivalent = [f for f in found if f[:3] in EQUIVALENT_TERMS]
    place = "joint" if OPS[name].joint else OPS[name].inputs[position]
    if not (OPS[name].joint and position):  # a joint rule is looked at once
        listed = {key for key in EQUIVALENT_TERMS if key[:2] == (name, place)}
        assert listed == {f[:3] for f in equivalent}
    assert not [f[:3] for f in equivalent if report(f, EXAMPLES // 5)]
    others = [f for f in found if f[:3] not in EQUIVALENT_TERMS]
    assert not [f[:3] for f in others if not report(f, EXAMPLES) and not report(f, MORE)]


@pytest.mark.parametrize("name", sorted(EDGES))
def test_the_edges_are_right_where_nothing_is_planted(name: str) -> None:
    with np.errstate(all="ignore"):
        check_edge(name)


@pytest.mark.skipif(not THOROUGH, reason="draws many examples; the thorough profile runs it")
def test_the_table_of_equivalent_faults_names_faults() -> None:
    known = {
        fault[:3]
        for name in {op for op, _, _ in EQUIVALENT}
        for position in range(len(OPS[name].inputs))
        for fault in faults(name, position, shapes(name, 100))
    }
    assert set(EQUIVALENT) <= known
    assert len(EQUIVALENT) == sum(
        len(kinds.split(", "))
        for lines in REASONS.values()
        for kinds in re.findall(": (.+)", lines)
    )


@pytest.mark.parametrize("name", ["exp", "matmul", "batch_norm"])
def test_nothing_is_reported_where_nothing_is_planted(name: str) -> None:
    assert report(Fault(name, "", "none", {"rules": OPS[name].rules}), EXAMPLES) is None
