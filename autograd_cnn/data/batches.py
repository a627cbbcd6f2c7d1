"""Batches of a dataset, in an order that a seed and an epoch determine."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_cnn.data.datasets import as_dataset


class DataLoader:
    """The batches of a dataset, anew in every pass: ``for images, labels in loader``.

    `dataset` is an array (N, ...), a tuple of arrays of equal length (a `Split` is one), a
    `TensorDataset` or a `Subset`.  A batch is a tuple of arrays (B, ...), or a bare array for a
    bare array; the last is smaller if `batch_size` does not divide N, and left out with
    `drop_last`.  `transform(*batch)`, if given, is applied to every batch and its result yielded.

    With `shuffle` the order is ``np.random.default_rng([seed, epoch]).permutation(N)`` and nothing
    else: the same seed gives the same passes.  `epoch` is the number of the next pass, counted
    from 0 when a pass begins; set it to go on exactly where an earlier run ended.  Passes at the
    same time are independent of each other, and each has its own number.

    Batches in order are read-only: views of the arrays, or copies for a `Subset`.  Shuffled
    batches are new arrays.

    Raises TypeError for a dataset of another kind and for a `batch_size`, `seed` or `epoch` that
    is no int; ValueError for `batch_size` below 1, `seed` or `epoch` below 0, arrays of different
    lengths.

    >>> loader = DataLoader((np.arange(5), np.arange(5) % 2), batch_size=2)
    >>> len(loader), loader.epoch
    (3, 0)
    >>> for values, parities in loader:
    ...     print(values, parities)
    [0 1] [0 1]
    [2 3] [0 1]
    [4] [0]
    >>> loader.epoch
    1
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        *,
        seed: int = 0,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        self.dataset = as_dataset(dataset)
        self.batch_size = _whole_number(batch_size, "batch_size", 1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = _whole_number(seed, "seed", 0)
        self.transform = transform
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The number of the next pass.

        >>> loader = DataLoader(np.arange(4), batch_size=2)
        >>> _ = list(loader)
        >>> loader.epoch
        1
        """
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = _whole_number(epoch, "epoch", 0)

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        self.epoch += 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[Any]:
        """The batches of pass `epoch`."""
        order: np.ndarray | None = None
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = slice(start, start + self.batch_size)
            batch = self.dataset[chosen if order is None else order[chosen]]
            arrays = batch if isinstance(batch, tuple) else (batch,)
            if order is None:
                for array in arrays:
                    array.flags.writeable = False
            yield batch if self.transform is None else self.transform(*arrays)


def _whole_number(value: int, name: str, least: int) -> int:
    """`value` as an int of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise TypeError(f"DataLoader: {name} must be an int, got {value!r}")
    if number < least:
        raise ValueError(f"DataLoader: {name} must be {least} or more, got {number}")
    return number
