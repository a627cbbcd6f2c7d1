"""Every fault that changes an answer of a rule is reported by the suite's own check."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import autograd_cnn as ag
from autograd_cnn.engine.op import OPS
from tests.case_parts import examples
from tests.cases import CASES
from tests.mutations import Fault, faults, in_place_of, recorded
from tests.test_gradcheck import planted
from tests.test_ops import FUNCTIONS, check

RULES = [
    pytest.param(name, k, id=f"{name}-{op.inputs[k]}")
    for name, op in sorted(OPS.items())
    for k in range(len(op.inputs))
]
THOROUGH = settings.default.max_examples >= 60  # the profile of conftest.py
EXAMPLES = 100 if THOROUGH else 25
MORE = 300
"""Examples for a fault that the first ones do not show, before it counts as missed."""

# Faults that change no derivative of any input, and why.
EQUIVALENT = {
    ("where", "condition", "a gradient where there is none"): "it holds no floats",
}
# Faults in arguments and formulas of which the examples must show a difference.
SHOWN = {
    ("arctan2", "y", "x detached"),
    ("concatenate", "xs", "axis moved"),
    ("contract", "xs", "inputs backwards"),
    ("divide", "y", "y detached"),
    ("getitem", "x", "index moved"),
    ("matmul", "x", "y detached"),
    ("power", "x", "x and y exchanged"),
    ("softmax", "x", "output detached"),
    ("solve_columns", "a", "incoming gradient and b exchanged"),
    ("tanh", "x", "incoming gradient and output exchanged"),
    ("var", "x", "ddof moved"),
}


def is_float(x: Any) -> bool:
    return isinstance(x, (np.ndarray, ag.Tensor)) and x.dtype.kind == "f"


def derivatives(name: str, case: Any) -> list[np.ndarray | None]:
    """The gradients of an example, and theirs, for fixed incoming gradients."""
    xs = [ag.tensor(x, True) if is_float(x) else x for x in case.inputs]
    leaves = [x for x in xs if is_float(x)]
    out = FUNCTIONS[name](*xs, **case.params)
    rng = np.random.default_rng(0)
    g = ag.tensor(rng.standard_normal(out.shape), True)
    first = ag.grad([out], leaves, [g], create_graph=True, allow_unused=True)
    sums = [ag.sum(r * rng.standard_normal(r.shape)) for r in first if r is not None and r.op]
    second = ag.grad(sums, [*leaves, g], allow_unused=True) if sums else ()
    return [None if r is None else r.numpy() for r in (*first, *second)]


@functools.cache
def right(name: str, count: int) -> list[Any]:
    """Examples of an op, and the derivatives of each by the rules as they are."""
    with np.errstate(all="ignore"):
        return [(case, derivatives(name, case)) for case in examples(CASES[name], count)]


def differs(name: str, case: Any, expected: list[np.ndarray | None]) -> bool:
    """Whether the fault that is planted changes a derivative of an example."""
    try:
        found = derivatives(name, case)
    except Exception:
        return True
    none = np.zeros(())  # a derivative that is not there is 0
    return not all(
        np.allclose(none if a is None else a, none if b is None else b, 1e-6, 1e-9, equal_nan=True)
        for a, b in itertools.zip_longest(found, expected)
    )


def report(fault: Fault, count: int) -> str:
    """'reported', 'missed', or 'equal' for a fault that changes no derivative of any example."""
    cases, said = right(fault.op, count), "equal" if fault.may_be_equal else "missed"
    few = count if count > EXAMPLES or not fault.may_be_equal else count // 2
    with planted(fault.op, **fault.fields), np.errstate(all="ignore"):
        for place, (case, expected) in enumerate(cases[:few]):
            if fault.may_be_equal and not differs(fault.op, case, expected):
                continue
            said = "missed"
            try:
                check(fault.op, case)
            except Exception:
                cases.insert(0, cases.pop(place))  # it may well show the next fault too
                return "reported"
    return said


def calls(name: str, position: int) -> int:
    """The most ops that the rule of an input calls in any example."""
    op, found = OPS[name], [0]
    rule = op.joint or op.rules[position]

    def counting(*args: Any, **params: Any) -> Any:
        found.append(len(recorded(rule, position if op.joint else None, args, params)[2]))
        return rule(*args, **params)

    if rule is None:
        return 0
    with planted(name, **in_place_of(op, position, counting)), np.errstate(all="ignore"):
        for case in examples(CASES[name], EXAMPLES):
            xs = [ag.tensor(x, True) if is_float(x) else x for x in case.inputs]
            out = FUNCTIONS[name](*xs, **case.params)
            ag.grad([out], [x for x in xs if is_float(x)], [np.ones(out.shape)], allow_unused=True)
    return max(found)


@pytest.mark.parametrize(("name", "position"), RULES)
def test_every_fault_is_reported_or_changes_nothing(name: str, position: int) -> None:
    missed, shown, place = [], set(), OPS[name].inputs[position]
    for fault in faults(name, position, calls(name, position)):
        said = report(fault, EXAMPLES)
        if said == "missed" and fault[:3] not in EQUIVALENT:
            said = report(fault, MORE)
            missed += [fault.kind] * (said != "reported")
        if said == "reported":
            shown.add(fault[:3])
    assert not missed
    assert {key for key in SHOWN if key[:2] == (name, place)} <= shown
    assert not shown & EQUIVALENT.keys()


@pytest.mark.parametrize("name", ["exp", "matmul", "batch_norm"])
def test_nothing_is_reported_where_nothing_is_planted(name: str) -> None:
    assert report(Fault(name, "", "none", {"rules": OPS[name].rules}, True), EXAMPLES) == "equal"
    assert report(Fault(name, "", "none", {"rules": OPS[name].rules}, False), EXAMPLES) == "missed"
