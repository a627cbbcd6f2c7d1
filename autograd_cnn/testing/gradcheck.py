"""Analytic derivatives against central differences, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine.arguments import as_numbers, checked
from autograd_cnn.engine.backward import grad
from autograd_cnn.engine.kinds import Function
from autograd_cnn.engine.node import describe
from autograd_cnn.engine.watch import warn
from autograd_cnn.tensor import Tensor
from autograd_cnn.testing.differences import (
    GradientError,
    Step,
    as_tuple,
    numerical_jacobian,
    report,
)


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
    tuple of tensors.  Two backward passes must agree to `nondet_tol`, and a random cotangent must
    give the same combination of the Jacobian's rows, because gradients are linear in it.  Inputs
    with overlapping memory, and points at a kink or tie, cannot be checked.

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
                as_tuple(func(*xs)),
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


def _outputs(what: str, result: Any) -> tuple[Tensor, ...]:
    """The outputs of the function, which must be tensors."""
    outputs = as_tuple(result)
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
    again = [_jacobian(o, [inputs[i] for i in checked]) for o in as_tuple(func(*inputs))]
    for number, (output, rows) in enumerate(zip(outputs, analytic)):
        _check_linear(
            output, [inputs[i] for i in checked], rows, step, f"{what} of output {number}"
        )
    for column, i in enumerate(checked):
        numeric = numerical_jacobian(numerical, inputs, i, step.eps)
        for number in range(len(outputs)):
            a, n = analytic[number][column], numeric[number]
            _compare_runs(
                a, again[number][column], nondet_tol, f"{what} of output {number}, input {i}"
            )
            wrong = ~(np.abs(a - n) <= step.atol + step.rtol * np.abs(n))  # NaN is wrong too
            if wrong.any():
                report(numerical, inputs, i, number, a, n, wrong, step, what)


def _compare_runs(a: np.ndarray, b: np.ndarray, tolerance: float, where: str) -> None:
    if not np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True):
        raise GradientError(
            f"{where}: two runs differ by {np.abs(a - b).max():.3g}, more than "
            f"nondet_tol={tolerance}"
        )


def _check_linear(
    output: Tensor,
    inputs: Sequence[Tensor],
    jacobians: Sequence[np.ndarray],
    step: Step,
    where: str,
) -> None:
    """A random cotangent gives the same combination of the Jacobian's rows, each of which belongs
    to a single 1: a rule that squares or clips what comes in goes unnoticed there.
    """
    if not output.requires_grad:
        return
    u = (4.0 * np.random.default_rng(5).standard_normal(output.size)).astype(output.dtype)
    for i, (found, rows) in enumerate(zip(_pull(output, inputs, u), jacobians)):
        off = np.abs(found - u @ rows) - step.atol - step.rtol * (np.abs(u) @ np.abs(rows))
        if np.any(off > 0.0):
            element = int(off.argmax())
            raise GradientError(
                f"{where}, checked input {i}: the gradient is not linear in the incoming one: "
                f"element {element} is {found[element]:.9g} for a random cotangent, but "
                f"{(u @ rows)[element]:.9g} by the rows of the Jacobian"
            )


def _pull(output: Tensor, inputs: Sequence[Tensor], cotangent: np.ndarray) -> list[np.ndarray]:
    """The gradients for a flat cotangent, flat, zeros where the output does not depend."""
    g = cotangent.reshape(output.shape)
    found = grad(output, inputs, g, retain_graph=True, allow_unused=True)
    return [np.zeros(x.size) if r is None else r.array.reshape(-1) for x, r in zip(inputs, found)]


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
        for matrix, g in zip(matrices, _pull(output, inputs, cotangent)):
            matrix[row] = g
    return matrices
