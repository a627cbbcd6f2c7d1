"""Arrays joined: a single array stands for the list of its parts, as in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag

JOINS: dict[str, tuple[Any, Any]] = {
    f"{owner}{name}": (getattr(ours, name), getattr(np, name))
    for owner, ours, names in (
        ("ag.", ag, "concatenate stack hstack vstack column_stack"),
        ("np.", np, "concatenate stack hstack vstack column_stack dstack"),
    )
    for name in names.split()
} | {
    "np.linalg.multi_dot": (np.linalg.multi_dot, np.linalg.multi_dot),
    "along the last axis": (lambda x: ag.stack(x, axis=-1), lambda x: np.stack(x, axis=-1)),
    "of all values": (lambda x: np.concatenate(x, None), lambda x: np.concatenate(x, None)),
}


def outcome(call: Any, x: Any) -> Any:
    try:
        found = call(x)
    except (TypeError, ValueError):
        return "an error"
    return found.shape, found.tolist()


@pytest.mark.parametrize("kind", ["tensor", "array"])
@pytest.mark.parametrize("name", JOINS)
def test_one_array_is_joined_by_its_parts(name: str, kind: str) -> None:
    ours, numpys = JOINS[name]
    if name.startswith("np.") and kind == "array":
        pytest.skip("NumPy's own business")
    for shape in ((), (3,), (1, 2), (3, 2), (2, 2, 2), (3, 3, 3), (0, 2), (2, 0)):
        x = np.arange(float(np.prod(shape))).reshape(shape)
        given = x if kind == "array" else ag.tensor(x, requires_grad=True)
        assert outcome(ours, given) == outcome(numpys, x), shape


@pytest.mark.parametrize("name", JOINS)
def test_the_gradient_of_one_tensor_is_that_of_its_parts(name: str) -> None:
    join = JOINS[name][0]
    x = ag.tensor(np.arange(8.0).reshape(2, 2, 2), requires_grad=True)
    whole, parts = join(x), join([x[0], x[1]])
    weights = np.arange(1.0, 1.0 + whole.size).reshape(whole.shape)
    (found,), (expected,) = ag.grad(whole, x, weights), ag.grad(parts, x, weights)
    assert np.array_equal(found.numpy(), expected.numpy())
    assert found.numpy().any()


@pytest.mark.parametrize("name", [n for n in JOINS if "multi_dot" not in n])
def test_a_list_of_one_array_is_that_array(name: str) -> None:
    ours, numpys = JOINS[name]
    x = np.arange(6.0).reshape(3, 2)
    t = ag.tensor(x, requires_grad=True)
    assert outcome(ours, [t]) == outcome(numpys, [x])
    ours([t]).sum().backward()
    assert t.grad is not None
    assert t.grad.numpy().all()


def test_a_single_value_is_no_list() -> None:
    for join in (ag.concatenate, ag.stack, ag.hstack, ag.vstack, ag.column_stack):
        with pytest.raises(TypeError, match="xs must be a list of arrays, or one with axes, got"):
            join(ag.tensor(1.0))
