"""Metrics of classifiers; arrays, tensors, lists, ranges and pandas series all serve."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import integer
from autograd_cnn.engine.annotations import array_of
from autograd_cnn.engine.node import values


def accuracy(predicted: Any, labels: Any) -> float:
    """The share of samples whose class was predicted; NaN for no samples.

    `predicted` holds classes, integers (N,), or scores (N, K).  The first largest score counts, and
    NaN counts as infinity.  `labels` holds the true classes, integers (N,).

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]]), [1, 0, 0])
    0.6666666666666666
    >>> accuracy([1, 0, 1], [1, 0, 0])
    0.6666666666666666
    """
    found, truth = _classes("accuracy", predicted, labels)
    return _share(found == truth)


def top_k_accuracy(scores: Any, labels: Any, k: int = 5) -> float:
    """The share of samples whose class is among the `k` highest scores; NaN for no samples.

    Of equal scores the first counts as higher, so ``k=1`` is `accuracy`, where the arguments are
    described.

    >>> top_k_accuracy(np.array([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2]]), np.array([2, 2]), k=2)
    0.5
    """
    name = "top_k_accuracy"
    truth = _labels(name, labels)
    found = _scores(name, _array(name, "scores", scores), truth)
    count = found.shape[1]
    if integer(name, "k", k, 1) > count:
        raise ValueError(f"{name}: k must be 1 to {count}, the number of scores, got {k}")
    _check_range(name, "label", truth, count)
    own = np.take_along_axis(found, truth[:, None], axis=1)  # (N, 1)
    earlier = np.arange(count) < truth[:, None]  # (N, K)
    higher = (found > own) | ((found == own) & earlier)
    return _share(higher.sum(axis=1) < k)


def confusion_matrix(predicted: Any, labels: Any, classes: int | None = None) -> np.ndarray:
    """Counts (K, K) of samples by true class (row) and predicted class (column).

    `predicted` and `labels` are those of `accuracy`.  K is `classes`; the default is the number of
    scores, or one more than the largest class.

    >>> confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    return _counts("confusion_matrix", predicted, labels, classes)


class ClassScores(NamedTuple):
    """What `precision_recall_f1` returns: float64 (K,) each, and the counts int64 (K,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def precision_recall_f1(predicted: Any, labels: Any, classes: int | None = None) -> ClassScores:
    """Precision, recall and F1 of each class, and the number of its samples.

    Precision is the share of the samples predicted as the class that belong to it; recall is the
    share of the samples of the class that were predicted so; F1 is their harmonic mean.  Where a
    class was never predicted, or has no samples, the shares of them are NaN; F1 is NaN if both.
    The arguments are those of `confusion_matrix`.

    >>> found = precision_recall_f1([0, 1, 1, 1], [0, 0, 1, 1])
    >>> found.recall, found.f1
    (array([0.5, 1. ]), array([0.66666667, 0.8       ]))
    """
    counts = _counts("precision_recall_f1", predicted, labels, classes)
    hits, guessed, support = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return ClassScores(hits / guessed, hits / support, 2 * hits / (guessed + support), support)


def _counts(name: str, predicted: Any, labels: Any, classes: int | None) -> np.ndarray:
    """The confusion matrix, for the function called `name`."""
    found, truth = _classes(name, predicted, labels)
    if classes is None:
        scores = values(predicted)
        largest = max(found.max(initial=-1), truth.max(initial=-1))
        classes = scores.shape[1] if np.ndim(scores) == 2 else int(largest) + 1
    else:
        classes = integer(name, "classes", classes, 1)
    _check_range(name, "predicted class", found, classes)
    _check_range(name, "label", truth, classes)
    pairs = truth * classes + found
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _classes(name: str, predicted: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes, both int64 (N,)."""
    truth = _labels(name, labels)
    found = _array(name, "predicted", predicted)
    if found.ndim == 2:
        found = _scores(name, found, truth).argmax(axis=1)
    elif found.shape != truth.shape:
        raise ValueError(
            f"{name}: predicted must have shape {truth.shape}, one class for each label, or "
            f"({len(truth)}, K), scores; got {found.shape}"
        )
    elif found.dtype.kind not in "iu":
        raise TypeError(f"{name}: predicted classes must be integers, got {found.dtype}")
    return found.astype(np.int64), truth


def _labels(name: str, labels: Any) -> np.ndarray:
    """True classes as int64 (N,)."""
    truth = _array(name, "labels", labels)
    if truth.ndim != 1 or truth.dtype.kind not in "iu":
        hint = "; for one-hot rows pass .argmax(axis=1)" if truth.ndim == 2 else ""
        raise TypeError(
            f"{name}: labels must be integers of shape (N,), got {truth.dtype} {truth.shape}{hint}"
        )
    return truth.astype(np.int64)


def _scores(name: str, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Scores (N, K), with infinity in place of NaN."""
    if scores.ndim != 2 or len(scores) != len(truth) or not scores.shape[1]:
        raise ValueError(
            f"{name}: scores must have shape ({len(truth)}, K), a row for each label, got "
            f"{scores.shape}"
        )
    return np.where(np.isnan(scores), np.inf, scores)


def _array(name: str, argument: str, given: Any) -> np.ndarray:
    array = array_of(given)
    if array is None or array.dtype.kind not in "iuf":
        found = getattr(given, "dtype", type(given).__name__)
        raise TypeError(f"{name}: {argument} must be an array of numbers, got {found}")
    return array.astype(int) if array.size == 0 and isinstance(given, (list, tuple)) else array


def _check_range(name: str, what: str, found: np.ndarray, classes: int) -> None:
    wrong = np.flatnonzero((found < 0) | (found >= classes))
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            f"{name}: {what} {found[row]} in row {row} is not one of the {classes} classes, 0 to "
            f"{classes - 1}"
        )


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if hits.size else float("nan")
