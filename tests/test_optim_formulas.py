"""Every optimizer against its published formula, with every setting; what a step leaves alone."""

import inspect
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import optim
from tests.optim_parts import BUSY, OPTIMIZERS, gradients, leaf, run

KINDS = pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
STEPS = 50


def test_every_optimizer_has_its_formula_here():
    public = [getattr(optim, name) for name in optim.__all__]
    kinds = {k for k in public if issubclass(k, optim.Optimizer)} - {optim.Optimizer}
    assert set(OPTIMIZERS) == kinds == set(BUSY)


def plain(formula, start, grads, settings):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        return np.array(list(formula(start, grads, **settings)))


def own_defaults(kind):
    """The defaults of an optimizer's signature, as far as its formula knows them."""
    parameters = inspect.signature(kind).parameters
    fixed = {"params"} if kind is optim.NAdam else {"params", "decoupled_weight_decay"}
    return {name: p.default for name, p in parameters.items() if name not in fixed}


@KINDS
@given(data=st.data(), shape=st.sampled_from([(), (1,), (5,), (2, 3), (0, 2)]))
def test_an_optimizer_follows_its_formula(kind, data, shape):
    formula, strategy = OPTIMIZERS[kind]
    settings = data.draw(strategy)
    start = np.random.default_rng(1).normal(size=shape)
    grads = gradients(shape, STEPS)
    # float64, the same operations in another order: 1e-14 at most over 14,000 drawn settings.
    np.testing.assert_allclose(
        run(kind, start, grads, **settings),
        plain(formula, start, grads, settings),
        rtol=1e-12,
        atol=1e-12,
    )


@KINDS
def test_the_defaults_follow_the_formula_too(kind):
    formula, _ = OPTIMIZERS[kind]
    defaults = own_defaults(kind)
    start, grads = np.ones(4), gradients((4,), STEPS)
    expected = plain(formula, start, grads, defaults)
    np.testing.assert_allclose(run(kind, start, grads), expected, rtol=1e-12)


@KINDS
def test_every_setting_changes_the_path(kind):
    other = {
        "lr": 0.05,
        "weight_decay": 0.3,
        "betas": (0.5, 0.9),
        "eps": 0.5,
        "alpha": 0.5,
        "rho": 0.5,
        "momentum": 0.5,
        "lr_decay": 0.5,
        "momentum_decay": 1.0,
        "initial_accumulator_value": 1.0,
    }
    busy = BUSY[kind]
    start, grads = np.ones(3), gradients((3,), 6)
    base = run(kind, start, grads, **busy)
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("params", "dampening"):  # dampening excludes nesterov, which is on here
            continue
        value = other.get(name, not busy.get(name, parameter.default))
        assert np.abs(run(kind, start, grads, **{**busy, name: value}) - base).max() > 1e-6, name


@KINDS
def test_a_step_writes_in_place_in_any_layout_and_dtype(kind):
    formula, _ = OPTIMIZERS[kind]
    shape, settings = (3, 4, 5), BUSY[kind]
    grads = gradients(shape, 3)
    start = np.random.default_rng(0).normal(size=shape)
    expected = plain(formula, start, grads, {**own_defaults(kind), **settings})[-1]
    # float32 rounds to 6e-8; a dozen operations in three steps, one a difference of near equals.
    for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-12)):
        for order in ((0, 1, 2), (2, 0, 1)):
            x = leaf(0, dtype)
            x.array = np.ascontiguousarray(start.transpose(order).astype(dtype)).transpose(
                np.argsort(order)
            )
            array = x.array
            optimizer = kind([x], **settings)
            for g in grads:
                x.grad = ag.tensor(np.asfortranarray(g))  # float64 throughout
                optimizer.step()
                np.testing.assert_array_equal(x.grad.numpy(), g)
            assert x.array is array
            assert array.dtype == dtype
            np.testing.assert_allclose(array, expected, rtol=tolerance, atol=tolerance)
            for value in optimizer.state[x].values():
                assert np.ndim(value) == 0 or value.dtype == dtype


@KINDS
def test_a_step_makes_no_new_arrays(kind):
    x = leaf(np.zeros(100_000), np.float32)
    x.grad = np.ones(100_000)
    optimizer = kind([x], **BUSY[kind], maximize=True)
    optimizer.step()
    tracemalloc.start()
    for _ in range(3):
        optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000  # bytes; one array of this size has 400,000


@KINDS
def test_a_saved_state_continues_bit_for_bit(kind):
    grads = gradients((2, 3), 8)
    whole = run(kind, np.ones((2, 3)), grads, **BUSY[kind])
    x = leaf(np.ones((2, 3)))
    first = kind([x], **BUSY[kind])
    for g in grads[:4]:
        x.grad = g
        first.step()
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    y = leaf(x.numpy())
    second = kind([y])
    second.load_state_dict(saved)
    for g, expected in zip(grads[4:], whole[4:]):
        y.grad = g
        second.step()
        np.testing.assert_array_equal(y.numpy(), expected)


def test_a_centered_variance_that_rounds_below_0_counts_as_0():
    x = leaf(np.zeros(50), np.float32)
    optimizer = optim.RMSprop([x], alpha=0.5, centered=True)
    lowest = 0.0
    for _ in range(100):  # unchanging gradients, which have no variance
        x.grad = np.linspace(0.01, 1, 50)
        optimizer.step()
        lowest = min(
            lowest, (optimizer.state[x]["square_avg"] - optimizer.state[x]["grad_avg"] ** 2).min()
        )
    assert lowest < 0
    assert np.isfinite(x.numpy()).all()


def test_settings_out_of_range_are_named():
    for kind in OPTIMIZERS:
        for name, parameter in inspect.signature(kind).parameters.items():
            if type(parameter.default) not in (int, float) or name == "dampening":
                continue
            for value, error, rule in (
                (-1, ValueError, "at least 0"),
                (float("nan"), ValueError, "finite"),
                (float("inf"), ValueError, "finite"),
                ("a", TypeError, "a number"),
            ):
                message = f"^{kind.__name__}: {name} must be {rule}.*, got {value!r}$"
                with pytest.raises(error, match=message):
                    kind([leaf([1.0])], **{name: value})
                with pytest.raises(error, match=message):
                    kind([{"params": [leaf([1.0])], name: value}])
    with pytest.raises(ValueError, match="^SGD: dampening must be finite, got nan$"):
        optim.SGD([leaf([1.0])], dampening=float("nan"))
    with pytest.raises(
        ValueError, match="^RMSprop: alpha must be at least 0 and at most 1, got 2$"
    ):
        optim.RMSprop([leaf([1.0])], alpha=2)
    with pytest.raises(ValueError, match="^Adadelta: rho must be at least 0 and at most 1, got 2$"):
        optim.Adadelta([leaf([1.0])], rho=2)


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW, optim.NAdam])
def test_betas_are_two_numbers_below_1(kind):
    for betas in (0.9, (0.9,), (0.9, 0.9, 0.9), "ab c"):
        with pytest.raises(ValueError, match=f"^{kind.__name__}: betas must be two numbers, got"):
            kind([leaf([1.0])], betas=betas)
    with pytest.raises(ValueError, match=r"betas\[1\] must be at least 0 and below 1, got 1$"):
        kind([leaf([1.0])], betas=(0.9, 1))
    with pytest.raises(TypeError, match=r"betas\[0\] must be a number, got None"):
        kind([leaf([1.0])], betas=[None, 0.9])


def test_nesterov_wants_momentum_without_dampening():
    with pytest.raises(ValueError, match="momentum must be above 0 with nesterov=True, got 0"):
        optim.SGD([leaf([1.0])], nesterov=True)
    with pytest.raises(ValueError, match=r"dampening must be 0 with nesterov=True, got 0\.5"):
        optim.SGD([leaf([1.0])], momentum=0.9, dampening=0.5, nesterov=True)
