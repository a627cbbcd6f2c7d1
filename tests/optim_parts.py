"""What the tests of optimizers and schedules share: leaves, gradients, and every optimizer's settings."""

from __future__ import annotations

from typing import Any

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


def _settings(lr: float = 0.1, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    common = {
        "lr": st.floats(0, lr),
        "weight_decay": st.sampled_from([0, 0.01, 0.5]),
        "maximize": st.booleans(),
    }
    return st.fixed_dictionaries({**common, **more})


_eps = st.sampled_from([1e-10, 1e-7, 1e-2])
_betas = st.sampled_from([(0.9, 0.999), (0.0, 0.9), (0.5, 0.8), (0.95, 0.95)])
_adam = {"betas": _betas, "eps": _eps, "amsgrad": st.booleans()}

# Every optimizer with its formula and all its settings.  Means that forget at once are left out: a
# step along the sign of the gradient turns the rounding of a gradient near 0 into another path.
OPTIMIZERS = {
    optim.SGD: (
        naive_optim.sgd,
        _settings(
            lr=1.0,
            momentum=st.sampled_from([0, 0.5, 0.9, 1.0]),
            dampening=st.sampled_from([0, 0.3, 1.0]),
            nesterov=st.booleans(),
        ).filter(lambda s: not s["nesterov"] or (s["momentum"] and not s["dampening"])),
    ),
    optim.Adam: (naive_optim.adam, _settings(**_adam)),
    optim.AdamW: (naive_optim.adamw, _settings(**_adam)),
    optim.NAdam: (
        naive_optim.nadam,
        _settings(
            betas=_betas,
            eps=_eps,
            momentum_decay=st.sampled_from([0, 4e-3, 1.0]),
            decoupled_weight_decay=st.booleans(),
        ),
    ),
    optim.Adagrad: (
        naive_optim.adagrad,
        _settings(
            lr_decay=st.sampled_from([0, 0.1]),
            initial_accumulator_value=st.sampled_from([0, 0.1]),
            eps=_eps,
        ),
    ),
    optim.RMSprop: (
        naive_optim.rmsprop,
        _settings(
            alpha=st.sampled_from([0.5, 0.9, 0.99]),
            eps=_eps,
            momentum=st.sampled_from([0, 0.9]),
            centered=st.booleans(),
        ),
    ),
    optim.Adadelta: (
        naive_optim.adadelta,
        _settings(
            lr=1.0, rho=st.sampled_from([0.5, 0.9, 0.95]), eps=st.sampled_from([1e-7, 1e-6, 1e-2])
        ),
    ),
}

# Settings with which every line of an update runs.
BUSY: dict[Any, dict[str, Any]] = {
    optim.SGD: {"momentum": 0.9, "nesterov": True},
    optim.Adam: {"amsgrad": True, "betas": (0.9, 0.5)},  # so that v shrinks, too
    optim.AdamW: {"amsgrad": True, "betas": (0.9, 0.5)},
    optim.NAdam: {},
    optim.Adagrad: {"lr_decay": 0.1},
    optim.RMSprop: {"momentum": 0.9, "centered": True},
    optim.Adadelta: {},
}
BUSY = {kind: {"lr": 0.1, "weight_decay": 0.1, **more} for kind, more in BUSY.items()}


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
