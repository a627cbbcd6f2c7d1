"""Transforms of functions: against numerical derivatives and against each other, structures, second derivatives."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import autograd_cnn as ag
from autograd_cnn import func
from autograd_cnn import functional as F
from autograd_cnn.engine.op import OPS
from autograd_cnn.tensor.tree import flatten, matching
from tests.cases import CASES
from tests.test_ops import FUNCTIONS


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# --------------------------------------------------------------------------- every op of the registry


@pytest.mark.parametrize("name", sorted(OPS))
def test_jvp_is_the_directional_derivative_and_the_adjoint_of_vjp(name: str) -> None:
    @given(CASES[name])
    def check(case: Any) -> None:
        free = [
            i
            for i, x in enumerate(case.inputs)
            if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        ]

        def f(*xs: Any) -> Any:
            args = list(case.inputs)
            for i, x in zip(free, xs):
                args[i] = x
            return FUNCTIONS[name](*args, **case.params)

        primals = tuple(case.inputs[i] for i in free)
        assert primals
        rng = np.random.default_rng(0)
        tangents = tuple(rng.standard_normal(x.shape) for x in primals)
        out, moved = func.jvp(f, primals, tangents)
        assert np.array_equal(out, f(*primals))
        eps = 1e-6
        ends = [
            f(*(x + s * eps * t for x, t in zip(primals, tangents, strict=True))) for s in (1, -1)
        ]
        # Central differences in float64 are good to about 1e-9; curvature and values up to 100 cost two digits.
        assert np.allclose(moved, (ends[0] - ends[1]) / (2 * eps), rtol=1e-6, atol=1e-6)
        again, pull = func.vjp(f, *primals)
        u = rng.standard_normal(np.shape(again))
        right = sum(float((g * t).sum()) for g, t in zip(pull(u), tangents, strict=True))
        assert np.isclose(float((u * moved).sum()), right, rtol=1e-10, atol=1e-10)

    check()


# ------------------------------------------------------------------------------- values and structures


def test_grad_of_numbers_arrays_and_tensors_gives_their_kind() -> None:
    assert func.grad(lambda x: x * x)(3.0) == 6.0
    assert type(func.grad(lambda x: x * x)(3)) is float
    by_array = func.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    assert type(by_array) is np.ndarray
    assert by_array.dtype == np.float64
    by_tensor = func.grad(lambda x: (x * x).sum())(ag.tensor([1.0, 2.0]))
    assert isinstance(by_tensor, ag.Tensor)
    assert by_tensor.tolist() == [2.0, 4.0]
    assert not by_tensor.requires_grad
    assert type(func.grad(lambda x: (x * x).sum())(np.float32(2.0))) is np.ndarray


def test_argnums_aux_and_keywords() -> None:
    def f(x: Any, y: Any, *, scale: float = 1.0) -> Any:
        return (x * y * scale).sum(), {"product": x * y, "name": "f"}

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    (gx, gy), aux = func.grad(f, argnums=(0, 1), has_aux=True)(x, y, scale=2.0)
    assert gx.tolist() == [6.0, 8.0]
    assert gy.tolist() == [2.0, 4.0]
    assert type(aux["product"]) is np.ndarray
    assert aux["name"] == "f"
    (value, aux), gy = func.value_and_grad(f, argnums=-1, has_aux=True)(x, y)
    assert value == 11.0
    assert aux["product"].tolist() == [3.0, 8.0]
    assert gy.tolist() == [1.0, 2.0]


def test_structures_are_kept() -> None:
    Pair = namedtuple("Pair", "a b")
    parameters = {
        "layer": [np.ones(2), Pair(ag.tensor([2.0]), 3.0)],
        "none": None,
        "plain": (np.float32(1.0),),
    }
    found = func.grad(lambda p: (p["layer"][0] * p["layer"][1].a * p["layer"][1].b).sum())(
        parameters
    )
    assert found["layer"][0].tolist() == [6.0, 6.0]
    assert isinstance(found["layer"][1], Pair)
    assert found["layer"][1].a.tolist() == [6.0]
    assert found["layer"][1].b == 4.0
    assert found["none"] is None
    assert found["plain"][0] == 0.0


def test_flatten_and_matching() -> None:
    leaves, rebuild = flatten([1, {"b": (2, None)}])
    assert leaves == [1, 2]
    assert rebuild([3, 4]) == [3, {"b": (4, None)}]
    assert matching("f", {"b": 1, "a": 2}, {"a": 0, "b": 0}) == [2, 1]
    with pytest.raises(TypeError, match=r"f: expected the structure \(\*, \*\), got \*"):
        matching("f", 1, (1, 2))


def test_vjp_can_be_pulled_often_and_follows_structures() -> None:
    x, y = numbers(3), numbers(3, seed=1)
    out, pull = func.vjp(lambda x, y: {"p": x * y, "s": (x.sum(),)}, x, y)
    assert np.allclose(out["p"], x * y)
    for _ in range(2):
        gx, gy = pull({"p": np.ones(3), "s": (10.0,)})
        assert np.allclose(gx, y + 10.0)
        assert np.allclose(gy, x)
    with pytest.raises(TypeError, match="vjp: expected the structure"):
        pull(np.ones(3))
    with pytest.raises(ValueError, match=r"direction 0 of shape \(2,\).* must have shape \(3,\)"):
        pull({"p": np.ones(2), "s": (1.0,)})


def test_jvp_with_structures_constant_outputs_and_unused_inputs() -> None:
    x, y = numbers(2), numbers(2, seed=1)
    out, moved = func.jvp(
        lambda p, y: (p["x"] ** 2, ag.tensor([5.0])), ({"x": x}, y), ({"x": np.ones(2)}, y)
    )
    assert np.allclose(out[0], x**2)
    assert np.allclose(moved[0], 2 * x)
    assert moved[1].tolist() == [0.0]


def test_outputs_of_integers_have_no_derivative() -> None:
    x = np.array([1.0, 3.0, 2.0])
    out, moved = func.jvp(lambda x: (x.sum(), ag.tensor(x.argmax())), (x,), (x,))
    assert out[1] == 1
    assert [float(t) for t in moved] == [6.0, 0.0]
    assert func.vjp(lambda x: ag.tensor(x.argmax()), x)[1](0)[0].tolist() == [0.0] * 3


def test_jacobians_agree_and_have_the_promised_structure() -> None:
    a, x, y = numbers(3, 2), numbers(2), numbers(4, seed=1)

    def f(p: Any, y: Any) -> Any:
        return {"ax": ag.matmul(a, p["x"]), "xy": p["x"].sum() * y}

    for method in (func.jacobian, func.jacrev, func.jacfwd):
        found = method(f, argnums=(0, 1))({"x": x}, y)
        assert np.allclose(found["ax"][0]["x"], a)
        assert np.allclose(found["ax"][1], np.zeros((3, 4)))
        assert np.allclose(found["xy"][0]["x"], np.repeat(y[:, None], 2, axis=1))
        assert np.allclose(found["xy"][1], x.sum() * np.eye(4))


@pytest.mark.parametrize("method", [func.jacobian, func.jacrev, func.jacfwd])
def test_jacobians_at_the_edges(method: Any) -> None:
    assert method(lambda x: x * x)(3.0) == 6.0
    assert method(lambda x: x * x)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert method(lambda x: x.sum())(np.ones((2, 3))).shape == (2, 3)
    single = method(ag.exp)(np.zeros((2, 1), np.float32))
    assert single.dtype == np.float32
    assert single.shape == (2, 1, 2, 1)


# ------------------------------------------------------------------------------------ second derivatives


def test_the_hessian_of_a_cnns_loss_is_symmetric_and_hvp_is_its_product() -> None:
    images, labels = numbers(2, 1, 4, 4), np.array([0, 2])

    def loss(w: Any, v: Any) -> Any:
        h = F.max_pool2d(ag.tanh(F.conv2d(images, w, padding=1)), 2)
        return F.cross_entropy(ag.linear(F.flatten(h, 1), v), labels)

    w, v = numbers(2, 1, 3, 3, seed=1), numbers(3, 8, seed=2)
    dw, dv = numbers(*w.shape, seed=3), numbers(*v.shape, seed=4)
    (ww, wv), (vw, vv) = func.hessian(loss, argnums=(0, 1))(w, v)
    assert np.allclose(wv.reshape(18, 24), vw.reshape(24, 18).T, atol=1e-12)
    assert np.allclose(ww.reshape(18, 18), ww.reshape(18, 18).T, atol=1e-12)
    hw, hv = func.hvp(loss, (w, v), (dw, dv))
    assert np.allclose(hw, np.tensordot(ww, dw, 4) + np.tensordot(wv, dv, 2), atol=1e-12)
    assert np.allclose(hv, np.tensordot(vw, dw, 4) + np.tensordot(vv, dv, 2), atol=1e-12)
    _, pushed = func.jvp(func.grad(loss, argnums=(0, 1)), (w, v), (dw, dv))
    assert np.allclose(pushed[0], hw, atol=1e-12)


def test_hessian_of_a_vector_function_and_of_a_linear_one() -> None:
    found = func.hessian(lambda x: ag.stack([x[0] * x[1], x[0] ** 3]))(np.array([2.0, 3.0]))
    assert np.allclose(found, [[[0, 1], [1, 0]], [[12, 0], [0, 0]]])
    assert func.hessian(lambda x: 3.0 * x)(2.0) == 0.0
