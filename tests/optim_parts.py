"""What the tests of optimizers and schedules share: leaves, paths, and one row for each of both."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import optim
from tests import naive_optim


def leaf(values: Any, dtype: Any = np.float64) -> ag.Tensor:
    return ag.tensor(np.array(values, dtype), requires_grad=True)


def gradients(shape: tuple[int, ...], steps: int, seed: int = 0) -> np.ndarray:
    """Gradients of sizes from 1e-4 to 1e2, some of them 0 in the first steps."""
    generator = np.random.default_rng(seed)
    sizes = 10.0 ** generator.uniform(-4, 2, size=shape)
    found = generator.normal(size=(steps, *shape)) * sizes
    found[:2] *= generator.random((2, *shape)) < 0.7
    return found


def two_groups(kind: Any = optim.SGD, **options: Any) -> Any:
    groups = [{"params": leaf([1.0])}, {"params": leaf([1.0]), "lr": 0.5}]
    return kind(groups, lr=0.1, **options)


def run(kind: Any, start: Any, grads: Any, **settings: Any) -> np.ndarray:
    """The values after every step."""
    x = leaf(start)
    optimizer = kind([x], **settings)
    path = []
    for g in grads:
        x.grad = g.copy()
        optimizer.step()
        path.append(x.numpy().copy())
    return np.array(path)  # (steps, *shape)


def path(schedule: Any, steps: int, names: tuple[str, ...] = ("lr",)) -> np.ndarray:
    """The settings of each group before every step."""
    found = []
    for _ in range(steps):
        found.append([[g[n] for n in names] for g in schedule.optimizer.param_groups])
        schedule.step()
    return np.array(found)  # (steps, groups, names)


# -------------------------------------------------------------------------------------- optimizers


class Case(NamedTuple):
    formula: Any
    busy: dict[str, Any]
    """Settings with which every line of the update runs."""


_busy = {"lr": 0.1, "weight_decay": 0.1}
_shrinking = {**_busy, "amsgrad": True, "betas": (0.9, 0.5)}  # so that v shrinks, too

OPTIMIZERS = {
    optim.SGD: Case(naive_optim.sgd, {**_busy, "momentum": 0.9, "nesterov": True}),
    optim.Adam: Case(naive_optim.adam, _shrinking),
    optim.AdamW: Case(naive_optim.adamw, _shrinking),
    optim.NAdam: Case(naive_optim.nadam, _busy),
    optim.RAdam: Case(naive_optim.radam, {**_busy, "betas": (0.9, 0.9)}),
    optim.Adamax: Case(naive_optim.adamax, {**_busy, "betas": (0.9, 0.5)}),
    optim.Adagrad: Case(naive_optim.adagrad, {**_busy, "lr_decay": 0.1}),
    optim.RMSprop: Case(naive_optim.rmsprop, {**_busy, "momentum": 0.9, "centered": True}),
    optim.Adadelta: Case(naive_optim.adadelta, _busy),
}

# What each setting is tried with; flags are on and off.  Means that forget at once are left out: a
# step along the sign of the gradient turns the rounding of a gradient near 0 into another path.  So
# Adamax is drawn without weight decay, by which gradients depend on the path.
_TRIED: dict[str, Any] = {
    "lr": st.floats(0, 0.1) | st.just(1.0),
    "weight_decay": st.sampled_from([0, 0.01, 0.5]),
    "momentum": st.sampled_from([0, 0.5, 0.9, 1.0]),
    "dampening": st.sampled_from([0, 0.3, 1.0]),
    "betas": st.sampled_from([(0.9, 0.999), (0.0, 0.9), (0.5, 0.8), (0.95, 0.95)]),
    "eps": st.sampled_from([1e-8, 1e-6, 1e-2]),
    "momentum_decay": st.sampled_from([0, 4e-3, 1.0]),
    "lr_decay": st.sampled_from([0, 0.1]),
    "initial_accumulator_value": st.sampled_from([0, 0.1]),
    "alpha": st.sampled_from([0.5, 0.9, 0.99]),
    "rho": st.sampled_from([0.5, 0.9, 0.95]),
}


def settings_of(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Any settings that the optimizer takes."""
    names = inspect.signature(kind).parameters.keys() - {"params"}
    drawn = st.fixed_dictionaries({name: _TRIED.get(name, st.booleans()) for name in names})
    return drawn.filter(
        lambda s: not s.get("nesterov") or (s["momentum"] and not s.get("dampening"))
    ).filter(lambda s: kind is not optim.Adamax or not s["weight_decay"])


# --------------------------------------------------------------------------------------- schedules

_t = np.arange(20)

# How to make a schedule from this module or PyTorch's, and its factor on the base rate at epoch t.
SCHEDULES: dict[str, tuple[Any, Any]] = {
    "step": (lambda m, o, **k: m.StepLR(o, 3, 0.5, **k), 0.5 ** (_t // 3)),
    "milestones": (
        lambda m, o, **k: m.MultiStepLR(o, [5, 2, 5], 0.5, **k),
        np.where(_t < 2, 1, np.where(_t < 5, 0.5, 0.125)),
    ),
    "milestone at 0": (lambda m, o, **k: m.MultiStepLR(o, (0,), 0.5, **k), 0.5 + 0 * _t),
    "exponential": (lambda m, o, **k: m.ExponentialLR(o, 0.9, **k), 0.9**_t),
    "inverse time": (lambda m, o, **k: m.InverseTimeLR(o, 0.25, **k), 4 / (4 + _t)),
    "linear": (lambda m, o, **k: m.LinearLR(o, **k), np.minimum(5 + 2 * _t, 15) / 15),
    "linear, down": (
        lambda m, o, **k: m.LinearLR(o, 1.0, 0.0, total_iters=4, **k),
        np.maximum(1 - _t / 4, 0),
    ),
    "constant": (lambda m, o, **k: m.ConstantLR(o, 0.5, 4, **k), np.where(_t < 4, 0.5, 1)),
    "polynomial": (
        lambda m, o, **k: m.PolynomialLR(o, total_iters=4, power=2.0, **k),
        np.maximum(1 - _t / 4, 0) ** 2,
    ),
    "warm restarts": (
        lambda m, o, **k: m.CosineAnnealingWarmRestarts(o, 2, **k),
        np.where(_t % 2, 0.5, 1),
    ),
    "longer restarts": (
        lambda m, o, **k: m.CosineAnnealingWarmRestarts(o, 2, 2, 0.05, **k),
        None,
    ),
    "sequence": (
        lambda m, o, **k: m.SequentialLR(
            o, [m.LinearLR(o, 0.5, total_iters=2), m.StepLR(o, 3, 0.5)], [2], **k
        ),
        np.where(_t < 2, 0.5 + _t / 4, 0.5 ** ((_t - 2) // 3)),
    ),
    "chain": (
        lambda m, o, **k: m.ChainedScheduler(
            [m.ConstantLR(o, 0.5, 4, **k), m.StepLR(o, 3, 0.5, **k)]
        ),
        np.where(_t < 4, 0.5, 1) * 0.5 ** (_t // 3),
    ),
    "lambda": (lambda m, o, **k: m.LambdaLR(o, lambda t: 1 / (1 + t**2), **k), 1 / (1 + _t**2)),
    "lambda per group": (
        lambda m, o, **k: m.LambdaLR(o, [lambda t: t, lambda t: 1 / (1 + t)], **k),
        np.stack([_t, 1 / (1 + _t)], axis=1),
    ),
    "cosine": (
        lambda m, o, **k: m.CosineAnnealingLR(o, T_max=4, **k),
        np.array([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0])[abs((_t + 4) % 8 - 4)],
    ),
    "cosine to eta_min": (
        lambda m, o, **k: m.CosineAnnealingLR(o, 2, 0.05, **k),
        np.array([[1, 1], [0.75, 0.55], [0.5, 0.1], [0.75, 0.55]])[_t % 4],
    ),
    "cycle": (lambda m, o, **k: m.OneCycleLR(o, [0.2, 2.0], 20, **k), None),
    "cycle in three phases": (
        lambda m, o, **k: m.OneCycleLR(
            o, 1.0, None, 4, 5, three_phase=True, anneal_strategy="linear", **k
        ),
        None,
    ),
}
