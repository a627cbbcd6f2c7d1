"""Batches of a dataset, in an order that a seed and an epoch determine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from autograd_cnn.checks import integer, same_state
from autograd_cnn.data.datasets import Indices, as_dataset

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Batch
else:
    Batch = TypeVar("Batch")


class DataLoader(Generic[Batch]):
    """The batches of a dataset: every ``for images, labels in loader`` is one pass over it.

    `dataset` is an array (N, ...), a tuple of arrays of equal length such as a `Split`, a
    `TensorDataset` or a `Subset`.  A batch is a tuple of arrays (B, ...), or an array if the
    dataset is one.  The last batch may be smaller; `drop_last` leaves it out.  `augment(array,
    rng)` replaces the first array of a batch.  `transform(*batch)` then replaces the batch.

    With `shuffle` the order is ``np.random.default_rng([seed, epoch]).permutation(N)``.  The `rng`
    of batch 1, 2, ... is ``np.random.default_rng([seed, epoch, 1])``, ...  So the same seed gives
    the same passes.  Passes at the same time do not influence each other.  Batches are new
    arrays, which may change.

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
        augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        transform: Callable[..., Batch] | None = None,
    ) -> None:
        self.dataset = as_dataset(dataset)
        self.batch_size = integer("DataLoader", "batch_size", batch_size, 1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = integer("DataLoader", "seed", seed, 0)
        self.augment = augment
        self.transform = transform
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The number of the next pass; set it to continue where an earlier run ended.

        >>> loader = DataLoader(np.arange(4), batch_size=2)
        >>> _ = list(loader)
        >>> loader.epoch
        1
        """
        return self._start[0]

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._begin_at(epoch, 0)

    def _begin_at(self, epoch: int, step: int) -> None:
        epoch = integer("DataLoader", "epoch", epoch, 0)
        step = integer("DataLoader", "step", step, 0)
        self._start = (epoch, step)  # of the next pass
        self._place = [epoch, step]  # of the next batch in the pass that began last

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        self._place = place = list(self._start)
        self._start = (place[0] + 1, 0)
        return self._batches(place)

    def _batches(self, place: list[int]) -> Iterator[Any]:
        """Yield the batches of a pass from `place`, an epoch and a step, and keep it up to date."""
        epoch, first = place
        order: np.ndarray | None = None
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        for step in range(first, len(self)):
            chosen = slice(step * self.batch_size, (step + 1) * self.batch_size)
            batch = self._batch(chosen if order is None else order[chosen], epoch, step)
            place[:] = (epoch, step + 1) if step + 1 < len(self) else (epoch + 1, 0)
            yield batch
        place[:] = (epoch + 1, 0)

    def _batch(self, chosen: Indices, epoch: int, step: int) -> Any:
        """The elements at `chosen`, augmented and transformed."""
        batch = self.dataset[chosen]
        arrays = batch if isinstance(batch, tuple) else (batch,)
        if isinstance(chosen, slice):
            arrays = tuple(map(np.array, arrays))  # not views of the data set
        if self.augment is not None:
            # NumPy treats [seed, epoch, 0] like [seed, epoch], which belongs to the order.
            rng = np.random.default_rng([self.seed, epoch, step + 1])
            arrays = (self.augment(arrays[0], rng), *arrays[1:])
        if self.transform is not None:
            return self.transform(*arrays)
        return arrays if isinstance(batch, tuple) else arrays[0]

    def state_dict(self) -> dict[str, Any]:
        """The place of the next batch, and the settings that the order depends on.

        The place is that of the pass that began last.  It stays where an error, Ctrl-C or ``break``
        left the loop, so a later run goes on there.  A new loop in this run is a new pass, to which
        ``loader.epoch = loader.epoch`` moves the place.

        >>> loader = DataLoader(np.arange(6), batch_size=2)
        >>> for batch in loader:
        ...     print(loader.state_dict()["epoch"], loader.state_dict()["step"])
        0 1
        0 2
        1 0
        """
        epoch, step = self._place
        return {**self._settings(), "epoch": epoch, "step": step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass continue where `state_dict` was taken.

        A state of a loader with other settings raises ValueError and changes nothing.

        >>> loader = DataLoader(np.arange(6), batch_size=2)
        >>> loader.load_state_dict({**loader.state_dict(), "epoch": 3, "step": 2})
        >>> list(loader), loader.epoch
        ([array([4, 5])], 4)
        """
        same_state("DataLoader.load_state_dict", self.state_dict(), state_dict, self._settings())
        self._begin_at(state_dict["epoch"], state_dict["step"])

    def _settings(self) -> dict[str, int]:
        return {
            "length": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
            "drop_last": bool(self.drop_last),
            "seed": self.seed,
        }
