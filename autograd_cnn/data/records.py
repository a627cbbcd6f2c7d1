"""What the data functions return, and the two errors they raise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """One part of a labelled image set: `images` uint8 (N, 1, H, W) and `labels` int64 (N,).

    A tuple of two arrays, so it can be unpacked and given to a `DataLoader` as it is.

    >>> images, labels = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> images.shape, labels.dtype
    ((5, 1, 28, 28), dtype('int64'))
    """

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """A labelled image set: `train` and `test`, each a `Split`.

    It unpacks as ``train, test = ...`` and as ``(x_train, y_train), (x_test, y_test) = ...``.

    >>> part = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> (x_train, y_train), (x_test, y_test) = Dataset(train=part, test=part)
    >>> x_train.shape
    (5, 1, 28, 28)
    """

    train: Split
    test: Split


class DataError(ValueError):
    """A data file is truncated, corrupt or not the file it should be; the message names the file.

    >>> raise DataError("labels.gz: expected labels 0..9, found 12")
    Traceback (most recent call last):
    autograd_cnn.data.records.DataError: labels.gz: expected labels 0..9, found 12
    """


class DataUnavailable(OSError):  # noqa: N818  (the name says what is the matter)
    """The data is not on this machine and could not be downloaded, or could not be stored.

    >>> raise DataUnavailable("MNIST is not on this machine")
    Traceback (most recent call last):
    autograd_cnn.data.records.DataUnavailable: MNIST is not on this machine
    """
