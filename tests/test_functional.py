"""Functions without windows: normalisation, embedding, small layers, losses, and the mistakes they note.

References are definitions (naive.py) or NumPy formulas; numbers were compared with PyTorch 2.13 by hand.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st
from tests import naive

RNG = np.random.default_rng
bce = F.binary_cross_entropy_with_logits


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG([seed, *shape]).standard_normal(shape)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)  # float64 sums


PAIR = [(2, 3), (2, 3)]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w, b: F.layer_norm(x, 3, w, b), [(2, 2, 3), (3,), (3,)]),
        (lambda x, w: F.layer_norm(x, (2, 3), w), [(2, 2, 3), (2, 3)]),
        (lambda x: F.layer_norm(x, 1), [(2, 1)]),
        (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 2), (4,), (4,)]),
        (lambda x, w, b: F.instance_norm(x, None, None, w, b), [(2, 2, 3), (2,), (2,)]),
        (lambda w: F.embedding([[0, 2, 2], [3, 0, 2]], w, 1) ** 2, [(4, 2)]),
        (F.l1_loss, PAIR),
        (lambda x, t: F.huber_loss(x, t, "none", 0.4), PAIR),
        (lambda x, t: F.smooth_l1_loss(x, t, "mean", 0.4), PAIR),
        (lambda x, t: F.kl_div(x, t, "batchmean", log_target=True), PAIR),
        (lambda x, t: F.kl_div(x, t * t, "none"), PAIR),
        (lambda x, t: bce(x, t, pos_weight=[1.0, 2.0, 3.0]), PAIR),
        (lambda x, t: bce(x, t, [0.5, 2.0, 3.0], "none"), PAIR),
        (lambda x: F.cross_entropy(x, [2, 0], [1.0, 2.0, 3.0], label_smoothing=0.2), [(2, 3)]),
    ],
)
def test_derivatives_are_exact_twice_and_in_every_input(function: Any, shapes: Any) -> None:
    check_op(function, *(ag_st.evenly_spaced(s, i) for i, s in enumerate(shapes)))


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


@given(ag_st.shapes(), st.data())
def test_gather_picks_by_an_index_that_may_be_shorter(shape: tuple[int, ...], data: Any) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1)) if shape else 0
    lengths = [data.draw(st.integers(0, n)) for n in shape]
    if shape:
        lengths[dim] = data.draw(st.integers(0, 4))
    x, index = normal(*shape), RNG(0).integers(0, shape[dim] if shape else 1, lengths)
    g, scattered, expected = normal(*lengths), np.zeros(shape), np.empty(lengths)
    for place in np.ndindex(index.shape):
        cell = list(place)
        if shape:
            cell[dim] = index[place]
        expected[place] = x[tuple(cell)]
        scattered[tuple(cell)] += g[place]
    assert np.array_equal(F.gather(x, dim, index), expected)
    check_op(lambda x: F.gather(x, dim, index), x)
    tensor = ag.tensor(x, requires_grad=True)
    close(ag.grad(F.gather(tensor, dim, index), tensor, ag.tensor(g))[0], scattered)


def test_a_number_gathers_from_a_row_and_take_along_axis_still_broadcasts() -> None:
    assert F.gather(normal(3), 0, np.array(2)) == normal(3)[2]
    assert F.gather(np.array(5.0), 0, np.array([0, 0])).tolist() == [5.0, 5.0]
    x, index = normal(3, 4), np.array([[2, 0]])
    assert F.gather(x, 1, index).tolist() == [[x[0, 2], x[0, 0]]]
    assert np.array_equal(ag.take_along_axis(x, index, 1), np.take_along_axis(x, index, 1))


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


# ------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_regression_losses_are_their_definitions(reduction: str) -> None:
    x, t = normal(4, 3), normal(4, 3, seed=1)
    d = np.abs(x - t)
    reduce = {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction]
    close(F.l1_loss(x, t, reduction), reduce(d))
    for delta in (0.3, 1.0, 2.5):
        huber = np.where(d <= delta, d * d / 2, delta * (d - delta / 2))
        close(F.huber_loss(x, t, reduction, delta), reduce(huber))
        close(F.smooth_l1_loss(x, t, reduction, delta), reduce(huber / delta))
    close(F.smooth_l1_loss(x, t, reduction, 0.0), reduce(d))


def test_the_divergence_counts_nothing_where_the_target_is_zero() -> None:
    target = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]])
    logits = normal(2, 3)
    log_q = F.log_softmax(logits)
    terms = np.where(target == 0, 0.0, target * (np.log(np.where(target, target, 1)) - log_q))
    close(F.kl_div(log_q, target, "batchmean"), terms.sum() / 2)
    close(F.kl_div(log_q, target), terms.mean())
    with np.errstate(divide="ignore"):
        log_target = np.log(target)
    close(F.kl_div(log_q, log_target, "none", log_target=True), terms)
    x = ag.tensor(log_q, requires_grad=True)
    (g,) = ag.grad(F.kl_div(x, target, "sum"), [x])
    close(g, -target)


def test_binary_cross_entropy_neither_overflows_nor_cancels() -> None:
    x = ag.tensor(np.array([-800.0, -50.0, 0.0, 50.0, 800.0]), requires_grad=True)
    for target, signs in ((0.0, 1.0), (1.0, -1.0)):
        loss = bce(x, np.full(5, target), reduction="none")
        expected = np.logaddexp(0.0, signs * x.numpy())
        np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-13)
        (g,) = ag.grad(loss, [x], np.ones(5))
        expected = signs / (1.0 + np.exp(-signs * x.numpy().clip(-700, 700)))
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-10, atol=1e-300)
    single = ag.tensor(np.array([-1e4, 1e4], np.float32), requires_grad=True)
    loss = bce(single, [1, 0])
    assert loss.dtype == np.float32
    assert loss.item() == 1e4


def test_binary_cross_entropy_weighs_positives_and_values() -> None:
    x, t = normal(3, 2), RNG(1).random((3, 2))
    s = 1.0 / (1.0 + np.exp(-x))
    positive, weight = np.array([2.0, 0.5]), RNG(2).random((3, 1))
    terms = -weight * (positive * t * np.log(s) + (1.0 - t) * np.log(1.0 - s))
    close(bce(x, t, weight, "mean", positive), terms.mean())
    close(bce(x, t, weight, "sum", positive), terms.sum())


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "soft", "binary"])
def test_logits_that_are_whole_numbers_leave_targets_and_weights_as_they_are(name: str) -> None:
    function, target = {
        "cross_entropy": (
            lambda x, t: F.cross_entropy(x, t, [0.5, 0.3], label_smoothing=0.2),
            [1, 0],
        ),
        "nll_loss": (lambda x, t: F.nll_loss(x, t, [0.5, 0.3], reduction="sum"), [1, 0]),
        "soft": (F.cross_entropy, [[0.3, 0.7], [0.5, 0.5]]),
        "binary": (
            lambda x, t: bce(x, t, [0.5, 0.3], pos_weight=[1.5, 0.5]),
            [[0.3, 0.7], [0.5, 0.5]],
        ),
    }[name]
    logits = np.array([[1, -2], [0, 3]])
    expected = function(logits.astype(np.float64), target)
    np.testing.assert_allclose(function(logits, target), expected, rtol=1e-6)  # float32


# ------------------------------------------------------------------------------- mistakes are noted


def test_probabilities_in_place_of_logits_are_noted() -> None:
    logits = ag.tensor(normal(2, 3), requires_grad=True)
    classes = np.array([0, 2])
    with pytest.warns(UserWarning, match="the input is the result of softmax.*pass the logits"):
        F.cross_entropy(F.softmax(logits), classes)
    with pytest.warns(UserWarning, match="result of log_softmax.*nll_loss takes"):
        F.cross_entropy(F.log_softmax(logits), classes)
    with pytest.warns(UserWarning, match="nll_loss: .*result of softmax.*use log_softmax"):
        F.nll_loss(F.softmax(logits), classes)
    with pytest.warns(UserWarning, match="result of sigmoid.*pass the values before sigmoid"):
        bce(F.sigmoid(logits), np.ones((2, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.cross_entropy(logits, classes)
        F.nll_loss(F.log_softmax(logits), classes)


def test_the_note_on_probabilities_comes_once() -> None:
    logits = ag.tensor(normal(2, 3), requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(5):
            F.cross_entropy(F.softmax(logits), np.array([0, 2]))
    assert len(caught) == 1
    assert caught[0].filename == __file__
