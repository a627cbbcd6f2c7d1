"""Bad input to training comfort and augmentation: one row per mistake, as in errors_parts."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import nn, training
from autograd_cnn.data import augment


def x(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape, np.float32), requires_grad=True)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


IMAGES = np.zeros((2, 1, 4, 4))

ROWS: list[tuple[Any, type[Exception], str]] = [
    # augmentation
    (lambda: augment.warp([[1.0]], rng()), TypeError, "warp: images must be an array, got list"),
    (lambda: augment.warp(IMAGES.astype(int), rng()), TypeError, "uint8 or floating, got int64"),
    (lambda: augment.warp(IMAGES[0], rng()), ValueError, r"\(N, C, H, W\), got \(1, 4, 4\); add a"),
    (lambda: augment.warp(IMAGES, 3), TypeError, r"warp: rng must be .*default_rng\(seed\), got 3"),
    (
        lambda: augment.warp(IMAGES, rng(), degrees=-1),
        ValueError,
        "degrees must be at least 0, got",
    ),
    (lambda: augment.warp(IMAGES, rng(), shift=np.inf), ValueError, "shift must .*finite, got inf"),
    (lambda: augment.warp(IMAGES, rng(), scale=1), ValueError, "scale must .*below 1, got 1"),
    (lambda: augment.warp(IMAGES, rng(), shear=90), ValueError, "shear must .*below 90, got 90"),
    (lambda: augment.warp(IMAGES, rng(), elastic=np.nan), ValueError, "elastic must .*got nan"),
    (
        lambda: augment.warp(IMAGES, rng(), smoothness=0.5),
        ValueError,
        "smoothness must be at least 1",
    ),
    (lambda: augment.warp(IMAGES, rng(), fill=np.nan), ValueError, "fill must be a float64 value"),
    (
        lambda: augment.warp(IMAGES.astype(np.uint8), rng(), fill=-1),
        ValueError,
        "warp: fill must be a uint8 value, got -1",
    ),
    (lambda: augment.noise(IMAGES, rng(), -2), ValueError, "noise: deviation must be at least 0"),
    (lambda: augment.noise(IMAGES, None, 1), TypeError, "noise: rng must be a generator"),
    (lambda: augment.noise(None, rng(), 1), TypeError, "noise: images must be an array"),
    # metrics, progress, stopping, checkpoints
    (lambda: training.accuracy([1], np.ones(1, int)), TypeError, "accuracy: predicted must be an"),
    (lambda: training.accuracy(np.ones(2, int), np.ones(3, int)), ValueError, r"shape \(3,\)"),
    (lambda: training.accuracy(np.ones(2), np.ones(2, int)), TypeError, "integers, got float64"),
    (lambda: training.accuracy(np.ones((2, 3)), np.ones((2, 3), int)), TypeError, "argmax"),
    (lambda: training.accuracy(np.ones((2, 0)), np.ones(2, int)), ValueError, r"got \(2, 0\)"),
    (
        lambda: training.top_k_accuracy(np.ones(3), np.ones(3, int)),
        ValueError,
        r"top_k_accuracy: scores must have shape \(3, K\), a row for each label, got \(3,\)",
    ),
    (
        lambda: training.top_k_accuracy(np.ones((1, 3)), np.ones(1, int), 4),
        ValueError,
        "top_k_accuracy: k must be 1 to 3, the number of scores, got 4",
    ),
    (
        lambda: training.top_k_accuracy(np.ones((2, 3)), np.array([0, 3]), 2),
        ValueError,
        "top_k_accuracy: label 3 in row 1 is not one of the 3 classes, 0 to 2",
    ),
    (
        lambda: training.confusion_matrix(np.array([0, 9]), np.array([0, 0]), classes=3),
        ValueError,
        "confusion_matrix: predicted class 9 in row 1 is not one of the 3 classes",
    ),
    (lambda: training.confusion_matrix("ab", np.ones(2, int)), TypeError, "of numbers, got str"),
    (
        lambda: training.confusion_matrix(np.array([0]), np.array([0]), classes=2.5),
        TypeError,
        "confusion_matrix: classes must be an integer, got ",
    ),
    (
        lambda: training.confusion_matrix(np.array([0]), np.array([0]), classes=-1),
        ValueError,
        "confusion_matrix: classes must be at least 1, got -1",
    ),
    (lambda: training.Progress(1, 2), TypeError, "Progress: title must be a string, got 1"),
    (lambda: training.Progress("a", [1]), TypeError, r"Progress: steps must be an integer"),
    (lambda: training.Progress("a", 1).update(0), ValueError, "count must be at least 1, got 0"),
    (
        lambda: training.Progress("a", 1).update(1, loss=x(3)),
        TypeError,
        r"Progress.update: loss must be a single number, got Tensor of shape \(3,\)",
    ),
    (lambda: training.EarlyStopping(3, 1), TypeError, "EarlyStopping: expected a model, got int"),
    (lambda: training.EarlyStopping(nn.ReLU(), 0), ValueError, "patience must be at least 1"),
    (lambda: training.EarlyStopping(nn.ReLU(), 1, "low"), ValueError, "mode must be 'min' or"),
    (lambda: training.EarlyStopping(nn.ReLU(), 1).update("a"), TypeError, "number, got str"),
    (
        lambda: training.save_checkpoint("no/such/folder", model=lambda: 1),
        TypeError,
        "save_checkpoint: model is a function; a part has state_dict and .* or is plain data",
    ),
    (lambda: training.save_checkpoint("a", random=1), ValueError, "'random' is the name of the"),
    (lambda: training.load_checkpoint("a", random=None), ValueError, "'random' is the name of"),
    (lambda: training.load_checkpoint("a", model=3), TypeError, "model must have state_dict and"),
    (
        lambda: training.load_checkpoint(__file__),
        training.CheckpointError,
        "it is not an .npz file",
    ),
    (lambda: training.replace_file("no/such").__enter__(), FileNotFoundError, "no such folder"),
]
