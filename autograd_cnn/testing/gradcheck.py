"""Analytic derivatives against central differences, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.arguments import as_numbers, checked, mistake
from autograd_cnn.backward import grad
from autograd_cnn.caller import warn
from autograd_cnn.graph import describe, values
from autograd_cnn.kinds import Function
from autograd_cnn.tensor import Tensor


class GradientError(AssertionError):
    """A gradient check failed; the message names input, element and both values.

    >>> import autograd_cnn as ag
    >>> wrong = ag.custom_gradient(lambda g, out, x: g)(lambda x: x * x)
    >>> x = ag.tensor([3.0], dtype="float64", requires_grad=True)
    >>> try:
    ...     gradcheck(wrong, [x])
    ... except GradientError:
    ...     print("wrong")
    wrong
    """


class Step(NamedTuple):
    """Step and tolerances of a check: |analytic - numerical| <= atol + rtol * |numerical|."""

    eps: float
    atol: float
    rtol: float


@checked
def gradcheck(
    func: Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences: full Jacobians, for
    every input.

    `inputs` is a tensor or a sequence; those that require gradients are checked and should be
    float64 (others warn, because differences of float32 say little).  `func` returns a tensor or a
    tuple of tensors.  Two backward passes must agree to `nondet_tol`.  Inputs with overlapping
    memory, and points at a kink or tie, cannot be checked.

    Returns True, or raises GradientError with input, element, both values and what it looks like (a
    wrong rule, a kink, lost precision); with ``raise_exception=False`` returns False instead.

    >>> import autograd_cnn as ag
    >>> x = ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True)
    >>> gradcheck(lambda x: ag.exp(x) * x, [x])
    True
    """
    step = _step("gradcheck", eps, atol, rtol)
    tensors = _prepared("gradcheck", inputs)
    return _run(lambda: _check(func, func, tensors, step, nondet_tol, "gradient"), raise_exception)


@checked
def gradgradcheck(
    func: Function,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare second derivatives: `gradcheck` of the gradients of `func`, in the inputs and in the
    cotangents.

    `grad_outputs` are the cotangents, one per output; random ones by default, never ones, under
    which mistakes of a softmax and many others cancel.  The other arguments are those of
    `gradcheck`.

    >>> import autograd_cnn as ag
    >>> x = ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True)
    >>> gradgradcheck(lambda x: ag.exp(x) * x, [x])
    True
    """
    step = _step("gradgradcheck", eps, atol, rtol)
    tensors = _prepared("gradgradcheck", inputs)
    checked = [i for i, t in enumerate(tensors) if _wants(t)]
    outputs = _outputs("second derivative", func(*tensors))
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        cotangents = [
            Tensor(rng.standard_normal(o.shape).astype(o.dtype), requires_grad=True)
            for o in outputs
        ]
    else:
        cotangents = _cotangents(grad_outputs, outputs)

    def gradients(create_graph: bool) -> Function:
        def first(*arguments: Any) -> Any:
            xs, gs = arguments[: len(tensors)], arguments[len(tensors) :]
            results = grad(
                _as_tuple(func(*xs)),
                [xs[i] for i in checked],
                gs,
                create_graph=create_graph,
                allow_unused=True,
            )
            return tuple(
                Tensor(np.zeros(xs[i].shape)) if r is None else r for i, r in zip(checked, results)
            )

        return first

    return _run(
        lambda: _check(
            gradients(True),
            gradients(False),
            [*tensors, *cotangents],
            step,
            nondet_tol,
            "second derivative",
        ),
        raise_exception,
    )


def _step(name: str, eps: float, atol: float, rtol: float) -> Step:
    if not (0.0 < eps < math.inf and atol >= 0.0 and rtol >= 0.0):
        raise ValueError(
            f"{name}: expected eps > 0, atol >= 0 and rtol >= 0, got {eps=}, {atol=}, {rtol=}"
        )
    return Step(eps, atol, rtol)


def _run(check: Callable[[], None], raise_exception: bool) -> bool:
    try:
        check()
    except GradientError:
        if raise_exception:
            raise
        return False
    return True


def _cotangents(given: Any, outputs: Sequence[Any]) -> list[Tensor]:
    """The cotangents that a caller gave, one per output, as leaves."""
    parts = [given] if isinstance(given, (Tensor, np.ndarray)) else given
    if not isinstance(parts, (tuple, list)) or len(parts) != len(outputs):
        wanted = f"a sequence of {len(outputs)}, one per output"
        raise mistake("gradgradcheck", "grad_outputs", wanted, given)
    arrays = [as_numbers("gradgradcheck", "grad_outputs", g) for g in parts]
    return [Tensor(a.astype(o.dtype), requires_grad=True) for a, o in zip(arrays, outputs)]


def _wants(t: Any) -> bool:
    return isinstance(t, Tensor) and t.requires_grad


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def _outputs(what: str, result: Any) -> tuple[Tensor, ...]:
    """The outputs of the function, which must be tensors."""
    outputs = _as_tuple(result)
    for number, output in enumerate(outputs):
        if not isinstance(output, Tensor):
            raise GradientError(
                f"{what}: output {number} is {type(output).__name__}, not a tensor: the graph is "
                "cut"
            )
    return outputs


def _prepared(name: str, inputs: Any) -> list[Any]:
    """The inputs as a list with fresh leaves, checked to be something a check can say anything
    about.
    """
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise mistake(name, "inputs", "a tensor or a sequence of inputs", inputs)
    if not any(_wants(t) for t in given):
        raise ValueError(f"{name}: no input requires gradients; create one with requires_grad=True")
    for position, t in enumerate(given):
        if not _wants(t):
            continue
        if t.dtype != np.float64:
            warn(
                f"{name}: input {position} is {t.dtype}; differences need float64 to be exact "
                "enough"
            )
        if not np.isfinite(t.array).all():
            raise ValueError(
                f"{name}: input {position} {describe(t)} holds NaN or infinity, where nothing can "
                "be checked"
            )
    return [Tensor(t.array, requires_grad=True) if _wants(t) else t for t in given]


def _check(
    func: Function, numerical: Function, inputs: list[Any], step: Step, nondet_tol: float, what: str
) -> None:
    """Compare the analytic Jacobians of `func` with the numerical ones of `numerical` (the same
    function).
    """
    checked = [i for i, t in enumerate(inputs) if _wants(t)]
    outputs = _outputs(what, func(*inputs))
    analytic = [_jacobian(o, [inputs[i] for i in checked]) for o in outputs]
    again = [_jacobian(o, [inputs[i] for i in checked]) for o in _as_tuple(func(*inputs))]
    for column, i in enumerate(checked):
        numeric = numerical_jacobian(numerical, inputs, i, step.eps)
        for number in range(len(outputs)):
            a, n = analytic[number][column], numeric[number]
            _compare_runs(
                a, again[number][column], nondet_tol, f"{what} of output {number}, input {i}"
            )
            wrong = ~(np.abs(a - n) <= step.atol + step.rtol * np.abs(n))  # NaN is wrong too
            if wrong.any():
                _report(numerical, inputs, i, number, a, n, wrong, step, what)


def _compare_runs(a: np.ndarray, b: np.ndarray, tolerance: float, where: str) -> None:
    if not np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True):
        raise GradientError(
            f"{where}: two runs differ by {np.abs(a - b).max():.3g}, more than "
            f"nondet_tol={tolerance}"
        )


def _jacobian(output: Tensor, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    """d output / d input as a matrix (output.size, input.size) per input, one backward pass per
    row.
    """
    matrices = [np.zeros((output.size, x.size)) for x in inputs]
    if not output.requires_grad:
        return matrices
    for row in range(output.size):
        cotangent = np.zeros(output.size, output.dtype)
        cotangent[row] = 1.0
        rows = grad(
            output, inputs, cotangent.reshape(output.shape), retain_graph=True, allow_unused=True
        )
        for matrix, g in zip(matrices, rows):
            if g is not None:
                matrix[row] = g.array.reshape(-1)
    return matrices


def numerical_jacobian(
    func: Function, inputs: list[Any], position: int, eps: float
) -> list[np.ndarray]:
    """Central differences of every output of `func` in one input: matrices (output.size,
    input.size).
    """
    columns = [
        _difference(func, inputs, position, j, eps, -eps) for j in range(inputs[position].size)
    ]
    if not columns:
        return [np.zeros((o.size, 0)) for o in _as_tuple(func(*inputs))]
    return [np.stack(parts, axis=1) for parts in zip(*columns)]


def _difference(
    func: Function, inputs: list[Any], position: int, element: int, up: float, down: float
) -> list[np.ndarray]:
    """(f(x + up) - f(x + down)) / (up - down) with one element of one input moved."""
    results = []
    for shift in (up, down):
        array = inputs[position].array.copy()
        array.reshape(-1)[element] += shift
        moved = [*inputs[:position], Tensor(array, requires_grad=True), *inputs[position + 1 :]]
        results.append(
            [np.array(values(o), np.float64).reshape(-1) for o in _as_tuple(func(*moved))]
        )
    with np.errstate(invalid="ignore"):
        return [(high - low) / (up - down) for high, low in zip(*results)]


def _report(
    func: Function,
    inputs: list[Any],
    position: int,
    number: int,
    analytic: np.ndarray,
    numeric: np.ndarray,
    wrong: np.ndarray,
    step: Step,
    what: str,
) -> None:
    """Raise with the worst element and a guess at the reason."""
    gap = np.where(wrong, np.abs(np.nan_to_num(analytic - numeric, nan=np.inf)), -1.0)
    row, element = np.unravel_index(int(gap.argmax()), gap.shape)
    a, n = analytic[row, element], numeric[row, element]
    place = tuple(int(k) for k in np.unravel_index(int(element), inputs[position].shape))
    shape = [np.shape(values(o)) for o in _as_tuple(func(*inputs))][number]
    target = tuple(int(k) for k in np.unravel_index(int(row), shape))
    raise GradientError(
        f"{what} of output {number}{list(target)} with respect to input {position}{list(place)}: "
        f"analytic {a:.9g}, "
        f"numerical {n:.9g} (difference {abs(a - n):.3g}, {int(wrong.sum())} of {wrong.size} "
        "elements wrong, eps "
        f"{step.eps:g}, atol {step.atol:g}, rtol {step.rtol:g}); "
        + _diagnosis(func, inputs, position, int(element), number, int(row), float(a), step)
    )


def _diagnosis(
    func: Function,
    inputs: list[Any],
    position: int,
    element: int,
    number: int,
    row: int,
    a: float,
    step: Step,
) -> str:
    def slope(up: float, down: float) -> float:
        return float(_difference(func, inputs, position, element, up, down)[number][row])

    if not np.isfinite(a):
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
