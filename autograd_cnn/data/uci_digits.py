"""The small set of handwritten digits that is part of this package."""

from __future__ import annotations

from importlib import resources

import numpy as np

from autograd_cnn.data.datasets import Split, TrainTest


def digits() -> TrainTest:
    """1,797 real handwritten digits in MNIST's form, which come with the package.

    Images are uint8 (N, 1, 28, 28), 0..255, white on black.  Labels are int64 (N,), 0..9.  Every
    fifth image is a test image, starting with the first (360; 1,437 train images).  The originals
    have 8 x 8 pixels of 0..16; `digits` enlarges them bilinearly to the 20 x 20 pixels in the
    middle that a digit of MNIST fills.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0 (its test part; see
    digits.LICENSE.txt beside this file).

    >>> train, test = digits()
    >>> train.images.shape, test.images.shape, train.images.dtype, train.labels.dtype
    ((1437, 1, 28, 28), (360, 1, 28, 28), dtype('uint8'), dtype('int64'))
    >>> train.labels[:5]
    array([1, 2, 3, 4, 6])
    """
    with resources.files("autograd_cnn.data").joinpath("digits.npz").open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        images, labels = enlarge(archive["images"]), archive["labels"].astype(np.int64)
    held_out = np.arange(len(labels)) % 5 == 0
    return TrainTest(
        Split(images[~held_out], labels[~held_out]), Split(images[held_out], labels[held_out])
    )


def enlarge(images: np.ndarray) -> np.ndarray:
    """Enlarge uint8 (N, 8, 8) of 0..16 bilinearly 2.5 times: uint8 (N, 1, 28, 28) of 0..255.

    Pixel p of 28 lies at (4 p - 19) / 10 of 8.  Pixel k of 8 at distance d has the weight
    max(0, 1 - d).  In tenths these are integers, and all sums stay below 2**24, so float32 is
    exact.
    """
    place, source = np.arange(28)[:, None], np.arange(8)
    weights = np.maximum(0, 10 - np.abs(4 * place - 19 - 10 * source)).astype(np.float32)  # (28, 8)
    hundredths = (weights @ images.astype(np.float32) @ weights.T).astype(np.int32)
    return ((hundredths * 255 + 800) // 1600).astype(np.uint8)[:, None]  # (N, 1, 28, 28)
