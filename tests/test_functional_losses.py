"""Losses in functional, and the mistakes that they note.

References are definitions (naive.py) or NumPy formulas; numbers were compared with PyTorch 2.13 by hand.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st

RNG = np.random.default_rng


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return RNG([seed, *shape]).standard_normal(shape)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)  # float64 sums


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


@pytest.mark.parametrize(
    "function",
    [
        F.l1_loss,
        lambda x, t: F.huber_loss(x, t, "none", 0.4),
        lambda x, t: F.smooth_l1_loss(x, t, "mean", 0.4),
        lambda x, t: F.kl_div(x, t, "batchmean", log_target=True),
        lambda x, t: F.kl_div(x, t * t, "none"),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=[1.0, 2.0, 3.0]),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, [0.5, 2.0, 3.0], "none"),
    ],
)
def test_losses_differentiate_twice_in_both_inputs(function: Any) -> None:
    check_op(function, ag_st.evenly_spaced((2, 3), 0), ag_st.evenly_spaced((2, 3), 1))


def test_binary_cross_entropy_neither_overflows_nor_cancels() -> None:
    x = ag.tensor(np.array([-800.0, -50.0, 0.0, 50.0, 800.0]), requires_grad=True)
    for target, signs in ((0.0, 1.0), (1.0, -1.0)):
        loss = F.binary_cross_entropy_with_logits(x, np.full(5, target), reduction="none")
        expected = np.logaddexp(0.0, signs * x.numpy())
        np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-13)
        (g,) = ag.grad(loss, [x], np.ones(5))
        expected = signs / (1.0 + np.exp(-signs * x.numpy().clip(-700, 700)))
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-10, atol=1e-300)
    single = ag.tensor(np.array([-1e4, 1e4], np.float32), requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(single, [1, 0])
    assert loss.dtype == np.float32
    assert loss.item() == 1e4


def test_binary_cross_entropy_weighs_positives_and_values() -> None:
    x, t = normal(3, 2), RNG(1).random((3, 2))
    s = 1.0 / (1.0 + np.exp(-x))
    positive, weight = np.array([2.0, 0.5]), RNG(2).random((3, 1))
    terms = -weight * (positive * t * np.log(s) + (1.0 - t) * np.log(1.0 - s))
    close(F.binary_cross_entropy_with_logits(x, t, weight, "mean", positive), terms.mean())
    close(F.binary_cross_entropy_with_logits(x, t, weight, "sum", positive), terms.sum())


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
        F.binary_cross_entropy_with_logits(F.sigmoid(logits), np.ones((2, 3)))
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
