"""Every optimizer against its published formula, with every setting; what a step leaves alone."""

import inspect
import pickle
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import optim
from tests.optim_parts import OPTIMIZERS, gradients, leaf, run, settings_of

KINDS = pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)


def test_every_optimizer_has_its_formula_here():
    public = {getattr(optim, name) for name in optim.__all__}
    others = {optim.Optimizer, optim.LBFGS}  # which test_lbfgs.py compares
    assert OPTIMIZERS.keys() | others == {k for k in public if issubclass(k, optim.Optimizer)}


def by_formula(kind, start, grads, **settings):
    """As `run`, by the formula."""
    parameters = inspect.signature(kind).parameters
    defaults = {name: p.default for name, p in parameters.items()}
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        steps = OPTIMIZERS[kind].formula(start, grads, SimpleNamespace(**{**defaults, **settings}))
        return np.array(list(steps))


@KINDS
@given(data=st.data(), shape=st.sampled_from([(), (1,), (5,), (2, 3), (0, 2)]))
def test_an_optimizer_follows_its_formula(kind, data, shape):
    start, grads = np.random.default_rng(1).normal(size=shape), gradients(shape, 50)
    for settings in ({}, data.draw(settings_of(kind))):
        expected = by_formula(kind, start, grads, **settings)
        found = run(kind, start, grads, **settings)
        # float64, the same operations in another order: 1e-14 at most over 14,000 drawn settings.
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@KINDS
@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("size", [1e-3, 1.0, 300.0])
def test_float16_parameters_are_updated_in_float32(kind, busy, size):
    """Each step rounds once: a twin in float32, rounded after each step, has the same values."""
    settings = OPTIMIZERS[kind].busy if busy else {}
    half, twin = (leaf([1.0, 2.0, -3.0], dtype) for dtype in ("float16", "float32"))
    ours, theirs = kind([half], **settings), kind([twin], **settings)
    for g in np.random.default_rng(0).normal(size=(6, 3)) * size:
        half.grad = g.astype(np.float16)
        twin.grad = half.grad.astype(np.float32)
        ours.step()
        theirs.step()
        twin.data = twin.numpy().astype(np.float16).astype(np.float32)
        assert half.dtype == np.float16
        assert np.array_equal(half.numpy(), twin.numpy())
        assert np.isfinite(half.numpy()).all()
        for name, held in theirs.state_dict()["state"].get(0, {}).items():
            assert np.array_equal(ours.state[half][name], held)
        resumed = kind([half], **settings)
        resumed.load_state_dict(ours.state_dict())
        ours = resumed


def changed(value):
    if isinstance(value, tuple):
        return tuple(map(changed, value))
    return not value if isinstance(value, bool) else value / 2 + 0.01


@KINDS
def test_every_setting_changes_the_path(kind):
    busy = OPTIMIZERS[kind].busy
    start, grads = np.ones(3), gradients((3,), 6)
    base = run(kind, start, grads, **busy)
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("params", "dampening"):  # dampening excludes nesterov, which is on here
            continue
        other = {**busy, name: changed(busy.get(name, parameter.default))}
        assert np.abs(run(kind, start, grads, **other) - base).max() > 1e-6, name


@KINDS
def test_a_step_writes_in_place_in_any_layout_and_dtype(kind):
    shape, settings = (3, 4, 5), OPTIMIZERS[kind].busy
    start, grads = np.random.default_rng(0).normal(size=shape), gradients(shape, 3)
    expected = by_formula(kind, start, grads, **settings)[-1]
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
    optimizer = kind([x], **OPTIMIZERS[kind].busy, maximize=True)
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
    whole = run(kind, np.ones((2, 3)), grads, **OPTIMIZERS[kind].busy)
    x = leaf(np.ones((2, 3)))
    first = kind([x], **OPTIMIZERS[kind].busy)
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


@KINDS
def test_settings_out_of_range_are_named(kind):
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


BETAS = [
    *(
        (betas, ValueError, "betas must be two numbers, got")
        for betas in (0.9, (0.9,), [0, 0, 0], "ab")
    ),
    ((0.9, 1), ValueError, r"betas\[1\] must be at least 0 and below 1, got 1$"),
    ([None, 0.9], TypeError, r"betas\[0\] must be a number, got None"),
]
OUT_OF_RANGE = [
    (optim.SGD, {"dampening": float("nan")}, ValueError, "dampening must be finite, got nan"),
    (
        optim.SGD,
        {"momentum": 0.9, "dampening": 0.5, "nesterov": True},
        ValueError,
        r"dampening must be 0 with nesterov=True, got 0\.5",
    ),
    *(
        (kind, {"betas": betas}, error, message)
        for kind in (optim.Adam, optim.AdamW, optim.NAdam, optim.RAdam, optim.Adamax)
        for betas, error, message in BETAS
    ),
]


@pytest.mark.parametrize(("kind", "settings", "error", "message"), OUT_OF_RANGE)
def test_other_rules_for_settings(kind, settings, error, message):
    with pytest.raises(error, match=f"^{kind.__name__}: {message}"):
        kind([leaf([1.0])], **settings)
