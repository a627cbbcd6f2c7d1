"""Optimizers, schedules and clipping against PyTorch itself, where it is installed."""

import inspect
import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn import nn, optim
from tests.optim_parts import (
    OPTIMIZERS,
    SCHEDULES,
    gradients,
    leaf,
    path,
    run,
    settings_of,
    two_groups,
)
from tests.test_schedules import METRICS, PLATEAU

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
KINDS = pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    """NAdam keeps its product of momenta in PyTorch's default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def their_leaf(start):
    return torch.tensor(start, dtype=torch.float64, requires_grad=True)


@KINDS
@given(data=st.data())
def test_optimizers(kind, data):
    start, grads = np.random.default_rng(1).normal(size=5), gradients((5,), 50)
    for settings in ({}, data.draw(settings_of(kind))):
        x = their_leaf(start)
        optimizer = getattr(torch.optim, kind.__name__)([x], **settings)
        for g, expected in zip(grads, run(kind, start, grads, **settings)):
            x.grad = torch.tensor(g)
            optimizer.step()
            # float64, the same operations in another order; see test_optim_formulas.py.
            np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


@KINDS
@pytest.mark.parametrize("start", [[1.0, -2.0], 1.0], ids=["vector", "number"])
def test_a_state_of_theirs_carries_over(kind, start):
    grads = gradients(np.shape(start), 10)
    x = their_leaf(start)
    theirs = getattr(torch.optim, kind.__name__)([x], **OPTIMIZERS[kind].busy)
    for g in grads[:5]:
        x.grad = torch.tensor(g)
        theirs.step()
    y = leaf(x.detach().numpy())
    ours = kind([y])
    ours.load_state_dict(theirs.state_dict())
    for g in grads[5:]:
        x.grad, y.grad = torch.tensor(g), g
        theirs.step()
        ours.step()
    np.testing.assert_allclose(y.numpy(), x.detach().numpy(), rtol=1e-12)


def their_optimizer(kind="SGD", **options):
    groups = [{"params": their_leaf([1.0])}, {"params": their_leaf([1.0]), "lr": 0.5}]
    return getattr(torch.optim, kind)(groups, lr=0.1, **options)


def their_schedule(make, kind="SGD", **options):
    optimizer = their_optimizer(kind, **options)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    optimizer.step()  # PyTorch warns of a schedule that moves first
    return schedule


@pytest.mark.parametrize("name", sorted(SCHEDULES.keys() - {"inverse time"}))
@pytest.mark.parametrize(("kind", "momentum"), [("SGD", "momentum"), ("NAdam", "betas")])
def test_schedules(name, kind, momentum):
    make, _ = SCHEDULES[name]
    for setting in ("lr", momentum):
        ours = path(make(optim, two_groups(getattr(optim, kind))), 20, (setting,))
        theirs = path(their_schedule(make, kind), 20, (setting,))
        # PyTorch multiplies step by step what is one formula here; 0 where the cosine turns.
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)


THEIR_SCHEDULES = sorted(SCHEDULES.keys() - {"inverse time"})


@pytest.mark.parametrize("milestones", [(3, 7), (1, 2), (0, 5), (4, 4)])
@pytest.mark.parametrize(
    "names", [*itertools.permutations(["linear", "step", "constant", "cosine"], 3)]
)
def test_sequences(names, milestones):
    found = []
    for home, optimizer in ((optim, two_groups()), (torch.optim.lr_scheduler, their_optimizer())):
        made = [SCHEDULES[name][0](home, optimizer) for name in names]
        schedule = home.SequentialLR(optimizer, made, list(milestones))
        if home is not optim:
            optimizer.step()
        found.append(path(schedule, 20))
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("settings", [(4,), (3, 2), (1, 3, 0.05)])
def test_restarts_in_the_middle_of_an_epoch(settings):
    schedules = [
        optim.CosineAnnealingWarmRestarts(two_groups(), *settings),
        their_schedule(lambda m, o: m.CosineAnnealingWarmRestarts(o, *settings)),
    ]
    for epoch in (0.25, 0.5, None, None, 3.75, 9.5, None, 2.0, None):
        ours, theirs = (
            schedule.step(epoch) or [group["lr"] for group in schedule.optimizer.param_groups]
            for schedule in schedules
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("third", [None, "exponential", "plateau"])
@pytest.mark.parametrize("second", THEIR_SCHEDULES)
@pytest.mark.parametrize("first", THEIR_SCHEDULES)
def test_schedules_compose(first, second, third):
    found = []
    for home, optimizer in ((optim, two_groups()), (torch.optim.lr_scheduler, their_optimizer())):
        made = [SCHEDULES[name][0](home, optimizer) for name in (first, second)]
        if third == "plateau":
            made.append(home.ReduceLROnPlateau(optimizer, factor=0.5, patience=2))
        elif third:
            made.append(SCHEDULES[third][0](home, optimizer))
        if home is not optim:
            optimizer.step()
        rates = []
        for t in range(20):
            rates.append([group["lr"] for group in optimizer.param_groups])
            for schedule in made:
                plateau = isinstance(schedule, home.ReduceLROnPlateau)
                schedule.step(*([t % 4] if plateau else []))
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-14)


@given(metrics=METRICS, settings=PLATEAU)
def test_plateau(metrics, settings):
    if settings["threshold_mode"] == "rel":  # there the rule of PyTorch is for metrics above 0
        metrics = [abs(metric) for metric in metrics]
    hypothesis.assume(settings["threshold"] < 1)  # with more nothing is ever better there
    ours = optim.ReduceLROnPlateau(two_groups(), **settings)
    theirs = their_schedule(lambda m, o: m.ReduceLROnPlateau(o, **settings))
    for metric in metrics:
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == theirs.get_last_lr()
    for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("order", [1, 2.0, 3.5, math.inf])
@pytest.mark.parametrize("bound", [0.0, 0.5, 1e6])
def test_clipping(order, bound):
    grads = [gradients(shape, 3)[2] for shape in ((2, 3), (4,))]
    ours, theirs = ([make(np.zeros(g.shape)) for g in grads] for make in (leaf, their_leaf))
    for p, q, g in zip(ours, theirs, grads):
        p.grad, q.grad = g, torch.tensor(g)
    for name, settings in (("clip_grad_norm_", (bound, order)), ("clip_grad_value_", (bound,))):
        norm = getattr(nn.utils, name)(ours, *settings)
        their_norm = getattr(torch.nn.utils, name)(theirs, *settings)
        assert their_norm is norm is None or norm == pytest.approx(float(their_norm), rel=1e-12)
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


# Settings of PyTorch's that choose between its own implementations.
THEIRS = {"foreach", "capturable", "differentiable", "fused"}
SAME = set(optim.__all__) - {"Optimizer", "LRScheduler", "InverseTimeLR"}


@pytest.mark.parametrize("name", sorted(SAME))
def test_names_order_and_defaults(name):
    their_home = torch.optim if hasattr(torch.optim, name) else torch.optim.lr_scheduler
    ours, theirs = (
        inspect.signature(getattr(home, name)).parameters for home in (optim, their_home)
    )
    theirs = {n: p.default for n, p in theirs.items() if n not in THEIRS}
    assert {n: p.default for n, p in ours.items()} == theirs
    by_position = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == list(theirs)[: len(by_position)]
