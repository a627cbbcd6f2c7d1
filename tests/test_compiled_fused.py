"""What a compiled kernel takes into its pass (relu, pooling, scales) changes no bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import pool_window
from tests import compiled_cases
from tests.compiled_parts import (
    DTYPES,
    LAYOUTS,
    compiled,
    instruction_set,
    layouts,
    same,
    same_bits,
    two_threads,
)

__all__ = ["instruction_set", "two_threads"]  # fixtures


@given(compiled_cases.conv(), st.booleans())
def test_what_follows_a_convolution(args: Any, extremes: bool) -> None:
    """The bits of one after the other; scales alone may round otherwise."""
    x, w, b, window, groups, relu, pool, scale = *args, *(False, None, None)[len(args) - 5 :]
    if extremes:
        x.flat[np.random.default_rng(x.size).integers(0, x.size, 3)] = np.nan, np.inf, -np.inf
    for factor in (None, scale) if scale is not None else (None,):
        if factor is None:
            expected = compiled.conv(x, w, b, window, groups)
        else:
            expected = compiled.conv(x, w, None, window, groups)
            expected = compiled.channel_affine(expected, factor, b, False)
        expected = expected if pool is None else compiled.window_max(expected, pool)
        expected = compiled.relu(expected) if relu else expected
        found = compiled.conv(x, w, b, window, groups, relu, pool, factor)
        same_bits([found], [expected]) if factor is None else same(found, expected)


@given(compiled_cases.products(linear=True))
def test_what_follows_a_linear_layer(args: Any) -> None:
    x, w, b, _, scale = *args, *(False, None)[len(args) - 3 :]
    same_bits([compiled.linear(x, w, b, True)], [compiled.relu(compiled.linear(x, w, b))])
    if scale is not None:
        rows = compiled.linear(x, w, None).reshape(-1, len(w))
        expected = compiled.channel_affine(rows, scale, b, True)
        same(compiled.linear(x, w, b, True, scale).reshape(-1, len(w)), expected)


@given(st.integers(1, 20), DTYPES, st.integers(0, 7))
def test_what_running_statistics_come_down_to(c: int, dtype: Any, given_: int) -> None:
    rng = np.random.default_rng(c)
    mean, weight, bias, before = (rng.standard_normal(c).astype(dtype) for _ in range(4))
    var, x = rng.random(c).astype(dtype), rng.standard_normal((5, c)).astype(dtype)
    weight, bias, before = (
        v if given_ >> k & 1 else None for k, v in enumerate((weight, bias, before))
    )
    shifted = x if before is None else x + before
    normal = (shifted - mean) / np.sqrt(var + 1e-3)
    expected = normal * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)
    for kernels in (compiled, reference):
        scale, shift = kernels.running_affine(mean, var, weight, bias, before, 1e-3)
        assert scale.dtype == shift.dtype == dtype
        same((x * scale + shift).astype(dtype), expected.astype(dtype), 10.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_after_batch_norm(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, g = (
        layouts(rng.standard_normal((37, 5, 9, 3)).astype(dtype), "batch-innermost") for _ in "xg"
    )
    w, b = (rng.standard_normal(5).astype(dtype) for _ in "wb")
    apart, mean, var, _ = compiled.batch_norm(x, w, b, 1e-5, False)
    fused = compiled.batch_norm(x, w, b, 1e-5, True)
    same_bits(fused[:3], (compiled.relu(apart), mean, var))
    masked, rest = compiled.relu_grad(g, apart), (x, w, b, mean, var, None, 1e-5)
    same_bits(
        compiled.batch_norm_grad(g, fused[0], *rest, True),
        compiled.batch_norm_grad(masked, apart, *rest, False),
    )
    affine = compiled.channel_affine(x, w, b, False)
    same_bits([compiled.channel_affine(x, w, b, True)], [compiled.relu(affine)])


@given(
    st.tuples(
        st.sampled_from([1, 2, 7, 15, 16, 17, 40]),
        st.integers(1, 3),
        st.integers(2, 7),
        st.integers(2, 7),
    ),
    DTYPES,
    LAYOUTS,
    st.booleans(),
    st.sampled_from(["normal", "ties", "nan"]),
    st.integers(0, 99),
)
def test_pooling_after_batch_norm(
    shape: Any, dtype: Any, how: str, relu: bool, values: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, shape) if values == "ties" else rng.standard_normal(shape)
    x = x.astype(dtype)
    if values == "nan":
        x.flat[rng.integers(x.size)] = np.nan
    x = layouts(x, how)
    w, b = (rng.standard_normal(shape[1]).astype(dtype) if seed % 3 else None for _ in "wb")
    window = pool_window(shape[2:], 2, None, 0, 1, False)

    inner = compiled.laid_out(x)
    apart, mean, var, _ = compiled.batch_norm(inner, w, b, 1e-3, False)
    pooled = compiled.window_max(apart, window)
    out, *statistics, before = compiled.batch_norm(x, w, b, 1e-3, relu, window)
    same_bits((out, *statistics), (compiled.relu(pooled) if relu else pooled, mean, var))

    g = layouts(rng.standard_normal(out.shape).astype(dtype), how)
    spread = compiled.relu_grad(compiled.laid_out(g), pooled) if relu else g
    spread = compiled.window_max_grad(spread, apart, pooled, window)
    wanted = compiled.batch_norm_grad(spread, apart, inner, w, b, mean, var, None, 1e-3, False)
    given_ = g, out, x, w, b, mean, var, before, 1e-3, relu, window
    same_bits(compiled.batch_norm_grad(*given_), wanted)
