"""Datasets as arrays of equal length, indexed a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Indices: TypeAlias = int | slice | np.ndarray


class Split(NamedTuple):
    """One part of a labelled image set: `images` uint8 (N, 1, H, W) and `labels` int64 (N,).

    >>> images, labels = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> images.shape, labels.dtype
    ((5, 1, 28, 28), dtype('int64'))
    """

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """A labelled image set: `train` and `test`, each a `Split`.

    >>> part = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> (x_train, y_train), (x_test, y_test) = Dataset(train=part, test=part)
    >>> x_train.shape
    (5, 1, 28, 28)
    """

    train: Split
    test: Split


class TensorDataset:
    """Arrays (N, ...) of equal length: ``dataset[i]`` is the tuple of every ``array[i]``.

    `i` is an int, a slice or an array of indices, as in NumPy.

    >>> dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([5, 6, 7]))
    >>> len(dataset), dataset[1]
    (3, (array([2, 3]), np.int64(6)))
    """

    def __init__(self, *arrays: np.ndarray) -> None:
        if not arrays:
            raise ValueError("TensorDataset: expected at least one array")
        for position, array in enumerate(arrays):
            _check_array(array, f"array {position} of the dataset")
        if len({len(array) for array in arrays}) > 1:
            lengths = ", ".join(str(len(array)) for array in arrays)
            raise ValueError(f"the arrays of a dataset must have equal lengths, got {lengths}")
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Indices) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.arrays)


class Subset:
    """The elements of a dataset at `indices`, in that order.

    `dataset` is what `DataLoader` takes.  Negative indices count from the end.

    >>> part = Subset(np.array([10, 11, 12, 13]), [3, 0])
    >>> len(part), part[0], part[:]
    (2, np.int64(13), array([13, 10]))
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset = as_dataset(dataset)
        found = np.asarray(indices)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise TypeError(
                f"Subset: indices must be one axis of integers, got {found.dtype} {found.shape}"
            )
        self.indices = found.astype(np.intp)
        length = len(self.dataset)
        wrong = self.indices[(self.indices < -length) | (self.indices >= length)]
        if wrong.size:
            raise IndexError(f"Subset: index {wrong[0]} is out of range for {length} elements")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Indices) -> Any:
        return self.dataset[self.indices[index]]


def random_split(dataset: Any, lengths: Sequence[float], seed: int = 0) -> list[Subset]:
    """Divide a dataset at random into disjoint `Subset`s; the same seed gives the same parts.

    `lengths` are integers that add up to the length of the dataset, or fractions that add up to 1.
    Fractions are rounded down; the first parts then get one more element each until none is left.

    >>> train, validation = random_split(np.arange(10), [0.8, 0.2])
    >>> len(train), len(validation)
    (8, 2)
    >>> sorted([*train[:].tolist(), *validation[:].tolist()])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    total = len(as_dataset(dataset))
    counts = _counts(lengths, total)
    order = np.random.default_rng(seed).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


def _counts(lengths: Sequence[float], total: int) -> list[int]:
    """The length of each part of `total` elements."""
    if not len(lengths) or any(not length >= 0 for length in lengths):
        raise ValueError(f"random_split: lengths must be at least 0, got {list(lengths)}")
    if all(float(length).is_integer() for length in lengths) and sum(lengths) == total:
        return [int(length) for length in lengths]
    if not math.isclose(sum(lengths), 1, abs_tol=1e-9):
        raise ValueError(
            f"random_split: lengths must add up to the {total} elements of the dataset, or as "
            f"fractions to 1; got {list(lengths)}, which is {sum(lengths)}"
        )
    counts = [math.floor(length * total) for length in lengths]
    for position in range(total - sum(counts)):
        counts[position % len(counts)] += 1
    return counts


def as_dataset(dataset: Any) -> Any:
    """The user's `dataset` as an array, a TensorDataset or a Subset."""
    if isinstance(dataset, TensorDataset | Subset):
        return dataset
    if isinstance(dataset, tuple):
        return TensorDataset(*dataset)
    return _check_array(dataset, "dataset")


def _check_array(array: Any, what: str) -> np.ndarray:
    """`array`, if it is an array with at least one axis."""
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"{what}: expected a NumPy array, got {type(array).__name__}"
            + (" (give one of its parts, such as .train)" if isinstance(array, tuple) else "")
            + (" (give its .numpy())" if hasattr(array, "numpy") else "")
        )
    if not array.ndim:
        raise ValueError(f"{what}: expected an array with at least one axis, got a scalar")
    return array
