"""Progress, metrics and early stopping."""

from __future__ import annotations

import io
import json
import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import nn, training
from autograd_cnn.training import progress as progress_module

# --------------------------------------------------------------------------------------------- metrics

rows = st.integers(0, 12)
few = st.integers(1, 5)
seeds = st.integers(0, 999)


def scores_and_labels(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of few different values, so that there are ties, NaN and infinities among them."""
    rng = np.random.default_rng(seed)
    scores = rng.choice([-1.0, 0.0, 0.5, 2.0, np.inf, -np.inf, np.nan], (n, k))
    return scores, rng.integers(0, k, n)


@given(rows, few, seeds)
def test_metrics_are_what_a_loop_counts(n: int, k: int, seed: int) -> None:
    scores, labels = scores_and_labels(n, k, seed)
    matrix = np.zeros((k, k), int)
    ranks = []
    for row, label in zip(np.where(np.isnan(scores), np.inf, scores).tolist(), labels):
        order = sorted(range(k), key=lambda i: (-row[i], i))
        matrix[label, order[0]] += 1
        ranks.append(order.index(label))
    found = training.confusion_matrix(scores, labels)
    assert np.array_equal(found, matrix)
    assert found.dtype.kind == "i"
    for top in range(1, k + 1):
        expected = np.mean([rank < top for rank in ranks]) if n else np.nan
        np.testing.assert_equal(training.top_k_accuracy(scores, labels, top), expected)
    np.testing.assert_equal(
        training.accuracy(scores, labels), training.top_k_accuracy(scores, labels, 1)
    )
    assert type(training.accuracy(scores, labels)) is float
    assert type(training.top_k_accuracy(scores, labels, k)) is float
    assert n == 0 or training.top_k_accuracy(scores, labels, k) == 1.0


@given(rows, few, seeds, st.sampled_from([np.uint8, np.int32, np.int64]))
def test_classes_scores_arrays_and_tensors_give_the_same(
    n: int, k: int, seed: int, dtype: Any
) -> None:
    scores, labels = scores_and_labels(n, k, seed)
    predicted = np.where(np.isnan(scores), np.inf, scores).argmax(axis=1).astype(dtype)
    for metric in (training.accuracy, lambda *a: training.confusion_matrix(*a, classes=k)):
        expected = metric(scores, labels)
        np.testing.assert_equal(metric(predicted, labels.astype(dtype)), expected)
        np.testing.assert_equal(metric(ag.tensor(scores), ag.tensor(labels)), expected)
        tracked = ag.tensor(scores, requires_grad=True) * 1.0
        np.testing.assert_equal(metric(tracked, labels), expected)
        np.testing.assert_equal(metric(predicted.tolist(), tuple(labels.tolist())), expected)
        np.testing.assert_equal(metric(scores.tolist() if n else scores, labels.tolist()), expected)


@given(st.integers(0, 12), few, seeds)
def test_precision_and_recall_are_those_of_one_class_against_the_rest(
    n: int, k: int, seed: int
) -> None:
    scores, labels = scores_and_labels(n, k, seed)
    predicted = np.where(np.isnan(scores), np.inf, scores).argmax(axis=1)
    found = training.precision_recall_f1(scores, labels)
    for c in range(k):
        guess, true = predicted == c, labels == c
        precision = true[guess].mean() if guess.any() else np.nan
        recall = guess[true].mean() if true.any() else np.nan
        both = guess.any() or true.any()
        hits = (guess & true).sum()
        f1 = 2 * hits / (guess.sum() + true.sum()) if both else np.nan
        if hits:  # the harmonic mean
            assert np.isclose(f1, 2 / (1 / precision + 1 / recall))
        expected = [precision, recall, f1, true.sum()]
        np.testing.assert_allclose([part[c] for part in found], expected, equal_nan=True)


def test_metrics_take_ranges_and_series() -> None:
    assert training.accuracy(range(3), [0, 1, 0]) == 2 / 3
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert training.accuracy(pandas.Series([1, 2], index=[5, 6]), pandas.Series([1, 1])) == 0.5


def test_confusion_of_classes_that_nobody_is_in() -> None:
    none = np.zeros(0, int)
    assert training.confusion_matrix(none, none).shape == (0, 0)
    assert training.confusion_matrix(none, none, classes=3).tolist() == [[0] * 3] * 3
    assert training.confusion_matrix(np.array([2]), np.array([0])).shape == (3, 3)


# -------------------------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(steps: int = 4) -> training.Progress:
    with training.Progress("epoch {1}/2", steps) as progress:
        for step in range(steps):
            progress.update(10 * (step + 1), loss=ag.tensor(step), accuracy=np.float32(0.5))
    return progress


def test_means_are_weighted_and_plain() -> None:
    progress = run()
    assert progress.means == {"loss": 200 / 100, "accuracy": 0.5}  # (0*10 + 1*20 + 2*30 + 3*40)
    assert json.loads(json.dumps(progress.means)) == progress.means
    progress.update(100)  # values may come now and then
    progress.update(100, loss=4.0)
    assert progress.means == {"loss": 3.0, "accuracy": 0.5}
    assert (progress.step, progress.count) == (6, 300)


def test_seconds_stand_still_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5.0, 7.0, 9.5])
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: next(times))
    with training.Progress("a", 1) as progress:
        pass
    assert progress.seconds == progress.seconds == 2.5


def test_a_pipe_and_a_missing_stderr_get_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", None)
    assert run().step == 4


def test_a_terminal_without_tqdm_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # makes the import fail
    run()
    assert screen.getvalue() == ""  # over before it was time for a line
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.0)
    run()
    lines = screen.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("epoch {1}/2  step 4/4  loss 2.000 accuracy 0.500 ")
    assert lines[3].endswith("/s")
    assert "\r" not in screen.getvalue()


def test_a_terminal_with_tqdm_gets_a_bar_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    run()
    shown = screen.getvalue().split("\r")
    assert any(bar.startswith("epoch {1}/2   0%|") for bar in shown)
    assert shown[-1].strip() == ""
    with pytest.raises(KeyboardInterrupt), training.Progress("epoch 3", 2) as progress:
        raise KeyboardInterrupt
    assert progress.step == 0


class Cell(io.StringIO):
    """What a notebook's kernel has for stdout: no terminal, but `\\r` begins the line anew."""

    __module__ = "ipykernel.iostream"


def test_a_notebook_shows_one_line_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, errors = Cell(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", cell)
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_UPDATES", 0.0)
    run()
    start, *lines, blank, end = cell.getvalue().split("\r")
    assert (start, blank.strip(), end) == ("", "", "")
    assert len(lines) == 4
    assert lines[3].startswith("epoch {1}/2  step 4/4  loss 2.000 accuracy 0.500 ")
    assert {len(line) for line in (*lines, blank)} == {79}
    assert "\n" not in cell.getvalue()
    assert errors.getvalue() == ""
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_UPDATES", 60.0)
    run()
    assert cell.getvalue().count("step") == 4


# -------------------------------------------------------------------------------------- early stopping


def follow(values: list[float], patience: int, mode: str) -> tuple[int, training.EarlyStopping]:
    """The number of epochs until it stops; the model's weight is the number of the epoch."""
    model = nn.Linear(1, 1)
    stopping = training.EarlyStopping(model, patience, mode)
    for epoch, value in enumerate(values, 1):
        nn.init.constant_(model.weight, epoch)
        if stopping.update(value):
            return epoch, stopping
    return len(values), stopping


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan, math.inf]), min_size=1, max_size=12),
    st.integers(1, 4),
    st.sampled_from(["min", "max"]),
)
def test_early_stopping_keeps_the_first_of_the_best(
    values: list[float], patience: int, mode: str
) -> None:
    epochs, stopping = follow(values, patience, mode)
    seen = values[:epochs]
    real = [v for v in seen if not math.isnan(v)]
    if not real:
        assert stopping.best is None
        assert epochs == min(patience, len(values))
        with pytest.raises(RuntimeError, match="no best epoch"):
            stopping.restore()
        return
    best = min(real) if mode == "min" else max(real)
    where = seen.index(best)
    assert stopping.best == best
    assert stopping.waited == epochs - 1 - where
    assert (stopping.waited >= patience) or epochs == len(values)
    stopping.restore()
    assert stopping.model.weight.item() == where + 1


def test_the_weights_kept_are_copies() -> None:
    model = nn.Linear(1, 1)
    stopping = training.EarlyStopping(model, 5)
    stopping.update(1.0)
    kept = model.weight.item()
    state = stopping.state_dict()
    nn.init.constant_(model.weight, 9.0)
    state["weights"]["weight"][...] = 7.0
    stopping.restore()
    assert model.weight.item() == kept


def test_early_stopping_goes_on_from_its_state() -> None:
    values = [3.0, 2.0, 2.5, 2.4, 2.3]
    _, straight = follow(values[:3], 3, "min")
    model = nn.Linear(1, 1)
    later = training.EarlyStopping(model, 3)
    later.load_state_dict(straight.state_dict())
    assert [later.update(v) for v in values[3:]] == [False, True]
    later.restore()
    assert model.weight.item() == 2
    with pytest.raises(ValueError, match="patience is 4, but 3 in the state"):
        training.EarlyStopping(model, 4).load_state_dict(straight.state_dict())
    with pytest.raises(ValueError, match="expected the keys"):
        later.load_state_dict({})
    with pytest.raises(ValueError, match="mode is 'max', but 'min'"):
        training.EarlyStopping(model, 3, "max").load_state_dict(straight.state_dict())
