"""Averages of a model's weights over a training, by the names of torch.optim.swa_utils."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from autograd_cnn import checks
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.modes import no_grad
from autograd_cnn.engine.node import wrap
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import BatchNorm

__all__ = ["AveragedModel", "get_ema_multi_avg_fn", "update_bn"]
__dir__ = __all__.copy


class AveragedModel(Module):
    """A copy of `model` to predict with, whose weights are averages over the training of `model`.

    Each `update_parameters` adds the weights of that moment: all with the same share (SWA), or with
    ``multi_avg_fn=get_ema_multi_avg_fn(decay)`` the latest with the largest (EMA).  The function
    gets the averages and the weights, two lists of tensors, and the number of updates before; it
    changes the averages in place.  Buffers are copied; with `use_buffers` they are averaged.
    `update_bn` computes the statistics of batch norm anew.  Izmailov et al. (2018).

    >>> model = nn.Linear(1, 1)
    >>> averaged = ag.optim.swa_utils.AveragedModel(model)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(model.weight, weight)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.tolist()
    [[3.0]]
    """

    n_averaged: np.ndarray

    @checked
    def __init__(
        self, model: Any, *, multi_avg_fn: Function | None = None, use_buffers: bool = False
    ) -> None:
        if not isinstance(model, Module):
            raise checks.mistake("AveragedModel", "model", "a module", model)
        self.module = copy.deepcopy(model)
        self.multi_avg_fn, self.use_buffers = multi_avg_fn, use_buffers
        self.register_buffer("n_averaged", np.zeros((), np.int64))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Add the weights that `model` has now; the first ones are copied."""
        both = self.module, model
        found: Any = [[*m.named_parameters(), *m.named_buffers()] for m in both]
        names, given = ([(name, x.shape) for name, x in entries] for entries in found)
        if names != given:
            problem = "model must have the parameters and buffers that it had at first"
            raise ValueError(f"AveragedModel.update_parameters: {problem}")
        averages, weights = ([p.detach() for p in m.parameters()] for m in both)
        for average, new in zip(*(m.buffers() for m in both)):
            if self.use_buffers and new.dtype.kind == "f":
                averages.append(wrap(average))
                weights.append(wrap(new))
            else:
                average[...] = new
        n = int(self.n_averaged)
        average = (self.multi_avg_fn if n else None) or _move
        average(averages, weights, n)
        self.n_averaged[()] += 1


def _move(averages: list[Any], weights: list[Any], n: int, share: float | None = None) -> None:
    """Let the weights have this share of the averages, by default that of one of n + 1."""
    share = 1.0 / (n + 1) if share is None else share
    for average, weight in zip(averages, weights):
        average.copy_(average + share * (weight - average) if share < 1.0 else weight)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Function:
    """``average = decay * average + (1 - decay) * weight``, for `AveragedModel`.

    >>> average = ag.tensor([1.0])
    >>> ag.optim.swa_utils.get_ema_multi_avg_fn(0.75)([average], [ag.tensor([3.0])], 1)
    >>> average
    tensor([1.5])
    """
    checks.number("get_ema_multi_avg_fn", "decay", decay, 0, 1)
    return partial(_move, share=1.0 - decay)


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Set the statistics of batch norm to averages over the batches of `loader`.

    A batch is the model's input, or a tuple or list that begins with it.  The model computes as in
    training, without gradients.

    >>> model = nn.Sequential(nn.BatchNorm1d(1))
    >>> ag.optim.swa_utils.update_bn([np.array([[1.0], [5.0]], np.float32)], model)
    >>> model[0].running_mean
    array([3.], dtype=float32)
    """
    if not isinstance(model, Module):
        raise checks.mistake("update_bn", "model", "a module", model)
    norms = [m for m in model.modules() if isinstance(m, BatchNorm)]
    before = [(m, m.training) for m in model.modules()], [(m, m.momentum) for m in norms]
    for norm in norms:
        for buffer, start in zip(norm.buffers(), (0, 1, 0)):  # mean, variance, count
            buffer[...] = start
        norm.momentum = None
    try:
        model.train()
        with no_grad():
            for batch in loader if norms else ():
                model(batch[0] if isinstance(batch, (tuple, list)) else batch)
    finally:
        for module, training in before[0]:
            module.training = training
        for norm, momentum in before[1]:
            norm.momentum = momentum


def __getattr__(name: str) -> object:
    raise checks.absent("optim", __name__, name)
