"""A batch in shards: cut at fixed places, computed one after the other, and added in their order.

What a shard gives depends on the batch, the weights and its number only, so it does not matter
which process computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import misfit
from autograd_cnn.engine.node import Node, wrap
from autograd_cnn.functional.normalization import move
from autograd_cnn.nn import Module
from autograd_cnn.nn.normalization import BatchNorm
from autograd_cnn.tensor.tree import flatten


class Shard(NamedTuple):
    """What a shard gives: its row is `packed` and times its share of the samples.

    For each buffer it has what it made of it, or a list of what moves a running mean.
    """

    row: Any
    share: float
    made: list[Any]
    output: Any


def buffers_of(model: Any) -> list[np.ndarray]:
    """The buffers of a model, each once."""
    return list({id(b): b for b in model.buffers()}.values()) if isinstance(model, Module) else []


def cuts(count: int, shards: int, model: Any) -> list[tuple[int, int]]:
    """Where the shards of a batch of `count` samples begin and end.

    Their sizes differ by one at most.  There are fewer if some would be empty, or have a single
    sample where batch norm needs two.

    >>> cuts(7, 3, None)
    [(0, 2), (2, 4), (4, 7)]
    """
    modules = model.modules() if isinstance(model, Module) else ()
    least = 2 if any(isinstance(m, BatchNorm) for m in modules) else 1
    shards = max(1, min(shards, count // least))
    return list(pairwise(count * k // shards for k in range(shards + 1)))


def samples(*batch: Any) -> int:
    """The number of samples in a batch."""
    arrays = flatten(batch)[0]
    counts = {x.shape[0] if getattr(x, "shape", ()) else 0 for x in arrays}
    if len(counts) != 1 or 0 in counts:
        problem = "with shards, inputs and targets must be arrays with an axis of the same samples"
        raise misfit("Step", problem, *arrays[:4])
    return counts.pop()


def piece(batch: Any, start: int, stop: int) -> Any:
    """Samples of a batch: of arrays a copy, with the same order of axes in memory."""
    leaves, rebuild = flatten(batch)
    found = [x[start:stop] for x in leaves]
    return rebuild([x if isinstance(x, Node) else np.array(x) for x in found])


def packed(parameters: Sequence[Any], loss: Any) -> np.ndarray:
    """The gradients of parameters, whether each has one, and the loss, one after the other."""
    dtype = np.result_type(np.float32, *[p.array.dtype for p in parameters])
    none = [np.zeros(p.array.size) if p.grad is None else p.grad.array for p in parameters]
    known = [p.grad is not None for p in parameters]
    return np.concatenate([*[g.ravel() for g in none], known, [loss]], dtype=dtype)


def unpack(row: np.ndarray, parameters: Sequence[Any]) -> np.ndarray:
    """Give parameters their gradients, from a `packed` row; the loss."""
    start = 0
    for p, known in zip(parameters, row[-1 - len(parameters) :]):
        shape, stop = p.array.shape, start + p.array.size
        p.grad = wrap(row[start:stop].reshape(shape).astype(p.array.dtype)) if known else None
        start = stop
    return row[-1].copy()


def added(shards: Iterable[Shard], buffers: Sequence[np.ndarray]) -> tuple[Any, Any]:
    """The sum of rows and the joined outputs of a batch, with the buffers as it leaves them.

    Running statistics follow the mean and the variance of all values in the batch.  Other floating
    buffers become the mean over the shards, the rest what the last shard made of it that did.
    """
    row, kept = None, []
    for shard in shards:
        row = shard.row if row is None else np.add(row, shard.row, out=row)
        kept.append(shard._replace(row=None))
    for b, made in zip(buffers, zip(*[s.made for s in kept])):
        new = [b if isinstance(x, list) else x for x in made]
        if any(x is not b for x in new):
            mean = b.dtype.kind == "f"
            last = next(x for x in reversed(new) if x is not b)
            b[...] = sum(x * s.share for x, s in zip(new, kept)) if mean else last
        for each in zip_longest(*(x for x in made if isinstance(x, list))):
            moves = [found for found in each if found is not None]  # of the shards that ran it
            move(b, buffers[moves[0][0]], *pooled(moves))
    output: Any = [s.output for s in kept]
    leaves, rebuild = zip(*map(flatten, output))
    if all(np.ndim(x) for parts in leaves for x in parts):
        output = rebuild[0]([wrap(np.concatenate(parts)) for parts in zip(*leaves)])
    return row, output


def pooled(moves: Sequence[Any]) -> tuple[Any, ...]:
    """Mean and biased variance of all values, their number and the momentum, from those of shards.

    >>> pooled([(1, np.array([2.0]), np.array([1.0]), 2, 0.1), (1, np.array([5.0]), 0.0, 1, 0.1)])
    (array([3.]), array([2.66666667]), 3, 0.1)
    """
    _, means, variances, counts, momenta = zip(*moves)
    shares = [count / sum(counts) for count in counts]
    mean = sum(w * m.astype(float) for w, m in zip(shares, means))
    var = sum(w * (v + (m - mean) ** 2) for w, m, v in zip(shares, means, variances))
    return mean, var, sum(counts), momenta[0]
