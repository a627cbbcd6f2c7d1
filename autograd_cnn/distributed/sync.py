"""Batch norm by the batches of all ranks."""

from __future__ import annotations

from typing import Any

from autograd_cnn.checks import mistake
from autograd_cnn.distributed.world import start
from autograd_cnn.engine.node import values
from autograd_cnn.func.custom import custom_gradient
from autograd_cnn.functional.normalization import move
from autograd_cnn.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module
from autograd_cnn.ops.exponential import sqrt


class Synchronized:
    """What the batch norms of a rank become."""

    def forward(self: Any, input: Any) -> Any:  # noqa: D102
        if not self.training or input.ndim not in self.ndims or input.shape[1] != self.num_features:
            return super().forward(input)  # type: ignore[misc]
        meet, shape = start().meet, (1, -1, *(1,) * (input.ndim - 2))
        axes, count = (0, *range(2, input.ndim)), input.size // input.shape[1]
        total = sum(meet("counts", count))

        # The mean of all losses weighs each rank by its samples.
        @custom_gradient(lambda g, out, x: over_ranks(g * count) / count)
        def over_ranks(x: Any) -> Any:
            return sum(meet("adds up", values(x)))

        mean = over_ranks(input.sum(axis=axes)) / total
        centred = input - mean.reshape(shape)
        var = over_ranks((centred * centred).sum(axis=axes)) / total
        if self.track_running_stats:
            found = values(mean), values(var), total
            move(self.running_mean, self.running_var, *found, self._momentum())
            self.num_batches_tracked[()] += 1
        out = centred / sqrt(var + self.eps).reshape(shape)
        if self.weight is not None:
            out = out * self.weight.reshape(shape) + self.bias.reshape(shape)
        return out


_KINDS: Any = {
    kind: type(f"Synchronized{kind.__name__}", (Synchronized, kind), {"__module__": __name__})
    for kind in (BatchNorm1d, BatchNorm2d, BatchNorm3d)
}


def synchronize_batch_norm(model: Module) -> Module:
    """Let the batch norms of a model, in place, normalise by the batches of all ranks.

    It is for ``mode="fast"``, where every rank then needs samples in each step.  Each layer waits
    for all ranks three times forwards and twice backwards.

    >>> synchronize_batch_norm(nn.Sequential(nn.BatchNorm1d(2)))[0].num_features
    2
    """
    if not isinstance(model, Module):
        raise mistake("synchronize_batch_norm", "model", "a module", model)
    for layer in model.modules():
        layer.__class__ = _KINDS.get(type(layer), type(layer))
    return model
