"""Analytic derivatives against central differences, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.checks import mistake, number, warn
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import as_numbers, checked
from autograd_cnn.engine.gradients import grad
from autograd_cnn.engine.node import describe
from autograd_cnn.tensor import Tensor
from autograd_cnn.testing.differences import (
    GradientError,
    Step,
    as_tuple,
    compare,
    numerical_jacobian,
)

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import TensorFunction


@checked
def gradcheck(
    func: TensorFunction,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences, in every input.

    `inputs` is a tensor or a sequence.  Those that require gradients are checked, with full
    Jacobians.  They should be float64; other dtypes warn, because their differences are inexact.
    `func` returns a tensor or a tuple of tensors.  Two backward passes must agree to `nondet_tol`,
    and gradients must be linear in the incoming gradient.  Inputs with overlapping memory, and
    points at a kink or tie, cannot be checked.

    Returns True, or raises GradientError with input, element, both values and the likely reason.
    With ``raise_exception=False`` it returns False instead.

    >>> x = ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True)
    >>> gradcheck(lambda x: ag.exp(x) * x, [x])
    True
    """
    step = _step("gradcheck", eps, atol, rtol)
    tensors = _prepared("gradcheck", inputs)
    check = partial(_check, func, func, tensors, step, nondet_tol, "gradient")
    return _succeeds(check, raise_exception)


@checked
def gradgradcheck(
    func: TensorFunction,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compare second derivatives: `gradcheck` of the gradients, in the inputs and the cotangents.

    `grad_outputs` are the cotangents, one per output.  They are random by default, because many
    mistakes cancel if all cotangents are 1.  The other arguments are those of `gradcheck`.

    >>> x = ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True)
    >>> gradgradcheck(lambda x: ag.exp(x) * x, [x])
    True
    """
    what = "second derivative"
    step = _step("gradgradcheck", eps, atol, rtol)
    tensors = _prepared("gradgradcheck", inputs)
    wanted = [i for i, t in enumerate(tensors) if _wants(t)]
    cotangents = _cotangents(grad_outputs, _outputs(what, func(*tensors)))

    def gradients(create_graph: bool, *arguments: Any) -> Any:
        xs, gs = arguments[: len(tensors)], arguments[len(tensors) :]
        chosen = [xs[i] for i in wanted]
        outputs = as_tuple(func(*xs))
        found = grad(outputs, chosen, gs, create_graph=create_graph, allow_unused=True)
        return tuple(Tensor(np.zeros(x.shape)) if r is None else r for x, r in zip(chosen, found))

    analytic, numerical = partial(gradients, True), partial(gradients, False)
    every = [*tensors, *cotangents]
    check = partial(_check, analytic, numerical, every, step, nondet_tol, what)
    return _succeeds(check, raise_exception)


def _step(name: str, eps: float, atol: float, rtol: float) -> Step:
    number(name, "eps", eps, above=0.0)
    number(name, "atol", atol, least=0.0)
    number(name, "rtol", rtol, least=0.0)
    return Step(eps, atol, rtol)


def _cotangents(given: Any, outputs: Sequence[Any]) -> list[Tensor]:
    """The given cotangents, or random ones, one per output, as leaves."""
    if given is None:
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(o.shape) for o in outputs]
    else:
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
    for i, output in enumerate(outputs):
        if not isinstance(output, Tensor):
            found = type(output).__name__
            raise GradientError(f"{what}: output {i} is {found}, not a tensor: the graph is cut")
    return outputs


def _prepared(name: str, inputs: Any) -> list[Any]:
    """The inputs as a list with fresh leaves; an error for inputs that cannot be checked."""
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise mistake(name, "inputs", "a tensor or a sequence of inputs", inputs)
    if not any(_wants(t) for t in given):
        raise ValueError(f"{name}: no input requires gradients; create one with requires_grad=True")
    for position, t in enumerate(given):
        if not _wants(t):
            continue
        if t.dtype != np.float64:
            warn(f"{name}: input {position} is {t.dtype}; exact enough differences need float64")
        if not np.isfinite(t.array).all():
            raise ValueError(
                f"{name}: input {position} {describe(t)} holds NaN or infinity; use finite values"
            )
    return [Tensor(t.array, requires_grad=True) if _wants(t) else t for t in given]


def _succeeds(check: Callable[[], None], raise_exception: bool) -> bool:
    try:
        check()
    except GradientError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Function, numerical: Function, inputs: list[Any], step: Step, nondet_tol: float, what: str
) -> None:
    """Compare the Jacobians of `func` with differences of `numerical`, an equal function."""
    checked = [i for i, t in enumerate(inputs) if _wants(t)]
    wanted = [inputs[i] for i in checked]
    outputs = _outputs(what, func(*inputs))
    analytic = [_jacobian(o, wanted) for o in outputs]
    again = [_jacobian(o, wanted) for o in as_tuple(func(*inputs))]
    for k, output in enumerate(outputs):
        _check_linear(output, wanted, analytic[k], step, f"{what} of output {k}")
    for column, i in enumerate(checked):
        numeric = numerical_jacobian(numerical, inputs, i, step.eps)
        for k in range(len(outputs)):
            a, b = analytic[k][column], again[k][column]
            if not np.allclose(a, b, rtol=0.0, atol=nondet_tol, equal_nan=True):
                raise GradientError(
                    f"{what} of output {k}, input {i}: two runs differ by "
                    f"{np.abs(a - b).max():.3g}, more than {nondet_tol=}"
                )
            compare(numerical, inputs, i, k, (a, numeric[k]), step, what)


def _check_linear(
    output: Tensor, inputs: list[Tensor], jacobians: list[np.ndarray], step: Step, where: str
) -> None:
    """Check that the gradient for a random cotangent combines the Jacobian's rows.

    The rows come from cotangents with a single 1, which hide a rule that squares or clips.
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


def _pull(output: Tensor, inputs: list[Tensor], cotangent: np.ndarray) -> list[np.ndarray]:
    """The flat gradients for a flat cotangent; zeros for inputs without influence."""
    g = cotangent.reshape(output.shape)
    found = grad(output, inputs, g, retain_graph=True, allow_unused=True)
    return [np.zeros(x.size) if r is None else r.array.reshape(-1) for x, r in zip(inputs, found)]


def _jacobian(output: Tensor, inputs: list[Tensor]) -> list[np.ndarray]:
    """For each input a matrix (output.size, input.size), computed by a backward pass per row."""
    matrices = [np.zeros((output.size, x.size)) for x in inputs]
    if not output.requires_grad:
        return matrices
    for row, cotangent in enumerate(np.eye(output.size, dtype=output.dtype)):
        for matrix, g in zip(matrices, _pull(output, inputs, cotangent)):
            matrix[row] = g
    return matrices
