"""The compiled functions of single values against mpmath, over the whole range of their dtype, and NumPy's warnings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.kernels import reference
from tests.compiled_parts import compiled, instruction_set, two_threads

__all__ = ["instruction_set", "two_threads"]  # fixtures

ULPS = 4.0


def points(name: str, dtype: Any) -> np.ndarray:
    """All magnitudes, subnormal ones too, the neighbourhood of 0 and 1, and where formulas change."""
    info, rng = np.finfo(dtype), np.random.default_rng(0)
    low, high = math.log(info.smallest_subnormal), math.log(info.max)
    sizes = np.exp(rng.uniform(low + 0.1, high - 0.1, 200))
    near = np.concatenate([rng.uniform(0, 8, 400), 1 + rng.uniform(-1e-3, 1e-3, 100)])
    changes = [0.625, 1.0, math.sqrt(0.5), math.sqrt(2.0), math.log(2.0) / 2, 6.0, info.tiny]
    x = np.concatenate([sizes, near, changes, np.nextafter(np.array(changes, dtype), dtype(0))])
    x = np.concatenate([x, [info.smallest_subnormal]]).astype(dtype)
    x = x if name == "log" else np.concatenate([x, -x])
    return x[np.abs(x) < (87 if info.bits == 32 else 708)] if name == "exp" else x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sigmoid", "softplus"])
def test_functions_are_exact_to_a_few_units_in_the_last_place(name: str, dtype: Any) -> None:
    mpmath = pytest.importorskip("mpmath", reason="mpmath is the judge of the last digits")
    exact: dict[str, Callable[[Any], Any]] = {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    }
    x = points(name, dtype)
    x = np.clip(x, -700, 700) if name in exact else x
    found, worst = compiled.curve(name, x, 1.0, np.inf), 0.0
    with mpmath.workprec(200):
        for at, value in zip(x, found):
            true = exact.get(name, getattr(mpmath, name, None))(mpmath.mpf(float(at)))
            unit = mpmath.mpf(float(np.spacing(np.abs(dtype(float(true))))))
            worst = max(worst, float(abs(mpmath.mpf(float(value)) - true) / unit))
    assert worst <= ULPS


SPECIAL: dict[str, list[float]] = {  # at 0, -0, inf, -inf, NaN
    "exp": [1.0, 1.0, np.inf, 0.0, np.nan],
    "tanh": [0.0, -0.0, 1.0, -1.0, np.nan],
    "erf": [0.0, -0.0, 1.0, -1.0, np.nan],
    "sigmoid": [0.5, 0.5, 1.0, 0.0, np.nan],
    "gelu": [0.0, -0.0, np.inf, np.nan, np.nan],
    "gelu_tanh": [0.0, -0.0, np.inf, np.nan, np.nan],
    "silu": [0.0, -0.0, np.inf, np.nan, np.nan],
    "softplus": [math.log(2), math.log(2), np.inf, 0.0, np.nan],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SPECIAL)
def test_zeros_infinities_and_nan(name: str, dtype: Any) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    for kernels in (compiled, reference):
        found = kernels.curve(name, x)
        np.testing.assert_allclose(found, np.array(SPECIAL[name], dtype), 1e-6)
        signed = found == 0
        assert (np.signbit(found) == np.signbit(SPECIAL[name]))[signed].all()


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("exp", 1000.0, "overflow"),
        ("exp", -1000.0, "underflow"),
        ("log", 0.0, "divide by zero"),
        ("log", -1.0, "invalid value"),
    ],
)
def test_what_numpy_reports_is_reported(name: str, value: float, kind: str) -> None:
    x = np.ones(5000)
    x[[77, 4321]] = value
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match=kind):
        getattr(ag, name)(x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(compiled.curve(name, x), reference.curve(name, x))


@pytest.mark.parametrize(
    "name", ["tanh", "erf", "sigmoid", "gelu", "gelu_tanh", "silu", "softplus"]
)
def test_functions_with_limits_report_nothing(name: str) -> None:
    x = np.array([-np.inf, -1e30, -800.0, 1e-310, 800.0, 1e30, np.inf, np.nan])
    for kernels in (compiled, reference):
        with np.errstate(all="raise"):
            out = kernels.curve(name, x)
            kernels.curve_grad(name, np.ones_like(x), out, x)
