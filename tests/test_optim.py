"""Optimizer: groups, gradients, errors, the state that can be kept, and a training; with SGD."""

import copy
import gc
import itertools
import tracemalloc
import weakref

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from tests.optim_parts import OPTIMIZERS, leaf

# ------------------------------------------------------------------------------------------ in use


def test_groups_have_their_own_settings_and_lr_may_change():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5, "name": "head"}], lr=0.1)
    a.grad = b.grad = np.array([1.0])
    optimizer.step()
    assert (a.item(), b.item()) == (0.9, 0.5)
    optimizer.param_groups[0].update(lr=0.4, momentum=0.5)
    for expected in ((0.5, 0.0), (-0.1, -0.5)):
        optimizer.step()
        assert (a.item(), b.item()) == pytest.approx(expected)
    assert repr(optimizer).startswith("SGD(\n  1 parameters: lr=0.4, momentum=0.5,")


def test_parameters_without_gradient_are_skipped():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD((p for p in (a, b)), lr=0.1, momentum=0.9, weight_decay=0.1)
    a.grad = np.array([1.0])
    optimizer.step()
    assert a.item() != 1.0
    assert b.item() == 1.0
    assert b not in optimizer.state


@pytest.mark.parametrize("old", ["kept", "zeroed"])
@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_a_frozen_parameter_rests(kind, old):
    """Whatever its momentum, weight decay and old gradient; unfrozen, it goes on from its state."""
    frozen, free = leaf([1.0, -2.0]), leaf([1.0, -2.0])
    optimizer = kind([frozen, free], **OPTIMIZERS[kind].busy)
    for _ in range(3):
        frozen.grad, free.grad = np.array([3.0, 1.0]), np.array([3.0, 1.0])
        optimizer.step()
    frozen.requires_grad_(False)
    if old == "zeroed":
        optimizer.zero_grad(set_to_none=False)
        free.grad = np.array([3.0, 1.0])
    values, state = frozen.numpy().copy(), copy.deepcopy(optimizer.state[frozen])
    before = free.tolist()
    optimizer.step()
    np.testing.assert_array_equal(frozen, values)
    for name, value in state.items():
        np.testing.assert_array_equal(optimizer.state[frozen][name], value)
    assert free.tolist() != before
    free.requires_grad_(False)
    with pytest.raises(RuntimeError, match="no parameter has a gradient; .*do not require grad"):
        optimizer.step()
    frozen.requires_grad_()
    optimizer.step()
    assert frozen.tolist() != values.tolist()


ARGUMENTS = {  # what each needs beside an optimizer
    optim.StepLR: (1,), optim.MultiStepLR: ([1],), optim.ExponentialLR: (0.5,),
    optim.InverseTimeLR: (0.5,), optim.LambdaLR: (abs,), optim.CosineAnnealingLR: (3,),
    optim.OneCycleLR: (1.0, 5), optim.LinearLR: (), optim.ReduceLROnPlateau: (),
    optim.CosineAnnealingWarmRestarts: (3,),
}  # fmt: skip
COMBINED = (optim.SequentialLR, optim.ChainedScheduler)
KINDS = [getattr(optim, name) for name in optim.__all__ if name not in ("Optimizer", "LRScheduler")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_unknown_or_missing_setting_is_told_with_the_signature(kind):
    schedule = issubclass(kind, optim.LRScheduler)
    first = optim.SGD([leaf([1.0])]) if schedule else [leaf([1.0])]
    given, name = (first, *ARGUMENTS.get(kind, ())), kind.__name__
    if kind in COMBINED:
        inner = [optim.StepLR(first, 1)]
        given = (first, inner, []) if kind is optim.SequentialLR else (inner,)
    kind(*given)
    with pytest.raises(TypeError) as caught:
        kind(*given, rate=1)
    message = f"{name}: unknown argument 'rate'; the signature is {name}("
    assert str(caught.value).startswith(message)
    missing = "optimizer" if schedule else "params"
    missing = "schedulers" if kind is optim.ChainedScheduler else missing
    with pytest.raises(TypeError, match=f"^{name}: argument '{missing}' is missing; the signature"):
        kind()


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
    optimizer.zero_grad()
    with pytest.raises(RuntimeError, match=r"SGD\.step: no parameter has a gradient; call loss"):
        optimizer.step()


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


X = leaf([1.0])
REFUSED = [
    (X, TypeError, r"iterable of tensors or of dicts, such as \[tensor\], got a tensor"),
    (nn.Linear(1, 1), TypeError, r"got a Linear; pass its \.parameters\(\)"),
    (
        nn.Linear(1, 1).named_parameters(),
        TypeError,
        r"got tuple; pass \.parameters\(\), not \.named_param",
    ),
    (3, TypeError, "must be an iterable of tensors or of dicts, .*got 3"),
    ([], ValueError, r"got no parameters; an iterator .* only once"),
    ([{"params": []}], ValueError, r"got no parameters; an iterator .* only once"),
    ([np.ones(2)], TypeError, "parameter 0 must be a tensor, got ndarray"),
    ([X, X * 2], ValueError, r"parameter 1 of shape \(1,\) is a result of multiply"),
    ([ag.tensor([1.0])], ValueError, r"parameter 0 of shape \(1,\) does not require gradients"),
    ([X, X], ValueError, r"parameter 1 of shape .* is given twice"),
    ([{"params": [X]}, {"params": [X]}], ValueError, "given twice"),
    ([{"params": [X], "l": 1}], ValueError, r"unknown setting 'l'.*the settings are lr, mom"),
    ([{"lr": 1}], TypeError, 'a dict with a key "params"'),
]


@pytest.mark.parametrize(("params", "error", "message"), REFUSED)
def test_what_cannot_be_trained_is_refused(params, error, message):
    with pytest.raises(error, match=f"^SGD: .*{message}"):
        optim.SGD(params)


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
    with pytest.raises(NotImplementedError, match="Optimizer: define _update"):
        optim.Optimizer([x], {}).step()


# -------------------------------------------------------------------------------------------- state


def test_a_saved_state_has_groups_and_copies_in_the_dtype_of_the_parameters():
    def optimizer(dtype):
        a, b = leaf([1.0, 2.0], dtype), leaf(0.0, dtype)
        a.grad, b.grad = np.ones(2), 1.0
        return a, b, optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.3}], momentum=0.9)

    a, _, source = optimizer(np.float64)
    source.step()
    state = source.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert list(state["state"]) == [0, 1]
    c, _, target = optimizer(np.float32)
    target.param_groups[1]["lr"] = 5.0
    target.load_state_dict(state)
    buffers = [
        state["state"][0]["momentum_buffer"],
        *(o.state[p]["momentum_buffer"] for o, p in ((source, a), (target, c))),
    ]
    assert [b.tolist() for b in buffers] == [[1.0, 1.0]] * 3
    assert buffers[2].dtype == np.float32
    for one, other in itertools.combinations(buffers, 2):
        assert not np.shares_memory(one, other)
    assert target.param_groups[1]["lr"] == 0.3
    assert target.param_groups[0]["params"] == [c]
    twin = copy.deepcopy(source)
    assert twin.state_dict()["state"][0]["momentum_buffer"].tolist() == [1.0, 1.0]
    assert twin.param_groups[0]["params"][0] is not a


def test_loading_numbers_that_were_kept_as_arrays():
    x, y = leaf([1.0, 2.0], np.float32), leaf(1.0, np.float32)
    optimizer = optim.Adam([x, y])
    x.grad, y.grad = np.ones(2), 1.0
    optimizer.step()
    saved = optimizer.state_dict()
    for entry in saved["state"].values():
        entry.update({name: np.asarray(value) for name, value in entry.items()})
    optimizer.load_state_dict(saved)
    assert type(optimizer.state[x]["step"]) is type(optimizer.state[y]["step"]) is int
    optimizer.step()
    assert optimizer.state[y]["exp_avg"].dtype == np.float32
    assert optimizer.state[y]["exp_avg"].shape == ()
    assert y.item() == x.tolist()[0]


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


def test_training_learns_and_memory_stays_flat_without_the_garbage_collector():
    ag.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(36, 3),
    )  # fmt: skip
    data = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    target = np.arange(12) % 3
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses, memory = [], []
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        for step in range(221):
            if step in (20, 220):
                memory.append(tracemalloc.get_traced_memory()[0])
            optimizer.zero_grad()
            loss = F.cross_entropy(net(data), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        alive = weakref.ref(net(data))
    finally:
        tracemalloc.stop()
        gc.enable()
    assert alive() is None
    # One leaked graph per step would be over 10 MB; Python's free lists of tuples settle at 0.4 MB.
    assert memory[1] - memory[0] < 1_000_000
    assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:20])


@pytest.mark.parametrize("number", [float, int, np.float64, np.array, np.int64])
def test_constructors_take_every_spelling_of_a_number(number):
    """Their own checks decide, and not the annotations."""
    parameters = [nn.Parameter([1.0])]
    for build in (optim.SGD, optim.Adam, optim.RMSprop):
        assert build(parameters, lr=number(1)).param_groups[0]["lr"] == 1
    optimizer = optim.SGD(parameters, lr=1.0)
    assert optim.CosineAnnealingLR(optimizer, T_max=number(10)).T_max == 10
    assert optim.StepLR(optimizer, 2, gamma=number(1)).gamma == 1
    optim.ExponentialLR(optimizer, gamma=number(1)).step()
    assert optimizer.param_groups[0]["lr"] == 1
