"""The compiled batch norm, with the relu and the pooling that its pass takes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import pool_window
from tests.compiled_parts import (
    DTYPES,
    LAYOUTS,
    _compiled,
    compiled,
    instruction_set,
    layouts,
    same,
    two_threads,
)

__all__ = ["instruction_set", "two_threads"]  # fixtures

SHAPES = st.sampled_from([(4, 2), (3, 5, 7), (2, 3, 4, 5), (33, 2, 3, 3), (1, 2, 90, 50)])


@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 99))
def test_batch_norm_and_its_gradient(
    shape: Any, dtype: Any, how: str, affine: bool, seed: int
) -> None:
    assume(how != "reversed" or len(shape) > 2)
    rng = np.random.default_rng(seed)
    x = layouts((rng.standard_normal(shape) * 3 + 5).astype(dtype), how)
    g = layouts(rng.standard_normal(shape).astype(dtype), how)
    same(compiled.channel_sum(g), reference.channel_sum(g))
    scale = rng.standard_normal(shape[1]).astype(dtype)
    relu = bool(seed % 2)
    for shift in (None, scale[::-1]):
        found = compiled.channel_affine(x, scale, shift, relu)
        same(found, reference.channel_affine(x, scale, shift, relu))
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) if affine else None for _ in "wb")
    out, mean, var, _ = compiled.batch_norm(x, weight, bias, 1e-3, relu)
    for a, b in zip((out, mean, var), reference.batch_norm(x, weight, bias, 1e-3, relu)):
        same(a, b)
    given_ = g, out, x, weight, bias, mean, var, None, 1e-3, relu
    for a, b in zip(compiled.batch_norm_grad(*given_), reference.batch_norm_grad(*given_)):
        same(a, b, 10.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_after_batch_norm_changes_no_bit(dtype: Any) -> None:
    """Neither of the result nor of the gradients, against the two one after the other."""
    rng = np.random.default_rng(0)
    x, g = (
        layouts(rng.standard_normal((37, 5, 9, 3)).astype(dtype), how)
        for how in ("batch-innermost",) * 2
    )
    w, b = (rng.standard_normal(5).astype(dtype) for _ in "wb")
    apart, mean, var, _ = compiled.batch_norm(x, w, b, 1e-5, False)
    fused = compiled.batch_norm(x, w, b, 1e-5, True)
    for found, expected in zip(fused[:3], (compiled.relu(apart), mean, var)):
        assert np.array_equal(found, expected)
    masked = compiled.relu_grad(g, apart)
    rest = x, w, b, mean, var, None, 1e-5
    for found, expected in zip(
        compiled.batch_norm_grad(g, fused[0], *rest, True),
        compiled.batch_norm_grad(masked, apart, *rest, False),
    ):
        assert np.array_equal(found, expected)
    affine = compiled.channel_affine(x, w, b, False)
    assert np.array_equal(compiled.channel_affine(x, w, b, True), compiled.relu(affine))


@given(
    st.tuples(
        st.sampled_from([1, 2, 7, 15, 16, 17, 40]),
        st.integers(1, 3),
        st.integers(2, 7),
        st.integers(2, 7),
    ),
    DTYPES,
    LAYOUTS,
    st.sampled_from([(2,), (2, 1), (3, 2, 1), (2, 2, 0, 2), (2, 2, 0, 2, True)]),
    st.booleans(),
    st.sampled_from(["normal", "ties", "nan"]),
    st.integers(0, 99),
)
def test_pooling_in_the_same_pass_changes_no_bit(
    shape: Any, dtype: Any, how: str, pool: Any, relu: bool, values: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, shape) if values == "ties" else rng.standard_normal(shape)
    x = x.astype(dtype)
    if values == "nan":
        x.flat[rng.integers(x.size)] = np.nan
    x = layouts(x, how)
    w, b = (rng.standard_normal(shape[1]).astype(dtype) if seed % 3 else None for _ in "wb")
    assume(len(pool) < 4 or min(shape[2:]) > 2)
    window = pool_window(shape[2:], *pool, *(None, None, 0, 1, False)[len(pool) :])

    apart, mean, var, _ = compiled.batch_norm(x, w, b, 1e-3, False)
    pooled = compiled.window_max(apart, window)
    found = compiled.batch_norm(x, w, b, 1e-3, relu, window)
    expected = compiled.relu(pooled) if relu else pooled
    for one, other in zip(found, (expected, mean, var)):
        np.testing.assert_array_equal(one, other)

    g = layouts(rng.standard_normal(expected.shape).astype(dtype), how)
    spread = compiled.relu_grad(reference.laid_out(g), pooled) if relu else g
    spread = compiled.window_max_grad(spread, apart, pooled, window)
    wanted = compiled.batch_norm_grad(spread, apart, x, w, b, mean, var, None, 1e-3, False)
    given_ = g, found[0], x, w, b, mean, var
    gradients = compiled.batch_norm_grad(*given_, found[3], 1e-3, relu, window)
    for one, other in zip(gradients, wanted):
        np.testing.assert_array_equal(one, other)
    # The specification, whether it kept what was there before pooling or not.
    full = reference.batch_norm(x, w, b, 1e-3, relu, window)
    for one, other in zip(found[:3], full):
        same(one, other)
    if values == "normal":  # rounding decides between values that are nearly equal
        for before in (full[3], None):
            again = reference.batch_norm_grad(
                g, full[0], x, w, b, full[1], full[2], before, 1e-3, relu, window
            )
            for one, other in zip(again, wanted):
                same(one, other, 20.0)


def test_sizes_that_do_not_fit_are_refused() -> None:
    x, v = reference.laid_out(np.ones((2, 3, 4, 4))), np.ones(3)
    lines = reference.laid_out(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="array 3 holds 96 values, expected 24"):
        _compiled.batch_norm(x, v, v, np.empty_like(x), v, v, 1e-3, False, True)
    with pytest.raises(ValueError, match="expected four axes"):
        _compiled.batch_norm(lines, v, v, lines, v, v, 1e-3, False, True)
    with pytest.raises(ValueError, match="array 0 holds 96 values, expected 24"):
        _compiled.batch_norm_grad(x, x, v, v, v, v, x, v, v, 1e-3, False, True)
