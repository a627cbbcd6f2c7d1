"""Clipping of gradients before ``optimizer.step()``, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import numpy as np

from autograd_cnn.checks import absent, listed, misfit, mistake
from autograd_cnn.engine.modes import no_grad
from autograd_cnn.engine.node import values, wrap
from autograd_cnn.ops.join import concatenate
from autograd_cnn.tensor import Tensor

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters",
]  # fmt: skip
__dir__ = __all__.copy


def __getattr__(name: str) -> object:
    raise absent("utils", __name__, name)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients by one factor so that their norm is at most `max_norm`; return the norm.

    The norm, a Python float, is the p-norm of all gradients as one vector, with p = `norm_type`;
    ``math.inf`` takes the largest ``|g|``.  The factor is ``max_norm / (norm + 1e-6)``, at most 1.
    Parameters without gradient, and those that do not require one, do not count.  Pascanu et al.
    (2013), in PyTorch's form, where frozen ones count.

    An infinite norm makes gradients 0 or NaN, and a NaN makes them NaN.  With `error_if_nonfinite`
    both raise RuntimeError and change no gradient.

    >>> x = ag.tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = [3.0, 4.0]
    >>> nn.utils.clip_grad_norm_([x], max_norm=1.0)
    5.0
    >>> [round(value, 4) for value in x.grad.tolist()]
    [0.6, 0.8]
    """
    name = "clip_grad_norm_"
    trained = _with_gradients(name, parameters)
    bound = _at_least_0(name, "max_norm", max_norm)
    order = _at_least_0(name, "norm_type", norm_type)
    if not order:
        raise ValueError(f"{name}: norm_type must be above 0, got 0")
    norms = [_norm(p.grad.array, order) for p in trained]
    norm = float(np.linalg.norm(norms, order)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"{name}: the norm of the gradients is {norm}; ag.detect_anomaly() tells which "
            f"operation made the first value that is not finite"
        )
    factor = bound / (norm + 1e-6)
    if not factor >= 1:
        with np.errstate(invalid="ignore"):  # 0 * inf is NaN, as the docstring says
            for p in trained:
                p.grad = wrap(np.asarray(p.grad.array * factor))
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every value of every gradient to lie between ``-clip_value`` and `clip_value`.

    NaN stays NaN.  Parameters that do not require gradients are left out.

    >>> x = ag.tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = [3.0, -0.5]
    >>> nn.utils.clip_grad_value_([x], clip_value=1.0)
    >>> x.grad
    tensor([ 1. , -0.5])
    """
    trained = _with_gradients("clip_grad_value_", parameters)
    bound = _at_least_0("clip_grad_value_", "clip_value", clip_value)
    for p in trained:
        p.grad = wrap(np.asarray(np.clip(p.grad.array, -bound, bound)))


def parameters_to_vector(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """All values of the parameters as one vector, through which gradients pass.

    >>> layer = nn.Linear(2, 1)
    >>> vector = nn.utils.parameters_to_vector(layer.parameters())
    >>> vector.sum().backward()
    >>> vector.shape, layer.weight.grad.tolist()
    ((3,), [[1.0, 1.0]])
    """
    return concatenate([p.ravel() for p in _tensors("parameters_to_vector", parameters)])


def vector_to_parameters(vec: Any, parameters: Tensor | Iterable[Tensor]) -> None:
    """Write the values of a vector into the parameters, in the order of `parameters_to_vector`.

    No gradient passes, as in PyTorch; for gradients in the vector see `func.functional_call`.

    >>> layer = nn.Linear(2, 1)
    >>> nn.utils.vector_to_parameters(np.arange(3.0), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[0.0, 1.0]], [2.0])
    """
    name = "vector_to_parameters"
    found, array = _tensors(name, parameters), np.array(values(vec))
    *ends, total = accumulate(p.size for p in found)
    if array.shape != (total,):
        raise misfit(name, f"vec must have the shape ({total},) of all parameters", array)
    with no_grad():
        for p, part in zip(found, np.split(array, ends)):
            p.copy_(part.reshape(p.shape))


def _with_gradients(name: str, parameters: Any) -> list[Any]:
    return [p for p in _tensors(name, parameters) if p.requires_grad and p.grad is not None]


def _tensors(name: str, parameters: Any) -> list[Any]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    found = listed(name, "parameters", "an iterable of tensors", given)
    for p in found:
        if not isinstance(p, Tensor):
            raise mistake(name, "each of parameters", "a tensor", p)
    return found


def _at_least_0(name: str, argument: str, value: Any) -> float:
    """The bound as a float, which may be infinite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise mistake(name, argument, "a number", value) from None
    if not number >= 0:
        raise ValueError(f"{name}: {argument} must be at least 0, got {value!r}")
    return number


def _norm(g: np.ndarray, order: float) -> float:
    """The norm of all values in float32, or in float64 where squares overflow."""
    if not g.size:
        return 0.0
    flat = g.ravel("K").astype(np.result_type(g, np.float32), copy=False)
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(flat, order)
    return float(norm if np.isfinite(norm) else np.linalg.norm(flat.astype(np.float64), order))
