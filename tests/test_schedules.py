"""Schedules of the learning rate against closed forms and plain transcriptions, and the errors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import optim
from tests.optim_parts import SCHEDULES, leaf, path, two_groups

# ------------------------------------------------------------------------------ closed forms


def test_every_schedule_is_tested_here():
    public = {getattr(optim, name) for name in optim.__all__}
    kinds = {k for k in public if issubclass(k, optim.LRScheduler)}
    made = {type(make(optim, two_groups())) for make, _ in SCHEDULES.values()}
    assert kinds - {optim.LRScheduler, optim.ReduceLROnPlateau} == made


@pytest.mark.parametrize(
    "name", [name for name, (_, factors) in SCHEDULES.items() if factors is not None]
)
def test_a_schedule_is_its_formula(name):
    make, factors = SCHEDULES[name]
    got = path(make(optim, two_groups()), 20)[..., 0]
    expected = np.reshape(factors, (20, -1)) * [0.1, 0.5]
    # The factors are of the order of 1: an absolute tolerance where they reach 0.
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_learning_rates_are_python_numbers():
    schedule = optim.LambdaLR(two_groups(), lambda t: np.float32(0.5) ** t)
    assert {type(lr) for lr in schedule.get_last_lr()} == {float}


# ---------------------------------------------------------------------------------- plateau


BETTER = {
    ("min", "rel"): lambda metric, best, threshold: metric < best - threshold * abs(best),
    ("max", "rel"): lambda metric, best, threshold: metric > best + threshold * abs(best),
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
        first = math.isinf(best) and not math.isnan(metric)
        if first or BETTER[mode, threshold_mode](metric, best, threshold):
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
        "threshold": st.sampled_from([0, 1e-4, 0.3, 1.0, 2.0]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0, 0.02]),
        "eps": st.sampled_from([1e-8, 0.05]),
    }
)
METRICS = st.lists(st.integers(-4, 12).map(lambda i: i / 4) | st.just(math.nan), max_size=40)


@given(metrics=METRICS, settings=PLATEAU)
def test_plateau_follows_its_rules_also_when_it_resumes(metrics, settings):
    schedule = optim.ReduceLROnPlateau(two_groups(), **settings)
    expected = list(plain_plateau(metrics, [0.1, 0.5], **settings))
    for t, (metric, rates) in enumerate(zip(metrics, expected)):
        if t == len(metrics) // 2:
            saved = json.loads(json.dumps(schedule.state_dict()))
            schedule = optim.ReduceLROnPlateau(two_groups())
            schedule.load_state_dict(saved)
            assert schedule.state_dict() == saved
        schedule.step(metric)
        assert schedule.get_last_lr() == rates


@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("level", [-1e6, -1.0, -1e-3, 0.0, 1e-3, 1.0])
@pytest.mark.parametrize(("mode", "worse"), [("min", 1), ("max", -1)])
def test_plateau_lowers_the_rate_whatever_the_sign(mode, worse, level, threshold_mode):
    """For a constant and for a worsening metric; and not while it improves by half a level."""
    for change in (0.0, worse * 0.5):
        schedule = optim.ReduceLROnPlateau(
            two_groups(), mode, 0.5, patience=1, threshold_mode=threshold_mode
        )
        for t in range(3):
            schedule.step(level + t * change * abs(level))
        assert schedule.get_last_lr() == [0.05, 0.25]
    schedule = optim.ReduceLROnPlateau(two_groups(), mode, 0.5, patience=0)
    for t in range(1, 4):
        schedule.step(level - worse * t * (abs(level) or 1.0))
    assert schedule.get_last_lr() == [0.1, 0.5]


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


# --------------------------------------------------------------------------------- one cycle


def plain_one_cycle(t, total, high, start, div, final, shape, three, momenta):
    """lr and momentum of step t: PyTorch's phases written out."""
    low, end = high / div, high / div / final
    base, top = momenta
    first = start * total - 1
    if three:
        second = 2 * start * total - 2
        phases = [
            (0, first, low, high, top, base),
            (first, second, high, low, base, top),
            (second, total - 1, low, end, top, top),
        ]
    else:
        phases = [(0, first, low, high, top, base), (first, total - 1, high, end, base, top)]
    a, b, lr0, lr1, m0, m1 = next((p for p in phases if t <= p[1]), phases[-1])
    x = (t - a) / (b - a)
    x = (1 - math.cos(math.pi * x)) / 2 if shape == "cos" else x
    return lr0 + (lr1 - lr0) * x, m0 + (m1 - m0) * x


@given(
    total=st.integers(8, 60),
    start=st.floats(0.26, 0.45),
    shape=st.sampled_from(["cos", "linear"]),
    three=st.booleans(),
    div=st.floats(1.5, 100),
    kind=st.sampled_from([optim.SGD, optim.RMSprop, optim.Adam, optim.AdamW, optim.NAdam]),
)
def test_one_cycle(total, start, shape, three, div, kind):
    optimizer = two_groups(kind)
    schedule = optim.OneCycleLR(
        optimizer,
        [0.2, 2.0],
        total,
        pct_start=start,
        anneal_strategy=shape,
        div_factor=div,
        final_div_factor=50,
        three_phase=three,
        base_momentum=[0.8, 0.7],
    )
    for t in range(total):
        for group, high, base in zip(optimizer.param_groups, (0.2, 2.0), (0.8, 0.7)):
            expected = plain_one_cycle(t, total, high, start, div, 50, shape, three, (base, 0.95))
            momentum, *others = group["betas"] if "betas" in group else [group["momentum"]]
            # The smallest rate comes out of a difference of rates up to 2: absolute, too.
            np.testing.assert_allclose((group["lr"], momentum), expected, rtol=1e-12, atol=1e-14)
            assert others in ([], [0.999])
        schedule.step()


@pytest.mark.parametrize("start", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("total", [1, 2, 5, 10])
def test_one_cycle_has_no_hole_at_the_edges(total, start):
    schedule = optim.OneCycleLR(two_groups(), 1.0, total, pct_start=start)
    got = path(schedule, total, ("lr", "momentum"))
    assert np.isfinite(got).all()
    assert (got[..., 0] <= 1.0).all()
    assert schedule.get_last_lr() == pytest.approx([1 / 25 / 1e4] * 2)
    with pytest.raises(ValueError, match=f"step {total + 1} is beyond total_steps={total}"):
        schedule.step()


def test_one_cycle_counts_steps_and_can_leave_momentum_alone():
    optimizer = two_groups(momentum=0.5)
    schedule = optim.OneCycleLR(optimizer, 1.0, epochs=2, steps_per_epoch=5, cycle_momentum=False)
    assert schedule.total_steps == 10
    assert set(path(schedule, 10, ("momentum",)).ravel()) == {0.5}


# ----------------------------------------------------------------------------------- state


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_resume(name):
    make, _ = SCHEDULES[name]
    whole = path(make(optim, two_groups()), 20, ("lr", "momentum"))
    optimizer = two_groups()
    first = make(optim, optimizer)
    path(first, 4)
    second = make(optim, two_groups())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.get_last_lr() == first.get_last_lr()
    np.testing.assert_array_equal(path(second, 16, ("lr", "momentum")), whole[4:])
    # Or by last_epoch, with the optimizer's own state: construction is a step.
    third_optimizer = two_groups()
    third_optimizer.load_state_dict(optimizer.state_dict())
    third = make(optim, third_optimizer, last_epoch=3)
    np.testing.assert_array_equal(path(third, 16, ("lr", "momentum")), whole[4:])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("key", ["base_lrs", "lrs"])
def test_a_state_with_wrong_rates_changes_nothing(name, key):
    schedule = SCHEDULES[name][0](optim, two_groups())
    before = schedule.state_dict(), schedule.get_last_lr()
    for wrong in ([0.1], [0.1, "x"], [0.1, math.nan], [None, 0.1], [0.1] * 3):
        with pytest.raises((ValueError, TypeError), match=r"\.load_state_dict: "):
            schedule.load_state_dict({**before[0], "last_epoch": 7, key: wrong})
        assert (schedule.state_dict(), schedule.get_last_lr()) == before


def test_a_saved_state_is_a_copy():
    schedule = optim.MultiStepLR(two_groups(), [1])
    schedule.state_dict()["milestones"].append(2)
    assert schedule.milestones == [1]


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "message"),  # mistakes_training.py has a row for every schedule
    [
        (lambda o: optim.OneCycleLR(3, 1, 1), TypeError, "OneCycleLR: expected an optimizer, got"),
        (lambda o: optim.LambdaLR(3, abs), TypeError, "LambdaLR: expected an optimizer, got int"),
        (lambda o: optim.StepLR(o, 1, "a"), TypeError, "StepLR: gamma must be a number, got 'a'"),
        (lambda o: optim.MultiStepLR(o, [-1]), ValueError, "a milestone must be at least 0, got -1"),
        (lambda o: optim.ExponentialLR(o, math.nan), ValueError, "gamma must be finite, got nan"),
        (lambda o: optim.LinearLR(o, 1, 2), ValueError, "end_factor must be at least 0 and at most"),
        (lambda o: optim.LinearLR(o, total_iters=0), ValueError, "total_iters must be at least 1"),
        (lambda o: optim.LambdaLR(o, [abs]), ValueError, "one per parameter group, 2, got 1"),
        (lambda o: optim.StepLR(o, 1, last_epoch=3), ValueError, "group 0 has no 'initial_lr'"),
        (lambda o: optim.OneCycleLR(o, 1, 0), ValueError, "total_steps must be at least 1, got 0"),
        (lambda o: optim.OneCycleLR(o, -1, 5), ValueError, "max_lr must be at least 0, got -1"),
        (lambda o: optim.OneCycleLR(o, 1, 5, pct_start=2), ValueError, "pct_start must be .*got 2"),
        (lambda o: optim.OneCycleLR(o, 1, 5, anneal_strategy="exp"), ValueError, "must be 'cos' or 'linear', got 'exp'"),
        (lambda o: optim.OneCycleLR(o, 1, 5, base_momentum=[1]), ValueError, "base_momentum must be one value or a list"),
        (lambda o: optim.OneCycleLR(o, 1, 5, div_factor=0), ValueError, "div_factor must be above 0"),
        (lambda o: optim.OneCycleLR(optim.Adagrad([leaf(1.0)]), 1, 5), ValueError, "no momentum to cycle; pass cycle_momentum=False"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1), ValueError, "factor must be .* below 1, "),
        (lambda o: optim.ReduceLROnPlateau(o, patience=-1), ValueError, "patience must be at least 0"),
        (lambda o: optim.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode must be 'rel' or 'abs', got 'x'"),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0]), ValueError, "min_lr must be one value"),
        (lambda o: optim.ReduceLROnPlateau(o).step("a"), TypeError, "step: metrics must be a single number"),
        (lambda o: load(o, optim.StepLR(optim.SGD([leaf(1.0)]), 1).state_dict()), ValueError, "StepLR.load_state_dict: expected 2 parameter groups, got 1"),
        (lambda o: load(o, optim.ExponentialLR(o, 1).state_dict()), ValueError, "StepLR.load_state_dict: expected the keys"),
        (lambda o: load(o, 3), TypeError, "StepLR.load_state_dict: state_dict must be a dict, got 3"),
    ],
)  # fmt: skip
def test_schedules_complain(make, error, message):
    with pytest.raises(error, match=message):
        make(two_groups())


def load(optimizer, state):
    optim.StepLR(optimizer, 1).load_state_dict(state)
