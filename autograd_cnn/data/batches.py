"""Batches of a dataset, in an order that a seed and an epoch determine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import integer, same_state
from autograd_cnn.data.datasets import as_dataset, collate, is_stream, take
from autograd_cnn.data.workers import in_order, start
from autograd_cnn.engine.arguments import checked

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Batch
else:
    Batch = TypeVar("Batch")


class DataLoader(Generic[Batch]):
    """The batches of a dataset: every ``for images, labels in loader`` is one pass over it.

    `dataset` is an array or tensor (N, ...), a tuple of them of equal length such as a `Split`, a
    pandas frame, or any object with `__len__` and `__getitem__`, such as a list of pairs.  Objects
    with only `__iter__` are read in their order.

    Arrays give arrays (B, ...), and tensors tensors: one, or a tuple of them.  Single elements are
    joined by ``collate_fn(list)``; the default stacks arrays, numbers and images, part by part in
    tuples and dicts.  The last batch may be smaller; `drop_last` leaves it out.  `augment(array,
    rng)` replaces the first array of a batch.  `transform(*batch)` then replaces the batch.

    With `shuffle` the order is ``np.random.default_rng([seed, epoch]).permutation(N)``.  The `rng`
    of batch 1, 2, ... is ``np.random.default_rng([seed, epoch, 1])``, ...  So the same seed gives
    the same passes.  Without a seed, each pass draws one from `generator`, a NumPy generator, or
    from the one that `manual_seed` restarts.  `sampler` gives the indices of a pass instead.
    Passes at the same time do not influence each other.  Batches are new arrays, which may change.

    With `num_workers` threads prepare up to `prefetch_factor` batches each.  With `processes` each
    has a process with a copy of the data set, for code that Python runs one thread at a time;
    `persistent_workers` keeps them for the next pass.  The batches stay the same: your functions,
    data set and sampler draw from ``ag.random.generator()``, which `seed` and epoch restart for
    every batch.  Errors name the element, and `state_dict` counts the batches that you saw.

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

    @checked
    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        *,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
        sampler: Iterable[int] | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        transform: Callable[..., Batch] | None = None,
        num_workers: int = 0,
        processes: bool = False,
        prefetch_factor: int = 2,
        persistent_workers: bool = False,
    ) -> None:
        self.dataset = as_dataset(dataset)
        self.batch_size = integer("DataLoader", "batch_size", batch_size, 1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = None if seed is None else integer("DataLoader", "seed", seed, 0)
        self.generator, self.sampler, self.collate_fn = generator, sampler, collate_fn
        self.num_workers = integer("DataLoader", "num_workers", num_workers, 0)
        self.processes, self.persistent_workers = processes, persistent_workers
        self.prefetch_factor = integer("DataLoader", "prefetch_factor", prefetch_factor, 1)
        self._kept: list[Any] = []  # processes for the next pass
        _refuse_contradictions(self)
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

    def _begin_at(self, epoch: int, step: int, drawn: int | None = None) -> None:
        epoch = integer("DataLoader", "epoch", epoch, 0)
        step = integer("DataLoader", "step", step, 0)
        self._start = (epoch, step, drawn)  # of the next pass
        self._place = [epoch, step, drawn]  # of the next batch in the pass that began last

    def __len__(self) -> int:
        full, rest = divmod(len(self._indexed), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    @property
    def _indexed(self) -> Any:
        return self.dataset if self.sampler is None else self.sampler

    @property
    def _length(self) -> int | None:
        """The number of elements of a pass, or None if nobody knows it before its end."""
        return len(self._indexed) if hasattr(self._indexed, "__len__") else None

    def __repr__(self) -> str:
        length = self._length
        size = type(self._indexed).__name__ if length is None else f"{length:,} elements"
        on = [f"{name}=True" for name in ("shuffle", "drop_last") if getattr(self, name)]
        return f"DataLoader({', '.join([size, f'batch_size={self.batch_size}', *on])})"

    def __iter__(self) -> Iterator[Batch]:
        epoch, step, drawn = self._start
        if self.seed is None and drawn is None and (self.shuffle or self._draws):
            drawn = int((self.generator or random.generator()).integers(2**63))
        self._place = place = [epoch, step, drawn]
        self._start = (epoch + 1, 0, None)
        return self._batches(place)

    @property
    def _draws(self) -> bool:
        """Whether a pass runs code of the user, which may draw random numbers."""
        if is_stream(self.dataset) or isinstance(take(self.dataset, slice(0)), list):
            return True
        own = (self.sampler, self.collate_fn, self.augment, self.transform)
        return any(part is not None for part in own)

    def _batches(self, place: list[Any]) -> Iterator[Any]:
        """Yield the batches of a pass from `place`, and keep it up to date."""
        epoch, first, drawn = place
        seeds = [self.seed if drawn is None else drawn, epoch]
        count = None if self._length is None else len(self)
        choices = itertools.islice(self._choices(seeds), first, None)
        tasks = zip(choices, itertools.repeat(seeds), itertools.count(first))
        make = self._own_batch if self._draws else self._batch
        made = self._ahead(tasks) if self.num_workers else (make(*task) for task in tasks)
        for step, batch in enumerate(made, first):
            place[:] = (epoch + 1, 0, None) if step + 1 == count else (epoch, step + 1, drawn)
            yield batch
        place[:] = (epoch + 1, 0, None)

    def _ahead(self, tasks: Iterator[Any]) -> Iterator[Any]:
        """Yield the batches of these tasks, which the workers prepare."""
        count, twin = self.num_workers, copy(self)
        twin.epoch, twin.sampler, twin.generator, twin._kept = 0, None, None, []
        room, make = count * self.prefetch_factor, twin._own_batch
        if not self.processes:
            yield from in_order([make] * count, tasks, room)
            return
        kept, self._kept = self._kept, []
        processes = start(make, count, kept)
        try:
            yield from in_order(processes, tasks, room)
            if self.persistent_workers:
                self._kept, processes = processes, []
        finally:
            for process in processes:
                process.end()

    def _choices(self, seeds: list[Any]) -> Iterator[Any]:
        """What makes each batch of a pass: indices, or the elements of a stream."""
        if self.sampler is None and not is_stream(self.dataset):
            order: Any = None
            if self.shuffle:
                order = np.random.default_rng(seeds).permutation(len(self.dataset))
            for step in range(len(self)):
                chosen = slice(step * self.batch_size, (step + 1) * self.batch_size)
                yield order[chosen] if self.shuffle else chosen
            return
        numbers, none = random.seeded(*seeds, 0, 1), True
        least = self.batch_size if self.drop_last else 1
        with numbers:
            source = iter(self._indexed)
        while True:
            with numbers:
                found = list(itertools.islice(source, self.batch_size))
            if len(found) < least:
                break
            none = False
            yield found
        if none and not found and source is self._indexed:
            raise ValueError(
                f"DataLoader: the {type(source).__name__} has no more elements, as it serves for "
                "one pass; give a list, or an object whose __iter__ starts again"
            )

    def _own_batch(self, chosen: Any, seeds: list[Any], step: int) -> Any:
        """`_batch`, with random numbers of its own for code of the user."""
        try:
            with random.seeded(*seeds, step + 1, 1):
                return self._batch(chosen, seeds, step)
        except Exception as error:
            error.add_note(f"in batch {step} of the pass, counted from 0")
            raise

    def _batch(self, chosen: Any, seeds: list[Any], step: int) -> Any:
        """The elements at `chosen`, collated, augmented and transformed."""
        batch = chosen if is_stream(self.dataset) else take(self.dataset, chosen)
        if self.collate_fn is not None:
            batch = self.collate_fn(list(zip(*batch) if isinstance(batch, tuple) else batch))
        elif isinstance(batch, list):
            batch = collate(batch)
        elif isinstance(chosen, slice):  # views of the data set
            batch = tuple(map(_copy, batch)) if isinstance(batch, tuple) else _copy(batch)
        if self.augment is not None:
            # NumPy treats [seed, epoch, 0] like [seed, epoch], which belongs to the order.
            rng = np.random.default_rng([*seeds, step + 1])
            if isinstance(batch, tuple):
                batch = (self.augment(batch[0], rng), *batch[1:])
            else:
                batch = self.augment(batch, rng)
        if self.transform is None:
            return batch
        return self.transform(*batch) if isinstance(batch, tuple) else self.transform(batch)

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
        epoch, step, drawn = self._place
        return {**self._settings(), "epoch": epoch, "step": step, "drawn": drawn}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass continue where `state_dict` was taken.

        A state of a loader with other settings raises ValueError and changes nothing.

        >>> loader = DataLoader(np.arange(6), batch_size=2)
        >>> loader.load_state_dict({**loader.state_dict(), "epoch": 3, "step": 2})
        >>> list(loader), loader.epoch
        ([array([4, 5])], 4)
        """
        if isinstance(state_dict, Mapping):
            state_dict = {"drawn": None, **state_dict}  # older files have none
        same_state("DataLoader.load_state_dict", self.state_dict(), state_dict, self._settings())
        self._begin_at(*(state_dict[name] for name in ("epoch", "step", "drawn")))

    def _settings(self) -> dict[str, int | None]:
        return {
            "length": self._length,
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
            "drop_last": bool(self.drop_last),
            "seed": self.seed,
        }


def _copy(x: Any) -> Any:
    return np.array(x) if isinstance(x, np.ndarray) else x.copy()


def _refuse_contradictions(loader: DataLoader[Any]) -> None:
    """Raise for settings that exclude each other, or that the data set cannot follow."""
    generator, stream = loader.generator, is_stream(loader.dataset)
    for first, second, both in (
        ("seed", "generator", loader.seed is not None and generator is not None),
        ("processes=True", "num_workers=0", loader.processes and not loader.num_workers),
        ("shuffle", "sampler", loader.shuffle and loader.sampler is not None),
        ("a data set without __len__ and __getitem__", "sampler", stream and loader.sampler),
        ("a data set without __len__ and __getitem__", "shuffle", stream and loader.shuffle),
    ):
        if both:
            raise ValueError(f"DataLoader: give either {first} or {second}, not both")
