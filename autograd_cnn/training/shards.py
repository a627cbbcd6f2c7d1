"""A batch in shards: cut at fixed places, computed one after the other, and added in their order.

What a shard gives depends on the batch, the weights and its number only, so it does not matter
which process computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import misfit
from autograd_cnn.engine.node import Node, values, wrap
from autograd_cnn.functional.normalization import move
from autograd_cnn.nn import Module
from autograd_cnn.nn.normalization import BatchNorm
from autograd_cnn.tensor.tree import flatten


class Shard(NamedTuple):
    """What a shard of a batch gives."""

    count: int
    """Its samples."""
    loss: np.ndarray
    row: Any
    """Its gradients times its share of the batch, one after the other."""
    known: list[bool]
    """Which parameters have a gradient."""
    moved: list[list[Any]]
    """By buffer that is a running mean: place of its variance, mean, variance, count, momentum."""
    changed: dict[int, np.ndarray]
    """What it made of other buffers, by their places."""
    output: Any


def buffers_of(model: Any) -> list[np.ndarray]:
    """The buffers of a model, each once."""
    return list({id(b): b for b in model.buffers()}.values()) if isinstance(model, Module) else []


def cuts(count: int, shards: int, model: Any) -> list[tuple[int, int]]:
    """Where the shards of a batch of `count` samples begin and end: their sizes differ by one at
    most.

    There are fewer where they would be empty, or, as batch norm needs two, have a single sample.

    >>> cuts(7, 3, None)
    [(0, 2), (2, 4), (4, 7)]
    """
    modules = model.modules() if isinstance(model, Module) else ()
    least = 2 if any(isinstance(m, BatchNorm) for m in modules) else 1
    shards = max(1, min(shards, count // least))
    return list(pairwise(count * k // shards for k in range(shards + 1)))


def samples(inputs: Any, targets: Any) -> int:
    """The number of samples in a batch."""
    arrays = [np.asarray(values(x)) for x in (*_leaves(inputs)[0], *_leaves(targets)[0])]
    counts = {x.shape[0] if x.ndim else -1 for x in arrays}
    if len(counts) != 1 or -1 in counts:
        problem = "inputs and targets must have the samples of a batch along their first axis"
        raise misfit("Step", problem, *arrays)
    return counts.pop()


def piece(batch: Any, start: int, stop: int) -> Any:
    """Samples of a batch: copies, in the same order of axes in memory."""
    leaves, rebuild = _leaves(batch)
    found: list[Any] = []
    for x in leaves:
        part = x[start:stop]
        if isinstance(x, Node):
            part = part if x.tracked else wrap(np.array(part.array))
        found.append(part if isinstance(x, Node) else np.array(part))
    return rebuild(found)


def _leaves(batch: Any) -> Any:
    """The arrays of a batch, and what puts others in their place; lists of numbers are arrays."""
    leaves, rebuild = flatten(batch)
    if all(hasattr(x, "shape") and x.ndim for x in leaves):
        return leaves, rebuild
    return [np.asarray(batch)], lambda found: found[0]


def packed(parameters: Sequence[Any]) -> np.ndarray:
    """The gradients of parameters, one after the other; zeros where there is none."""
    dtype = np.result_type(np.float32, *[p.array.dtype for p in parameters])
    none = [np.zeros(p.array.size) if p.grad is None else p.grad.array for p in parameters]
    return np.concatenate([g.ravel() for g in none], dtype=dtype)


def unpack(row: np.ndarray, parameters: Sequence[Any], known: Sequence[bool]) -> None:
    """Give parameters their gradients, from one after the other."""
    start = 0
    for p, has in zip(parameters, known):
        shape, stop = p.array.shape, start + p.array.size
        p.grad = wrap(row[start:stop].reshape(shape).astype(p.array.dtype)) if has else None
        start = stop


def added(shards: Iterable[Shard], count: int, buffers: Sequence[np.ndarray]) -> Shard:
    """The shards of a batch of `count` samples in one, with the buffers as they leave them.

    Running statistics follow the mean and the variance of all values in the batch.  Other floating
    buffers become the mean over the shards, the rest what the last shard made of it.
    """
    row, known, loss, kept = None, None, 0.0, []
    for shard in shards:
        row = shard.row if row is None else np.add(row, shard.row, out=row)
        known = [a or b for a, b in zip(known or shard.known, shard.known)]
        loss += float(shard.loss) * (shard.count / count)
        kept.append(shard._replace(row=None))
    for place, b in enumerate(buffers):
        for moves in zip(*[s.moved[place] for s in kept]):
            _, mean, var, total, momentum = moved = pooled(moves)
            move(b, buffers[moved[0]], mean, var, total, momentum)
        if any(place in s.changed for s in kept):
            made = [s.changed.get(place, b) for s in kept]
            shares = [s.count / count for s in kept]
            floats = b.dtype.kind == "f"
            b[...] = sum(x * w for x, w in zip(made, shares)) if floats else made[-1]
    output: Any = [s.output for s in kept]
    leaves, rebuild = zip(*map(flatten, output))
    if all(np.ndim(x) for parts in leaves for x in parts):
        output = rebuild[0]([wrap(np.concatenate(parts)) for parts in zip(*leaves)])
    return Shard(count, kept[0].loss.dtype.type(loss), row, known or [], [], {}, output)


def pooled(moves: Sequence[Any]) -> tuple[Any, ...]:
    """The mean and the biased variance of all values, from those of each shard.

    >>> pooled([(1, np.array([2.0]), np.array([1.0]), 2, 0.1), (1, np.array([5.0]), 0.0, 1, 0.1)])
    (1, array([3.]), array([2.66666667]), 3, 0.1)
    """
    total = sum(count for *_, count, _ in moves)
    shares = [count / total for *_, count, _ in moves]
    mean = sum(w * m.astype(float) for w, (_, m, *_) in zip(shares, moves))
    var = sum(w * (v + (m - mean) ** 2) for w, (_, m, v, *_) in zip(shares, moves))
    return moves[0][0], mean, var, total, moves[0][-1]
