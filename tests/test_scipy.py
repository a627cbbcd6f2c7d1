"""Objectives for the optimizers of SciPy: models and functions of structures as flat functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.data import digits
from autograd_cnn.func import objective


def minimize(fun: Any, x0: np.ndarray, **options: Any) -> Any:
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    return optimize.minimize(fun, x0, jac=True, method="L-BFGS-B", **options)


def rosenbrock(p: Any) -> Any:
    return ((1.0 - p["x"]) ** 2 + 100.0 * (p["more"][0] - p["x"] ** 2) ** 2).sum()


def test_a_function_of_a_structure_reaches_its_minimum() -> None:
    fun, x0, unflatten = objective(rosenbrock, {"x": np.zeros(2), "more": (np.ones(2),)})
    assert x0.tolist() == [0.0, 0.0, 1.0, 1.0]
    found = minimize(fun, x0, options={"ftol": 1e-16, "gtol": 1e-10})
    best = unflatten(found.x)
    np.testing.assert_allclose(best["x"], 1.0, atol=1e-7)
    np.testing.assert_allclose(best["more"][0], 1.0, atol=1e-7)
    assert isinstance(best["x"], np.ndarray)


def test_value_and_gradient() -> None:
    x = np.array([0.3, -0.2, 0.5, 0.1])
    fun, _, _ = objective(rosenbrock, {"x": np.zeros(2), "more": (np.ones(2),)})
    value, gradient = fun(x)
    assert type(value) is float
    assert gradient.dtype == np.float64

    def plain(x: Any) -> Any:
        return rosenbrock({"x": x[:2], "more": (x[2:],)})

    assert value == plain(x)
    for k in range(4):
        step = np.zeros(4, complex)
        step[k] = 1e-30j
        assert np.isclose(gradient[k], plain(x + step).imag / 1e-30, rtol=1e-14)
    assert x.tolist() == [0.3, -0.2, 0.5, 0.1]


def test_logistic_regression_reaches_the_optimum_of_newton_s_method() -> None:
    images, labels = digits()[0]
    x = images[:300, 0, 4:24:2, 4:24:2].reshape(300, -1).astype(np.float64)
    x /= x.max()
    y = np.asarray(labels[:300]) % 2
    model = nn.Linear(x.shape[1], 1).double()
    penalty = 1e-2

    def loss(model: Any) -> Any:
        fit = F.binary_cross_entropy_with_logits(model(x)[:, 0], y.astype(float))
        return fit + penalty / 2 * sum((p * p).sum() for p in model.parameters())

    fun, x0, unflatten = objective(loss, model)
    found = minimize(fun, x0, options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000})

    ones, w = np.column_stack([x, np.ones(len(x))]), np.zeros(x.shape[1] + 1)
    for _ in range(12):  # Newton's method
        p = 1.0 / (1.0 + np.exp(-ones @ w))
        g = ones.T @ (p - y) / len(x) + penalty * w
        h = (ones * (p * (1 - p))[:, None]).T @ ones / len(x) + penalty * np.eye(len(w))
        w -= np.linalg.solve(h, g)
    np.testing.assert_allclose(found.x, w, atol=1e-6)  # the square root of the loss's digits, twice
    assert unflatten(found.x) is model
    np.testing.assert_array_equal(model.weight.numpy()[0], found.x[:-1])
    np.testing.assert_allclose(fun(w)[1], 0.0, atol=1e-12)
    assert model.weight.grad is None


def test_a_float32_model_gets_closer_in_float64_vectors() -> None:
    ag.manual_seed(0)
    x, target = ag.randn(20, 3), ag.randn(20, 1)
    model = nn.Linear(3, 1)
    fun, x0, unflatten = objective(lambda model: F.mse_loss(model(x), target), model)
    assert x0.dtype == np.float64
    np.testing.assert_array_equal(x0[:3], model.weight.numpy()[0])
    found = minimize(fun, x0)
    exact = np.linalg.lstsq(np.column_stack([x.numpy(), np.ones(20)]), target.numpy(), rcond=None)
    np.testing.assert_allclose(found.x, exact[0][:, 0], atol=1e-3)  # half the digits of float32
    assert unflatten(found.x).weight.dtype == np.float32


def test_frozen_and_shared_parameters_and_buffers() -> None:
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[0].weight.requires_grad_(False)
    model.twin = model[2].weight
    x = ag.randn(6, 2)
    fun, x0, unflatten = objective(lambda model, x: (model(x) ** 2).mean(), model)
    assert x0.shape == (3 + 3 + 3 + 3 + 1,)
    frozen, mean = model[0].weight.tolist(), np.array(model[1].running_mean)
    first, second = fun(x0, x), fun(x0, x)
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(model[1].running_mean, mean)
    model.eval()
    kept = np.array(model[1].running_mean)
    found = minimize(fun, x0, args=(x,))
    assert found.fun < first[0]
    np.testing.assert_array_equal(model[1].running_mean, kept)
    assert unflatten(found.x)[0].weight.tolist() == frozen


def test_what_the_loss_does_not_use_has_no_gradient() -> None:
    start = [ag.tensor([1.0, 2.0]), 3.0, np.float32(4.0), None]
    fun, x0, unflatten = objective(lambda p: (p[0] * p[2]).sum(), start)
    assert fun(x0)[1].tolist() == [4.0, 4.0, 0.0, 3.0]
    back = unflatten(x0 + 1.0)
    assert isinstance(back[0], ag.Tensor)
    assert (back[0].dtype, back[0].tolist(), back[1]) == (np.dtype("float32"), [2.0, 3.0], 4.0)
    assert (back[2].dtype, back[2].item(), back[3]) == (np.dtype("float32"), 5.0, None)
    with ag.no_grad():
        assert fun(x0)[1].tolist() == [4.0, 4.0, 0.0, 3.0]
    assert start[0].tolist() == [1.0, 2.0]  # type: ignore[union-attr]
    assert fun(x0)[0] == 12.0


def test_wrong_arguments() -> None:
    fun, _, unflatten = objective(lambda p: p.sum(), np.zeros(3))
    for call in (fun, unflatten):
        with pytest.raises(ValueError, match=r"vec must have the shape \(3,\)"):
            call(np.zeros(2))
    with pytest.raises(TypeError, match="objective: can only differentiate by floating"):
        objective(lambda p: p.sum(), np.arange(3))
    with pytest.raises(TypeError, match="objective: start must be a module or structure with"):
        objective(lambda p: p.sum(), [])
    for wrong in (lambda p: p * 2.0, lambda p: 1.0, lambda p: p.numpy().sum()):
        with pytest.raises(TypeError, match="objective: what the loss returns must be a tensor of"):
            objective(wrong, np.zeros(3))[0](np.zeros(3))
    with pytest.raises(ag.GraphError, match="does not require gradients"):
        objective(lambda p: p.detach().sum(), np.zeros(3))[0](np.zeros(3))
