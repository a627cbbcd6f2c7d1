"""A custom gradient for a whole function of tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from autograd_cnn.checks import shown
from autograd_cnn.engine import modes
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import values, wrap
from autograd_cnn.engine.op import op

F = TypeVar("F", bound=Callable[..., Any])


@checked
def custom_gradient(rule: Function) -> Callable[[F], F]:
    """Decorate a function of tensors, made of any ops, so that `rule` gives its gradient.

    The function returns one tensor.  Its positional parameters are its inputs, of a fixed number,
    and its keyword-only parameters are plain values.  ``rule(g, out, *inputs, **params)`` returns a
    gradient per input (None for zero), or just the gradient for one input.  The rule consists of
    ops, so that higher derivatives follow from it.  The function is not recorded: tensors that it
    closes over get no gradient, and its inputs are read-only.  See `op` for an op on arrays with a
    formula per input.

    >>> @ag.custom_gradient(lambda g, out, x: -g)
    ... def reverse_gradient(x):
    ...     return x * 1.0
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> reverse_gradient(x).sum().backward()
    >>> x.grad
    tensor([-1., -1.])
    """

    def decorate(function: F) -> F:
        name = function.__name__

        @functools.wraps(function)
        def forward(*arrays: Any, **params: Any) -> Any:
            inputs = [wrap(x) if isinstance(x, np.ndarray) else x for x in arrays]
            with modes.set_grad_enabled(False):
                out = values(function(*inputs, **params))
            if not isinstance(out, (np.ndarray, np.generic)):
                raise TypeError(f"{name}: the function must return one tensor, got {shown(out)}")
            return out

        def joint(g: Any, out: Any, *inputs: Any, wanted: tuple[bool, ...], **params: Any) -> Any:
            found = rule(g, out, *inputs, **params)
            found = found if isinstance(found, (tuple, list)) else (found,)
            if len(found) != len(inputs):
                raise ValueError(
                    f"{name}: its rule returned {len(found)} gradients for {len(inputs)} inputs"
                )
            return [np.asarray(part) if isinstance(part, (int, float)) else part for part in found]

        return op(register=False, joint=joint)(forward)  # type: ignore[return-value]

    return decorate
