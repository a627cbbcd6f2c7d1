"""The compiled kernels equal their NumPy specification: shapes, strides, dtypes, NaN and infinity, threads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import conv_window, pool_window
from tests.compiled_parts import (
    BATCHES,
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


@st.composite
def convolutions(draw: Any) -> Any:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    each, filters = draw(st.integers(1, 4)), groups * draw(st.integers(1, 18))
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    each_axis = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * axes))  # noqa: E731
    kernel, stride, dilation = each_axis(1, 4 if axes < 3 else 2), each_axis(1, 3), each_axis(1, 3)
    padding = "same" if draw(st.booleans()) else each_axis(0, 4 if axes < 3 else 2)
    pads = (0,) * axes if padding == "same" else padding
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, pads)]
    size = tuple(n + draw(st.integers(0, 8 if axes < 3 else 3)) for n in least)
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
    out = reference.conv(x, w, b, window, groups)
    same(compiled.conv(x, w, b, window, groups), out)
    g = layouts(rng.standard_normal(out.shape).astype(dtype), how)
    same(
        compiled.conv_input_grad(g, w, window, groups),
        reference.conv_input_grad(g, w, window, groups),
    )
    same(
        compiled.conv_weight_grad(x, g, window, groups),
        reference.conv_weight_grad(x, g, window, groups),
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
        y = compiled.conv(x, w, None, window, groups)
        found.append(
            (
                y,
                compiled.conv_input_grad(y, w, window, groups),
                compiled.conv_weight_grad(x, y, window, groups),
            )
        )
    for other in found[1:]:
        for a, b in zip(found[0], other):
            assert np.array_equal(a, b)


@given(convolutions(), st.booleans(), st.integers(0, 3), st.booleans())
def test_pooling_and_relu_in_the_pass_of_a_convolution(
    case: Any, relu: bool, kernel: int, extremes: bool
) -> None:
    """The bits of one after the other; `kernel` 0 is no pooling."""
    groups, each, filters, n, window, dtype, how, seed = case
    assume(kernel <= min(window.out))
    rng = np.random.default_rng(seed)
    x = layouts(rng.standard_normal((n, groups * each, *window.size)).astype(dtype), how)
    if extremes:
        x.flat[rng.integers(0, x.size, 3)] = np.nan, np.inf, -np.inf
    w = rng.standard_normal((filters, each, *window.kernel)).astype(dtype)
    b = rng.standard_normal(filters).astype(dtype) if seed % 2 else None
    pool = pool_window(window.out, kernel, None, 0, 1, False) if kernel else None
    expected = compiled.conv(x, w, b, window, groups)
    expected = compiled.window_max(expected, pool) if pool else expected
    expected = compiled.relu(expected) if relu else expected
    found = compiled.conv(x, w, b, window, groups, relu, pool)
    np.testing.assert_array_equal(found, expected)
    with np.errstate(invalid="ignore"):
        same(found, reference.conv(x, w, b, window, groups, relu, pool), 10.0)


@given(convolutions(), st.booleans(), st.booleans())
def test_scales_and_biases_in_the_pass_of_a_convolution(
    case: Any, relu: bool, halved: bool
) -> None:
    groups, each, filters, n, window, dtype, how, seed = case
    assume(not halved or min(window.out) > 1)
    rng = np.random.default_rng(seed)
    x = layouts(rng.standard_normal((n, groups * each, *window.size)).astype(dtype), how)
    w = rng.standard_normal((filters, each, *window.kernel)).astype(dtype)
    scale, bias = (rng.standard_normal(filters).astype(dtype) for _ in "sb")
    b = bias if seed % 2 else None
    pool = pool_window(window.out, 2, None, 0, 1, False) if halved else None
    expected = compiled.channel_affine(compiled.conv(x, w, None, window, groups), scale, b, False)
    expected = compiled.window_max(expected, pool) if pool else expected
    expected = compiled.relu(expected) if relu else expected
    args = x, w, b, window, groups, relu, pool, scale
    same(compiled.conv(*args), expected)
    same(reference.conv(*args), expected, 10.0)


@given(st.integers(1, 20), st.integers(1, 300), BATCHES, DTYPES, st.booleans())
def test_relu_in_the_pass_of_a_linear_layer(
    m: int, k: int, n: int, dtype: Any, turned: bool
) -> None:
    rng = np.random.default_rng(m)
    x, w = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((m, k)).astype(dtype)
    x = np.asfortranarray(x) if turned else x
    b = rng.standard_normal(m).astype(dtype) if m % 2 else None
    found = compiled.linear(x, w, b, True)
    np.testing.assert_array_equal(found, compiled.relu(compiled.linear(x, w, b)))
    same(found, reference.linear(x, w, b, True), 10.0)
    scale = rng.standard_normal(m).astype(dtype)
    expected = compiled.channel_affine(compiled.linear(x, w, None), scale, b, True)
    same(compiled.linear(x, w, b, True, scale), expected)
    same(reference.linear(x, w, b, True, scale), expected, 10.0)


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_outputs_that_they_reach_in_numpy(value: float) -> None:
    rng = np.random.default_rng(0)
    window = conv_window((6, 6), (3, 3), 1, 1, 1)
    x, w = rng.standard_normal((3, 2, 6, 6)), rng.standard_normal((4, 2, 3, 3))
    x[1, 0, 2, 3] = value
    with np.errstate(invalid="ignore"):
        out = reference.conv(x, w, None, window, 1)
        same(compiled.conv(x, w, None, window, 1), out)
        g = rng.standard_normal(out.shape)
        g[2, 1, 0, 0] = value
        same(
            compiled.conv_input_grad(g, w, window, 1),
            reference.conv_input_grad(g, w, window, 1),
        )
        assert np.array_equal(
            np.isfinite(compiled.conv_weight_grad(x, g, window, 1)),
            np.isfinite(reference.conv_weight_grad(x, g, window, 1)),
        )


@st.composite
def pools(draw: Any) -> Any:
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    each_axis = st.tuples(*[st.integers(1, 4 if axes < 3 else 2)] * axes)
    kernel, stride = draw(each_axis), draw(st.none() | each_axis)
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
    g = layouts(rng.standard_normal(out.shape).astype(dtype), how)
    same(compiled.window_max_grad(g, x, out, window), reference.window_max_grad(g, x, out, window))
    finite = np.nan_to_num(x, posinf=1.0, neginf=-1.0)
    same(compiled.window_sum(finite, window), reference.window_sum(finite, window))
    same(compiled.window_spread(g, window), reference.window_spread(g, window))


SIZES = st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17, 40, 130, 260])


@given(SIZES, SIZES, SIZES, DTYPES, *[st.sampled_from(["plain", "transposed", "sliced"])] * 2)
def test_matrix_products(m: int, n: int, k: int, dtype: Any, how_x: str, how_y: str) -> None:
    rng = np.random.default_rng(m + n + k)

    def matrix(rows: int, columns: int, how: str) -> np.ndarray:
        if how == "transposed":
            return rng.standard_normal((columns, rows)).astype(dtype).T
        return layouts(rng.standard_normal((rows, columns)).astype(dtype), how)

    x, y = matrix(m, k, how_x), matrix(k, n, how_y)
    same(compiled.matmul(x, y), reference.matmul(x, y), 4.0)
    w, b = matrix(n, k, how_y), rng.standard_normal(n).astype(dtype)
    same(compiled.linear(x, w, b), reference.linear(x, w, b), 4.0)
    same(compiled.linear(x, w, None), reference.linear(x, w, None), 4.0)


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


@given(
    st.sampled_from([(1, 1), (3, 10), (40, 7), (5, 3, 4), (2500, 2)]), DTYPES, st.integers(0, 99)
)
def test_cross_entropy_and_its_gradient(shape: Any, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal(shape) * 10).astype(dtype)
    if seed % 3 == 0:
        logits.reshape(-1)[rng.integers(0, logits.size, 2)] = [[np.nan, -np.inf], [np.inf, 1e4]][
            seed % 2
        ]
    target = rng.integers(0, shape[1], (shape[0], *shape[2:])).astype(
        [np.int64, np.uint8][seed % 2]
    )
    with np.errstate(invalid="ignore"):
        losses, probabilities = reference.cross_entropy(logits, target)
    found, theirs = compiled.cross_entropy(logits, target)
    same(found, losses)
    same(theirs, probabilities)
    g = rng.standard_normal(losses.shape).astype(dtype)
    same(
        compiled.cross_entropy_grad(g, probabilities, target),
        reference.cross_entropy_grad(g, probabilities, target),
    )
    assert compiled.first_outside(target, shape[1]) is None
    wrong = target.astype(np.int64)
    wrong.reshape(-1)[-1] = shape[1]
    assert compiled.first_outside(wrong, shape[1]) == reference.first_outside(wrong, shape[1])
    assert reference.first_outside(wrong, shape[1]) == wrong.size - 1
    with pytest.raises(ValueError, match="is none of"):
        compiled.cross_entropy(logits, wrong)


@given(
    st.sampled_from([(1,), (37,), (9, 5), (3000, 3)]),
    DTYPES,
    st.sampled_from(["plain", "batch-innermost", "sliced"]),
    *[st.booleans()] * 3,
)
def test_updates(
    shape: Any, dtype: Any, how: str, momentum: bool, decay: bool, maximize: bool
) -> None:
    rng = np.random.default_rng(len(shape))
    start, g = (layouts(rng.standard_normal(shape).astype(dtype), how) for _ in "pg")
    ours, theirs = ([start.copy(), *(np.zeros_like(start) for _ in range(3))] for _ in "ab")
    for _ in range(3):
        for kernels, (p, b, *_) in ((compiled, ours), (reference, theirs)):
            numbers = (0.1, 0.9, 0.7, 0.01 * decay)
            kernels.sgd([(p, g, b if momentum else None)], numbers, decay, maximize)
    for a, b in zip(ours, theirs):
        same(a, b)
    for _ in range(3):
        for kernels, (p, m, v, most) in ((compiled, ours), (reference, theirs)):
            numbers = (0.1, 1e-8, 0.9, 0.99, 0.01 * decay, 1 - 0.01 * momentum)
            kernels.adam([(p, g, m, v, most if momentum else None)], numbers, maximize)
    for a, b in zip(ours, theirs):
        same(a, b)


@given(
    st.lists(
        st.tuples(st.integers(1, 5000), st.booleans(), st.sampled_from([np.float32, np.float64])),
        max_size=12,
        min_size=1,
    ),
    st.booleans(),
)
def test_updates_of_many_arrays_are_those_of_each(sizes: Any, momentum: bool) -> None:
    """Of all sizes, dtypes and layouts in one list."""
    rng, numbers = np.random.default_rng(len(sizes)), (0.1, 0.9, 1.0, 0.01)

    def update(size: int, sliced: bool, dtype: Any) -> list[np.ndarray]:
        how = "sliced" if sliced else "plain"
        return [layouts(rng.standard_normal(size).astype(dtype), how) for _ in range(4)]

    ours = [update(*each) for each in sizes]
    theirs = [[a.copy() for a in arrays] for arrays in ours]
    for kernels, arrays in ((compiled, ours), (reference, theirs)):
        kernels.sgd(
            [(p, g, b if momentum else None) for p, g, b, _ in arrays], numbers, False, False
        )
        rates = (0.1, 1e-8, 0.9, 0.99, 0.0, 1.0)
        kernels.adam([(p, g, m, abs(v), None) for p, g, m, v in arrays], rates, False)
    for found, expected in zip(ours, theirs):
        for a, b in zip(found, expected):
            same(a, b)


def test_a_forked_child_has_threads_of_its_own() -> None:
    code = """if True:
        import os, warnings
        import numpy as np
        from autograd_cnn.kernels import compiled
        compiled.set_threads(2)
        x = np.ones((64, 8, 32, 32), np.float32)
        before = compiled.relu(x)
        child = os.fork()
        if not child:
            os._exit(0 if (compiled.relu(x) == before).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_python_threads_share_the_kernels_threads() -> None:
    x = np.random.default_rng(0).standard_normal((64, 8, 32, 32)).astype(np.float32)
    expected = reference.relu(x)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: compiled.relu(x), range(200)):
            assert np.array_equal(found, expected)


def test_what_the_compiled_loops_do_not_do_goes_to_numpy() -> None:
    window = conv_window((4, 4), (3, 3), 1, 1, 1)
    for x, w in (
        (np.ones((1, 1, 4, 4), np.float16), np.ones((1, 1, 3, 3), np.float16)),
        (np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3))),
        (np.ones((0, 1, 4, 4)), np.ones((1, 1, 3, 3))),
        (np.ones((1, 1, 4, 4), np.uint8), np.ones((1, 1, 3, 3), np.float32)),
    ):
        out = compiled.conv(x, w, None, window, 1)
        expected = reference.conv(x, w, None, window, 1)
        assert out.dtype == expected.dtype
        assert np.array_equal(out, expected)


def misaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    shifted = raw[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    return shifted


@pytest.mark.parametrize(
    "other", [lambda x: x.astype(">f8"), misaligned], ids=["big-endian", "misaligned"]
)
def test_values_that_lie_otherwise_in_memory_are_the_same_values(other: Any) -> None:
    rng, window = np.random.default_rng(0), conv_window((4, 4), (3, 3), 1, 1, 1)
    x, w, v = (rng.standard_normal(shape) for shape in ((3, 2, 4, 4), (5, 2, 3, 3), 2))
    a, b, halves = (
        rng.standard_normal((7, 6)),
        rng.standard_normal((6, 5)),
        conv_window((4, 4), (2, 2), 2, 0, 1),
    )
    calls: list[tuple[str, Any]] = [
        ("conv", (x, w, None, window, 1)),
        ("conv_weight_grad", (x, x, window, 1)),
        ("window_max", (x, halves)),
        ("window_sum", (x, halves)),
        ("channel_affine", (x, v, v, True)),
        ("channel_sum", (x,)),
        ("relu", (x,)),
        ("matmul", (a, b)),
        ("linear", (a, b.T, None)),
    ]
    for name, args in calls:
        given = [other(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
        expected = getattr(reference, name)(*args)
        np.testing.assert_allclose(
            getattr(compiled, name)(*given), expected, rtol=1e-11, err_msg=name
        )
    given = other(x), other(v), other(v), 1e-3, True
    expected = reference.batch_norm(x, v, v, 1e-3, True)
    for found, wanted in zip(compiled.batch_norm(*given)[:3], expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def test_the_extension_refuses_arrays_that_do_not_fit_each_other() -> None:
    x, w, out = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    numbers = compiled._numbers(conv_window((4, 4), (3, 3), 1, 0, 1))
    assert _compiled.correlate(x, w, None, None, numbers, out, 1, 0, 0)
    assert (out == 9.0).all()
    with pytest.raises(ValueError, match="array 5 holds 2 values, expected 4"):
        _compiled.correlate(x, w, None, None, numbers, out[:, :, :1].copy(), 1, 0, 0)
    with pytest.raises(ValueError, match="array 1 holds 3 values, expected 9"):
        _compiled.correlate(x, w[0, 0, 0], None, None, numbers, out, 1, 0, 0)
    with pytest.raises(ValueError, match="array 4 holds 9 values, expected 21"):
        _compiled.correlate(x, w, None, None, numbers[:3], out, 1, 0, 0)
    with pytest.raises(ValueError, match="two axes"):
        _compiled.correlate(x.reshape(-1), w, None, None, numbers, out, 1, 0, 0)
    for groups in (0, 2):
        with pytest.raises(ValueError, match="groups"):
            _compiled.correlate(x, w, None, None, numbers, out, groups, 0, 0)
    with pytest.raises(TypeError, match="got 5"):
        _compiled.correlate(x, w, None, None, numbers)
    with pytest.raises(TypeError, match="got 10"):
        _compiled.correlate(x, w, None, None, numbers, out, 1, 0, 0, 2)
    with pytest.raises(TypeError, match="NoneType"):
        _compiled.correlate(None, w, None, None, numbers, out, 1, 0, 0)
    p = np.ones(3)
    p.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _compiled.sgd([(p, np.ones(3), None)], 0.1, 0.0, 1.0, 0.0, False, False)
    for wrong in ([], (), [p], [(p, p)], [(p,) * 6]):
        with pytest.raises(TypeError, match="expected"):
            _compiled.sgd(wrong, 0.1, 0.0, 1.0, 0.0, False, False)


@pytest.mark.parametrize(
    "other",
    [
        np.ones((1, 1, 4, 4), np.float32),
        np.ones((1, 1, 4, 4), ">f8"),
        np.ones((1, 1, 4, 4), np.int64),
        np.ones((1, 1, 4, 4), complex),
        np.ones((1, 1, 4, 8))[..., ::2],
        np.ones((1, 1, 4, 4))[:, :, ::-1],
        np.ones((2, 1, 4, 4)),  # batch first
        np.ones((0, 1, 4, 4)),
    ],
    ids=["float32", "big-endian", "int", "complex", "sliced", "reversed", "batch", "empty"],
)
def test_the_extension_leaves_other_arrays_alone(other: np.ndarray) -> None:
    out = np.full((1, 1, 2, 2), 7.0)
    numbers = compiled._numbers(conv_window((4, 4), (3, 3), 1, 0, 1))
    assert (
        _compiled.correlate(other, np.ones((1, 1, 3, 3)), None, None, numbers, out, 1, 0, 0)
        is False
    )
    assert (out == 7.0).all()


@pytest.mark.parametrize(
    "strides", [(2, 2), (0, 1), (1, 0), (-1, 3), (1, 4)], ids=lambda strides: str(strides)
)
def test_updates_in_place_take_only_arrays_without_gaps_or_overlaps(strides: Any) -> None:
    values = np.arange(30.0)
    p = np.lib.stride_tricks.as_strided(values[5:], (3, 3), tuple(8 * s for s in strides))
    assert _compiled.relu(p, p) is False
    assert (values == np.arange(30.0)).all()


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
