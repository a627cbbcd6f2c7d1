"""Functions of one flat vector, as optimizers of other packages such as SciPy want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.gradients import grad
from autograd_cnn.engine.modes import enable_grad
from autograd_cnn.func.tracing import result, result_type, take_apart
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.utils import vector_to_parameters
from autograd_cnn.tensor import Tensor

Objective = tuple[Callable[..., tuple[float, np.ndarray]], np.ndarray, Callable[[Any], Any]]


@checked
def objective(loss: Function, start: Any) -> Objective:
    """`loss` as a function of a vector, for ``scipy.optimize.minimize(fun, x0, jac=True)``.

    Gives ``(fun, x0, unflatten)``: from a float64 vector to ``(value, gradient)``, where to start,
    and from a vector to the structure of `start`, or to the module, with these values.

    `start` is a module, or floating arrays, tensors and numbers in tuples, lists and dicts.  `loss`
    gets the module, or the same structure of tensors, then what ``fun`` gets besides the vector,
    and returns a tensor of one value.  The vector holds the structure, or the parameters that
    require gradients.  They keep their dtype, so float32 rounds it.  A module in training mode
    updates its buffers in every evaluation.

    >>> def loss(p):
    ...     return ((p["x"] - 3.0) ** 2).sum() + (p["y"] * p["x"][0]) ** 2
    >>> fun, x0, unflatten = ag.func.objective(loss, {"x": np.zeros(2), "y": 1.0})
    >>> fun(x0)
    (18.0, array([-6., -6.,  0.]))
    >>> unflatten([3.0, 3.0, 0.0])
    {'x': array([3., 3.]), 'y': 0.0}
    """
    parts: list[Tensor]
    if isinstance(start, Module):
        given, parts = start, [p for p in start.parameters() if p.requires_grad]
    else:
        argument = take_apart("objective", start, recording=False)
        parts, given = argument.variables, argument.rebuild(argument.variables)
    if not parts:
        raise mistake("objective", "start", "a module or structure with floating values", start)

    def fun(x: Any, *args: Any) -> tuple[float, np.ndarray]:
        vector_to_parameters(x, parts)
        with enable_grad():
            value = loss(given, *args)
        if not isinstance(value, Tensor) or value.size != 1:
            raise mistake("objective", "what the loss returns", "a tensor of one value", value)
        found = grad(value, parts, grad_outputs=np.ones_like(value.array), allow_unused=True)
        flat = [np.zeros(p.size) if g is None else g.array.ravel() for p, g in zip(parts, found)]
        return float(value.item()), np.concatenate(flat, dtype=np.float64)

    def unflatten(x: Any) -> Any:
        vector_to_parameters(x, parts)
        if isinstance(start, Module):
            return start
        leaves = zip(argument.leaves, parts)
        return argument.rebuild([result(p, result_type([x]), False) for x, p in leaves])

    x0 = np.concatenate([p.array.ravel() for p in parts], dtype=np.float64)
    return fun, x0, unflatten
