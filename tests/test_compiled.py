"""The compiled kernels equal their NumPy specification: shapes, strides, dtypes, NaN and infinity, threads."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import conv_window, pool_window

if importlib.util.find_spec("autograd_cnn.kernels._compiled") is None:
    pytest.skip("the compiled kernels were not built here", allow_module_level=True)

from autograd_cnn.kernels import _compiled, compiled

# float32 sums of up to a few thousand products of order 1, in another order.
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-11}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = compiled.get_threads()
    compiled.set_threads(2)
    yield
    compiled.set_threads(before)


def layouts(x: np.ndarray, how: str) -> np.ndarray:
    """The same values with other strides."""
    if how == "batch-innermost":
        return np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1))
    if how == "sliced":
        wide = np.full([2 * n + 1 for n in x.shape], np.nan, x.dtype)
        wide[tuple(slice(1, None, 2) for _ in x.shape)] = x
        return wide[tuple(slice(1, None, 2) for _ in x.shape)]
    if how == "reversed":
        return x[::-1, :, ::-1].copy()[::-1, :, ::-1]
    return x


LAYOUTS = st.sampled_from(["plain", "batch-innermost", "sliced", "reversed"])
DTYPES = st.sampled_from([np.float32, np.float64])
# One image, less than a vector, the vector widths and their neighbours.
BATCHES = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40])


def same(found: Any, expected: Any, factor: float = 1.0) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = TOLERANCE[expected.dtype] * factor
    assert np.allclose(found, expected, rtol=scale, atol=scale, equal_nan=True)


@st.composite
def convolutions(draw: Any) -> Any:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    each, filters = draw(st.integers(1, 4)), groups * draw(st.integers(1, 18))
    pair = lambda low, high: draw(st.tuples(st.integers(low, high), st.integers(low, high)))  # noqa: E731
    kernel, stride, dilation = pair(1, 4), pair(1, 3), pair(1, 3)
    padding = draw(st.one_of(st.just("same"), st.tuples(st.integers(0, 4), st.integers(0, 4))))
    pads = (0, 0) if padding == "same" else padding
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, pads)]
    size = tuple(n + draw(st.integers(0, 8)) for n in least)
    window = conv_window(size, kernel, stride, padding, dilation)
    return (
        groups,
        each,
        filters,
        draw(BATCHES),
        window,
        draw(DTYPES),
        draw(LAYOUTS),
        draw(st.integers(0, 99)),
    )


@given(convolutions())
def test_convolution_and_its_gradients(case: Any) -> None:
    groups, each, filters, n, window, dtype, how, seed = case
    rng = np.random.default_rng(seed)
    x = layouts(rng.standard_normal((n, groups * each, *window.size)).astype(dtype), how)
    w = rng.standard_normal((filters, each, *window.kernel)).astype(dtype)
    b = rng.standard_normal(filters).astype(dtype) if seed % 2 else None
    out = reference.conv2d(x, w, b, window, groups)
    same(compiled.conv2d(x, w, b, window, groups), out)
    g = layouts(rng.standard_normal(out.shape).astype(dtype), how)
    same(
        compiled.conv2d_input_grad(g, w, window, groups),
        reference.conv2d_input_grad(g, w, window, groups),
    )
    same(
        compiled.conv2d_weight_grad(x, g, window, groups),
        reference.conv2d_weight_grad(x, g, window, groups),
        10.0,
    )


@given(convolutions())
def test_the_number_of_threads_changes_no_bit(case: Any) -> None:
    groups, each, filters, n, window, dtype, _, seed = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, groups * each, *window.size)).astype(dtype)
    w = rng.standard_normal((filters, each, *window.kernel)).astype(dtype)
    found = []
    for threads in (1, 2, 5, 2):
        _compiled.set_threads(threads)
        y = compiled.conv2d(x, w, None, window, groups)
        found.append(
            (
                y,
                compiled.conv2d_input_grad(y, w, window, groups),
                compiled.conv2d_weight_grad(x, y, window, groups),
            )
        )
    for other in found[1:]:
        for a, b in zip(found[0], other):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_outputs_that_they_reach_in_numpy(value: float) -> None:
    rng = np.random.default_rng(0)
    window = conv_window((6, 6), (3, 3), 1, 1, 1)
    x, w = rng.standard_normal((3, 2, 6, 6)), rng.standard_normal((4, 2, 3, 3))
    x[1, 0, 2, 3] = value
    with np.errstate(invalid="ignore"):
        out = reference.conv2d(x, w, None, window, 1)
        same(compiled.conv2d(x, w, None, window, 1), out)
        g = rng.standard_normal(out.shape)
        g[2, 1, 0, 0] = value
        same(
            compiled.conv2d_input_grad(g, w, window, 1),
            reference.conv2d_input_grad(g, w, window, 1),
        )
        assert np.array_equal(
            np.isfinite(compiled.conv2d_weight_grad(x, g, window, 1)),
            np.isfinite(reference.conv2d_weight_grad(x, g, window, 1)),
        )


@st.composite
def pools(draw: Any) -> Any:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    padding = draw(st.tuples(*(st.integers(0, k // 2) for k in kernel)))
    dilation = draw(st.integers(1, 3))
    least = [max(1, dilation * (k - 1) + 1 - 2 * p) for k, p in zip(kernel, padding)]
    size = tuple(n + draw(st.integers(0, 7)) for n in least)
    window = pool_window(size, kernel, stride, padding, dilation, draw(st.booleans()))
    return (
        window,
        draw(BATCHES),
        draw(st.integers(1, 5)),
        draw(DTYPES),
        draw(LAYOUTS),
        draw(st.integers(0, 99)),
    )


@given(pools())
def test_pooling_and_its_gradients(case: Any) -> None:
    window, n, c, dtype, how, seed = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, c, *window.size)).astype(dtype)
    if seed % 3 == 0:
        x = np.round(x)  # ties
    if seed % 4 == 0:
        x.reshape(-1)[rng.integers(0, x.size, 3)] = [np.nan, -np.inf, np.inf]
    x = layouts(x, how)
    out = reference.window_max(x, window)
    assert np.array_equal(compiled.window_max(x, window), out, equal_nan=True)
    theirs, ours = reference.window_winners(x, out, window), compiled.window_winners(x, out, window)
    g = layouts(rng.standard_normal(out.shape).astype(dtype), how)
    same(compiled.window_scatter(g, ours, window), reference.window_scatter(g, theirs, window))
    same(compiled.window_gather(x, ours, window), reference.window_gather(x, theirs, window))
    finite = np.nan_to_num(x, posinf=1.0, neginf=-1.0)
    same(compiled.window_sum(finite, window), reference.window_sum(finite, window))
    same(compiled.window_spread(g, window), reference.window_spread(g, window))


@given(
    st.sampled_from([(4, 2), (3, 5, 7), (2, 3, 4, 5), (33, 2, 3, 3), (1, 2, 90, 50)]),
    DTYPES,
    LAYOUTS,
    st.booleans(),
    st.integers(0, 99),
)
def test_batch_norm_and_its_gradient(
    shape: Any, dtype: Any, how: str, affine: bool, seed: int
) -> None:
    assume(how != "reversed" or len(shape) > 2)
    rng = np.random.default_rng(seed)
    x = layouts((rng.standard_normal(shape) * 3 + 5).astype(dtype), how)
    g = layouts(rng.standard_normal(shape).astype(dtype), how)
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) if affine else None for _ in "wb")
    found = compiled.batch_norm(x, weight, bias, 1e-3)
    for a, b in zip(found, reference.batch_norm(x, weight, bias, 1e-3)):
        same(a, b)
    for a, b in zip(
        compiled.batch_norm_grad(g, x, weight, *found[1:], 1e-3),
        reference.batch_norm_grad(g, x, weight, *found[1:], 1e-3),
    ):
        same(a, b, 10.0)


@given(st.integers(0, 3000), DTYPES, LAYOUTS)
def test_relu_and_its_gradient(n: int, dtype: Any, how: str) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 3, 2)).astype(dtype)
    if n > 3:
        x[:3, 0, 0] = [np.nan, np.inf, -np.inf]
    x, g = layouts(x, how), layouts(rng.standard_normal((n, 3, 2)).astype(dtype), how)
    assert np.array_equal(compiled.relu(x), reference.relu(x), equal_nan=True)
    assert np.array_equal(compiled.relu_grad(g, x), reference.relu_grad(g, x))
    assert np.array_equal(compiled.relu_grad(g[::-1], x), reference.relu_grad(g[::-1], x))


def test_what_the_compiled_loops_do_not_do_goes_to_numpy() -> None:
    window = conv_window((4, 4), (3, 3), 1, 1, 1)
    for x, w in (
        (np.ones((1, 1, 4, 4), np.float16), np.ones((1, 1, 3, 3), np.float16)),
        (np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3))),
        (np.ones((0, 1, 4, 4)), np.ones((1, 1, 3, 3))),
        (np.ones((1, 1, 4, 4), np.uint8), np.ones((1, 1, 3, 3), np.float32)),
    ):
        out = compiled.conv2d(x, w, None, window, 1)
        expected = reference.conv2d(x, w, None, window, 1)
        assert out.dtype == expected.dtype
        assert np.array_equal(out, expected)


def test_the_extension_refuses_arrays_that_are_not_what_the_numbers_say() -> None:
    x, w, out = np.ones((1, 4, 4, 1)), np.ones((1, 1, 3, 3)), np.ones((1, 2, 2, 1))
    numbers = (1, 1, 4, 4, 1, 1, 3, 3, 1, 1, 1, 1, 0, 0, 1, 1, 2, 2)
    _compiled.correlate(x, w, None, out, *numbers)
    assert (out == 9.0).all()
    with pytest.raises(ValueError, match="array 3 does not hold"):
        _compiled.correlate(x, w, None, out[:, :1].copy(), *numbers)
    with pytest.raises(ValueError, match="does not hold"):
        _compiled.correlate(x.astype(np.float32), w, None, out, *numbers)
    with pytest.raises((ValueError, BufferError), match="contiguous"):
        _compiled.correlate(x[:, ::-1], w, None, out, *numbers)
    with pytest.raises(TypeError, match="expected 22 arguments, got 4"):
        _compiled.correlate(x, w, None, out)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("numpy", "numpy, because"), ("compiled", "compiled"), ("", "compiled")],
)
def test_the_environment_chooses_the_kernels(setting: str, expected: str) -> None:
    code = "from autograd_cnn import kernels; print(kernels.REASON)"
    environment = {**os.environ, "AUTOGRAD_CNN_KERNELS": setting}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(expected)
