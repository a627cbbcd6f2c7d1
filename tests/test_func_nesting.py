"""Transforms in transforms, and what is around a call."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# ----------------------------------------------------------------------------------------------- nesting


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_grad_nests(order: int) -> None:
    f = lambda x: x**5  # noqa: E731
    expected = 1.0
    for k in range(order):
        f, expected = func.grad(f), expected * (5 - k)
    assert np.isclose(f(np.float64(1.5)), expected * 1.5 ** (5 - order), rtol=1e-12)


def cubed(x: Any) -> Any:
    return x**3


def with_value(x: Any) -> Any:
    value, gradient = func.value_and_grad(cubed)(x)
    return value + gradient


def with_aux(x: Any) -> Any:
    gradient, aux = func.grad(lambda y: (y**3, y * 1.0), has_aux=True)(x)
    return gradient * aux


def under_no_grad(x: Any) -> Any:
    with ag.no_grad():
        constant = func.grad(cubed)(x)
    return constant * x


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # d/dx (x * d/dy (x + y)) = 1, the standard example
        (lambda x: x * func.grad(lambda y: x + y)(1.0), lambda x: 1.0),
        (lambda x: func.grad(lambda y: x * y * y)(2.0), lambda x: 4.0),
        (lambda x: x * func.grad(lambda y: y * y)(2.0), lambda x: 4.0),
        # x d/dy (x y) = x^2, at y = x, by either mode inside of the other
        (lambda x: x * func.jvp(lambda y: x * y, (x,), (1.0,))[1], lambda x: 2 * x),
        (lambda x: x * func.vjp(lambda y: x * y, x)[1](1.0)[0], lambda x: 2 * x),
        # x d/dy (x y^2) = 2 x^3
        (lambda x: x * func.grad(lambda y: x * y * y)(x), lambda x: 6 * x**2),
        # d/dy d/dz (x y z^2) at z = y: d/dy (2 x y^2) = 4 x^2
        (
            lambda x: func.jvp(lambda y: func.grad(lambda z: x * y * z * z)(y), (x,), (1.0,))[1],
            lambda x: 8 * x,
        ),
        # the derivative by a direction that is the variable itself: 3 x^2 x
        (lambda x: func.jvp(cubed, (x,), (x,))[1], lambda x: 9 * x**2),
        (lambda x: func.hvp(lambda y: x * y**3, (x,), (x,))[0], lambda x: 18 * x**2),
        (lambda x: func.hessian(lambda y: x * y**3)(x), lambda x: 12 * x),
        # by a tangent, a cotangent, or a direction of hvp
        (lambda x: func.jvp(cubed, (2.0,), (x,))[1], lambda x: 12.0),
        (lambda x: func.vjp(cubed, 2.0)[1](x)[0], lambda x: 12.0),
        (lambda x: func.hvp(cubed, (2.0,), (x,))[0], lambda x: 12.0),
        # what else a transform returns, and what cuts it off
        (with_value, lambda x: 3 * x**2 + 6 * x),
        (with_aux, lambda x: 9 * x**2),
        (under_no_grad, lambda x: 3 * x**2),
        (lambda x: func.grad(cubed)(x) ** 2, lambda x: 36 * x**3),
    ],
)
def test_perturbations_are_not_confused(function: Any, expected: Any) -> None:
    at = np.float64(1.7)
    assert np.isclose(func.grad(function)(at), expected(at), rtol=1e-12)
    assert np.isclose(func.jvp(function, (at,), (1.0,))[1], expected(at), rtol=1e-12)
    assert np.isclose(func.jacfwd(function)(at), expected(at), rtol=1e-12)


def test_every_pair_of_modes_gives_the_second_derivative() -> None:
    x, v = numbers(3), numbers(3, seed=1)
    f = lambda x: (ag.sin(x) * x**2).sum()  # noqa: E731
    expected = func.hessian(f)(x) @ v
    assert np.allclose(func.jvp(lambda x: func.vjp(f, x)[1](1.0)[0], (x,), (v,))[1], expected)
    assert np.allclose(func.vjp(lambda x: func.jvp(f, (x,), (v,))[1], x)[1](1.0)[0], expected)
    assert np.allclose(func.jvp(lambda x: func.jvp(f, (x,), (v,))[1], (x,), (v,))[1], expected @ v)
    assert np.allclose(func.vjp(lambda x: func.vjp(f, x)[1](1.0)[0], x)[1](v)[0], expected)
    for outer in (func.jacfwd, func.jacrev):
        for inner in (func.jacfwd, func.jacrev, func.grad):
            assert np.allclose(outer(inner(f))(x) @ v, expected)


def test_the_hessian_of_structures_has_them_twice() -> None:
    x = numbers(4)
    tree = {"a": x[:2], "b": (x[2:3], x[3])}
    f = lambda p: (ag.exp(p["a"]) * p["b"][0]).sum() * p["b"][1] ** 2  # noqa: E731
    found = func.hessian(f)(tree)
    flat = func.hessian(lambda x: f({"a": x[:2], "b": (x[2:3], x[3])}))(x)
    assert np.allclose(found["a"]["a"], flat[:2, :2])
    assert np.allclose(found["a"]["b"][0], flat[:2, 2:3])
    assert np.allclose(found["b"][0]["b"][1], flat[2:3, 3])
    assert np.allclose(found["b"][1]["a"], flat[3, :2])
    direction = {"b": (np.ones(1), 2.0), "a": np.ones(2)}
    (by,) = func.hvp(f, (tree,), (direction,))
    assert np.allclose(np.hstack([by["a"], by["b"][0], by["b"][1]]), flat @ [1.0, 1.0, 1.0, 2.0])


def test_transforms_of_transforms_of_transforms() -> None:
    f = lambda x: ag.sin(x).sum()  # noqa: E731
    x = numbers(3)
    third = func.jacfwd(func.hessian(f))(x)
    again = func.jacrev(func.jacfwd(func.grad(f)))(x)
    assert np.allclose(third, again)
    eps = 1e-5
    step = np.array([eps, 0, 0])
    differences = (func.hessian(f)(x + step) - func.hessian(f)(x - step)) / (2 * eps)
    assert np.allclose(third[..., 0], differences, atol=1e-8)


# --------------------------------------------------------------------------------- what is around a call


def test_works_under_no_grad_and_leaves_closed_over_tensors_alone() -> None:
    w = ag.tensor([2.0, 3.0], requires_grad=True)
    x = np.array([1.0, 1.0], np.float32)
    with ag.no_grad():
        inside = func.grad(lambda x: (w * x * x).sum())(x)
        linked = func.grad(lambda x: (w * x * x).sum())(ag.tensor(x))
        second = func.hessian(lambda x: (w * x * x).sum())(x)
        assert not ag.is_grad_enabled()
    assert inside.tolist() == [4.0, 6.0]
    assert not linked.requires_grad
    assert second.tolist() == [[4.0, 0.0], [0.0, 6.0]]
    assert func.grad(lambda x: (w * x * x).sum())(x).tolist() == [4.0, 6.0]
    assert w.grad is None


def test_a_tensor_argument_keeps_the_graph_to_what_is_closed_over() -> None:  # gradient penalty
    layer = nn.Linear(3, 1)
    g = func.grad(lambda x: (layer(x) ** 2).sum())(ag.tensor(numbers(4, 3), dtype="float32"))
    (g * g).sum().backward()
    assert layer.weight.grad is not None
    t = ag.tensor(2.0, requires_grad=True)
    assert func.grad(lambda y: y * t)(t).item() == 2.0
    func.grad(lambda x: x**3)(t).backward()
    assert t.grad is not None
    assert t.grad.item() == 12.0


def test_closed_over_results_with_a_freed_graph_are_constants() -> None:
    h = ag.exp(ag.tensor([1.0], requires_grad=True))
    h.sum().backward()
    assert np.allclose(func.grad(lambda x: (h * x).sum())(np.ones(1)), np.e)


def test_arguments_are_not_written_to_and_results_own_their_memory() -> None:
    x = np.ones(3)

    def f(t: Any) -> Any:
        t *= 5.0
        return (t * t).sum()

    for argument in (x, ag.tensor(x), ag.tensor(x, requires_grad=True)):
        assert func.grad(f)(argument).tolist() == [50.0] * 3
        assert argument.tolist() == [1.0] * 3
    _, pull = func.vjp(lambda t: t, x)
    u = np.full(3, 7.0)
    (g,) = pull(u)
    g[:] = 0.0
    assert u.tolist() == [7.0] * 3


def test_unused_arguments_have_gradient_zero() -> None:
    assert func.grad(lambda x, y: y * 2.0, argnums=0)(1.0, ag.tensor(2.0)) == 0.0
    assert func.grad(lambda x: ag.sign(x).sum())(np.ones(2)).tolist() == [0.0, 0.0]


def test_misuse_is_explained() -> None:  # mistakes_training.py has a row for every transform
    with pytest.raises(TypeError, match=r"grad: the function returned = 2\.0, not a tensor: .item"):
        func.grad(lambda x: x.sum().item())(np.ones(2))
    with pytest.raises(ValueError, match=r"argnums \(0, -1\) names an argument twice"):
        func.grad(abs, argnums=(0, -1))(1.0)
    with pytest.raises(TypeError, match=r"has_aux=True the function returns \(output, aux\)"):
        func.grad(abs, has_aux=True)(1.0)


def test_threads_transform_at_the_same_time() -> None:
    found: dict[int, float] = {}

    def work(k: int) -> None:
        for _ in range(20):
            found[k] = func.grad(func.grad(lambda x: x**3))(float(k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: 6.0 * k for k in range(4)}
