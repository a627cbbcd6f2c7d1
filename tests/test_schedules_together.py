"""Several schedules on one optimizer: they multiply, and resume exactly."""

import itertools
import json

import numpy as np
import pytest

from autograd_cnn import optim
from tests.optim_parts import SCHEDULES, path, two_groups

# Those whose rate is their base times a factor that stays 0 once it is 0.
FACTORS = [
    *("step", "milestones", "milestone at 0", "exponential", "inverse time", "linear"),
    *("linear, down", "constant", "polynomial", "chain"),
]
BY_EPOCH = ["step", "linear, down", "cosine to eta_min", "lambda", "cycle", "inverse time", "chain"]
SOME = [*BY_EPOCH, "warm restarts", "sequence"]


@pytest.mark.parametrize("first", FACTORS)
@pytest.mark.parametrize("second", FACTORS)
@pytest.mark.parametrize("third", [None, "exponential"])
def test_schedules_on_one_optimizer_multiply(first, second, third):
    optimizer, names = two_groups(), [first, second, *([third] if third else [])]
    schedules = [SCHEDULES[name][0](optim, optimizer) for name in names]
    product = np.prod([SCHEDULES[name][1] for name in names], axis=0)
    for t in range(20):
        expected = product[t] * np.array([0.1, 0.5])
        found = [group["lr"] for group in optimizer.param_groups]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
        for schedule in schedules:
            schedule.step()


@pytest.mark.parametrize("first", FACTORS)
def test_a_function_of_the_epoch_sets_the_rate_whatever_it_finds(first):
    """As PyTorch's LambdaLR does."""
    optimizer = two_groups()
    SCHEDULES[first][0](optim, optimizer)
    make, factors = SCHEDULES["lambda"]
    found = path(make(optim, optimizer), 20)[..., 0]
    np.testing.assert_allclose(found, np.outer(factors, [0.1, 0.5]), rtol=1e-12)


def test_a_rate_changed_by_hand_is_multiplied():
    optimizer = two_groups()
    schedule = optim.ExponentialLR(optimizer, 0.5)
    plateau = optim.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)
    optimizer.param_groups[0]["lr"] = 8.0
    schedule.step()
    plateau.step(1.0)
    assert schedule.get_last_lr() == [4.0, 0.25]
    plateau.step(1.0)
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.2, 0.0125])


@pytest.mark.parametrize("second", SOME)
@pytest.mark.parametrize("first", SOME)
def test_several_schedules_resume_in_any_order_of_loading(first, second):
    def start():
        optimizer = two_groups()
        made = [SCHEDULES[name][0](optim, optimizer) for name in (first, second)]
        return [optimizer, *made, optim.ReduceLROnPlateau(optimizer, patience=1)]

    def run(parts, epochs):
        optimizer, a, b, plateau = parts
        found = []
        for t in epochs:
            found.append(
                [list(map(group.get, ("lr", "momentum"))) for group in optimizer.param_groups]
            )
            a.step()
            b.step()
            plateau.step(t % 3)
        return found

    straight = run(start(), range(16))
    saved = start()
    run(saved, range(7))
    states = json.loads(json.dumps([part.state_dict() for part in saved]))
    for order in itertools.permutations(range(4)):
        for chosen in (order, [place for place in order if place]):  # without the optimizer's
            parts = start()
            for place in chosen:
                parts[place].load_state_dict(states[place])
            assert run(parts, range(7, 16)) == straight[7:]


@pytest.mark.parametrize("second", BY_EPOCH)
@pytest.mark.parametrize("first", BY_EPOCH)
def test_several_schedules_continue_by_last_epoch(first, second):
    """The rates in the optimizer's state are those of the epoch, and stay.

    A sequence sets them: it goes through its epochs again.
    """
    optimizer = two_groups()
    made = [SCHEDULES[name][0](optim, optimizer) for name in (first, second)]
    for _ in range(4):
        for schedule in made:
            schedule.step()
    later = two_groups()
    for group, loaded in zip(later.param_groups, optimizer.param_groups):
        group.update({**loaded, "params": group["params"]})
    again = [SCHEDULES[name][0](optim, later, last_epoch=3) for name in (first, second)]
    for _ in range(9):
        ours, theirs = ([g["lr"] for g in o.param_groups] for o in (later, optimizer))
        assert ours == pytest.approx(theirs, rel=1e-12)
        for schedule in (*made, *again):
            schedule.step()
