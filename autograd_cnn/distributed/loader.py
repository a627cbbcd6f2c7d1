"""Batches of which each rank reads its part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autograd_cnn import data
from autograd_cnn.distributed.world import start


class DataLoader(data.DataLoader[Any]):
    """A `data.DataLoader` that gives each rank its part of every batch: for ``mode="fast"``.

    `batch_size` counts the samples of all ranks.  The order is that of one process, which `seed`
    and epoch determine.  The parts are disjoint and cover it.  A rank without a part of the last
    batch has a batch less.

    >>> list(DataLoader(np.arange(6), batch_size=4))  # on one rank
    [array([0, 1, 2, 3]), array([4, 5])]
    """

    def _choices(self, seeds: list[Any]) -> Iterator[Any]:
        world = start()
        drawn = "shuffle" if self.shuffle else "sampler" if self.sampler is not None else ""
        if drawn and self.seed is None and world.size > 1:
            raise ValueError(
                f"distributed.DataLoader: {drawn} needs a seed, the same on every rank"
            )
        if self.batch_size < world.size:
            raise ValueError(
                f"distributed.DataLoader: batch_size must be at least {world.size}, the number of "
                f"ranks, got {self.batch_size}"
            )
        for chosen in super()._choices(seeds):
            every = range(len(self.dataset))[chosen] if isinstance(chosen, slice) else chosen
            if len(mine := every[world.share(len(every))]):
                yield mine
