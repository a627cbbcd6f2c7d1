"""Losses between values and between distributions, and helpers of all losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, misfit, number
from autograd_cnn.engine.modes import no_grad
from autograd_cnn.engine.node import Array, Node, values
from autograd_cnn.ops.arithmetic import abs, clip, maximum, where
from autograd_cnn.ops.exponential import exp, log, logaddexp
from autograd_cnn.ops.formulas import functional
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


def difference(name: str, input: Any, target: Any) -> Array:
    """input - target, after `alike`."""
    input, target = alike(name, input, target)
    return input - target


def _huber(apart: Array, delta: float) -> Array:
    """d^2 / 2 up to |d| = delta, then its tangent: c * (d - c / 2) with c = clip(d)."""
    clipped = clip(apart, -delta, delta)
    return clipped * (apart - 0.5 * clipped)


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


def of_pair(name: str, reduction: str, input: Array, target: Array, losses: Any) -> Array:
    """The losses of a formula of input and target, reduced."""
    return reduced(name, losses(*alike(name, input, target)), reduction)


def _log_variance(name: str, input: Array, target: Array, var: Array, eps: float) -> Array:
    """0.5 * (log(var) + (input - target)^2 / var)."""
    apart = difference(name, input, target)
    if var.shape == input.shape[:-1] != input.shape and var.ndim:
        var = var.reshape((*var.shape, 1))
    if var.ndim and var.shape not in (input.shape, (*input.shape[:-1], 1)):
        raise misfit(name, "var must have the shape of the input, or 1 as last size", var, input)
    if (values(var) < 0).any():
        raise ValueError(f"{name}: var must not be negative")
    with no_grad():
        missing = maximum(eps - var, 0.0)
    var = var + missing
    return 0.5 * (log(var) + apart * apart / var)


def _squared(x: Array) -> Array:
    return x * x


def _stirling(count: Array) -> Array:
    """About log(count!), and 0 up to 1."""
    few = values(count) <= 1
    n = where(few, 1.0, count)
    return where(few, 0.0, n * log(n) - n + 0.5 * log(2.0 * math.pi * n))


# fmt: off
mse_loss = functional(
    lambda input, target, reduction="mean": of_pair(
        "mse_loss", reduction, input, target, lambda x, t: _squared(x - t)),
    "Squared error (input - target)^2, averaged over all values; the shapes must be equal.\n\n"
    "`reduction` is 'mean', 'sum' or 'none' (the shape of the input).",
    "mse_loss([1.0, 2.0], [0.0, 4.0], reduction='none') -> [1., 4.]")
l1_loss = functional(
    lambda input, target, reduction="mean": of_pair(
        "l1_loss", reduction, input, target, lambda x, t: abs(x - t)),
    "Absolute error |input - target|, with gradient 0 where they are equal; see `mse_loss`.",
    "l1_loss([1.0, 2.0], [0.0, 4.0], reduction='none') -> [1., 2.]")
huber_loss = functional(
    lambda input, target, reduction="mean", delta=1.0: of_pair(
        "huber_loss", reduction, input, target,
        lambda x, t: _huber(x - t, number("huber_loss", "delta", delta, above=0))),
    "``d^2 / 2`` where |d| = |input - target| is at most `delta`, ``delta * (|d| - delta / 2)``\n"
    "beyond; reductions as in `mse_loss`.\n\n"
    "Huber, \"Robust estimation of a location parameter\" (1964).",
    "huber_loss([0.5, 4.0], [0.0, 0.0], reduction='none') -> [0.125, 3.5  ]")
smooth_l1_loss = functional(
    lambda input, target, reduction="mean", beta=1.0: of_pair(
        "smooth_l1_loss", reduction, input, target, lambda x, t: (
            _huber(x - t, beta) * (1.0 / beta) if number("smooth_l1_loss", "beta", beta, 0)
            else abs(x - t))),
    "``d^2 / (2 * beta)`` where |d| = |input - target| is below `beta`, ``|d| - beta / 2``\n"
    "beyond; `l1_loss` for a beta of 0.\n\nGirshick, \"Fast R-CNN\" (2015).",
    "smooth_l1_loss([0.5, 4.0], [0.0, 0.0], reduction='none', beta=2.0) -> [0.0625, 3.    ]")
gaussian_nll_loss = functional(
    lambda input, target, var, full=False, eps=1e-6, reduction="mean": reduced(
        "gaussian_nll_loss", _log_variance("gaussian_nll_loss", input, target, var, eps)
        + (0.5 * math.log(2.0 * math.pi) if full else 0.0), reduction),
    "Minus the log-likelihood ``0.5 * (log(var) + (input - target)^2 / var)`` of normal\n"
    "distributions; `full` adds log(2 pi) / 2.\n\n"
    "`var` has the shape of the input, or lacks its last axis, or has size 1 there, or is a\n"
    "number.  It counts as at least `eps`, where its gradient is that at `eps`.",
    "gaussian_nll_loss([1.0], [3.0], [1.0], reduction='none') -> [2.]")
soft_margin_loss = functional(
    lambda input, target, reduction="mean": of_pair(
        "soft_margin_loss", reduction, input, target, lambda x, t: logaddexp(-t * x, 0.0)),
    "log(1 + exp(-target * input)), with targets 1 and -1.",
    "soft_margin_loss([0.0, 100.0], [1, -1], 'none').round(4) -> [  0.6931, 100.    ]")
hinge_embedding_loss = functional(
    lambda input, target, margin=1.0, reduction="mean": of_pair(
        "hinge_embedding_loss", reduction, input, target, lambda x, t: (
            where(values(t) != -1, x, 0.0) + where(values(t) != 1, clip(margin - x, 0.0), 0.0))),
    "x where the target is 1, max(0, margin - x) where it is -1, with slope -1 at the margin.",
    "hinge_embedding_loss([0.25, 0.25], [1, -1], reduction='none') -> [0.25, 0.75]")
poisson_nll_loss = functional(
    lambda input, target, log_input=True, full=False, eps=1e-8, reduction="mean": of_pair(
        "poisson_nll_loss", reduction, input, target, lambda x, t: (
            (exp(x) - t * x if log_input else x - t * log(x + eps))
            + (_stirling(t) if full else 0))),
    "Minus the log-likelihood of counts of Poisson distributions, given the logarithms of their\n"
    "means, or the means without `log_input`; `full` adds about log(target!).",
    "poisson_nll_loss([0.0, 0.0], [3.0, 1.0], reduction='none') -> [1., 1.]")
# fmt: on
