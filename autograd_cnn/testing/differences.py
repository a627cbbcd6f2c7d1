"""Central differences, and the message when gradients disagree with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.node import values
from autograd_cnn.tensor import Tensor


class GradientError(AssertionError):
    """A gradient check failed; the message names input, element and both values.

    >>> wrong = ag.custom_gradient(lambda g, out, x: g)(lambda x: x * x)
    >>> x = ag.tensor([3.0], dtype="float64", requires_grad=True)
    >>> ag.testing.gradcheck(wrong, [x])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd_cnn.testing.differences.GradientError: gradient of output 0[0] with respect to input...
    """


class Step(NamedTuple):
    """The step and the tolerances: |analytic - numerical| <= atol + rtol * |numerical|."""

    eps: float
    atol: float
    rtol: float


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    """One output or several as a tuple."""
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def numerical_jacobian(
    func: Function, inputs: list[Any], position: int, eps: float
) -> list[np.ndarray]:
    """Central differences of all outputs in one input: matrices (output.size, input.size)."""
    columns = [
        _difference(func, inputs, position, j, eps, -eps) for j in range(inputs[position].size)
    ]
    if not columns:
        return [np.zeros((o.size, 0)) for o in as_tuple(func(*inputs))]
    return [np.stack(parts, axis=1) for parts in zip(*columns)]


def _difference(
    func: Function, inputs: list[Any], position: int, element: int, up: float, down: float
) -> list[np.ndarray]:
    """(f(x + up) - f(x + down)) / (up - down) in one element of one input."""
    results = []
    for shift in (up, down):
        array = inputs[position].array.copy()
        array.reshape(-1)[element] += shift
        moved = [*inputs[:position], Tensor(array, requires_grad=True), *inputs[position + 1 :]]
        results.append(
            [np.array(values(o), np.float64).reshape(-1) for o in as_tuple(func(*moved))]
        )
    with np.errstate(invalid="ignore"):
        return [(high - low) / (up - down) for high, low in zip(*results)]


def compare(
    func: Function,
    inputs: list[Any],
    position: int,
    number: int,
    jacobians: tuple[np.ndarray, np.ndarray],
    step: Step,
    what: str,
) -> None:
    """Raise GradientError unless the analytic and numerical Jacobians of output `number` agree.

    The message shows the worst element and guesses the reason.
    """
    analytic, numeric = jacobians
    wrong = ~(np.abs(analytic - numeric) <= step.atol + step.rtol * np.abs(numeric))  # NaN is wrong
    if not wrong.any():
        return
    gap = np.where(wrong, np.abs(np.nan_to_num(analytic - numeric, nan=np.inf)), -1.0)
    row, element = (int(k) for k in np.unravel_index(int(gap.argmax()), gap.shape))
    a, n = float(analytic[row, element]), float(numeric[row, element])
    output = np.shape(values(as_tuple(func(*inputs))[number]))
    target = [int(k) for k in np.unravel_index(row, output)]
    place = [int(k) for k in np.unravel_index(element, inputs[position].shape)]

    def slope(up: float, down: float) -> float:
        return float(_difference(func, inputs, position, element, up, down)[number][row])

    raise GradientError(
        f"{what} of output {number}{target} with respect to input {position}{place}: "
        f"analytic {a:.9g}, numerical {n:.9g} (difference {abs(a - n):.3g}, {int(wrong.sum())} of "
        f"{wrong.size} elements wrong, eps {step.eps:g}, atol {step.atol:g}, rtol {step.rtol:g}); "
        + _diagnosis(slope, a, step)
    )


def _diagnosis(slope: Callable[[float, float], float], analytic: float, step: Step) -> str:
    """The likely reason for a wrong gradient, from the slopes around the point."""
    if not np.isfinite(analytic):
        return "the analytic value is not finite"
    right, left = slope(step.eps, 0.0), slope(0.0, -step.eps)
    wide = slope(10 * step.eps, -10 * step.eps)
    near = slope(step.eps, -step.eps)
    size = max(abs(right), abs(left), step.atol)
    if abs(wide - near) > step.atol + step.rtol * abs(near):
        return f"it looks like lost precision: with 10 eps the numerical value is {wide:.9g}"
    if abs(right - left) > 0.05 * size and abs(right - left) > 100 * step.atol:
        slopes = f"{left:.6g} on the left and {right:.6g} on the right"
        return f"it looks like a kink, tie or jump: the slope is {slopes}"
    return "it looks like a wrong backward rule: the numerical value is stable around this point"
