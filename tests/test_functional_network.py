"""Convolution, pooling and resampling in functional: geometry from settings, and what is composed of ops.

References are definitions (naive.py) or NumPy formulas; numbers were compared with PyTorch 2.13 by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import conv_window, pool_window, transpose_window
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st
from autograd_cnn.testing.strategies import conv_settings, pool_settings, transpose_settings
from tests import naive

RNG = np.random.default_rng


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG([seed, *shape]).standard_normal(shape)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)  # float64 sums


# ----------------------------------------------------------------------------------------- geometry


GEOMETRIES = {
    conv_window: (conv_settings, naive.conv_geometry),
    transpose_window: (transpose_settings, naive.transpose_geometry),
    pool_window: (pool_settings, naive.pool_geometry),
}


@pytest.mark.parametrize("make", GEOMETRIES)
@given(st.data())
def test_a_window_is_its_definition(make: Any, data: Any) -> None:
    strategy, definition = GEOMETRIES[make]
    settings = data.draw(strategy())
    window, expected = make(**settings), definition(*settings.values())
    assert tuple(getattr(window, n) for n in expected._fields) == expected


@given(conv_settings(), st.sampled_from([1, 2]), st.booleans())
def test_convolution_of_any_rank(settings: dict[str, Any], groups: int, biased: bool) -> None:
    size, kernel = settings.pop("size"), settings.pop("kernel")
    x, w = normal(2, 2 * groups, *size), normal(2 * groups, 2, *kernel)
    b = normal(2 * groups) if biased else None
    function = getattr(F, f"conv{len(size)}d")
    geometry = naive.conv_geometry(size, kernel, **settings)
    close(
        function(x, w, b, groups=groups, **settings),
        naive.conv(x, w, b, window=geometry, groups=groups),
    )


@given(transpose_settings(), st.sampled_from([1, 2]), st.booleans())
def test_transposed_convolution_of_any_rank(
    settings: dict[str, Any], groups: int, biased: bool
) -> None:
    size, kernel = settings.pop("out"), settings.pop("kernel")
    x, w = normal(2, 2 * groups, *size), normal(2 * groups, 3, *kernel)
    b = normal(3 * groups) if biased else np.zeros(3 * groups)
    function = getattr(F, f"conv_transpose{len(size)}d")
    geometry = naive.transpose_geometry(size, kernel, **settings)
    expected = naive.conv_input_grad(x, w, window=geometry, groups=groups)
    found = function(x, w, b if biased else None, groups=groups, **settings)
    close(found, expected + b.reshape(1, -1, *(1,) * len(size)))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (
            lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1),
            [(2, 2, 2, 3), (2, 1, 3, 2), (1,)],
        ),
        *(
            (lambda x, f=f, size=size: f(x, size), [(2, 1, 3, 5)])
            for f in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
            for size in (1, 2, (3, None))
        ),
        (lambda x: F.adaptive_max_pool1d(x, 3), [(1, 2, 4)]),
        (lambda x: F.adaptive_max_pool3d(x, 2), [(1, 1, 2, 3, 2)]),
        (lambda x: F.interpolate(x, scale_factor=2), [(2, 1, 2, 3)]),
        (lambda x: F.interpolate(x, (5, 3)), [(2, 1, 2, 3)]),
        (lambda x: F.interpolate(x, None, 1.5, "bilinear"), [(2, 1, 2, 3)]),
        (lambda x: F.interpolate(x, (4, 5), None, "bilinear", True), [(2, 1, 2, 3)]),
    ],
)
def test_derivatives_are_exact_twice_and_in_every_input(function: Any, shapes: Any) -> None:
    check_op(function, *(ag_st.evenly_spaced(s, i) for i, s in enumerate(shapes)))


@given(pool_settings(dilated=False), st.booleans())
def test_pooling_of_any_rank(settings: dict[str, Any], count_include_pad: bool) -> None:
    size, kernel = settings.pop("size"), settings.pop("kernel")
    axes = len(size)
    x = normal(2, 2, *size)
    geometry = naive.pool_geometry(size, kernel, **settings)
    out, where = getattr(F, f"max_pool{axes}d")(x, kernel, return_indices=True, **settings)
    close(out, naive.max_pool(x, window=geometry))
    flat = x.reshape(2, 2, -1)
    close(np.take_along_axis(flat, where.reshape(2, 2, -1), 2).reshape(out.shape), out)
    settings.pop("dilation")
    found = getattr(F, f"avg_pool{axes}d")(
        x, kernel, count_include_pad=count_include_pad, **settings
    )
    close(found, naive.avg_pool(x, window=geometry, count_include_pad=count_include_pad))


def test_the_mean_of_whole_numbers_is_not_rounded() -> None:
    assert F.avg_pool2d(np.arange(4).reshape(1, 1, 2, 2), 2).item() == 1.5


@given(st.integers(1, 3), st.data())
def test_adaptive_pooling_covers_the_image(axes: int, data: Any) -> None:
    size = data.draw(st.tuples(*[st.integers(1, 5)] * axes))
    out = data.draw(st.tuples(*[st.integers(1, 6)] * axes))
    x = normal(2, 2, *size)
    close(getattr(F, f"adaptive_avg_pool{axes}d")(x, out), naive.adaptive_pool(x, out, np.mean))
    found, where = getattr(F, f"adaptive_max_pool{axes}d")(x, out, return_indices=True)
    close(found, naive.adaptive_pool(x, out, np.max))
    flat = np.take_along_axis(x.reshape(2, 2, -1), where.reshape(2, 2, -1), 2)
    close(flat.reshape(found.shape), found)


def test_adaptive_pooling_keeps_an_axis_for_none() -> None:
    assert F.adaptive_avg_pool2d(normal(2, 1, 3, 5), (None, 2)).shape == (2, 1, 3, 2)


def test_a_tie_in_adaptive_max_pooling_goes_to_the_first() -> None:
    x = ag.tensor(np.zeros((1, 1, 3, 1)), requires_grad=True)
    (g,) = ag.grad(F.adaptive_max_pool2d(x, (2, 1)), [x], np.ones((1, 1, 2, 1)))
    assert g.tolist() == [[[[1.0], [1.0], [0.0]]]]


@given(conv_settings(axes=2).filter(lambda s: not isinstance(s["padding"], str)))
def test_fold_counts_what_unfold_copies(settings: dict[str, Any]) -> None:
    size, kernel = settings.pop("size"), settings.pop("kernel")
    x = normal(2, 3, *size)
    columns = F.unfold(x, kernel, **settings)
    close(columns, naive.unfold(x, window=naive.conv_geometry(size, kernel, **settings)))
    w = normal(4, 3, *kernel)
    expected = F.conv2d(x, w, **settings)
    close((w.reshape(4, -1) @ columns).reshape(expected.shape), expected)
    ones = F.fold(F.unfold(np.ones_like(x), kernel, **settings), size, kernel, **settings)
    close(F.fold(columns, size, kernel, **settings), x * ones)


def test_every_rank_keeps_batch_innermost_memory() -> None:
    x = ag.tensor(reference.laid_out(normal(3, 2, 4, 4, 4)))
    for out in (
        F.conv1d(x[..., 0, 0], normal(5, 2, 3), normal(5)),
        F.conv3d(x, normal(5, 2, 3, 3, 3), normal(5)),
        F.conv_transpose2d(x[..., 0], normal(2, 5, 3, 3), normal(5), stride=2),
        F.max_pool3d(x, 2),
        F.avg_pool1d(x[..., 0, 0], 2),
        F.interpolate(x[..., 0], scale_factor=2),
        F.fold(F.unfold(x[..., 0], 2), 4, 2),
    ):
        assert out.array.transpose(*range(1, out.ndim), 0).flags.c_contiguous, out.op


def test_large_windows_are_not_remembered() -> None:
    window = pool_window((40, 40), 40, None, 0, 1, False)
    assert sum(1 for _ in window.overlaps()) == 1600
    assert window.overlaps() is not window.overlaps()
    small = pool_window((40, 40), 2, None, 0, 1, False)
    assert small.overlaps() is small.overlaps()


# --------------------------------------------------------------------------------------- resampling


@given(st.integers(1, 3), st.data())
def test_interpolation_along_each_axis(axes: int, data: Any) -> None:
    size = data.draw(st.tuples(*[st.integers(1, 4)] * axes))
    x = normal(1, 2, *size)
    corners = data.draw(st.booleans())
    if data.draw(st.booleans()):
        factor = data.draw(st.sampled_from([1, 1.5, 2, 3]))
        settings: dict[str, Any] = {"scale_factor": factor}
        out, steps = [int(n * factor) for n in size], [1.0 / factor] * axes
    else:
        out = list(data.draw(st.tuples(*[st.integers(1, 6)] * axes)))
        settings, steps = {"size": tuple(out)}, [n / o for n, o in zip(size, out)]
    nearest = linear = x
    for axis, (n, o, step) in enumerate(zip(size, out, steps), 2):
        places = [min(int(i * step), n - 1) for i in range(o)]
        nearest = np.take(nearest, places, axis)
        linear = np.apply_along_axis(naive.interpolate_linear, axis, linear, o, step, corners)
    close(F.interpolate(x, **settings), nearest)
    mode = ["linear", "bilinear", "trilinear"][axes - 1]
    close(F.interpolate(x, mode=mode, align_corners=corners, **settings), linear)


def test_nearest_values_pass_whatever_they_are() -> None:
    x = np.array([[[np.inf, np.nan, 1.0]]])
    assert F.interpolate(x, 6).tolist()[0][0][4:] == [1.0, 1.0]
    assert F.interpolate(x, 4)[0, 0, -1] == 1.0
