"""Normalisation, embedding and the small layers in functional.

References are definitions (naive.py) or NumPy formulas; numbers were compared with PyTorch 2.13 by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st
from tests import naive

RNG = np.random.default_rng


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG([seed, *shape]).standard_normal(shape)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)  # float64 sums


# ------------------------------------------------------------------------------------ normalisation


def test_normalisations_are_their_definitions() -> None:
    x, w, b = normal(3, 4, 2, 5), normal(4), normal(4)
    wide = (1, 4, 1, 1)
    close(F.layer_norm(x, (2, 5)), naive.normalize(x, (2, 3), 1e-5))
    close(
        F.layer_norm(x, 5, normal(5), normal(5), 0.1),
        naive.normalize(x, 3, 0.1) * normal(5) + normal(5),
    )
    grouped = naive.normalize(x.reshape(3, 2, 2, 2, 5), (2, 3, 4), 1e-5).reshape(x.shape)
    close(F.group_norm(x, 2, w, b), grouped * w.reshape(wide) + b.reshape(wide))
    each = naive.normalize(x, (2, 3), 1e-5)
    close(F.instance_norm(x, weight=w, bias=b), each * w.reshape(wide) + b.reshape(wide))
    close(F.group_norm(x, 1), naive.normalize(x, (1, 2, 3), 1e-5))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w, b: F.layer_norm(x, 3, w, b), [(2, 2, 3), (3,), (3,)]),
        (lambda x, w: F.layer_norm(x, (2, 3), w), [(2, 2, 3), (2, 3)]),
        (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 2), (4,), (4,)]),
        (lambda x, w, b: F.instance_norm(x, None, None, w, b), [(2, 2, 3), (2,), (2,)]),
        (lambda x: F.layer_norm(x, 1), [(2, 1)]),
    ],
)
def test_normalisations_differentiate_twice(function: Any, shapes: Any) -> None:
    check_op(function, *(ag_st.evenly_spaced(s, i) for i, s in enumerate(shapes)))


def test_equal_values_normalise_to_zero_with_a_finite_gradient() -> None:
    x = ag.tensor(np.full((2, 4), 3.0), requires_grad=True)
    for function in (lambda x: F.layer_norm(x, 4), lambda x: F.group_norm(x, 2)):
        out = function(x)
        assert out.tolist() == np.zeros((2, 4)).tolist()
        assert np.isfinite(ag.grad(out, [x], normal(2, 4))[0].numpy()).all()


def test_running_statistics_of_instance_norm_are_averages_over_the_images() -> None:
    x = normal(3, 2, 4)
    mean, var = np.zeros(2), np.ones(2)
    F.instance_norm(x, mean, var, momentum=0.1)
    close(mean, 0.1 * x.mean(2).mean(0))
    close(var, 0.9 + 0.1 * x.var(2, ddof=1).mean(0))
    found = F.instance_norm(x, mean, var, use_input_stats=False)
    close(found, (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5))


def test_empty_batches_flow_through() -> None:
    x = ag.tensor(np.zeros((0, 4, 4, 4)), requires_grad=True)
    results = [
        F.conv_transpose2d(x, np.ones((4, 2, 2, 2)), stride=2),
        F.adaptive_avg_pool2d(x, 2),
        F.adaptive_avg_pool2d(x, 3),
        F.adaptive_max_pool2d(x, 3),
        F.interpolate(x, scale_factor=2),
        F.interpolate(x, size=(3, 5), mode="bilinear"),
        F.group_norm(x, 2),
        F.instance_norm(x),
        F.layer_norm(x, 4),
        F.unfold(x, 2),
        F.dropout2d(x, 0.5),
    ]
    for out in results:
        assert out.shape[0] == 0
        (g,) = ag.grad(out, [x], np.zeros(out.shape))
        assert g.shape == x.shape
    assert F.embedding(np.zeros((0, 3), int), normal(4, 2)).shape == (0, 3, 2)
    assert F.embedding([], normal(4, 2)).shape == (0, 2)


# ---------------------------------------------------------------------------------- other layers


def test_embedding_adds_up_repeated_rows_and_spares_the_padding() -> None:
    w = ag.tensor(normal(4, 2), requires_grad=True)
    index = np.array([[0, 2, 2], [3, 0, 2]])
    out = F.embedding(index, w, padding_idx=-4)
    close(out, w.numpy()[index])
    g = normal(2, 3, 2)
    (found,) = ag.grad(out, [w], g)
    expected = np.zeros((4, 2))
    np.add.at(expected, index, np.where((index == 0)[..., None], 0.0, g))
    close(found, expected)
    check_op(lambda w: F.embedding(index, w, 1) ** 2, ag_st.evenly_spaced((4, 2), 0))


def test_unflatten_reverses_flatten() -> None:
    x = normal(2, 3, 4)
    assert np.array_equal(F.unflatten(F.flatten(x, 1), 1, (3, 4)), x)
    assert F.unflatten(x, -1, (2, -1, 1)).shape == (2, 3, 2, 2, 1)


def test_dropout2d_drops_whole_channels() -> None:
    ag.manual_seed(0)
    out = F.dropout2d(np.ones((50, 40, 3, 2), np.float32), 0.25)
    assert out.dtype == np.float32
    channels = out.reshape(2000, 6)
    assert (channels == channels[:, :1]).all()
    # Four standard deviations of 2,000 draws.
    assert abs((channels[:, 0] == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)
