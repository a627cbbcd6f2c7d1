"""SGD and schedules: trajectories against plain transcriptions of the formulas, and the errors."""

import copy
import gc
import math
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim


def leaf(values, dtype=np.float64):
    return ag.tensor(np.array(values, dtype), requires_grad=True)


def gradients(shape, steps, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, *shape))


# ---------------------------------------------------------------------------------------------- SGD


def plain_sgd(p, grads, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """The formula of the docstring, one array per line, nothing reused."""
    b = None
    path = []
    for g in grads:
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            b = g.copy() if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        path.append(p)
    return path


settings = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 1),
        "momentum": st.sampled_from([0, 0.5, 0.9, 1.0]),
        "dampening": st.sampled_from([0, 0.3, 1.0]),
        "weight_decay": st.sampled_from([0, 0.01, 0.5]),
        "nesterov": st.booleans(),
        "maximize": st.booleans(),
    }
).filter(lambda s: not s["nesterov"] or (s["momentum"] and not s["dampening"]))


@given(options=settings, shape=st.sampled_from([(), (1,), (3,), (2, 3), (0, 2)]))
def test_sgd_follows_its_formula(options, shape):
    start = np.random.default_rng(1).normal(size=shape)
    grads = gradients(shape, 6)
    x = leaf(start)
    optimizer = optim.SGD([x], **options)
    for g, expected in zip(grads, plain_sgd(start, grads, **options)):
        x.grad = g.copy()
        optimizer.step()
        # The same operations in nearly the same order, in float64.
        np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(x.grad.numpy(), g)


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_sgd_writes_in_place_in_any_layout_and_dtype(momentum):
    start = np.random.default_rng(0).normal(size=(3, 4, 5))
    grads = gradients((3, 4, 5), 3)
    expected = plain_sgd(start, grads, 0.1, momentum, 0, 0.1, False, False)[-1]
    for dtype, rtol in ((np.float32, 1e-5), (np.float64, 1e-12)):
        for order in ((0, 1, 2), (2, 0, 1)):
            x = leaf(0, dtype)
            x.array = np.ascontiguousarray(start.transpose(order).astype(dtype)).transpose(
                np.argsort(order)
            )
            array = x.array
            optimizer = optim.SGD([x], lr=0.1, momentum=momentum, weight_decay=0.1)
            for g in grads:
                x.grad = ag.tensor(np.asfortranarray(g))  # float64 throughout
                optimizer.step()
            assert x.array is array
            assert array.dtype == dtype
            np.testing.assert_allclose(array, expected, rtol=rtol, atol=1e-6)
            if momentum:
                assert optimizer.state[x]["momentum_buffer"].dtype == dtype


def test_a_step_makes_no_new_arrays():
    x = leaf(np.zeros(100_000), np.float32)
    x.grad = np.ones(100_000)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True)
    optimizer.step()
    tracemalloc.start()
    for _ in range(3):
        optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000  # bytes; one array of this size has 400,000


def test_groups_have_their_own_settings_and_lr_may_change():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5, "name": "head"}], lr=0.1)
    a.grad = b.grad = np.array([1.0])
    optimizer.step()
    assert (a.item(), b.item()) == (0.9, 0.5)
    optimizer.param_groups[0]["lr"] = 0.4
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.0)
    assert repr(optimizer).startswith("SGD(\n  1 parameters: lr=0.4, momentum=0,")


def test_parameters_without_gradient_are_skipped():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD((p for p in (a, b)), lr=0.1, momentum=0.9, weight_decay=0.1)
    a.grad = np.array([1.0])
    optimizer.step()
    assert a.item() != 1.0
    assert b.item() == 1.0
    assert b not in optimizer.state


def test_step_without_any_gradient_says_so():
    optimizer = optim.SGD([leaf([1.0])])
    with pytest.raises(RuntimeError, match=r"SGD\.step: no parameter has a gradient; call loss"):
        optimizer.step()


def test_closure():
    x = leaf([3.0])
    optimizer = optim.SGD([x], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with ag.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert x.item() == 0.0
    assert optimizer.step() is None


def test_zero_grad():
    x = leaf([3.0])
    optimizer = optim.SGD([x])
    optimizer.zero_grad()
    assert x.grad is None
    (x * x).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.item() == 0.0
    optimizer.zero_grad()
    assert x.grad is None


def test_a_step_between_forward_and_backward_is_an_error():
    net = nn.Linear(2, 2)
    x = ag.tensor(np.ones((1, 2), np.float32), requires_grad=True)
    optimizer = optim.SGD(net.parameters())
    loss = net(x).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(ag.GraphError, match=r"changed in place.*optimizer\.step"):
        loss.backward()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1),
        ("lr", math.nan),
        ("lr", math.inf),
        ("momentum", -0.1),
        ("weight_decay", -1),
        ("dampening", math.nan),
    ],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"SGD: {name} must be .*, got {value}"):
        optim.SGD([leaf([1.0])], **{name: value})
    with pytest.raises(ValueError, match=f"SGD: {name} must be"):
        optim.SGD([{"params": [leaf([1.0])], name: value}])


def test_nesterov_wants_momentum_without_dampening():
    with pytest.raises(ValueError, match="momentum must be above 0 with nesterov=True, got 0"):
        optim.SGD([leaf([1.0])], nesterov=True)
    with pytest.raises(ValueError, match=r"dampening must be 0 with nesterov=True, got 0\.5"):
        optim.SGD([leaf([1.0])], momentum=0.9, dampening=0.5, nesterov=True)


def test_what_cannot_be_trained_is_refused():
    x = leaf([1.0])
    net = nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"iterable of tensors, got a tensor; pass \[tensor\]"):
        optim.SGD(x)
    with pytest.raises(TypeError, match=r"got a Linear; pass its \.parameters\(\)"):
        optim.SGD(net)
    with pytest.raises(TypeError, match=r"got tuple; pass \.parameters\(\), not \.named_param"):
        optim.SGD(net.named_parameters())
    with pytest.raises(TypeError, match="must be an iterable of tensors or of dicts, got int"):
        optim.SGD(3)
    with pytest.raises(ValueError, match="got no parameters"):
        optim.SGD([])
    with pytest.raises(ValueError, match="parameter group has no parameters"):
        optim.SGD([{"params": []}])
    with pytest.raises(TypeError, match="parameter 0 must be a tensor, got ndarray"):
        optim.SGD([np.ones(2)])
    with pytest.raises(ValueError, match=r"parameter 1 of shape \(1,\) is a result of multiply"):
        optim.SGD([x, x * 2])
    with pytest.raises(ValueError, match=r"parameter 0 of shape \(1,\) does not require gradients"):
        optim.SGD([ag.tensor([1.0])])
    with pytest.raises(ValueError, match=r"parameter 1 of shape .* is given twice"):
        optim.SGD([x, x])
    with pytest.raises(ValueError, match="given twice"):
        optim.SGD([{"params": [x]}, {"params": [x]}])
    with pytest.raises(ValueError, match=r"unknown setting 'learning_rate'.*there are lr, mom"):
        optim.SGD([{"params": [x], "learning_rate": 1}])
    with pytest.raises(TypeError, match='a dict with a key "params"'):
        optim.SGD([{"lr": 1}])


def test_the_base_leaves_the_update_to_subclasses():
    class Signs(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def _update(self, p, g, state, group):
            state["steps"] = state.get("steps", 0) + 1
            p -= group["lr"] * np.sign(g)

    x = leaf([1.0, 1.0])
    optimizer = Signs([x], lr=0.25)
    x.grad = np.array([3.0, -2.0])
    optimizer.step()
    assert x.tolist() == [0.75, 1.25]
    assert optimizer.state_dict()["state"] == {0: {"steps": 1}}
    base = optim.Optimizer([x], {})
    with pytest.raises(NotImplementedError, match="Optimizer: define _update"):
        base.step()


# -------------------------------------------------------------------------------------------- state


def test_state_dict_round_trip_continues_the_trajectory():
    def fresh(value):
        a, b = leaf(value), leaf(0.0)
        groups = [{"params": [a]}, {"params": [b], "lr": 0.3}]
        return a, b, optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.1)

    def run(a, b, optimizer, grads):
        for g in grads:
            a.grad, b.grad = g, g.sum()
            optimizer.step()

    grads = gradients((2, 3), 6)
    a, b, whole = fresh(np.ones((2, 3)))
    run(a, b, whole, grads[:3])
    state = whole.state_dict()
    c, d, resumed = fresh(a.numpy())
    d.data = b.numpy()
    resumed.load_state_dict(state)
    run(a, b, whole, grads[3:])
    run(c, d, resumed, grads[3:])
    np.testing.assert_array_equal(a.numpy(), c.numpy())
    np.testing.assert_array_equal(b.numpy(), d.numpy())
    assert state["param_groups"][1]["params"] == [1]
    assert state["param_groups"][1]["lr"] == 0.3
    assert list(state["state"]) == [0, 1]
    copied = state["state"][0]["momentum_buffer"]
    assert not np.shares_memory(copied, whole.state[a]["momentum_buffer"])
    assert not np.shares_memory(copied, resumed.state[c]["momentum_buffer"])


def test_loading_takes_the_parameters_dtype_and_the_saved_settings():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0], np.float32)
    source, target = optim.SGD([x], lr=0.3, momentum=0.9), optim.SGD([y])
    x.grad = np.ones(2)
    source.step()
    target.load_state_dict(source.state_dict())
    assert target.state[y]["momentum_buffer"].dtype == np.float32
    assert target.param_groups[0]["lr"] == 0.3
    assert target.param_groups[0]["params"] == [y]
    twin = copy.deepcopy(source)
    assert twin.state_dict()["state"][0]["momentum_buffer"].tolist() == [1.0, 1.0]
    assert twin.param_groups[0]["params"][0] is not x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("state"), 'the keys "state" and "param_groups"'),
        (lambda s: s["param_groups"].append({"params": [1]}), r"groups of \[1\] parameters, got"),
        (lambda s: s["state"].update({5: {}}), "state for parameter 5, which is in no group"),
        (
            lambda s: s["state"][0].update(momentum_buffer=np.ones(3)),
            r"momentum_buffer of parameter 0 has shape \(3,\), expected \(2,\)",
        ),
        (lambda s: s["param_groups"][0].update(lr=-1), "SGD: lr must be"),
    ],
)
def test_loading_a_state_that_does_not_fit_changes_nothing(change, message):
    x = leaf([1.0, 2.0])
    optimizer = optim.SGD([x], lr=0.3, momentum=0.9)
    x.grad = np.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    state["param_groups"][0]["momentum"] = 0.1
    change(state)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert optimizer.state[x]["momentum_buffer"].tolist() == [1.0, 1.0]


# ----------------------------------------------------------------------------------------- training


def small_training(steps, optimizer, net, data, target):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_learns_and_memory_stays_flat_without_the_garbage_collector():
    ag.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(36, 3),
    )  # fmt: skip
    data = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    target = np.arange(12) % 3
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    small_training(5, optimizer, net, data, target)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        first = small_training(20, optimizer, net, data, target)
        before, _ = tracemalloc.get_traced_memory()
        last = small_training(200, optimizer, net, data, target)
        after, _ = tracemalloc.get_traced_memory()
        alive = weakref.ref(net(data))
        tracemalloc.stop()
    finally:
        gc.enable()
    assert alive() is None
    # One leaked graph per step would be over 10 MB; Python's free lists of tuples settle at 0.4 MB.
    assert after - before < 1_000_000
    assert np.mean(last[-20:]) < 0.2 * np.mean(first)


# ---------------------------------------------------------------------------------------- schedules


def path(schedule, steps, names=("lr",)):
    """The settings of each group before every step."""
    found = []
    for _ in range(steps):
        found.append([[g[n] for n in names] for g in schedule.optimizer.param_groups])
        schedule.step()
    return np.array(found)  # (steps, groups, names)


def two_groups(**options):
    groups = [{"params": leaf([1.0])}, {"params": leaf([1.0]), "lr": 0.5}]
    return optim.SGD(groups, lr=0.1, **options)


def test_step_lr():
    got = path(optim.StepLR(two_groups(), step_size=3, gamma=0.5), 8)[..., 0]
    rates = [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    np.testing.assert_allclose(got, np.outer(rates, [0.1, 0.5]), rtol=1e-12)


def test_cosine_annealing():
    got = path(optim.CosineAnnealingLR(two_groups(), T_max=4, eta_min=0.02), 10)[..., 0]
    expected = [
        [0.02 + 0.5 * (base - 0.02) * (1 + math.cos(math.pi * t / 4)) for base in (0.1, 0.5)]
        for t in range(10)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert got[4] == pytest.approx(0.02)
    assert got[8] == pytest.approx([0.1, 0.5])


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


MAKERS = {
    "step": lambda o, **k: optim.StepLR(o, 2, **k),
    "cosine": lambda o, **k: optim.CosineAnnealingLR(o, 5, **k),
    "cycle": lambda o, **k: optim.OneCycleLR(o, [0.3, 3.0], 12, **k),
}


@pytest.mark.parametrize("name", MAKERS)
def test_schedules_resume(name):
    whole = path(MAKERS[name](two_groups()), 12, ("lr", "momentum"))
    optimizer = two_groups()
    first = MAKERS[name](optimizer)
    path(first, 4)
    second = MAKERS[name](two_groups())
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(path(second, 8, ("lr", "momentum")), whole[4:])
    # Or by last_epoch, with the optimizer's own state: construction is a step.
    third_optimizer = two_groups()
    third_optimizer.load_state_dict(optimizer.state_dict())
    third = MAKERS[name](third_optimizer, last_epoch=3)
    np.testing.assert_array_equal(path(third, 8, ("lr", "momentum")), whole[4:])


def test_schedules_complain():
    optimizer = two_groups()
    with pytest.raises(TypeError, match="StepLR: expected an optimizer, got int"):
        optim.StepLR(3, 1)
    with pytest.raises(ValueError, match="step_size must be at least 1, got 0"):
        optim.StepLR(optimizer, 0)
    with pytest.raises(ValueError, match="T_max must be at least 1, got 0"):
        optim.CosineAnnealingLR(optimizer, 0)
    with pytest.raises(ValueError, match=r"last_epoch=3 continues a schedule.*no 'initial_lr'"):
        optim.StepLR(optimizer, 1, last_epoch=3)
    for options, message in (
        ({}, "give total_steps, or epochs and steps_per_epoch"),
        ({"total_steps": 0}, "total_steps must be at least 1, got 0"),
        ({"total_steps": 5, "pct_start": 2}, "pct_start must be between 0 and 1, got 2"),
        ({"total_steps": 5, "anneal_strategy": "exp"}, "'cos' or 'linear', got 'exp'"),
        ({"total_steps": 5, "base_momentum": [1]}, "base_momentum must be a number or have one"),
    ):
        with pytest.raises(ValueError, match=message):
            optim.OneCycleLR(optimizer, 1.0, **options)
    plain = optim.Optimizer([leaf([1.0])], {"lr": 1.0})
    with pytest.raises(ValueError, match="no momentum to cycle; pass cycle_momentum=False"):
        optim.OneCycleLR(plain, 1.0, 5)
    one = optim.SGD([leaf([1.0])])
    saved = optim.StepLR(one, 1).state_dict()
    with pytest.raises(ValueError, match="expected 2 parameter groups, got 1"):
        optim.StepLR(optimizer, 1).load_state_dict(saved)
    with pytest.raises(ValueError, match="expected the keys"):
        optim.CosineAnnealingLR(optimizer, 1).load_state_dict(saved)
    with pytest.raises(NotImplementedError, match="LRScheduler: define _lr"):
        optim.LRScheduler(optimizer)
