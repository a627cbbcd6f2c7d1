"""Batch norm by the batches of all ranks."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.distributed.world import start
from autograd_cnn.engine.node import Node, values
from autograd_cnn.func.custom import custom_gradient
from autograd_cnn.functional.normalization import move
from autograd_cnn.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module
from autograd_cnn.training.shards import pooled


class Synchronized:
    """What the batch norms of a rank become."""

    def forward(self: Any, input: Any) -> Any:  # noqa: D102
        if not self.training:
            return super().forward(input)  # type: ignore[misc]
        x = values(input)
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise self._misfit(x.shape)
        axes, shape = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
        count, momentum = x.size // x.shape[1], self._momentum()
        world, wide = start(), x.astype(np.result_type(x, np.float32), copy=False)
        own = 0, wide.mean(axes), wide.var(axes), count, momentum
        mean, var, total, _ = pooled(world.meet("normalises", own))
        if self.track_running_stats:
            move(self.running_mean, self.running_var, mean, var, total, momentum)
            self.num_batches_tracked[()] += 1
        scale = (1.0 / np.sqrt(var + self.eps)).reshape(shape)

        def rule(g: Any, out: Any, _: Any) -> Any:
            if isinstance(g, Node):
                raise NotImplementedError("synchronized batch norm has first derivatives only")
            # The mean of all losses weighs each rank by its samples.
            told = world.meet("differentiates", [g.sum(axes) * count, (g * out).sum(axes) * count])
            shared, along = (sum(x).reshape(shape) / (count * total) for x in zip(*told))
            return ((g - shared - out * along) * scale).astype(x.dtype)

        @custom_gradient(rule)
        def normalized(x: Any) -> Any:
            return ((values(x) - mean.reshape(shape)) * scale).astype(x.dtype)

        out: Any = normalized(input)
        if self.weight is None:
            return out
        return out * self.weight.reshape(shape) + self.bias.reshape(shape)


_KINDS: Any = {
    kind: type(f"Synchronized{kind.__name__}", (Synchronized, kind), {"__module__": __name__})
    for kind in (BatchNorm1d, BatchNorm2d, BatchNorm3d)
}


def synchronize_batch_norm(model: Module) -> Module:
    """Let the batch norms of a model, in place, normalise by the batches of all ranks.

    It is for ``mode="fast"``, where every rank then needs samples in each step.  Each layer waits
    for all ranks forwards and backwards.

    >>> synchronize_batch_norm(nn.Sequential(nn.BatchNorm1d(2)))[0].num_features
    2
    """
    if not isinstance(model, Module):
        raise mistake("synchronize_batch_norm", "model", "a module", model)
    for layer in model.modules():
        layer.__class__ = _KINDS.get(type(layer), type(layer))
    return model
