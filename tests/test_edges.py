"""The choices at kinks, ties and edges, one test per documented choice."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.testing import gradcheck, gradgradcheck

INF, NAN = float("inf"), float("nan")


def gradient(function: Any, *inputs: Any, g: Any = None) -> list[list[float]]:
    tensors = [ag.tensor(np.asarray(x, float), requires_grad=True) for x in inputs]
    out = function(*tensors)
    return [t.tolist() for t in ag.grad(out, tensors, np.ones(out.shape) if g is None else g)]


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [
        (ag.relu, [[0.0, -0.0, 1.0]], [[0.0, 0.0, 1.0]]),
        (ag.abs, [[0.0, -2.0]], [[0.0, -1.0]]),
        (ag.maximum, [[1.0, 2.0], [1.0, 3.0]], [[0.5, 0.0], [0.5, 1.0]]),
        (ag.minimum, [[1.0, 2.0], [1.0, 3.0]], [[0.5, 1.0], [0.5, 0.0]]),
        (ag.max, [[3.0, 1.0, 3.0]], [[0.5, 0.0, 0.5]]),
        (ag.min, [[3.0, 1.0, 1.0]], [[0.0, 0.5, 0.5]]),
        (
            lambda x: ag.clip(x, min=0.0, max=1.0),
            [[-1.0, 0.0, 0.5, 1.0, 2.0]],
            [[0.0, 1.0, 1.0, 1.0, 0.0]],
        ),
        (lambda x: x**0, [[0.0, 2.0]], [[0.0, 0.0]]),
        (lambda x: x**1, [[0.0, 2.0]], [[1.0, 1.0]]),
        (lambda x: x**2, [[0.0, -3.0]], [[0.0, -6.0]]),
        (lambda x: x**3.0, [[0.0, -1.0]], [[0.0, 3.0]]),
        (ag.power, [[0.0, 2.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, np.log(2.0)]]),
        (ag.sign, [[0.0, 5.0]], [[0.0, 0.0]]),
        (ag.mean, [[]], [[]]),
        (ag.var, [[]], [[]]),
    ],
)
def test_gradient_at_a_kink_or_tie(function: Any, inputs: Any, expected: Any) -> None:
    assert gradient(function, *inputs) == expected


def test_ties_in_several_axes_share_one_gradient() -> None:
    (found,) = gradient(lambda x: ag.max(x, axis=(0, 2)), np.zeros((2, 3, 2)))
    assert found == np.full((2, 3, 2), 0.25).tolist()


def test_max_pool_gives_a_tie_to_the_first_in_row_major_order() -> None:
    (found,) = gradient(lambda x: F.max_pool2d(x, 2), np.zeros((1, 1, 2, 2)))
    assert found == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_a_winner_of_overlapping_windows_counts_once_per_window() -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1.0
    (found,) = gradient(lambda x: F.max_pool2d(x, 2, stride=1), x)
    assert found[0][0][1][1] == 4.0


def test_nan_propagates_and_takes_the_gradient() -> None:
    assert np.isnan(ag.max(np.array([1.0, NAN])))
    assert gradient(ag.max, [1.0, NAN, 2.0]) == [[0.0, 1.0, 0.0]]
    x = np.array([[[[1.0, NAN], [3.0, 2.0]]]])
    assert np.isnan(F.max_pool2d(x, 2)).all()
    assert gradient(lambda x: F.max_pool2d(x, 2), x) == [[[[[0.0, 1.0], [0.0, 0.0]]]]]
    assert np.isnan(ag.relu(np.array([NAN]))).all()
    assert np.isnan(ag.maximum(np.array([NAN]), 0.0)).all()


def test_windows_of_minus_infinity_are_safe() -> None:
    x = np.full((1, 1, 2, 2), -INF)
    assert F.max_pool2d(x, 2).tolist() == [[[[-INF]]]]
    assert gradient(lambda x: F.max_pool2d(x, 2), x) == [[[[[1.0, 0.0], [0.0, 0.0]]]]]
    only_padding = np.ones((1, 1, 1, 1))
    assert F.max_pool2d(only_padding, 2, padding=1, dilation=2).tolist() == [[[[-INF]]]]
    assert gradient(lambda x: F.max_pool2d(x, 2, padding=1, dilation=2), only_padding) == [
        [[[[0.0]]]]
    ]


def test_padding_never_wins_against_negative_values() -> None:
    assert F.max_pool2d(np.full((1, 1, 2, 2), -5.0), 3, stride=1, padding=1).max() == -5.0


def test_infinite_values_do_not_leak_through_relu_where_and_pooling() -> None:
    assert ag.relu(np.array([-INF, INF])).tolist() == [0.0, INF]
    assert gradient(ag.relu, [-INF, 1.0], g=np.array([INF, 2.0])) == [[0.0, 2.0]]
    condition = np.array([True, False])
    assert gradient(lambda x: ag.where(condition, x, 0.0), [1.0, 2.0], g=np.array([1.0, INF])) == [
        [1.0, 0.0]
    ]


def test_the_double_where_recipe() -> None:
    x = np.array([0.0, 4.0])
    (bad,) = gradient(lambda x: ag.where(x > 0, ag.sqrt(x) * ag.sqrt(x), 0.0), x[1:])
    assert bad == [1.0]
    (good,) = gradient(lambda x: ag.where(x > 0, ag.sqrt(ag.where(x > 0, x, 1.0)), 0.0), x)
    assert good == [0.0, 0.25]


def test_powers_of_infinity_and_zero() -> None:
    with np.errstate(all="ignore"):
        found = gradient(ag.power, [INF, 2.0, 0.0], [0.0, 1.0, -1.0])
    assert found == [[0.0, 1.0, -INF], [INF, 2.0 * np.log(2.0), -INF]]


def test_no_warning_where_the_answer_is_well_defined() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient(lambda x: x**0, [0.0])
        gradient(lambda x: x**2, [0.0])
        gradient(ag.sigmoid, [-1000.0, 1000.0])
        gradient(ag.tanh, [-1000.0, 1000.0])
        gradient(ag.logsumexp, [-1e4, 1e4])
        F.softmax(np.array([1e4, -1e4]))
        ag.mean(np.array([]))
        ag.var(np.array([]))


def test_reductions_of_nothing() -> None:
    assert np.isnan(ag.mean(np.zeros((0,))))
    assert np.isnan(ag.var(np.zeros((0,))))
    assert ag.mean(np.zeros((0, 2)), axis=0).shape == (2,)
    assert ag.sum(np.zeros((0,))) == 0.0
    assert ag.logsumexp(np.zeros((0,))) == -INF


def test_softmax_beside_minus_infinity() -> None:
    assert F.softmax(np.array([-INF, 0.0])).tolist() == [0.0, 1.0]
    assert F.log_softmax(np.array([-INF, 0.0])).tolist() == [-INF, 0.0]


@pytest.mark.parametrize("scale", [1e4, -1e4, 3e38])
def test_extreme_logits_stay_finite_in_single_precision(scale: float) -> None:
    logits = ag.tensor(np.array([[scale, 0.0, 1.0]], np.float32), requires_grad=True)
    for loss in (
        F.cross_entropy(logits, np.array([0 if scale > 0 else 1])),
        ag.logsumexp(logits * (1e-34 if scale == 3e38 else 1.0)),
    ):
        assert np.isfinite(loss.item())
        assert np.isfinite(ag.grad(loss, logits)[0].numpy()).all()


def test_overflowing_values_in_the_sums_of_squares_are_not_hidden() -> None:
    with np.errstate(over="ignore"):
        assert ag.var(np.array([1e300, -1e300])).item() == INF


# ------------------------------------------------------------------------------------ empty batches


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_an_empty_batch_flows_through_a_network(reduction: str) -> None:
    w = ag.tensor(np.ones((2, 1, 3, 3)), requires_grad=True)
    v = ag.tensor(np.ones((3, 8)), requires_grad=True)
    h = F.conv2d(ag.tensor(np.zeros((0, 1, 4, 4))), w, padding=1)
    h = F.avg_pool2d(F.max_pool2d(F.relu(h), 2), 1)
    logits = F.linear(F.flatten(h, 1), v)
    assert logits.shape == (0, 3)
    loss = F.cross_entropy(logits, np.zeros(0, int), reduction=reduction)
    assert loss.shape == ((0,) if reduction == "none" else ())
    if reduction == "sum":
        assert loss.item() == 0.0
        loss.backward()
        assert w.grad is not None
        assert w.grad.tolist() == np.zeros((2, 1, 3, 3)).tolist()
    if reduction == "mean":
        assert np.isnan(loss.item())


def test_batch_norm_of_an_empty_batch() -> None:
    running_mean, running_var = np.zeros(2), np.ones(2)
    x = ag.tensor(np.ones((0, 2, 3)), requires_grad=True)
    out = F.batch_norm(x, running_mean, running_var, training=True)
    out.backward(np.ones((0, 2, 3)))
    assert out.shape == (0, 2, 3)
    assert (running_mean.tolist(), running_var.tolist()) == ([0.0, 0.0], [1.0, 1.0])


# ------------------------------------------------------------------------------------ cross entropy


def test_one_hot_and_probability_targets_agree_with_classes() -> None:
    logits = np.random.default_rng(0).standard_normal((4, 3))
    classes = np.array([2, 0, 1, 1])
    expected = F.cross_entropy(logits, classes)
    for dtype in (np.int64, np.float64, np.uint8, bool):
        assert np.isclose(
            F.cross_entropy(logits, F.one_hot(classes, 3).astype(dtype)), expected, rtol=1e-12
        )


def test_class_weights_divide_by_the_sum_of_the_weights_met() -> None:
    logits = np.random.default_rng(0).standard_normal((4, 3))
    classes, weight = np.array([2, 0, 1, 1]), np.array([0.5, 2.0, 3.0])
    each = F.cross_entropy(logits, classes, reduction="none")
    expected = (each * weight[classes]).sum() / weight[classes].sum()
    assert np.isclose(F.cross_entropy(logits, classes, weight), expected, rtol=1e-12)
    nll = F.nll_loss(F.log_softmax(logits, 1), classes, weight)
    assert np.isclose(nll, expected, rtol=1e-12)


def test_ignored_rows_count_nowhere_whatever_their_logits() -> None:
    logits = np.array([[1.0, 2.0], [-INF, NAN], [0.5, -0.5]])
    classes = np.array([0, -100, 1])
    kept = [0, 2]
    expected = F.cross_entropy(logits[kept], classes[kept])
    assert np.isclose(F.cross_entropy(logits, classes), expected, rtol=1e-12)
    (g,) = gradient(lambda x: F.cross_entropy(x, classes), logits)
    assert g[1] == [0.0, 0.0]
    assert np.isfinite(g).all()


def test_all_rows_ignored_give_nan_and_one_warning() -> None:
    with pytest.warns(UserWarning, match="every target is ignored") as caught:
        assert np.isnan(F.cross_entropy(np.zeros((2, 3)), np.array([-100, -100])))
    assert len(caught) == 1


@given(st.data())
def test_label_smoothing_equals_smoothed_one_hot_targets(data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    smoothing = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    logits, classes = rng.standard_normal((3, 4, 2)), rng.integers(0, 4, (3, 2))
    soft = np.moveaxis(F.one_hot(classes, 4), -1, 1) * (1.0 - smoothing) + smoothing / 4
    expected = -(soft * F.log_softmax(logits, 1)).sum(axis=1)
    for reduction, combine in {"none": lambda x: x, "sum": np.sum, "mean": np.mean}.items():
        found = F.cross_entropy(logits, classes, reduction=reduction, label_smoothing=smoothing)
        assert np.allclose(found, combine(expected), rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_option_of_cross_entropy_differentiates_twice(reduction: str) -> None:
    rng = np.random.default_rng(0)
    logits = ag.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    soft = F.softmax(rng.standard_normal((3, 4)))
    for target in (np.array([1, -100, 3]), soft):
        options = {"weight": rng.random(4) + 0.5, "reduction": reduction, "label_smoothing": 0.2}
        function = lambda x: F.cross_entropy(x, target, **options)  # noqa: B023, E731
        assert gradcheck(function, logits, atol=1e-6, rtol=1e-6)
        assert gradgradcheck(function, logits, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_composed_losses_and_dropout_differentiate_twice(reduction: str) -> None:
    rng = np.random.default_rng(0)
    x = ag.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    y = ag.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    classes, weight = np.array([1, -100, 3]), rng.random(4) + 0.5

    def dropped(x: Any) -> Any:
        ag.manual_seed(5)  # the same mask at every call
        return F.dropout(x, 0.4)

    for function, inputs in (
        (lambda x, y: F.mse_loss(x, y, reduction=reduction), [x, y]),
        (lambda x: F.nll_loss(x, classes, weight, reduction=reduction), [x]),
        (dropped, [x]),
    ):
        assert gradcheck(function, inputs, atol=1e-6, rtol=1e-6)
        assert gradgradcheck(function, inputs, atol=1e-6, rtol=1e-6)


# --------------------------------------------------------------------------------------- batch norm


def test_running_statistics_are_unbiased_and_normalisation_is_biased() -> None:
    x = np.random.default_rng(0).standard_normal((4, 2, 3, 3))
    running_mean, running_var = np.zeros(2), np.ones(2)
    y = F.batch_norm(x, running_mean, running_var, training=True, momentum=0.1, eps=0.0)
    assert np.allclose(y.var(axis=(0, 2, 3)), 1.0, rtol=1e-12)
    assert np.allclose(running_mean, 0.1 * x.mean(axis=(0, 2, 3)), rtol=1e-12)
    assert np.allclose(running_var, 0.9 + 0.1 * x.var(axis=(0, 2, 3), ddof=1), rtol=1e-12)


def test_evaluation_uses_the_running_statistics_and_differentiates_twice() -> None:
    rng = np.random.default_rng(0)
    x, w, b = (
        ag.tensor(rng.standard_normal(s), requires_grad=True) for s in [(3, 2, 2), (2,), (2,)]
    )
    mean, var = rng.standard_normal(2), rng.random(2) + 0.5
    function = lambda x, w, b: F.batch_norm(x, mean, var, w, b)  # noqa: E731
    expected = (x.numpy() - mean[:, None]) / np.sqrt(var + 1e-5)[:, None] * w.numpy()[
        :, None
    ] + b.numpy()[:, None]
    assert np.allclose(function(x, w, b).numpy(), expected, rtol=1e-12)
    assert gradcheck(function, [x, w, b], atol=1e-6, rtol=1e-6)
    assert gradgradcheck(function, [x, w, b], atol=1e-6, rtol=1e-6)


# ------------------------------------------------------------------------------------------ dropout


def test_dropout_keeps_the_mean_and_zeroes_the_share_p() -> None:
    ag.manual_seed(0)
    x = ag.tensor(np.ones(100_000, np.float32), requires_grad=True)
    y = F.dropout(x, 0.3)
    values = y.numpy()
    assert set(np.unique(values)) == {np.float32(0.0), np.float32(1.0 / 0.7)}
    # Four standard deviations of a mean of 100,000 Bernoulli draws.
    assert abs((values == 0).mean() - 0.3) < 4 * np.sqrt(0.21 / 100_000)
    y.sum().backward()
    assert x.grad is not None
    assert np.array_equal(x.grad.numpy(), values)


def test_dropout_at_its_ends_and_outside_training() -> None:
    x = np.ones((2, 3), np.float32)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.9, training=False) is x
    assert F.dropout(x, 1.0).tolist() == np.zeros((2, 3)).tolist()


def test_the_seed_repeats_dropout() -> None:
    ag.manual_seed(3)
    first = F.dropout(np.ones(50))
    ag.manual_seed(3)
    assert np.array_equal(first, F.dropout(np.ones(50)))


# ------------------------------------------------------------------------------------------- layout


def test_batch_innermost_memory_survives_a_network_without_hidden_copies() -> None:
    """Each kernel returns a view of a contiguous (C, H, W, N) array, and elementwise NumPy keeps that order."""
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype("f")
    h = ag.tensor(x)
    stages = {}
    stages["conv"] = h = F.conv2d(
        h, np.ones((2, 1, 3, 3), np.float32), np.ones(2, np.float32), padding=1
    )
    stages["norm"] = h = F.batch_norm(
        h, None, None, np.ones(2, "f"), np.zeros(2, "f"), training=True
    )
    stages["relu"] = h = F.relu(h)
    stages["pool"] = h = F.max_pool2d(h, 2)
    stages["average"] = h = F.avg_pool2d(h, 2)
    for name, stage in stages.items():
        assert stage.array.transpose(1, 2, 3, 0).flags.c_contiguous, name
    flat = F.flatten(h, 1)
    assert np.shares_memory(flat.array, h.array)


def test_gradients_keep_batch_innermost_memory() -> None:
    rng = np.random.default_rng(0)
    x = ag.tensor(rng.standard_normal((4, 2, 8, 8)).astype("f"), requires_grad=True)
    w = rng.standard_normal((3, 2, 3, 3)).astype("f")
    conv = F.conv2d(x, w, padding=1)
    norm = F.batch_norm(conv, training=True)
    relu = F.relu(norm)
    pool = F.max_pool2d(relu, 2)
    logits = F.linear(F.flatten(pool, 1), rng.standard_normal((5, 48)).astype("f"))
    loss = F.cross_entropy(logits, np.array([0, 1, 2, 3]))
    for g, t in zip(ag.grad(loss, [pool, relu, norm, conv, x]), (pool, relu, norm, conv, x)):
        assert g.array.transpose(1, 2, 3, 0).flags.c_contiguous, t
