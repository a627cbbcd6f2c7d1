"""Checks of everything that an op must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.gradients import grad
from autograd_cnn.engine.node import values
from autograd_cnn.tensor import Tensor
from autograd_cnn.testing.differences import GradientError
from autograd_cnn.testing.gradcheck import gradcheck, gradgradcheck

# Central differences in float64 with eps 1e-6 on values of order 1 have errors of about 1e-9;
# 1e-6 leaves room for curvature and still finds every wrong factor and sign.
TOLERANCE = 1e-6


@checked
def check_op(
    function: Function,
    *inputs: np.ndarray,
    reference: Function | None = None,
    order: int = 2,
    constant: Sequence[int] = (),
    keeps_dtype: bool = True,
    **params: Any,
) -> None:
    """Check everything an op, or any function of arrays and tensors, must do on these inputs.

    - The forward equals `reference`, a NumPy function of the same arguments.
    - Tensors give the same result as arrays.
    - The op does not change inputs, parameters, results or incoming gradients.
    - Transposed, sliced and reversed inputs and incoming gradients give the same values.
    - float16, float32 and float64 inputs give results and gradients of the same dtype.
    - Gradients are linear in the incoming gradient.
    - Derivatives up to `order`, 1 or 2, equal the numerical ones.

    Inputs are float64 arrays away from kinks and ties.  Positions in `constant` are not
    differentiated.  Pass ``keeps_dtype=False`` for conversions.  `params` are the op's keyword
    parameters.  A failure raises GradientError.

    >>> check_op(ag.multiply, np.array([1.0, 2.0]), np.array([3.0, -1.0]), reference=np.multiply)
    """

    def call(*xs: Any) -> Any:
        return function(*xs, **params)

    free = [i for i, x in enumerate(inputs) if i not in constant and _floating(x)]
    given = {f"input {position}": x for position, x in enumerate(inputs)}
    given |= {f"parameter {k!r}": x for k, x in params.items() if isinstance(x, np.ndarray)}
    before = {what: np.array(x) for what, x in given.items()}
    out = call(*inputs)
    _same(given, before)
    if reference is not None:
        _equal("the forward result", out, reference(*inputs, **params), TOLERANCE)
    tensors = _as_tensors(inputs, free)
    _equal("the result on tensors", values(call(*tensors)), out, 0.0)
    check_layout(call, inputs, free)
    if keeps_dtype:
        check_dtype(call, inputs, free)
    if free:
        check_linear(call, inputs, free)
        gradcheck(call, tensors, atol=TOLERANCE, rtol=TOLERANCE)
        if order > 1:
            gradgradcheck(call, tensors, atol=10 * TOLERANCE, rtol=10 * TOLERANCE)
    _same(given, before)


def _same(found: Mapping[str, Any], before: Mapping[str, np.ndarray]) -> None:
    for what, x in found.items():
        if not np.array_equal(x, before[what], equal_nan=_floating(x)):
            raise GradientError(f"{what} was modified by the op or its rules")


def _floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _as_tensors(inputs: Sequence[Any], free: Sequence[int]) -> list[Any]:
    return [Tensor(x, requires_grad=True) if i in free else x for i, x in enumerate(inputs)]


def _equal(what: str, found: Any, expected: Any, tolerance: float) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        raise GradientError(f"{what} has shape {found.shape}, expected {expected.shape}")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
        worst = np.nanmax(np.abs(found - expected))
        raise GradientError(
            f"{what} is off by up to {worst:.3g}; found {found!r}, expected {expected!r}"
        )


def _gradients(
    call: Function, inputs: Sequence[Any], free: Sequence[int], g: Any
) -> list[np.ndarray]:
    tensors = _as_tensors(inputs, free)
    for i in free:
        tensors[i].array = inputs[i]  # keep the strides, which a copy would change
    out = call(*tensors)
    given = {"the result": out.array, "the incoming gradient": g}
    before = {what: np.array(x) for what, x in given.items()}
    found = grad(out, [tensors[i] for i in free], g, allow_unused=True)
    _same(given, before)
    return [np.zeros_like(inputs[i]) if r is None else r.array for i, r in zip(free, found)]


def check_layout(call: Function, inputs: Sequence[Any], free: Sequence[int]) -> None:
    """Check results and gradients for the same values in transposed, sliced, reversed memory."""
    out = np.asarray(call(*inputs))
    g = np.random.default_rng(1).standard_normal(out.shape).astype(out.dtype)
    expected = _gradients(call, inputs, free, g) if free else []
    for layout, how in LAYOUTS.items():
        odd = [how(x) if _floating(x) else x for x in inputs]
        # Sums may run in another order, so the last bits may differ.
        _equal(f"the result for {layout} inputs", call(*odd), out, 1e-12)
        for i, a, b in zip(free, _gradients(call, odd, free, how(g)) if free else [], expected):
            _equal(f"the gradient of input {i} for {layout} inputs and cotangent", a, b, 1e-10)


def _sliced(x: np.ndarray) -> np.ndarray:
    wide = np.full([2 * n + 1 for n in x.shape], np.nan).astype(x.dtype)
    part = tuple(slice(1, None, 2) for _ in x.shape)
    wide[part] = x
    return wide[part]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": lambda x: x.T.copy().T,
    "sliced": _sliced,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
}


def check_linear(call: Function, inputs: Sequence[Any], free: Sequence[int]) -> None:
    """Check that gradients for a sum of cotangents are the sum of the gradients.

    The rows of a Jacobian reveal neither a square nor a rounding of the cotangent.
    """
    out = np.asarray(call(*inputs))
    a, b = np.random.default_rng(4).standard_normal((2, *out.shape)).astype(out.dtype)
    found, parts, rest = (_gradients(call, inputs, free, g) for g in (a - 0.7 * b, a, b))
    for i, whole, part, other in zip(free, found, parts, rest):
        what = f"the gradient of input {i} for a sum of cotangents"
        # Rounding of float64 passes; single precision would be off by 1e-8.
        _equal(what, whole, part - 0.7 * other, 1e-10)


def check_dtype(call: Function, inputs: Sequence[Any], free: Sequence[int]) -> None:
    """Check that results and gradients have the dtype of the inputs."""
    if not free:
        return
    for dtype in map(np.dtype, (np.float16, np.float32, np.float64)):
        cast = [x.astype(dtype) if _floating(x) else x for x in inputs]
        with np.errstate(all="ignore"):  # only dtypes matter here
            out = np.asarray(call(*cast))
            gradients = _gradients(call, cast, free, np.ones(out.shape, dtype))
        found = {"result": out} | {f"gradient of input {i}": g for i, g in zip(free, gradients)}
        for what, array in found.items():
            if array.dtype != dtype:
                raise GradientError(f"{dtype} inputs gave a {array.dtype} {what}")


@checked
def check_adjoint(call: Function, inputs: Sequence[Any], position: int) -> None:
    """Check that ``<g, f(x)> = <f^T g, x>`` exactly, for an op that is linear in one input.

    `inputs` hold whole-valued floats, small enough that every sum is exact.

    >>> check_adjoint(ag.matmul, [np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])], 0)
    """
    if not 0 <= position < len(inputs):
        raise ValueError(f"check_adjoint: position {position} but {len(inputs)} inputs")
    out = np.asarray(call(*inputs))
    rng = np.random.default_rng(2)
    g = rng.integers(-4, 5, out.shape).astype(out.dtype)
    (back,) = _gradients(call, inputs, [position], g)
    zero = list(inputs)
    zero[position] = np.zeros_like(inputs[position])
    left = float((g * (out - np.asarray(call(*zero)))).sum())
    right = float((back * inputs[position]).sum())
    if left != right:
        raise GradientError(
            f"adjoint in input {position}: <g, f(x)> = {left!r} but <f^T g, x> = {right!r}"
        )


@checked
def check_complex_step(call: Function, inputs: Sequence[Any], free: Sequence[int]) -> None:
    """Compare gradients with the complex step ``Im f(x + ih) / h``, which is exact to rounding.

    The forward must be analytic in the inputs at the positions `free`.  Squire and Trapp, "Using
    complex variables to estimate derivatives of real functions" (1998).

    >>> check_complex_step(ag.exp, [np.array([0.5, -1.0])], [0])
    """
    out = np.asarray(call(*inputs))
    g = np.random.default_rng(3).standard_normal(out.shape)
    h = 1e-30
    for i, found in zip(free, _gradients(call, inputs, free, g)):
        expected = np.empty(inputs[i].size)
        for element in range(inputs[i].size):
            moved = [np.array(x, complex, order="C") if k == i else x for k, x in enumerate(inputs)]
            moved[i].reshape(-1)[element] += 1j * h
            expected[element] = (g * np.asarray(call(*moved)).imag).sum() / h
        # Rounding of sums over at most a few hundred terms.
        _equal(f"the complex-step gradient of input {i}", found.reshape(-1), expected, 1e-11)
