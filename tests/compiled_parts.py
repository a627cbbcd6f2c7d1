"""What the tests of the compiled kernels share; without compiled kernels they are skipped."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

if importlib.util.find_spec("autograd_cnn.kernels._compiled") is None:
    pytest.skip("the compiled kernels were not built here", allow_module_level=True)

from autograd_cnn.kernels import _compiled as compiled

# float32 sums of up to a few thousand products of order 1, in another order.
TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-11}


def _levels() -> list[str]:
    """The instruction sets that this build and this machine have."""
    found = []
    for name in ("any", "avx2", "avx512"):
        with contextlib.suppress(ValueError):
            found.append(compiled.set_level(name))
    compiled.set_level(None)
    return found


LEVELS = _levels()


@pytest.fixture(params=LEVELS, scope="module", autouse=True)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs with the loops for every instruction set that this machine has."""
    compiled.set_level(request.param)
    yield
    compiled.set_level(None)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = compiled.get_threads()
    compiled.set_threads(2)
    yield
    compiled.set_threads(before)


def layouts(x: np.ndarray, how: str) -> np.ndarray:
    """The same values with other strides."""
    if how == "batch-innermost":
        return np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1))
    if how == "sliced":
        wide = np.full([2 * n + 1 for n in x.shape], np.nan if x.dtype.kind == "f" else 0, x.dtype)
        wide[tuple(slice(1, None, 2) for _ in x.shape)] = x
        return wide[tuple(slice(1, None, 2) for _ in x.shape)]
    if how == "reversed":
        turned = tuple(slice(None, None, -1 if axis % 2 == 0 else 1) for axis in range(x.ndim))
        return x[turned].copy()[turned]
    return x


LAYOUTS = st.sampled_from(["plain", "batch-innermost", "sliced", "reversed"])
DTYPES = st.sampled_from([np.float32, np.float64])
# One image, less than a vector, the vector widths and their neighbours.
BATCHES = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40])


def same(found: Any, expected: Any, factor: float = 1.0) -> None:
    """`found` and `expected` are equal but for rounding: arrays, tuples of them, or single values."""
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            same(one, other, factor)
    elif not isinstance(expected, (np.ndarray, np.floating)):
        assert type(found) is type(expected)
        assert found == expected or (found != found and expected != expected)  # NaN
    else:
        assert isinstance(found, type(expected))
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        scale = TOLERANCE.get(expected.dtype, 0.0) * factor
        assert np.allclose(found, expected, rtol=scale, atol=scale, equal_nan=True)


def same_bits(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
