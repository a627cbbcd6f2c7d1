"""custom_gradient: a whole function with a gradient of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func
from autograd_cnn.engine.op import OPS
from autograd_cnn.testing import gradcheck, gradgradcheck


def leaf(*shape: int, seed: int = 0) -> ag.Tensor:
    return ag.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_a_function_with_a_gradient_of_its_own() -> None:
    @ag.custom_gradient(lambda g, out, x, y, *, scale: (g * y, g * x * scale))
    def multiply(x: Any, y: Any, *, scale: float = 1.0) -> Any:
        """x * y with a scaled gradient of y."""
        return x * y

    x, y = leaf(3), leaf(3, seed=1)
    out = multiply(x, y, scale=10.0)
    assert out.op.name == "multiply"
    assert out.op is not OPS["multiply"]
    assert multiply.__doc__ == "x * y with a scaled gradient of y."
    gx, gy = ag.grad(out.sum(), [x, y], create_graph=True)
    assert np.array_equal(gx.numpy(), y.numpy())
    assert np.array_equal(gy.numpy(), 10.0 * x.numpy())
    assert ag.grad(gx.sum(), y)[0].tolist() == [1.0] * 3
    assert isinstance(multiply(np.ones(2), np.ones(2)), np.ndarray)


def test_straight_through_rounding_with_methods_and_modules_inside() -> None:
    @ag.custom_gradient(lambda g, out, x: g)
    def rounded(x: Any) -> Any:
        return ag.tensor(np.round(x.relu().numpy()))

    x = ag.tensor([1.2, -0.7, 2.6], requires_grad=True)
    y = rounded(x)
    assert y.tolist() == [1.0, 0.0, 3.0]
    (y * 2.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 3


def test_misuse_of_custom_gradients_is_explained() -> None:
    @ag.custom_gradient(lambda g, out, x, y: g)
    def one_short(x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(ValueError, match="one_short: its rule returned 1 gradients for 2 inputs"):
        one_short(leaf(2), leaf(2)).sum().backward()

    @ag.custom_gradient(lambda g, out, x: g)
    def pair(x: Any) -> Any:
        return x, x

    with pytest.raises(TypeError, match="pair: the function must return one tensor"):
        pair(leaf(2))


def test_derivatives_of_every_order_follow_from_the_rule() -> None:
    @ag.custom_gradient(lambda g, out, x: g * 3.0 * x * x)
    def cube(x: Any) -> Any:
        return x * x * x

    assert gradcheck(cube, [leaf(2, 3)])
    assert gradgradcheck(cube, [leaf(2, 3)])
    assert func.grad(func.grad(func.grad(cube)))(2.0) == 6.0
    assert func.jvp(cube, (2.0,), (1.0,)) == (8.0, 12.0)
    assert np.allclose(
        func.hessian(lambda x: cube(x).sum())(np.array([1.0, -2.0])), np.diag([6.0, -12.0])
    )


def test_rules_may_answer_with_none_and_with_numbers() -> None:
    @ag.custom_gradient(lambda g, out, x, y: (None, 2.0))
    def first(x: Any, y: Any) -> Any:
        return x * 1.0

    x, y = ag.tensor(1.0, requires_grad=True), ag.tensor(1.0, requires_grad=True)
    assert [g.item() for g in ag.grad(first(x, y), [x, y])] == [0.0, 2.0]
    with pytest.raises(
        ag.GraphError, match=r"first: .*gradient of shape \(\) for an input of shape"
    ):
        ag.grad(first(ag.tensor(1.0), z := leaf(2)), z, np.ones(()))


def test_inputs_cannot_be_changed_in_place() -> None:
    @ag.custom_gradient(lambda g, out, x: g)
    def shifted(x: Any) -> Any:
        x += 1.0
        return x

    x = leaf(2)
    before = x.tolist()
    with pytest.raises(ValueError, match="shifted: the forward changes an argument in place"):
        shifted(x)
    assert x.tolist() == before
