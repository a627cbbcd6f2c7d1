"""OneCycleLR against a plain transcription of its phases, at its edges, and with momentum of any kind."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn import optim
from tests.optim_parts import leaf, path, two_groups


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
)
def test_one_cycle(total, start, shape, three, div):
    schedule = optim.OneCycleLR(
        two_groups(),
        [0.2, 2.0],
        total,
        pct_start=start,
        anneal_strategy=shape,
        div_factor=div,
        final_div_factor=50,
        three_phase=three,
        base_momentum=[0.8, 0.7],
    )
    got = path(schedule, total, ("lr", "momentum"))
    expected = [
        [
            plain_one_cycle(t, total, high, start, div, 50, shape, three, (base, 0.95))
            for high, base in ((0.2, 0.8), (2.0, 0.7))
        ]
        for t in range(total)
    ]
    # The smallest rate comes out of a difference of rates up to 2: absolute, too.
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


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


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW, optim.NAdam])
def test_one_cycle_cycles_the_first_of_the_betas(kind):
    momenta = path(optim.OneCycleLR(two_groups(), 1.0, 10), 10, ("momentum",))[..., 0]
    optimizer = two_groups(kind, betas=(0.1, 0.99))
    betas = path(optim.OneCycleLR(optimizer, 1.0, 10), 10, ("betas",))[:, :, 0]
    np.testing.assert_array_equal(betas[..., 0], momenta)
    assert (betas[..., 1] == 0.99).all()


def test_changing_lr_and_momentum_reach_the_update():
    x = leaf([1.0])
    optimizer = optim.SGD([x])
    schedule = optim.OneCycleLR(optimizer, 0.5, 10)
    b, p = 0.0, 1.0
    for t in range(10):
        x.grad = np.array([1.0])
        optimizer.step()
        lr, momentum = plain_one_cycle(t, 10, 0.5, 0.3, 25, 1e4, "cos", False, (0.85, 0.95))
        b = 1.0 if t == 0 else momentum * b + 1.0
        p -= lr * b
        assert x.item() == pytest.approx(p, rel=1e-12)
        schedule.step()
