"""Losses between values and between distributions, and helpers of all losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, misfit, number
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.ops.arithmetic import abs, clip, where
from autograd_cnn.ops.exponential import exp, log, logaddexp
from autograd_cnn.ops.reduce import mean, sum
from autograd_cnn.ops.shape import floating
from autograd_cnn.ops.signatures import quiet_function

__all__ = [
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss",
    "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip

REDUCTIONS = ("mean", "sum", "none")


def reduced(name: str, losses: Array, reduction: str) -> Array:
    """The mean, the sum or, for 'none', all of the losses."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    choice(name, "reduction", reduction, REDUCTIONS)
    return losses


def check_shapes(name: str, input: Array, target: Array) -> None:
    """Raise ValueError for unequal shapes: (N, 1) against (N,) would broadcast to (N, N)."""
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: input and target must have the same shape, got {input.shape} and "
            f"{target.shape}; reshape one of them"
        )


def alike(name: str, input: Array, target: Array) -> tuple[Array, Array]:
    """Input and target after `check_shapes`, in floats; a constant target in the input's dtype."""
    check_shapes(name, input, target)
    if input.dtype.kind in "biu":
        input = floating(input)
    constant = not (isinstance(target, Node) and target.tracked)
    if target.dtype is not input.dtype and constant and target.dtype.kind in "biuf":
        target = target.astype(input.dtype)
    return input, target


def _difference(name: str, input: Any, target: Any) -> Array:
    input, target = alike(name, input, target)
    return input - target


@quiet_function
def mse_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """Squared error (input - target)^2, averaged over all values; the shapes must be equal.

    `reduction` is 'mean', 'sum' or 'none' (the shape of the input).

    >>> F.mse_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    2.5
    """
    difference = _difference("mse_loss", input, target)
    return reduced("mse_loss", difference * difference, reduction)


@quiet_function
def l1_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """Absolute error |input - target|, with gradient 0 where they are equal; see `mse_loss`.

    >>> F.l1_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])).item()
    1.5
    """
    return reduced("l1_loss", abs(_difference("l1_loss", input, target)), reduction)


def _huber(difference: Array, delta: float) -> Array:
    """d^2 / 2 up to |d| = delta, then its tangent: c * (d - c / 2) with c = clip(d)."""
    clipped = clip(difference, -delta, delta)
    return clipped * (difference - 0.5 * clipped)


@quiet_function
def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    """``d^2 / 2`` where |d| = |input - target| is at most `delta`, ``delta * (|d| - delta / 2)``
    beyond; reductions as in `mse_loss`.

    Huber, "Robust estimation of a location parameter" (1964).

    >>> F.huber_loss(np.array([0.5, 4.0]), np.zeros(2), reduction="none")
    array([0.125, 3.5  ])
    """
    number("huber_loss", "delta", delta, above=0)
    losses = _huber(_difference("huber_loss", input, target), delta)
    return reduced("huber_loss", losses, reduction)


@quiet_function
def smooth_l1_loss(
    input: Array, target: Array, reduction: str = "mean", beta: float = 1.0
) -> Array:
    """``d^2 / (2 * beta)`` where |d| = |input - target| is below `beta`, ``|d| - beta / 2`` beyond;
    `l1_loss` for a beta of 0.  Reductions as in `mse_loss`.

    Girshick, "Fast R-CNN" (2015).

    >>> F.smooth_l1_loss(np.array([0.5, 4.0]), np.zeros(2), reduction="none", beta=2.0)
    array([0.0625, 3.    ])
    """
    number("smooth_l1_loss", "beta", beta, 0)
    difference = _difference("smooth_l1_loss", input, target)
    losses = _huber(difference, beta) * (1.0 / beta) if beta else abs(difference)
    return reduced("smooth_l1_loss", losses, reduction)


@quiet_function
def kl_div(input: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """Kullback-Leibler divergence ``target * (log(target) - input)`` of log-probabilities `input`
    from probabilities `target`, value by value; 0 where the target is 0.

    With `log_target` the target holds log-probabilities too.  `reduction` is 'mean' over all
    values, 'batchmean' (the mathematical divergence: the sum divided by N), 'sum' or 'none'.
    Kullback and Leibler, "On information and sufficiency" (1951).

    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> round(F.kl_div(np.log(q), p, reduction="batchmean").item(), 6)
    0.143841
    """
    input, target = alike("kl_div", input, target)
    choice("kl_div", "reduction", reduction, (*REDUCTIONS, "batchmean"))
    if log_target:
        nothing = values(target) == -np.inf
        logs, share = where(nothing, 0.0, target), exp(target)
    else:
        nothing = values(target) == 0
        logs, share = log(where(nothing, 1.0, target)), target
    losses = where(nothing, 0.0, share * (logs - input))
    if reduction != "batchmean":
        return reduced("kl_div", losses, reduction)
    n = input.shape[0] if input.ndim else 1
    return sum(losses) * (1.0 / n if n else np.nan)


@quiet_function
def soft_margin_loss(input: Array, target: Array, reduction: str = "mean") -> Array:
    """log(1 + exp(-target * input)), with targets 1 and -1; reductions as in `mse_loss`.

    >>> F.soft_margin_loss(np.array([0.0, 1000.0]), np.array([1.0, -1.0]), reduction="sum").round(4)
    np.float64(1000.6931)
    """
    input, target = alike("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", logaddexp(-target * input, 0.0), reduction)


@quiet_function
def hinge_embedding_loss(
    input: Array, target: Array, margin: float = 1.0, reduction: str = "mean"
) -> Array:
    """The distance `input` where the target is 1, what it lacks to `margin` where that is -1.

    The gradient at the margin is that inside; reductions as in `mse_loss`.

    >>> F.hinge_embedding_loss(np.array([0.3, 0.2]), np.array([1, -1]), reduction="none")
    array([0.3, 0.8])
    """
    input, target = alike("hinge_embedding_loss", input, target)
    near = where(values(target) != -1, input, 0.0)
    far = where(values(target) != 1, clip(margin - input, 0.0), 0.0)
    return reduced("hinge_embedding_loss", near + far, reduction)


@quiet_function
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Array:
    """Minus the log-likelihood of counts `target` of Poisson distributions whose means are
    exp(input), or the input itself without `log_input`.

    Leaves out log(target!), of which `full` adds Stirling's approximation where the target is above
    1.  `eps` is added in the logarithm of means.  Reductions as in `mse_loss`.

    >>> F.poisson_nll_loss(np.array([0.0]), np.array([3.0])).item()
    1.0
    """
    input, target = alike("poisson_nll_loss", input, target)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        few = values(target) <= 1
        count = where(few, 1.0, target)
        stirling = count * log(count) - count + 0.5 * log(2.0 * math.pi * count)
        losses = losses + where(few, 0.0, stirling)
    return reduced("poisson_nll_loss", losses, reduction)


@quiet_function
def gaussian_nll_loss(
    input: Array,
    target: Array,
    var: Array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """Minus the log-likelihood ``0.5 * (log(var) + (input - target)^2 / var)`` of normal
    distributions with means `input` and variances `var`; `full` adds log(2 pi) / 2.

    `var` has the shape of the input, or lacks its last axis, or has size 1 there, or is a number.
    It counts as at least `eps`, where its gradient is that at `eps`.  Reductions as in `mse_loss`.

    >>> F.gaussian_nll_loss(np.array([1.0]), np.array([3.0]), np.array([1.0])).item()
    2.0
    """
    name = "gaussian_nll_loss"
    difference = _difference(name, input, target)
    if var.shape == input.shape[:-1] != input.shape and var.ndim:
        var = var.reshape((*var.shape, 1))
    if var.ndim and var.shape not in (input.shape, (*input.shape[:-1], 1)):
        raise misfit(name, "var must have the shape of the input, or 1 as last size", var, input)
    if (values(var) < 0).any():
        raise ValueError(f"{name}: var must not be negative")
    var = var + np.maximum(eps - values(var), 0.0)
    losses = 0.5 * (log(var) + difference * difference / var)
    return reduced(name, losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)
