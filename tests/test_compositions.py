"""Compositions: what they take, erf to its last digits, the errors of einsum."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.ops import exponential


def test_compositions_take_what_ops_take() -> None:
    assert ag.squeeze([[1.0, 2.0]]).dtype == np.float32
    assert ag.squeeze(np.ones((1, 2)), 0).shape == (2,)
    assert ag.median(3.0) == 3.0
    assert ag.vstack([[1.0], [2.0]]).tolist() == [[1.0], [2.0]]
    with pytest.raises(TypeError, match=r"squeeze: got 1 arguments too many; .*squeeze\(x"):
        ag.squeeze(np.ones(2), 0, 1)
    with pytest.raises(TypeError, match=r"squeeze: .*list of tensors.* join them with ag\.stack"):
        ag.squeeze([ag.tensor([1.0])])
    with pytest.raises(TypeError, match="squeeze: got 'axis' twice"):
        ag.squeeze(np.ones((1, 2)), 0, axis=0)


# ------------------------------------------------------------------------------------------- erf


def test_erf_is_exact_to_rounding() -> None:
    x = np.concatenate([np.linspace(-7, 7, 20_001), np.logspace(-300, 0, 500), [1.0, -1.0, 6.0]])
    exact = np.array([math.erf(v) for v in x])
    found = exponential.erf(x)
    assert np.abs(found - exact).max() < 6e-16  # measured 4.5e-16
    assert (np.abs(found - exact) <= 6e-16 * np.abs(exact)).all()
    assert np.signbit(exponential.erf(np.array([-0.0]))).all()
    assert exponential.erf(np.array([np.inf, -np.inf])).tolist() == [1.0, -1.0]
    assert np.isnan(exponential.erf(np.array([np.nan]))).all()
    assert exponential.erf(np.array([1])).dtype == np.float64


# ---------------------------------------------------------------------------------------- einsum


def test_einsum_with_one_tensor_in_two_places() -> None:
    x = ag.tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    (found,) = ag.grad(ag.einsum("ij,ij->", x, x), x)
    assert found.tolist() == [[2.0, 4.0], [6.0, 8.0]]
