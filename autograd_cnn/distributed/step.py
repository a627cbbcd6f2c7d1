"""A training step on the batches of all ranks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autograd_cnn import random, training
from autograd_cnn.checks import choice, integer, mistake
from autograd_cnn.distributed.sync import Synchronized
from autograd_cnn.distributed.world import OtherRankError, start
from autograd_cnn.engine.node import values
from autograd_cnn.nn import Module
from autograd_cnn.tensor.tree import flatten
from autograd_cnn.training import shards as parts

_NAME, SHARDS = "distributed.Step", 8
COUNT, STOP, ENDED = range(-3, 0)
"""Places in what ranks add up: samples, ranks that stop, and ranks that take no more steps."""


class Step(training.Step):
    """A `training.Step` on all ranks, which then have the same weights: ``step(inputs, targets)``.

    With `mode` "exact" every rank gets the same batch, and computes its part of the `shards` (8 by
    default).  Gradients go to all ranks, which add them in the order of the shards.  So weights,
    losses and outputs have the same bits on any number of ranks and threads.

    With "fast" every rank gets a batch of its own, and one sum over ranks gives the gradients of
    the mean over all samples.  Floating buffers become means, too.  Loop over `batches`.

    At the start weights, the optimizer's state and the generator behind dropout are those of rank
    0.  In one process the modes differ by `shards`, which "fast" leaves at 1.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> step = Step(model, F.cross_entropy, ag.optim.SGD(model.parameters(), lr=0.1))
    >>> step(np.ones((8, 1, 2, 2), np.float32), np.zeros(8, int)).shape
    ()
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[..., Any],
        optimizer: Any,
        *,
        mode: str = "exact",
        shards: int | None = None,
        reduce: Callable[[list[np.ndarray]], Any] | None = None,
    ) -> None:
        self.world, exact = start(), choice(_NAME, "mode", mode, ("exact", "fast")) == "exact"
        if shards is None:
            shards = SHARDS if exact else 1
        super().__init__(model, loss, optimizer, reduce=reduce, shards=shards)
        if not isinstance(model, Module):
            raise mistake(_NAME, "model", "a module", model)
        if not {*map(id, self._parameters())} <= {*map(id, model.parameters())}:
            raise ValueError(f"{_NAME}: optimizer must have parameters of the model only")
        if any(isinstance(m, Synchronized) for m in model.modules()) and (exact or shards > 1):
            raise ValueError(f"{_NAME}: synchronized batch norm needs mode='fast' and shards=1")
        many = self.world.size > 1
        self._exact, self._fast = exact and many, many and not exact
        if self._exact:
            integer(_NAME, "shards, by which ranks share the work,", shards, self.world.size)
        self.stop = False
        """Set it on a rank, and `batches` ends on all after the next step."""
        self._stopped, self._total = False, np.zeros(3)
        if many:
            self._join()

    def _join(self) -> None:
        """Take the state of rank 0, for a model that must be the same."""
        world, state, bits = self.world, self.model.state_dict(), random.generator().bit_generator
        world.leave()
        shapes = " ".join(f"{name} {x.shape} {x.dtype}" for name, x in state.items())
        world.meet(
            f"makes a Step with fast={self._fast}, shards={self.shards}, "
            f"{type(self.optimizer).__name__} and {sum(x.size for x in state.values())} numbers in "
            f"the model (checksum of names and shapes: {zlib.crc32(shapes.encode())})"
        )
        every = world.comm.bcast((state, self.optimizer.state_dict(), bits.state))
        self.model.load_state_dict(every[0])
        self.optimizer.load_state_dict(every[1])
        bits.state, world.leave = every[2], world.end
        if self._fast:  # every rank drops others
            world.leave = self._end
            bits.state = bits.jumped(world.rank).state if world.rank else every[2]  # type: ignore[attr-defined]

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """The batches of `loader`, until `stop` is set.

        With "fast", a rank without more data gets empty batches, for which a step adds zeros, as
        long as others have some.
        """
        source, empty = iter(loader), None
        batch = next(source, None)
        if self._fast:
            mine = None if batch is None else parts.piece(batch, 0, 0)
            empty = next((x for x in self.world.meet("begins a pass", mine) if x is not None), None)
        while batch is not None or (empty is not None and self._others_train()):
            yield empty if batch is None else batch
            if self._stopped:
                return
            batch = next(source, None)

    def _gradients(self, inputs: Any, targets: Any) -> np.ndarray:
        self._stopped = self.stop
        if not self._fast:
            return super()._gradients(inputs, targets)
        total, self._total = self._total, np.zeros(3)
        if not total[COUNT]:
            count = len(flatten(inputs)[0][0])
            loss = super()._gradients(inputs, targets) if count else 0.0
            total = self._add(count, loss)
        return self._take(total)

    # ----------------------------------------------------------------------------------- exact

    def _every(self, shard: Any, number: int, batch: Any) -> Iterable[parts.Shard]:
        if not self._exact:
            return super()._every(shard, number, batch)
        count, seed, *data = batch
        check = zlib.crc32(b"".join(values(x)[:1].tobytes() for x in flatten(data)[0]))
        own = list(map(shard, range(number)[self.world.share(number)]))
        doing = f"takes a step with {count} samples (checksum of the first: {check}; random number"
        news = self.stop, [s._replace(row=None) for s in own]
        told = self.world.meet(f"{doing}: {seed})", news)
        self._stopped = any(stop for stop, _ in told)
        every = [s for _, theirs in told for s in theirs]
        none = parts.packed(self._parameters(), 0.0)
        rows = np.empty((len(every), none.size), none.dtype)
        given, sizes = [none[:0], *[s.row for s in own]], [len(s) * none.size for _, s in told]
        self.world.comm.Allgatherv(np.concatenate(given), [rows, sizes])
        return [s._replace(row=row) for s, row in zip(every, rows)]

    # ------------------------------------------------------------------------------------ fast

    def _others_train(self) -> bool:
        """Add nothing to a step of the other ranks; whether any of them has samples."""
        self._total = self._add(0, 0.0)
        return bool(self._total[COUNT])

    def _add(self, count: int, loss: Any, ended: bool = False) -> np.ndarray:
        """The sums over all ranks of gradients, loss and floating buffers, times their samples."""
        from mpi4py import MPI

        row = parts.packed(self._parameters(), loss)
        row = np.concatenate([*map(np.ravel, self._floats()), row, [1, 0, 0]], dtype=row.dtype)
        row = row * count if count else np.zeros_like(row)
        row[STOP:] = self.stop, ended
        self.world.comm.Allreduce(MPI.IN_PLACE, row)
        if row[ENDED] and not ended:
            self.world.leave = lambda: None
            raise OtherRankError("another rank", "has failed or takes no more steps", "takes one")
        return row

    def _end(self) -> None:
        self._add(0, 0.0, ended=True)

    def _take(self, row: np.ndarray) -> np.ndarray:
        """Put the means into buffers and parameters; the loss."""
        if not row[COUNT]:
            raise ValueError(f"{_NAME}: the batches of all ranks are empty")
        self._stopped, means, start = bool(row[STOP]), row[:COUNT] / row[COUNT], 0
        for b in self._floats():
            b[...] = means[start : start + b.size].reshape(b.shape)
            start += b.size
        return parts.unpack(means[start:], self._parameters())

    def _floats(self) -> list[np.ndarray]:
        return [b for b in parts.buffers_of(self.model) if b.dtype.kind == "f"]
