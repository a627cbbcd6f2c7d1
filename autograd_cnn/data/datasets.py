"""Data sets: arrays of equal length, indexed a batch at a time, or elements one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd_cnn.data.shards import Shards
from autograd_cnn.engine.annotations import array_of
from autograd_cnn.engine.node import Node

Indices: TypeAlias = int | slice | np.ndarray
_ARRAYS: Any = (np.ndarray, Node, Shards)
"""What takes many indices at once."""


class Split(NamedTuple):
    """One part of a labelled image set: `images` uint8 (N, C, H, W) and `labels` int64 (N,).

    >>> images, labels = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> images.shape, labels.dtype
    ((5, 1, 28, 28), dtype('int64'))
    """

    images: np.ndarray
    labels: np.ndarray

    def __repr__(self) -> str:
        return f"Split(images={_described(self.images)}, labels={_described(self.labels)})"


class TrainTest(NamedTuple):
    """A labelled image set: `train` and `test`, each a `Split`.

    >>> part = Split(np.zeros((5, 1, 28, 28), np.uint8), np.arange(5))
    >>> (x_train, y_train), (x_test, y_test) = TrainTest(train=part, test=part)
    >>> x_train.shape
    (5, 1, 28, 28)
    """

    train: Split
    test: Split


class Dataset:
    """The base of data sets of your own: give them `__len__` and `__getitem__`.

    An element is an array, a number, or a tuple or dict of them.  Other objects with these methods
    serve as well; the base only says what is missing.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def __getitem__(self, i):
    ...         return np.full(3, i), i * i
    >>> x, y = next(iter(ag.data.DataLoader(Squares(), batch_size=2)))
    >>> x.shape, y
    ((2, 3), array([0, 1]))
    """

    def __len__(self) -> int:
        raise NotImplementedError(
            f"{type(self).__name__} must define __len__, its number of elements"
        )

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __repr__(self) -> str:
        count = f"{len(self):,} elements" if type(self).__len__ is not Dataset.__len__ else ""
        return f"{type(self).__name__}({count})"


class TensorDataset(Dataset):
    """Arrays (N, ...) of equal length: ``dataset[i]`` is the tuple of every ``array[i]``.

    Tensors, pandas frames and series, and lists of numbers serve as arrays.  `i` is an int, a slice
    or an array of indices, as in NumPy.

    >>> dataset = TensorDataset(np.arange(6).reshape(3, 2), np.array([5, 6, 7]))
    >>> len(dataset), dataset[1]
    (3, (array([2, 3]), np.int64(6)))
    >>> dataset
    TensorDataset(int64 (3, 2), int64 (3,))
    """

    def __init__(self, *arrays: Any) -> None:
        if not arrays:
            raise ValueError("TensorDataset: expected at least one array")
        found = [_as_array(a, f"array {k} of the dataset") for k, a in enumerate(arrays)]
        if len({len(array) for array in found}) > 1:
            lengths = ", ".join(str(len(array)) for array in found)
            raise ValueError(f"the arrays of a dataset must have equal lengths, got {lengths}")
        self.arrays = tuple(found)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Indices) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.arrays)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(map(_described, self.arrays))})"


class Subset(Dataset):
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
        where = self.indices[index]
        return take(self.dataset, where) if np.ndim(where) else self.dataset[int(where)]

    def __repr__(self) -> str:
        return f"Subset({len(self):,} of {len(self.dataset):,} elements)"


def random_split(dataset: Any, lengths: Sequence[float], seed: int = 0) -> list[Subset]:
    """Divide a dataset at random into disjoint subsets; the same seed gives the same parts.

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
    """The user's `dataset`: arrays as an array or a TensorDataset, other elements as they are."""
    if isinstance(dataset, tuple):
        return TensorDataset(*dataset)
    if isinstance(dataset, np.ndarray) or hasattr(dataset, "detach") or hasattr(dataset, "iloc"):
        return _as_array(dataset, "dataset")
    needed = "__iter__" if is_stream(dataset) else "__getitem__"
    if isinstance(dataset, (str, bytes, dict)) or not hasattr(dataset, needed):
        hint = " (give a tuple of its values)" * isinstance(dataset, dict)
        raise TypeError(
            "dataset: expected arrays, or an object with __len__ and __getitem__ or with __iter__, "
            f"got {type(dataset).__name__}{hint}"
        )
    return dataset


def is_stream(dataset: Any) -> bool:
    """Whether elements can only be read one after the other, as from a generator."""
    return not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__")


def take(dataset: Any, chosen: Indices) -> Any:
    """The elements of a data set at `chosen`: together, if it is made of arrays, or as a list."""
    if type(dataset) is Subset:
        return take(dataset.dataset, dataset.indices[chosen])
    if type(dataset) is TensorDataset or isinstance(dataset, _ARRAYS):
        return dataset[chosen]
    places: Any = range(len(dataset))[chosen] if isinstance(chosen, slice) else chosen
    found: list[Any] = []
    try:
        for place in places:
            found.append(dataset[int(place)])
    except Exception as error:
        error.add_note(f"in element {place} of the {type(dataset).__name__}")
        raise
    return found


def collate(items: Sequence[Any]) -> Any:
    """A batch of `items`: arrays and numbers stacked, tuples, lists and dicts part by part.

    Strings stay a list.  Python's floats become float32, as the weights of layers are.

    >>> collate([(np.zeros(2), 1.5), (np.ones(2), 2.5)])
    (array([[0., 0.],
           [1., 1.]]), array([1.5, 2.5], dtype=float32))
    """
    first = items[0]
    if isinstance(first, Mapping):
        return {key: collate([item[key] for item in items]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(item) for item in items}) > 1:
            raise ValueError(
                "DataLoader: the elements of a batch have different numbers of parts, from "
                f"{min(map(len, items))} to {max(map(len, items))}; pass collate_fn to join them"
            )
        parts = [collate(part) for part in zip(*items)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if isinstance(first, (str, bytes)):
        return list(items)
    if isinstance(first, float) and not isinstance(first, np.generic):
        return np.asarray(items, np.float32)
    shapes = {np.shape(item) for item in items}
    if len(shapes) > 1:
        raise ValueError(
            f"DataLoader: the elements of a batch have different shapes, {sorted(shapes)[:3]}; "
            "make them equal in the data set, or pass collate_fn to join them"
        )
    stacked = np.stack(list(items))
    if stacked.dtype == object:
        raise TypeError(
            f"DataLoader: elements of type {type(first).__name__} are no numbers or arrays; "
            "convert them in the data set, or pass collate_fn to join them"
        )
    return stacked


def _as_array(given: Any, what: str) -> Any:
    """`given` as an array, or as a tensor without a graph, with at least one axis."""
    if isinstance(given, Shards):
        return given
    if isinstance(given, (np.ndarray, list, range)) or hasattr(given, "iloc"):
        array: Any = array_of(given)
        if isinstance(given, list) and array is not None and array.dtype == float:
            array = array.astype(np.float32)
    elif hasattr(given, "detach"):
        array = given.detach() if isinstance(given, _ARRAYS) else np.asarray(given.detach())
    else:
        hint = " (give one of its parts, such as .train)" * isinstance(given, tuple)
        raise TypeError(f"{what}: expected an array, got {type(given).__name__}{hint}")
    if array is None or array.dtype == object:
        hint = " (choose its columns of numbers)" * hasattr(given, "columns")
        raise TypeError(
            f"{what}: expected numbers in equal rows in the {type(given).__name__}{hint}"
        )
    if not array.ndim:
        raise ValueError(f"{what}: expected an array with at least one axis, got a scalar")
    return array


def _described(array: Any) -> str:
    return f"{array.dtype} {array.shape}"
