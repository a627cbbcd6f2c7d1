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
        if self.shuffle and self.seed is None and world.size > 1:
            raise ValueError("distributed.DataLoader: shuffle needs a seed, the same on every rank")
        for chosen in super()._choices(seeds):
            every = range(len(self.dataset))[chosen] if isinstance(chosen, slice) else chosen
            if len(mine := every[world.share(len(every))]):
                yield mine
