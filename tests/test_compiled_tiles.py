"""3 x 3 convolutions that the compiled kernels compute in tiles, with fewer multiplications."""

from __future__ import annotations

import itertools
import mmap
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import Window, conv_window, pool_window
from tests.compiled_parts import compiled, instruction_set, layouts, same_bits, two_threads

__all__ = ["instruction_set", "two_threads"]  # fixtures

STATM = Path("/proc/self/statm")
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Window]


@st.composite
def cases(draw: Any, whole: bool = False, batches: tuple[int, ...] = (16, 17, 32, 48, 3)) -> Arrays:
    """Images, filters, bias, output gradients and the window, in float32.

    `whole` numbers are small enough that neither way of computing rounds.
    """
    c, f = draw(st.integers(8, 20)), draw(st.integers(16, 26))
    if draw(st.booleans()):
        c, f = f, c
    padding, rng = (
        draw(st.tuples(*[st.integers(0, 3)] * 2)),
        np.random.default_rng(draw(st.integers(0, 99))),
    )
    size = tuple(draw(st.integers(max(1, 3 - 2 * p), 9)) for p in padding)
    window, n = conv_window(size, (3, 3), 1, padding, 1), draw(st.sampled_from(batches))
    how = draw(st.sampled_from(["batch-innermost", "plain", "reversed"]))

    def values(*shape: int) -> np.ndarray:
        found = rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)
        return found.astype(np.float32)

    x, g = layouts(values(n, c, *size), how), layouts(values(n, f, *window.out), how)
    return x, values(f, c, 3, 3), values(f), g, window


def results(kernels: Any, case: Arrays) -> list[np.ndarray]:
    """Output, input gradient, weight gradient."""
    x, w, b, g, window = case
    return [
        kernels.conv(x, w, b, window, 1),
        kernels.conv_input_grad(g, w, window, 1),
        kernels.conv_weight_grad(x, g, window, 1),
    ]


@given(cases(whole=True))
def test_numbers_that_need_no_rounding_come_out_exactly(case: Arrays) -> None:
    same_bits(results(compiled, case), results(reference, case))


@given(cases())
def test_rounding_stays_near_that_of_the_sums_themselves(case: Arrays) -> None:
    x, w, _, g, window = case
    exact = results(reference, (*(a.astype(np.float64) for a in case[:4]), window))
    terms = [w[0].size, w[:, 0].size, g[:, 0].size]  # of one sum
    largest = [(x, w), (g, w), (x, g)]
    for found, expected, many, (one, other) in zip(results(compiled, case), exact, terms, largest):
        eps = np.finfo(np.float32).eps
        # Errors of many terms partly cancel; tiles add the largest values of a neighbourhood.
        bound = 8.0 * eps * np.sqrt(many) * np.abs(one).max() * np.abs(other).max()
        assert np.abs(found - expected).max() <= bound


@given(cases(batches=(1, 3, 7, 16, 17, 32)))
def test_any_batch_gives_nearly_what_others_give(case: Arrays) -> None:
    """Tiles of a row follow each other in vectors that the batch does not fill."""
    x, w, b, _, window = case
    longer = np.concatenate([x, x[:1]])
    one, other = compiled.conv(x, w, b, window, 1), compiled.conv(longer, w, b, window, 1)[:-1]
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@given(cases(), st.sampled_from([np.nan, np.inf, -np.inf, 3e38]), st.integers(0, 2**30))
def test_what_is_not_finite_stays_where_it_belongs(case: Arrays, value: float, at: int) -> None:
    for array in (case[0], case[3]):
        found = np.unravel_index(at % array.size, array.shape)
        array[found] = value
    with np.errstate(invalid="ignore", over="ignore"):
        for found, expected in zip(results(compiled, case), results(reference, case)):
            if (
                value != 3e38
            ):  # near the largest number, one order of a sum overflows and another does not
                np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
            finite = np.isfinite(found) & np.isfinite(expected) & (np.abs(expected) < 1e30)
            np.testing.assert_allclose(found[finite], expected[finite], rtol=1e-3, atol=1e-3)


def near_the_sums(found: np.ndarray, exact: Any, one: np.ndarray, other: np.ndarray) -> None:
    """Each result is as near as adding up its own terms gives, whatever stands beside it."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    assert (np.abs(found - exact(one, other)) <= 1e-5 * exact(np.abs(one), np.abs(other))).all()


FACTORS = st.sampled_from([0.0, 1e-10, 1e-6, 1e-5, 1e5, 1e6, 1e10])


@given(cases(), FACTORS, st.tuples(*[st.integers(0, 2)] * 2), st.booleans(), st.booleans())
def test_uneven_weights_of_a_filter_cost_no_output_its_digits(
    case: Arrays, factor: float, tap: tuple[int, int], every: bool, channels: bool
) -> None:
    """Such as 1e6 in a corner beside 1e-4, where only the others reach the border; in `every` filter
    or one; in all `channels`, or in one if the weight is the large one.
    """
    x, w, _, g, window = case
    turned = w.copy()  # filters are uneven for the output, channels for the input gradient
    where = slice(None) if every else 3, slice(None) if channels or factor < 1.0 else 2
    w[*where, *tap] *= np.float32(factor)
    turned[*where[::-1], *tap] *= np.float32(factor)
    found = compiled.conv(x, w, None, window, 1)
    near_the_sums(found, lambda a, b: reference.conv(a, b, None, window, 1), x, w)
    found = compiled.conv_input_grad(g, turned, window, 1)
    near_the_sums(found, lambda a, b: reference.conv_input_grad(a, b, window, 1), g, turned)


@given(cases(), FACTORS, st.booleans(), st.booleans(), st.booleans())
def test_uneven_gradients_cost_no_weight_its_digits(
    case: Arrays, factor: float, top: bool, images: bool, every: bool
) -> None:
    """A gradient or an image whose border is far larger or smaller reaches some taps only."""
    x, _, _, g, window = case
    part = 0 if top else -1
    array = x if images else g
    array[:, slice(None) if every else 1, part] *= np.float32(factor)
    found = compiled.conv_weight_grad(x, g, window, 1)
    near_the_sums(found, lambda a, b: reference.conv_weight_grad(a, b, window, 1), x, g)


def test_memory_that_held_nan_changes_no_bit() -> None:
    """Vectors of tiles may go beyond the end of a laid-out row."""
    rng, window = np.random.default_rng(0), conv_window((9, 4), (3, 3), 1, (3, 2), 1)
    x = rng.standard_normal((17, 14, 9, 4)).astype(np.float32)
    w, found = rng.standard_normal((16, 14, 3, 3)).astype(np.float32), []
    for value in (0.0, np.nan) * 20:
        for size in (34_000, 34_100, 36_000):  # as large as the images laid out
            np.full(size, value, np.float32)
        found.append(compiled.conv(x, w, None, window, 1))
    same_bits(found, [found[0]] * len(found))


@given(cases(), st.booleans(), st.booleans())
def test_pooling_and_relu_in_the_same_pass(case: Arrays, relu: bool, pooled: bool) -> None:
    x, w, b, _, window = case
    assume(not pooled or min(window.out) > 1)
    pool = pool_window(window.out, 2, None, 0, 1, False) if pooled else None
    expected = compiled.conv(x, w, b, window, 1)
    expected = compiled.window_max(expected, pool) if pool else expected
    expected = compiled.relu(expected) if relu else expected
    scaled = compiled.conv(x, w, None, window, 1, relu, pool, 2.0 * np.ones_like(b))
    doubled = compiled.conv(x, 2.0 * w, None, window, 1, relu, pool)
    same_bits([compiled.conv(x, w, b, window, 1, relu, pool), scaled], [expected, doubled])


@given(cases())
def test_the_number_of_threads_changes_no_bit(case: Arrays) -> None:
    found = []
    for threads in (1, 2, 5, 2):
        compiled.set_threads(threads)
        found.append(results(compiled, case))
    for other in found[1:]:
        same_bits(other, found[0])


@pytest.mark.parametrize("batch", [1, 3, 16, 17])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        (3, 2, 1, 1),
        (3, (2, 1), 1, 1),
        (3, 1, 2, 2),
        (4, 2, 1, 1),
        (4, 4, 0, 1),
        (3, 3, 4, 2),
        (2, 3, 0, 1),
    ],
)
def test_wide_layers_with_strides_and_dilations(
    kernel: Any, stride: Any, padding: Any, dilation: Any, batch: int
) -> None:
    """Whose input gradient goes by phases, and everything by panels or vectors of filters."""
    rng = np.random.default_rng(batch)
    window = conv_window((17, 15), (kernel, kernel), stride, padding, dilation)
    x = rng.standard_normal((batch, 20, 17, 15)).astype(np.float32)
    w = rng.standard_normal((36, 20, kernel, kernel)).astype(np.float32)
    g = rng.standard_normal((batch, 36, *window.out)).astype(np.float32)
    case = x, w, rng.standard_normal(36).astype(np.float32), g, window
    exact = results(reference, (*(a.astype(np.float64) for a in case[:4]), window))
    found = []
    for threads in (1, 2, 5):
        compiled.set_threads(threads)
        found.append(results(compiled, case))
        same_bits(found[-1], found[0])
    for one, other in zip(found[0], exact):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 8, 8), (1, 9, 7)])
@pytest.mark.parametrize("padding", [(0, 1, 1), (1, 1, 1), (2, 0, 1)])
def test_a_padded_depth_axis_goes_the_direct_way(size: Any, padding: Any) -> None:
    rng, window = np.random.default_rng(0), conv_window(size, (1, 3, 3), 1, padding, 1)
    x = rng.standard_normal((16, 16, *size)).astype(np.float32)
    w = rng.standard_normal((16, 16, 1, 3, 3)).astype(np.float32)
    g = rng.standard_normal((16, 16, *window.out)).astype(np.float32)
    for found, expected in zip(
        results(compiled, (x, w, None, g, window)), results(reference, (x, w, None, g, window))
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_wide_layers_do_not_multiply_their_weights_in_memory() -> None:
    """Their weight gradient goes the direct way: the sums of 16 shares of the tiles would be 28 times
    as large as the weights."""
    rng, window = np.random.default_rng(0), conv_window((4, 4), (3, 3), 1, 1, 1)
    x = rng.standard_normal((32, 1024, 4, 4)).astype(np.float32)
    g = rng.standard_normal((32, 512, 4, 4)).astype(np.float32)
    found = compiled.conv_weight_grad(x, g, window, 1)
    np.testing.assert_allclose(
        found, reference.conv_weight_grad(x, g, window, 1), rtol=1e-3, atol=1e-3
    )


@pytest.mark.skipif(not STATM.exists(), reason="this system does not tell what a process holds")
@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps freed memory"
)
def test_results_that_are_not_finite_leave_no_memory_behind() -> None:
    """What the tiles took is given back before the direct loops begin."""
    x = reference.laid_out(np.full((16, 64, 6, 6), np.nan, np.float32))
    w, window = np.ones((64, 64, 3, 3), np.float32), conv_window((6, 6), (3, 3), 1, 1, 1)
    pool = pool_window((6, 6), 2, None, 0, 1, False)

    def run(times: int) -> float:
        for _ in range(times):
            compiled.conv(x, w, None, window, 1, True, pool)
        return int(STATM.read_text().split()[1]) * mmap.PAGESIZE / 2**20

    before = run(20)
    assert run(200) < before + 20.0  # the transformed weights of so many calls are 50 MiB


def test_threads_may_be_set_while_others_compute() -> None:
    """A loop keeps the number that it began with."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((16, 16, 14, 14)), rng.standard_normal((16, 16, 3, 3))
    x, w = reference.laid_out(x.astype(np.float32)), w.astype(np.float32)
    window, done = conv_window((14, 14), (3, 3), 1, 1, 1), threading.Event()
    expected = compiled.conv(x, w, None, window, 1), compiled.conv_weight_grad(x, x, window, 1)

    def change() -> None:
        for threads in itertools.cycle([1, 5, 2, 3]):
            if done.is_set():
                return
            compiled.set_threads(threads)
            time.sleep(1e-5)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(300):
            np.testing.assert_array_equal(compiled.conv(x, w, None, window, 1), expected[0])
            found = compiled.conv_weight_grad(x, x, window, 1)
            np.testing.assert_array_equal(found, expected[1])
    finally:
        done.set()
        changing.join()
