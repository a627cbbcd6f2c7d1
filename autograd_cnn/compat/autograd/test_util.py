"""Gradients against differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.compat.autograd.differential_operators import grad
from autograd_cnn.compat.autograd.misc.flatten import flatten

_STEP, _TOLERANCE = 1e-5, 1e-6  # a central difference is wrong by 1e-10 of values and slopes near 1


def check_grads(
    f: Callable[..., Any], argnum: Any = 0, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> Callable[..., None]:
    """The function of the arguments of `f` that raises AssertionError where its derivatives by
    `argnum`, up to this order, differ from differences.

    It looks at a random mean of the values along a random line; there are no two `modes`.

    >>> from autograd_cnn.compat.autograd.test_util import check_grads
    >>> check_grads(lambda x, y: np.sin(x) * y, (0, 1))(0.5, np.ones(2))
    """

    def check(*args: Any, **kwargs: Any) -> None:
        places = [argnum] if isinstance(argnum, int) else list(argnum)
        start, unflatten = flatten([args[n] for n in places])
        rng = np.random.default_rng(0)
        line = rng.normal(size=start.shape)
        weights = rng.normal(size=flatten(f(*args, **kwargs))[0].shape)

        def along(step: Any) -> Any:
            given = dict(enumerate(args)) | dict(zip(places, unflatten(start + step * line)))
            return np.dot(flatten(f(*given.values(), **kwargs))[0], weights)

        checked: Callable[..., Any] = along
        for n in range(1, order + 1):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Output seems independent")
                slope = (checked(_STEP) - checked(-_STEP)) / (2.0 * _STEP)
                checked = grad(checked)
                found = checked(0.0)
            if not np.isclose(found, slope, rtol=_TOLERANCE, atol=_TOLERANCE):
                raise AssertionError(f"check_grads: derivative {n} is {found}, not {slope}")

    return check
