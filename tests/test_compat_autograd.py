"""The home for programs of HIPS autograd: its names, its numbers, and errors for what is absent."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import autograd_cnn.compat.autograd.numpy.linalg as npl
import autograd_cnn.compat.autograd.numpy.random as npr
import numpy as onp
import pytest

import autograd_cnn as ag
import autograd_cnn.compat.autograd.numpy as np
from autograd_cnn.compat import autograd
from autograd_cnn.compat.autograd import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    hessian,
    hessian_vector_product,
    jacobian,
    make_hvp,
    make_jvp,
    make_vjp,
    primitive,
    value_and_grad,
    vector_jacobian_product,
)
from autograd_cnn.compat.autograd.extend import defjvp, defvjp, defvjp_argnum
from autograd_cnn.compat.autograd.misc import flatten
from autograd_cnn.compat.autograd.misc.flatten import flatten_func
from autograd_cnn.compat.autograd.misc.optimizers import adam, rmsprop, sgd
from autograd_cnn.compat.autograd.scipy import special
from autograd_cnn.compat.autograd.scipy.stats import multivariate_normal as mvn
from autograd_cnn.compat.autograd.scipy.stats import norm
from autograd_cnn.compat.autograd.test_util import check_grads

X = onp.array([0.3, -0.7, 1.1])
M = onp.array([[2.0, 0.3], [0.4, 1.5]])


# -------------------------------------------------------------------------------------- derivatives


def test_a_number_gives_a_float64_whatever_its_type() -> None:
    for x in (2.0, 2, onp.float64(2.0), onp.int64(2), onp.array(2.0), onp.array(2)):
        found = grad(lambda x: x**3)(x)
        assert type(found) is onp.float64
        assert found == 12.0
    value, slope = value_and_grad(np.tanh)(0.5)
    assert (type(value), type(slope)) == (onp.float64, onp.float64)
    assert value == math.tanh(0.5)
    assert abs(slope - (1.0 - math.tanh(0.5) ** 2)) < 1e-16
    assert grad(lambda x: np.sum(x))(onp.array([1, 2])).dtype == onp.float64
    assert grad(np.sum)(X.astype(onp.float32)).dtype == onp.float32


def test_derivatives_nest_to_the_fifth() -> None:
    f, x = np.tanh, 0.3
    for _ in range(5):
        f = grad(f)
    t = math.tanh(x)
    assert math.isclose(f(x), 8 * (1 - t * t) * (2 - 15 * t * t + 15 * t**4), rel_tol=1e-12)
    wave = np.sin
    for _ in range(4):
        wave = elementwise_grad(wave)
    assert onp.allclose(wave(X), onp.sin(X), rtol=1e-15)


def test_gradients_have_the_structure_of_arguments() -> None:
    params = {"w": X, "b": [2.0, (M, 1)]}
    out = grad(lambda p: np.sum(p["w"]) * p["b"][0] + np.sum(p["b"][1][0]) * p["b"][1][1])(params)
    assert out["w"].tolist() == [2.0] * 3
    assert out["b"][0] == X.sum()
    assert out["b"][1][0].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert math.isclose(out["b"][1][1], M.sum())
    f = lambda x, y, k=1.0: k * x * y**2  # noqa: E731
    assert grad(f, 1)(3.0, 2.0) == 12.0
    assert grad(f, (0, 1))(3.0, 2.0, k=2.0) == (8.0, 24.0)
    assert grad(f, [1])(3.0, 2.0) == (12.0,)
    assert grad(f, argnum=-1)(3.0, 2.0) == 12.0


def test_a_function_that_closes_over_an_outer_variable() -> None:
    assert grad(lambda x: x * grad(lambda y: x * y * y)(2.0))(3.0) == 24.0
    assert jacobian(lambda x: grad(lambda y: np.sum(x * y * y))(x))(X).tolist() == [
        [4.0 * x if i == j else 0.0 for j in range(3)] for i, x in enumerate(X)
    ]


def test_jacobians_hessians_and_products() -> None:
    f = lambda x: np.array([x[0] * x[1], np.sin(x[2]), 4.0])  # noqa: E731
    expected = [[X[1], X[0], 0.0], [0.0, 0.0, math.cos(X[2])], [0.0, 0.0, 0.0]]
    assert onp.allclose(jacobian(f)(X), expected, rtol=1e-15)
    assert jacobian(lambda x: 3.0 * x)(2.0) == 3.0
    assert jacobian(lambda x: np.outer(x, x))(X).shape == (3, 3, 3)
    square = lambda x: np.dot(x, np.dot(onp.diag([1.0, 2.0, 3.0]), x))  # noqa: E731
    assert hessian(square)(X).tolist() == onp.diag([2.0, 4.0, 6.0]).tolist()
    assert hessian(lambda x: np.exp(2.0 * x))(0.0) == 4.0
    v = onp.array([1.0, -1.0, 2.0])
    product, slope = make_hvp(square)(X)
    assert product(v).tolist() == hessian_vector_product(square)(X, v).tolist() == [2.0, -4.0, 12.0]
    assert onp.allclose(slope, 2.0 * X * [1.0, 2.0, 3.0])
    pull, value = make_vjp(f)(X)
    assert onp.allclose(pull(v), v @ expected)
    assert onp.allclose(pull(v), pull(v))
    assert onp.allclose(value, f(X))
    assert onp.allclose(vector_jacobian_product(f)(X, v), v @ expected)
    value, moved = make_jvp(f)(X)(v)
    assert onp.allclose(moved, expected @ v)
    assert deriv(np.exp)(0.0) == 1.0
    assert grad_and_aux(lambda x: (x * x, {"kept": x + 1, "name": "a"}))(3.0) == (
        6.0, {"kept": 4.0, "name": "a"},
    )  # fmt: skip
    assert checkpoint(np.exp)(0.0) == 1.0
    assert grad(checkpoint(lambda x: np.exp(2.0 * x)))(0.0) == 2.0


def test_a_constant_warns_as_there() -> None:
    for transform in (grad, elementwise_grad, jacobian):
        with pytest.warns(UserWarning, match="Output seems independent of input"):
            assert transform(lambda x: 3.0)(1.0) == 0.0
    with pytest.warns(UserWarning, match="Output seems independent"):
        assert grad(lambda x: float(x) ** 2)(1.0) == 0.0


def test_what_has_no_meaning_here_raises() -> None:
    for call, error, words in (
        (lambda: grad(np.sum)(onp.array([1j])), TypeError, "floating arrays.*complex"),
        (lambda: grad(np.exp)(X), ValueError, "single value, got shapes"),
        (lambda: autograd.holomorphic_grad(np.exp), TypeError, "real numbers only"),
        (lambda: grad(lambda x: npr.normal(x))(1.0), TypeError, r"np\.random\.normal on a Tensor"),
        (lambda: grad(lambda x: np.linalg.qr(x))(M), TypeError, r"np\.linalg\.qr on a Tensor"),
        (lambda: grad(lambda x: np.fft.fft(x))(X), TypeError, r"np\.fft\.fft.*sines and cosines"),
        (lambda: autograd.extend.Box, AttributeError, "Box'; values are tensors"),
        (lambda: autograd.make_ggnvp, AttributeError, "make_ggnvp'; write make_vjp"),
        (lambda: special.gammaln, AttributeError, "gammaln'; decorate SciPy's"),
        (lambda: np.nonsense, AttributeError, "nonsense"),
        (lambda: defvjp(np.exp, None), TypeError, "exp must be a function of your own"),
    ):
        with pytest.raises(error, match=words):
            call()


# -------------------------------------------------------------------------------------------- numpy


ARRAYS: list[Any] = [
    lambda x: np.array([x[0], 2.0, x[1]]),
    lambda x: np.array([[x[0], x[1]], [x[2], 1]]),
    lambda x: np.array([x, x * 2.0, X], ndmin=3),
    lambda x: np.array(x),
    lambda x: np.asarray([x[0], x[1]]),
    lambda x: np.asarray((x,)),
    lambda x: np.append(x, [1.0, 2.0]),
    lambda x: np.stack([x, [1.0, 2.0, 3.0]], axis=1),
    lambda x: np.stack(x * k for k in range(1, 3)),
    lambda x: np.concatenate(list(map(np.atleast_1d, (x[0], x)))),
    lambda x: np.concatenate([x[None], X[None]], axis=0),
    lambda x: np.vstack((x, X)),
    lambda x: np.hstack([x, x[:1]]),
    lambda x: np.where(X > 0.0, x, [1.0, 2.0, 3.0]),
    lambda x: np.full((2, 3), x[0]),
    lambda x: np.maximum([x[0], x[1]], 0.5),
    lambda x: np.sum([x[0], x[1] * 2.0]),
    lambda x: np.exp((x[0], x[1])),
    lambda x: np.dot([x[0], 1.0], [3.0, x[1]]),
    lambda x: np.dot(np.outer(x, x), x),
    lambda x: np.dot(x[0], x),
    lambda x: np.tensordot(np.outer(x, X), x, axes=([0], [0])),
    lambda x: np.einsum("i,j->ij", x, x),
    lambda x: np.linalg.solve(np.outer(x, x) + 2.0 * np.eye(3), X),
    lambda x: npl.inv(np.diag(x)),
    lambda x: np.linalg.det(np.outer(x, x) + np.eye(3)),
    lambda x: np.linalg.slogdet(np.outer(x, x) + np.eye(3))[1],
    lambda x: np.linalg.cholesky(np.outer(x, x) + np.eye(3)),
    lambda x: np.linalg.norm(x),
    lambda x: np.logaddexp(x, 0.0),
    lambda x: np.roll(x, 1),
    lambda x: x.reshape((3, 1)).T[:, ::-1].flatten() ** 2 / (1.0 + x[0]),
    lambda x: np.repeat(x, 2),
    lambda x: -x[np.array([2, 0])] @ x[:2] + abs(x).mean() - 3.0 / x.max(),
    lambda x: np.interp(0.2, [0.0, 0.5, 1.0], x),
]


@pytest.mark.parametrize("f", ARRAYS, ids=range(len(ARRAYS)))
def test_functions_of_lists_and_tensors(f: Any) -> None:
    check_grads(lambda x: f(x) * 1.0)(X)
    plain = f(X)
    inside: list[Any] = []
    grad(lambda x: (inside.append(f(x)), np.sum(inside[0]))[1])(X)
    assert inside[0].dtype == onp.float64
    assert onp.allclose(inside[0].numpy(), plain, rtol=1e-14)
    assert inside[0].shape == onp.shape(plain)


def test_without_tensors_numpy_is_numpys_own() -> None:
    assert type(np.array([1.0, 2.0])) is onp.ndarray
    assert np.zeros(2).dtype == np.exp([1.0]).dtype == onp.float64
    assert np.float64 is onp.float64
    assert np.pi is onp.pi
    assert np.add.reduce([1.0, 2.0]) == 3.0
    assert np.add.accumulate([1, 2]).tolist() == [1, 3]
    assert np.random is npr
    npr.seed(3)
    assert npr.randn() == onp.random.RandomState(3).randn()
    assert isinstance(npr.RandomState(1), onp.random.RandomState)
    assert np.isscalar(ag.tensor(1.0)) is False
    assert np.mean.__name__ == "mean"
    assert {"random", "linalg", "exp", "newaxis"} <= {*dir(np)}


def test_arrays_inside_a_function_behave_like_arrays() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append(
            [len(x), x.shape, x.ndim, x.size, bool(x[0] > 0.0), (x > 0.0).tolist(), float(x[1])]
        )
        seen.append(autograd.isinstance(x, onp.ndarray))
        seen.append(type(autograd.tracer.getval(x)))
        y = x * 1.0
        y[0] = 0.0
        return np.sum(y)

    assert grad(f)(X).tolist() == [0.0, 1.0, 1.0]
    assert seen == [[3, (3,), 1, 3, True, [True, False, True], -0.7], True, onp.ndarray]
    assert autograd.tracer.isbox(ag.tensor(1.0))
    assert autograd.tuple is tuple


# -------------------------------------------------------------------------------- own gradients


def test_a_primitive_with_rules_of_several_arguments() -> None:
    @primitive
    def f(x: Any, y: Any, power: int = 2) -> Any:
        assert type(x) is onp.ndarray or isinstance(x, float)
        return onp.asarray(x) ** power * y

    defvjp(
        f,
        lambda ans, x, y, power=2: lambda g: g * power * x ** (power - 1) * y,
        lambda ans, x, y, power=2: lambda g: g * x**power,
    )
    defjvp(f, "ignored")
    assert f(2.0, 3.0) == 12.0
    assert grad(f)(2.0, 3.0) == 12.0
    assert grad(f, (0, 1))(2.0, 3.0, power=3) == (36.0, 8.0)
    assert grad(grad(f))(2.0, 3.0) == 6.0
    check_grads(f, (0, 1), order=3)(X, X[::-1])
    check_grads(lambda x: f(x, x))(0.7)


def test_a_primitive_takes_structures_and_skips_what_is_not_wanted() -> None:
    scaled = primitive(lambda pair, name: pair[0] * pair[1] * len(name))
    defvjp_argnum(
        scaled,
        lambda n, ans, args, kwargs: lambda g: (g * args[0][1] * 3.0, g * args[0][0] * 3.0),
    )
    assert grad(lambda x: scaled((x, 2.0), "abc"))(5.0) == 6.0
    assert grad(lambda x: scaled((x, x), "abc"))(5.0) == 30.0
    flat = primitive(lambda x, y: x + y)
    defvjp(flat, None, argnums=[1])
    assert grad(flat, 1)(1.0, 2.0) == 0.0
    with pytest.raises(NotImplementedError, match=r"VJP of <lambda> wrt argnums \[0\] not defined"):
        grad(flat)(1.0, 2.0)
    with pytest.raises(NotImplementedError, match="not defined"):
        grad(primitive(lambda x: x * 2.0))(1.0)


def test_a_primitive_cannot_change_what_it_is_given() -> None:
    def spoil(x: Any) -> Any:
        x += 1.0
        return x

    with pytest.raises(ValueError, match="changes an argument in place"):
        grad(primitive(spoil))(onp.array(1.0))
    # What a caller changes afterwards does not change the gradient.
    times = primitive(lambda x, y: x * y)
    defvjp(times, lambda ans, x, y: lambda g: g * y)

    def f(x: Any) -> Any:
        factor = onp.array([2.0])
        out = times(x, factor)
        factor[:] = 100.0
        return np.sum(out)

    assert grad(f)(onp.array([1.0])).tolist() == [2.0]


# ------------------------------------------------------------------------------- misc, scipy, checks


def test_flatten_goes_by_sorted_keys_and_back() -> None:
    value = {"z": [1.0, (M, 2.0)], "a": {"k": X}}
    vector, unflatten = flatten(value)
    assert vector.tolist() == [*X, 1.0, *M.ravel(), 2.0]
    again = unflatten(vector)
    assert again["z"][1][0].tolist() == M.tolist()
    assert (type(again["z"]), type(again["z"][1])) == (list, tuple)
    assert flatten([])[0].tolist() == []
    assert grad(lambda p: np.sum(flatten(p)[0] ** 2))({"b": 1.0, "a": X})["b"] == 2.0
    f, _, start = flatten_func(lambda p: {"double": 2.0 * p["a"]["k"]}, value)
    assert f(start).tolist() == (2.0 * X).tolist()


@pytest.mark.parametrize("optimizer", [sgd, rmsprop, adam])
def test_optimizers_find_a_minimum_and_call_back(optimizer: Any) -> None:
    target, calls = {"a": X, "b": (2.0,)}, []
    loss = lambda p, i: np.sum((p["a"] - target["a"]) ** 2) + (p["b"][0] - 2.0) ** 2  # noqa: E731
    start = {"a": onp.zeros(3), "b": (0.0,)}
    end = optimizer(
        grad(loss), start, callback=lambda p, i, g: calls.append((loss(p, i), i, g["b"][0])),
        num_iters=300, step_size=0.05,
    )  # fmt: skip
    assert onp.allclose(end["a"], X, atol=0.02)
    assert calls[0] == ((X**2).sum() + 4.0, 0, -4.0)
    assert [i for _, i, _ in calls] == list(range(300))
    assert start["b"] == (0.0,)
    # By position: callback, iterations, step size.
    assert optimizer(lambda x, i: 0.0 * x, 3.0, None, 2, 0.1) == 3.0
    learned = lambda size: optimizer(lambda x, i: 2.0 * x, onp.array([1.0]), None, 3, size)[0]  # noqa: E731
    check_grads(learned)(0.1)


def test_special_functions_and_densities() -> None:
    for f, x in (
        (special.erf, X), (special.erfc, X), (special.expit, X), (special.logit, abs(X) / 2.0),
        (special.logsumexp, X), (lambda x: special.logsumexp(x[None], axis=1, keepdims=True), X),
        (lambda x: special.logsumexp(x, b=[1.0, -0.2, 3.0]), X), (special.softmax, X),
        (lambda x: special.xlogy(x, x), abs(X)), (norm.logcdf, onp.array([-50.0, -29.9, 0.4])),
    ):  # fmt: skip
        check_grads(f)(x)
    assert special.expit(0) == 0.5
    assert special.erfc(10.0) == math.erfc(10.0)
    assert special.logsumexp([0.0, onp.log(3.0)]) == onp.log(4.0)
    for f in (norm.pdf, norm.logpdf, norm.cdf, norm.logcdf):
        check_grads(f, (0, 1, 2))(X, 0.2, 1.5)
    cov = onp.array([[1.0, 0.3], [0.3, 2.0]])
    check_grads(lambda x, m, r: mvn.logpdf(x, m, np.dot(r, r.T)), (0, 1, 2))(M, cov[0], cov)
    assert mvn.logpdf(M, onp.zeros(2), 2.0).shape == (2,)


def test_densities_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    z = onp.array([-200.0, -40.0, -30.0, -29.9, -3.0, 0.0, 5.0])
    assert onp.allclose(norm.logcdf(z), stats.norm.logcdf(z), rtol=1e-13)
    assert onp.allclose(norm.cdf(z, 1.0, 2.0), stats.norm.cdf(z, 1.0, 2.0), rtol=1e-12)
    assert onp.allclose(norm.pdf(z, 1.0, 2.0), stats.norm.pdf(z, 1.0, 2.0), rtol=1e-12)
    cov = onp.array([[1.0, 0.3], [0.3, 2.0]])
    there = stats.multivariate_normal
    assert onp.allclose(mvn.logpdf(M, [0.0, 1.0], cov), there.logpdf(M, [0.0, 1.0], cov))
    assert math.isclose(mvn.entropy(None, cov), there.entropy(None, cov))


def test_check_grads_finds_a_wrong_rule() -> None:
    wrong = primitive(lambda x: onp.sin(x))
    defvjp(wrong, lambda ans, x: lambda g: g * np.cos(x) * 1.001)
    with pytest.raises(AssertionError, match="derivative 1 is"):
        check_grads(wrong)(X)
    second = primitive(lambda x: onp.sin(x))
    defvjp(second, lambda ans, x: lambda g: g * onp.cos(autograd.tracer.getval(x)))
    check_grads(second, order=1)(X)
    with pytest.raises(AssertionError, match="derivative 2 is"):
        check_grads(second)(X)


def test_every_form_of_import() -> None:
    code = """
from autograd_cnn.compat.autograd import numpy as np
from autograd_cnn.compat.autograd import grad as g, tuple, list, dict, isinstance
import autograd_cnn.compat.autograd.numpy.random as npr
import autograd_cnn.compat.autograd.scipy.stats.norm as norm
import autograd_cnn.compat.autograd.scipy.stats.multivariate_normal as mvn
from autograd_cnn.compat.autograd.numpy.linalg import solve, inv
from autograd_cnn.compat.autograd.misc.optimizers import adam, sgd, rmsprop
from autograd_cnn.compat.autograd.misc import flatten
from autograd_cnn.compat.autograd.extend import primitive, defvjp, defjvp
from autograd_cnn.compat.autograd.builtins import tuple as container
from autograd_cnn.compat.autograd.tracer import getval
from autograd_cnn.compat.autograd.test_util import check_grads
import autograd_cnn as ag
print(float(ag.compat.autograd.grad(np.exp)(0.0)), npr.RandomState(0).randint(1), np.linalg.inv is inv)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1.0 0 True\n", done.stderr
