"""Schedules of the learning rate against closed forms and plain transcriptions, and the errors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import optim
from tests.optim_parts import leaf, path, two_groups

# ------------------------------------------------------------------------------ closed forms

# Every schedule that is a formula: how to make it, and its factor on the base rate at epoch t.
FORMULAS = {
    "step": (lambda o: optim.StepLR(o, 3, 0.5), [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    "milestones": (
        lambda o: optim.MultiStepLR(o, [5, 2, 5], 0.5),
        [1, 1, 0.5, 0.5, 0.5, 0.125, 0.125, 0.125],
    ),
    "milestone at 0": (lambda o: optim.MultiStepLR(o, (0,), 0.5), [0.5] * 8),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.9), [0.9**t for t in range(8)]),
    "inverse time": (lambda o: optim.InverseTimeLR(o, 0.25), [4 / (4 + t) for t in range(8)]),
    "linear": (
        lambda o: optim.LinearLR(o),
        [5 / 15, 7 / 15, 9 / 15, 11 / 15, 13 / 15, 1, 1, 1],
    ),
    "linear, down": (
        lambda o: optim.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=4),
        [1, 0.75, 0.5, 0.25, 0, 0, 0, 0],
    ),
    "lambda": (lambda o: optim.LambdaLR(o, lambda t: 1 / (1 + t**2)), 1 / (1 + np.arange(8) ** 2)),
    "cosine": (
        lambda o: optim.CosineAnnealingLR(o, T_max=4),
        [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0, (1 - 0.5**0.5) / 2, 0.5, (1 + 0.5**0.5) / 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_a_schedule_is_its_formula(name):
    make, factors = FORMULAS[name]
    got = path(make(two_groups()), 8)[..., 0]
    # The factors are of the order of 1: an absolute tolerance where they reach 0.
    np.testing.assert_allclose(got, np.outer(factors, [0.1, 0.5]), rtol=1e-12, atol=1e-15)


def test_lambda_takes_a_function_for_every_group():
    schedule = optim.LambdaLR(two_groups(), [lambda t: t, lambda t: 1 - t])
    np.testing.assert_array_equal(path(schedule, 2)[..., 0], [[0, 0.5], [0.1, 0]])


def test_learning_rates_are_python_numbers():
    schedule = optim.LambdaLR(two_groups(), lambda t: np.float32(0.5) ** t)
    assert {type(lr) for lr in schedule.get_last_lr()} == {float}


def test_cosine_annealing_ends_at_eta_min():
    got = path(optim.CosineAnnealingLR(two_groups(), T_max=4, eta_min=0.02), 10)[..., 0]
    assert got[4] == pytest.approx(0.02)
    assert got[2] == pytest.approx([0.06, 0.26])
    assert got[8] == pytest.approx([0.1, 0.5])


# ---------------------------------------------------------------------------------- plateau


BETTER = {
    ("min", "rel"): lambda metric, best, threshold: metric < best * (1 - threshold),
    ("max", "rel"): lambda metric, best, threshold: metric > best * (1 + threshold),
    ("min", "abs"): lambda metric, best, threshold: metric < best - threshold,
    ("max", "abs"): lambda metric, best, threshold: metric > best + threshold,
}


def plain_plateau(
    metrics, rates, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps
):
    """The rates after every metric; dates in place of the counters."""
    best = math.inf if mode == "min" else -math.inf
    counted_from, rest_until = -1, -1
    for t, metric in enumerate(metrics):
        if BETTER[mode, threshold_mode](metric, best, threshold):
            best, counted_from = metric, t
        if t <= rest_until:
            counted_from = t
        if t - counted_from > patience:
            counted_from, rest_until = t, t + cooldown
            lowered = [max(rate * factor, min_lr) for rate in rates]
            rates = [new if old - new > eps else old for old, new in zip(rates, lowered)]
        yield rates


PLATEAU = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0, 0.1, 0.5]),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0, 1e-4, 0.3]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0, 0.02]),
        "eps": st.sampled_from([1e-8, 0.05]),
    }
)
METRICS = st.lists(st.integers(-4, 12).map(lambda i: i / 4) | st.just(math.nan), max_size=40)


@given(metrics=METRICS, settings=PLATEAU)
def test_plateau(metrics, settings):
    schedule = optim.ReduceLROnPlateau(two_groups(), **settings)
    for metric, rates in zip(metrics, plain_plateau(metrics, [0.1, 0.5], **settings)):
        schedule.step(metric)
        assert schedule.get_last_lr() == rates


def test_plateau_takes_tensors_and_a_bound_for_every_group():
    schedule = optim.ReduceLROnPlateau(two_groups(), patience=0, factor=0.1, min_lr=[0.0, 0.4])
    schedule.step(ag.tensor(1.0))
    schedule.step(np.float32(1.0))
    assert schedule.get_last_lr() == pytest.approx([0.01, 0.4])


def test_plateau_starts_from_a_rate_set_by_hand():
    optimizer = two_groups()
    schedule = optim.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    schedule.step(1.0)
    optimizer.param_groups[0]["lr"] = 8.0
    schedule.step(1.0)
    saved = schedule.state_dict()
    schedule.step(1.0)
    assert schedule.get_last_lr() == [4.0, 0.25]
    schedule.load_state_dict(saved)
    assert schedule.get_last_lr() == [8.0, 0.5]


@given(metrics=METRICS, settings=PLATEAU)
def test_plateau_resumes(metrics, settings):
    whole = optim.ReduceLROnPlateau(two_groups(), **settings)
    half = len(metrics) // 2
    for metric in metrics[:half]:
        whole.step(metric)
    resumed = optim.ReduceLROnPlateau(two_groups())
    resumed.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for metric in metrics[half:]:
        whole.step(metric)
        resumed.step(metric)
        assert resumed.get_last_lr() == whole.get_last_lr()
    assert resumed.state_dict() == whole.state_dict()


# ----------------------------------------------------------------------------------- state

MAKERS = {
    "step": lambda o, **k: optim.StepLR(o, 2, **k),
    "milestones": lambda o, **k: optim.MultiStepLR(o, [3, 7], **k),
    "exponential": lambda o, **k: optim.ExponentialLR(o, 0.7, **k),
    "inverse time": lambda o, **k: optim.InverseTimeLR(o, 0.3, **k),
    "linear": lambda o, **k: optim.LinearLR(o, total_iters=9, **k),
    "lambda": lambda o, **k: optim.LambdaLR(o, lambda t: 0.8**t, **k),
    "cosine": lambda o, **k: optim.CosineAnnealingLR(o, 5, **k),
    "cycle": lambda o, **k: optim.OneCycleLR(o, [0.3, 3.0], 12, **k),
}


def test_every_schedule_is_tested_here():
    public = {getattr(optim, name) for name in optim.__all__}
    kinds = {k for k in public if issubclass(k, optim.LRScheduler)}
    made = {type(make(two_groups())) for make in MAKERS.values()}
    assert kinds - {optim.LRScheduler, optim.ReduceLROnPlateau} == made


@pytest.mark.parametrize("name", MAKERS)
def test_schedules_resume(name):
    whole = path(MAKERS[name](two_groups()), 12, ("lr", "momentum"))
    optimizer = two_groups()
    first = MAKERS[name](optimizer)
    path(first, 4)
    second = MAKERS[name](two_groups())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.get_last_lr() == first.get_last_lr()
    np.testing.assert_array_equal(path(second, 8, ("lr", "momentum")), whole[4:])
    # Or by last_epoch, with the optimizer's own state: construction is a step.
    third_optimizer = two_groups()
    third_optimizer.load_state_dict(optimizer.state_dict())
    third = MAKERS[name](third_optimizer, last_epoch=3)
    np.testing.assert_array_equal(path(third, 8, ("lr", "momentum")), whole[4:])


def test_a_saved_state_is_a_copy():
    schedule = optim.MultiStepLR(two_groups(), [1])
    schedule.state_dict()["milestones"].append(2)
    assert schedule.milestones == [1]


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: optim.StepLR(3, 1), TypeError, "StepLR: expected an optimizer, got int"),
        (lambda o: optim.OneCycleLR(3, 1, 1), TypeError, "OneCycleLR: expected an optimizer, got"),
        (lambda o: optim.LambdaLR(3, abs), TypeError, "LambdaLR: expected an optimizer, got int"),
        (lambda o: optim.ReduceLROnPlateau(3), TypeError, "ReduceLROnPlateau: expected an optim"),
        (lambda o: optim.StepLR(o, 0), ValueError, "step_size must be at least 1, got 0"),
        (lambda o: optim.StepLR(o, 1, "a"), TypeError, "StepLR: gamma must be a number, got 'a'"),
        (lambda o: optim.MultiStepLR(o, 3), TypeError, "milestones must be a list of epochs, got 3"),
        (lambda o: optim.MultiStepLR(o, [-1]), ValueError, "a milestone must be at least 0, got -1"),
        (lambda o: optim.ExponentialLR(o, math.nan), ValueError, "gamma must be finite, got nan"),
        (lambda o: optim.InverseTimeLR(o, -1), ValueError, "decay must be at least 0, got -1"),
        (lambda o: optim.LinearLR(o, 0), ValueError, "start_factor must be above 0 and at most 1"),
        (lambda o: optim.LinearLR(o, 1, 2), ValueError, "end_factor must be at least 0 and at most"),
        (lambda o: optim.LinearLR(o, total_iters=0), ValueError, "total_iters must be at least 1"),
        (lambda o: optim.LambdaLR(o, 0.5), TypeError, "must be a function of the epoch, got 0.5"),
        (lambda o: optim.LambdaLR(o, [abs]), ValueError, "one per parameter group, 2, got 1"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "T_max must be at least 1, got 0"),
        (lambda o: optim.StepLR(o, 1, last_epoch=3), ValueError, "group 0 has no 'initial_lr'"),
        (lambda o: optim.OneCycleLR(o, 1), ValueError, "give total_steps, or epochs and steps_per_"),
        (lambda o: optim.OneCycleLR(o, 1, 0), ValueError, "total_steps must be at least 1, got 0"),
        (lambda o: optim.OneCycleLR(o, -1, 5), ValueError, "max_lr must be at least 0, got -1"),
        (lambda o: optim.OneCycleLR(o, 1, 5, pct_start=2), ValueError, "pct_start must be .*got 2"),
        (
            lambda o: optim.OneCycleLR(o, 1, 5, anneal_strategy="exp"),
            ValueError,
            "anneal_strategy must be 'cos' or 'linear', got 'exp'",
        ),
        (
            lambda o: optim.OneCycleLR(o, 1, 5, base_momentum=[1]),
            ValueError,
            "base_momentum must be one value or a list with one per parameter group, 2, got 1",
        ),
        (lambda o: optim.OneCycleLR(o, 1, 5, div_factor=0), ValueError, "div_factor must be above 0"),
        (
            lambda o: optim.OneCycleLR(optim.Adagrad([leaf([1.0])]), 1, 5),
            ValueError,
            "no momentum to cycle; pass cycle_momentum=False",
        ),
        (lambda o: optim.ReduceLROnPlateau(o, "up"), ValueError, "mode must be 'min' or 'max', got"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1), ValueError, "factor must be .* below 1, "),
        (lambda o: optim.ReduceLROnPlateau(o, patience=-1), ValueError, "patience must be at least 0"),
        (
            lambda o: optim.ReduceLROnPlateau(o, threshold_mode="x"),
            ValueError,
            "threshold_mode must be 'rel' or 'abs', got 'x'",
        ),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0]), ValueError, "min_lr must be one value"),
        (lambda o: optim.ReduceLROnPlateau(o).step("a"), TypeError, "step: metrics must be a number"),
        (lambda o: optim.LRScheduler(o), NotImplementedError, "LRScheduler: define _lr"),
    ],
)  # fmt: skip
def test_schedules_complain(make, error, message):
    with pytest.raises(error, match=message):
        make(two_groups())


def test_a_state_that_does_not_fit_is_refused():
    optimizer = two_groups()
    saved = optim.StepLR(optim.SGD([leaf([1.0])]), 1).state_dict()
    with pytest.raises(ValueError, match="expected 2 parameter groups, got 1"):
        optim.StepLR(optimizer, 1).load_state_dict(saved)
    with pytest.raises(ValueError, match="CosineAnnealingLR.load_state_dict: expected the keys"):
        optim.CosineAnnealingLR(optimizer, 1).load_state_dict(saved)
    with pytest.raises(TypeError, match="StepLR.load_state_dict: expected a dict, got int"):
        optim.StepLR(optimizer, 1).load_state_dict(3)
