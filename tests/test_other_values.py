"""Values beside the usual floats: whole numbers, truth values, results and annotations of other kinds."""

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import op


def test_whole_logits_are_scores_like_others() -> None:
    target, half = np.array([0, 2]), 4e-3  # uint8 becomes float16, as in np.exp
    for dtype in (np.int64, np.uint8, np.int32):
        logits = np.array([[3, 1, 0], [0, 2, 5]], dtype)
        expected = F.cross_entropy(logits.astype(float), target)
        np.testing.assert_allclose(F.cross_entropy(logits, target), expected, rtol=half)
        given, ones = logits.reshape(-1), np.ones(6)
        np.testing.assert_allclose(
            F.binary_cross_entropy_with_logits(given, ones),
            F.binary_cross_entropy_with_logits(given.astype(float), ones),
            rtol=half,
        )


def test_the_average_of_truth_values_is_their_share() -> None:
    x = np.array([[[True, True, False, False]]])
    assert F.avg_pool1d(x, 2).tolist() == [[[1.0, 0.0]]]
    assert F.avg_pool1d(x, 4).tolist() == [[[0.5]]]


def test_a_rule_may_answer_with_a_number() -> None:
    @op(x=lambda g, out, x: 3.0 if x.ndim == 0 else g * 3.0, register=False)
    def thrice(x: Any) -> Any:
        return x * 3.0

    x = ag.tensor(2.0, requires_grad=True)
    thrice(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 3.0
    assert x.grad.dtype == x.dtype


def test_what_has_become_whole_needs_no_gradient() -> None:
    x = ag.tensor([1.5, 2.5], requires_grad=True)
    assert not x.astype("int64").requires_grad
    assert not x.astype(bool).requires_grad
    assert x.astype("float16").requires_grad


def test_annotations_that_are_types_or_quoted_are_checked_too() -> None:
    @checked
    def scaled(x: "Array", times: int = 1, factor: "float" = 1.0) -> Any:
        return x * factor**times

    assert scaled(2.0, 2, 3.0) == 18.0
    with pytest.raises(TypeError, match="scaled: times must be an integer, got 'two'"):
        scaled(2.0, "two")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="scaled: factor must be a number, got 'two'"):
        scaled(2.0, 2, "two")  # type: ignore[arg-type]


def test_a_mask_is_not_lost_in_silence() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: ag.tensor(masked),
        lambda: ag.exp(masked),
        lambda: x * masked,
        lambda: F.relu(masked),
        lambda: F.linear(masked, np.ones((1, 2))),
    ):
        with pytest.raises(TypeError, match=r"masked array, whose mask would be lost; fill it"):
            call()
    assert (x * masked.filled(0.0)).tolist() == [0.0, 4.0]


def test_arrays_of_a_subclass_are_arrays() -> None:
    class Marked(np.ndarray):
        pass

    x = ag.tensor([1.0, 2.0], requires_grad=True)
    given = np.array([3.0, 4.0]).view(Marked)
    out = x * given
    assert type(out.array) is np.ndarray
    assert ag.grad(out.sum(), x)[0].tolist() == [3.0, 4.0]
