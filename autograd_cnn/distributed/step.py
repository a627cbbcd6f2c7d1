"""A training step on the batches of all ranks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from autograd_cnn import random, training
from autograd_cnn.checks import choice, integer, mistake
from autograd_cnn.distributed.sync import Synchronized
from autograd_cnn.distributed.world import ENDS, OtherRankError, start
from autograd_cnn.nn import Module
from autograd_cnn.tensor.tree import flatten
from autograd_cnn.training import shards as parts

_NAME, SHARDS = "distributed.Step", 8
COUNT, STOPS, ENDED = range(-3, 0)
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
        self.world, self.mode = start(), choice(_NAME, "mode", mode, ("exact", "fast"))
        if shards is None:
            shards = SHARDS if mode == "exact" else 1
        super().__init__(model, loss, optimizer, reduce=reduce, shards=shards)
        if not isinstance(model, Module):
            raise mistake(_NAME, "model", "a module", model)
        if not {*map(id, self._parameters())} <= {*map(id, model.parameters())}:
            raise ValueError(
                f"{_NAME}: optimizer must have parameters of the model only, as those are what "
                "ranks share; make it of model.parameters()"
            )
        self._exchanges = mode == "exact" and self.world.size > 1
        if self._exchanges:
            integer(_NAME, "shards, by which ranks share the work,", shards, self.world.size)
        if any(isinstance(m, Synchronized) for m in model.modules()) and (mode, shards) != (
            "fast",
            1,
        ):
            raise ValueError(f"{_NAME}: synchronized batch norm needs mode='fast' and shards=1")
        self.stopped = False
        """Whether a rank had called `stop` before the last step."""
        self._stops, self._sum = False, np.zeros(3)
        if self.world.size > 1:
            self._join()

    def _join(self) -> None:
        """Compare the models of the ranks, and take the state of rank 0."""
        world, generator = self.world, random.generator()
        world.end_steps()
        state = self.model.state_dict()
        shapes = {name: f"{x.dtype} {x.shape}" for name, x in state.items()}
        kind = type(self.optimizer).__name__
        doing = f"makes a Step with mode={self.mode!r}, shards={self.shards} and {kind}"
        for rank, others in enumerate(told := world.meet(doing, shapes)):
            for name in sorted({*told[0].items()} ^ {*others.items()})[:1]:
                raise ValueError(
                    f"{_NAME}: the models must be the same, but {name[0]!r} is "
                    f"{told[0].get(name[0])} on rank 0 and {others.get(name[0])} on rank {rank}"
                )
        bits: Any = generator.bit_generator
        every = world.comm.bcast((state, self.optimizer.state_dict(), bits.state))
        self.model.load_state_dict(every[0])
        self.optimizer.load_state_dict(every[1])
        bits.state = every[2]
        world.leave = partial(world.comm.allgather, (ENDS, None))
        if self.mode == "fast":
            world.leave = partial(self._add, 0, None, ended=True)
            bits.state = bits.jumped(world.rank).state if world.rank else bits.state

    def stop(self) -> None:
        """Let `batches` end on all ranks after the next step."""
        self._stops = True

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """The batches of `loader`, until a rank has called `stop` or, with "fast", all ranks have
        no more: a rank without data gets empty batches, for which `step` adds zeros.
        """
        source, fast = iter(loader), self.mode == "fast" and self.world.size > 1
        self.stopped, batch = False, next(source, None)
        empty = None
        if fast:
            mine = None if batch is None else parts.piece(batch, 0, 0)
            empty = next((x for x in self.world.meet("begins a pass", mine) if x is not None), None)
        while batch is not None or (empty is not None and self._others_train()):
            yield empty if batch is None else batch
            if self.stopped:
                return
            batch = next(source, None)

    def __call__(self, inputs: Any, targets: Any) -> Any:
        """One step of all ranks."""
        try:
            return super().__call__(inputs, targets)
        except Exception:
            self.world.end_steps()
            raise

    def _gradients(self, inputs: Any, targets: Any) -> np.ndarray:
        if self.mode == "fast" and self.world.size > 1:
            total, self._sum = self._sum, np.zeros(3)
            if not total[COUNT]:
                count = len(flatten(inputs)[0][0])
                loss = super()._gradients(inputs, targets) if count else None
                total = self._add(count, loss)
            return self._take(total)
        if not self._exchanges:
            self.stopped, self._stops = self._stops, False
        return super()._gradients(inputs, targets)

    # ----------------------------------------------------------------------------------- exact

    def _every(self, shard: Any, number: int, batch: Any) -> Iterable[parts.Shard]:
        world = self.world
        if not self._exchanges:
            return super()._every(shard, number, batch)
        count, seed, *data = batch
        check = zlib.crc32(b"".join(np.asarray(x[:1]).tobytes() for x in flatten(data)[0]))
        first, last = (number * r // world.size for r in (world.rank, world.rank + 1))
        own = [shard(k) for k in range(first, last)]
        news = self._stops, [s._replace(row=None) for s in own]
        told = world.meet(
            f"takes a step with {count} samples (checksum of the first: {check}; random number: "
            f"{seed})",
            news,
        )
        self.stopped, self._stops = any(stops for stops, _ in told), False
        every = [s for _, theirs in told for s in theirs]
        none = parts.packed(self._parameters(), 0.0)
        rows = np.empty((len(every), none.size), none.dtype)
        sizes = [len(theirs) * none.size for _, theirs in told]
        world.comm.Allgatherv(np.concatenate([none[:0], *[s.row for s in own]]), [rows, sizes])
        return [s._replace(row=row) for s, row in zip(every, rows)]

    # ------------------------------------------------------------------------------------ fast

    def _others_train(self) -> bool:
        """Add nothing to a step of the other ranks; whether any of them has samples."""
        self._sum = self._add(0, None)
        return bool(self._sum[COUNT])

    def _add(self, count: int, loss: Any, ended: bool = False) -> np.ndarray:
        """The sums over all ranks of gradients, loss and floating buffers, times their samples."""
        from mpi4py import MPI

        row = parts.packed(self._parameters(), 0.0 if loss is None else loss)
        row = np.concatenate([*map(np.ravel, self._floats()), row, [1, 0, 0]], dtype=row.dtype)
        row = row * count if count else np.zeros_like(row)
        row[STOPS:] = self._stops, ended
        self.world.comm.Allreduce(MPI.IN_PLACE, row)
        self._stops = False
        if row[ENDED] and not ended:
            self.world.leave = None
            raise OtherRankError(
                "another rank has failed or takes no more steps; all must take the same steps (see "
                "Step.batches)"
            )
        return row

    def _take(self, row: np.ndarray) -> np.ndarray:
        """Put the means into buffers and parameters; the loss."""
        if not row[COUNT]:
            raise ValueError(f"{_NAME}: the batches of all ranks are empty")
        self.stopped, means, start = bool(row[STOPS]), row[:COUNT] / row[COUNT], 0
        for b in self._floats():
            b[...] = means[start : start + b.size].reshape(b.shape)
            start += b.size
        return parts.unpack(means[start:], self._parameters())

    def _floats(self) -> list[np.ndarray]:
        return [b for b in parts.buffers_of(self.model) if b.dtype.kind == "f"]
