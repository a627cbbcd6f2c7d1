"""Clipping of gradients: the norm of all of them, the factor, and what is not finite."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.nn.utils import clip_grad_norm_, clip_grad_value_
from tests.optim_parts import gradients, leaf

SHAPES = [(2, 3), (), (4,), (0, 2)]


def parameters(dtype=np.float64):
    found = [leaf(np.zeros(shape), dtype) for shape in SHAPES]
    for seed, (p, shape) in enumerate(zip(found, SHAPES)):
        p.grad = gradients(shape, 3, seed)[2]
    return [*found, leaf([1.0])]  # the last has no gradient


def joined(found):
    return np.concatenate([p.grad.numpy().ravel() for p in found if p.grad is not None])


@given(
    max_norm=st.floats(0, 200),
    order=st.sampled_from([1, 2, 2.5, 3, math.inf]),
)
def test_the_norm_is_that_of_one_vector_and_the_direction_stays(max_norm, order):
    found = parameters()
    before = joined(found)
    powers = np.abs(before)
    expected = powers.max() if order == math.inf else (powers**order).sum() ** (1 / order)
    norm = clip_grad_norm_(found, max_norm, order)
    assert type(norm) is float
    assert norm == pytest.approx(expected, rel=1e-12)
    factor = min(max_norm / (expected + 1e-6), 1)
    # A product in float64, and a factor from a sum in another order.
    np.testing.assert_allclose(joined(found), before * factor, rtol=1e-12)
    assert [p.grad.shape for p in found[:-1]] == SHAPES
    assert found[-1].grad is None


def test_gradients_within_the_bound_are_left_alone_and_iterators_are_parameters():
    found = parameters()
    before = [p.grad for p in found]
    clip_grad_norm_(found, math.inf)
    assert all(p.grad is g for p, g in zip(found, before))
    assert clip_grad_norm_((p for p in found), 1.0) > 1.0
    assert clip_grad_norm_(found, 1.0) == pytest.approx(1.0)
    assert clip_grad_norm_(found[2], 0.0) > 0.0
    assert found[2].grad.tolist() == [0.0] * 4
    assert clip_grad_norm_(leaf([1.0]), 1.0) == 0.0


@pytest.mark.parametrize("order", [1, 2, 3.5, math.inf])
def test_frozen_parameters_do_not_count(order):
    found = parameters()
    frozen = found[1:3]
    for p in frozen:
        p.requires_grad_(False)
    before = [p.grad for p in frozen]
    expected = clip_grad_norm_([found[0], *found[3:]], math.inf, order)
    assert clip_grad_norm_(found, 1e-3, order) == expected
    clip_grad_value_(found, 1e-6)
    assert all(p.grad is g for p, g in zip(frozen, before))
    assert abs(found[0].grad.numpy()).max() <= 1e-6


@pytest.mark.parametrize(("dtype", "large"), [("float16", 6e4), ("float32", 1e30)])
def test_a_large_gradient_has_a_norm_in_any_dtype(dtype, large):
    x = leaf([0.0] * 4, dtype)
    x.grad = [large] * 4
    # float16 keeps 11 bits of `large` and of the result.
    assert clip_grad_norm_([x], np.float64(2.0)) == pytest.approx(2 * large, rel=2**-10)
    assert x.grad.dtype == dtype
    assert x.grad.tolist() == pytest.approx([1.0] * 4, rel=2**-10)


def test_a_gradient_that_others_hold_is_not_written_to():
    shared = ag.tensor([3.0, 4.0])
    x, y = leaf([0.0, 0.0], np.float32), leaf([0.0, 0.0], np.float32)
    x.grad = y.grad = shared
    clip_grad_norm_([x], 1.0)
    clip_grad_value_([y], 2.0)
    assert shared.tolist() == [3.0, 4.0]
    assert x.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-6)
    assert y.grad.tolist() == [2.0, 2.0]


def test_gradients_with_a_graph_are_cut_off_from_it():
    x = leaf([3.0, 4.0])
    (x * x).sum().backward(create_graph=True)
    assert x.grad.op is not None
    clip_grad_norm_([x], 5.0)
    assert x.grad.op is None
    assert x.grad.tolist() == pytest.approx([3.0, 4.0], rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite(bad):
    found = parameters()
    found[2].grad = [0.5, bad, 1.0, 1.0]
    before = joined(found)
    with pytest.raises(RuntimeError, match=f"the norm of the gradients is {bad}.*detect_anomaly"):
        clip_grad_norm_(found, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(joined(found), before)
    norm = clip_grad_norm_(found, 1.0)
    assert norm == pytest.approx(bad, nan_ok=True)
    after = joined(found)
    finite = np.isfinite(before)
    assert np.isnan(after[~finite]).all()
    assert np.isnan(after).all() if math.isnan(bad) else (after[finite] == 0).all()


@given(bound=st.floats(0, 50))
def test_values_are_cut_off(bound):
    found = parameters(np.float32)
    before = joined(found)
    assert clip_grad_value_(found, bound) is None
    after = joined(found)
    assert after.dtype == np.float32
    np.testing.assert_array_equal(after, np.minimum(np.maximum(before, -bound), bound))


BAD = [
    ((nn.Linear(1, 1), 1.0), TypeError, r"got a Linear; pass its \.parameters\(\)"),
    ((3, 1.0), TypeError, "parameters must be an iterable of tensors, got"),
    (([("weight", leaf([1.0]))], 1.0), TypeError, "each of parameters must be a tensor, got"),
    (([], 1.0), ValueError, "got no parameters; an iterator .* only once"),
    ((leaf([1.0]), -1), ValueError, ".* must be at least 0, got -1"),
    ((leaf([1.0]), math.nan), ValueError, ".* must be at least 0, got nan"),
    ((leaf([1.0]), "a"), TypeError, ".* must be a number, got 'a'"),
]


@pytest.mark.parametrize(("args", "error", "message"), BAD)
@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
def test_bad_input_is_named(clip, args, error, message):
    with pytest.raises(error, match=f"^{clip.__name__}: {message}"):
        clip(*args)


@pytest.mark.parametrize("order", [0, -1, "a"])
def test_the_order_of_a_norm_is_above_0(order):
    with pytest.raises((ValueError, TypeError), match="^clip_grad_norm_: norm_type must be"):
        clip_grad_norm_([leaf([1.0])], 1.0, order)
