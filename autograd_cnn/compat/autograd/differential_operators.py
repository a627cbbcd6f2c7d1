"""Derivatives of functions of arrays, by HIPS autograd's names and arguments.

Numbers and integers count as float64, and a result without axes is a NumPy number.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from autograd_cnn import func
from autograd_cnn.engine.node import Node, wrap
from autograd_cnn.func.checkpoint import checkpoint as _checkpoint
from autograd_cnn.tensor.tree import flatten

__all__ = [
    "checkpoint", "deriv", "elementwise_grad", "grad", "grad_and_aux", "hessian",
    "hessian_tensor_product", "hessian_vector_product", "holomorphic_grad", "jacobian", "make_hvp",
    "make_jvp", "make_vjp", "tensor_jacobian_product", "value_and_grad", "vector_jacobian_product",
]  # fmt: skip

Function = Callable[..., Any]


def _each(function: Function, tree: Any) -> Any:
    leaves, rebuild = flatten(tree)
    return rebuild([function(x) for x in leaves])


def _floating(x: Any) -> Any:
    x = np.asarray(x) if isinstance(x, (bool, int, float, np.generic)) else x
    return x.astype(float) if isinstance(x, np.ndarray) and x.dtype.kind in "biu" else x


def _plain(x: Any) -> Any:
    return x[()] if isinstance(x, np.ndarray) else x


def _tensor(x: Any) -> Any:
    x = _floating(x)
    return wrap(x) if isinstance(x, np.ndarray) else x


def _nary(transform: Function, summary: str) -> Callable[..., Function]:
    """The operator with `argnum`, from one on functions of one argument, of tensors.

    Of several positions the one argument is their tuple, and so is its gradient.
    """

    def operator(fun: Function, argnum: int | Sequence[int] = 0) -> Function:
        single = isinstance(argnum, int)
        places: Any = [argnum] if single else argnum

        def derivative(*args: Any, **kwargs: Any) -> Any:
            def unary(x: Any) -> Any:
                given = list(args)
                for n, part in zip(places, [x] if single else x):
                    given[n] = part
                out = _each(_tensor, fun(*given, **kwargs))
                if not any(isinstance(y, Node) and y.tracked for y in flatten(out)[0]):
                    warnings.warn("Output seems independent of input.", stacklevel=2)
                return out

            x = tuple(args[n] for n in places)
            return _each(_plain, transform(unary, _each(_floating, x[0] if single else x)))

        return derivative

    operator.__doc__ = summary
    return operator


grad = _nary(
    lambda f, x: func.grad(f)(x),
    """The gradient of a function with one value, in the structure of the argument `argnum`.

    >>> from autograd_cnn.compat.autograd import grad
    >>> float(grad(lambda x, y: x * y)(2, 3.0)), grad(lambda p: p["w"].sum())({"w": np.ones(2)})
    (3.0, {'w': array([1., 1.])})
    """,
)
value_and_grad = _nary(
    lambda f, x: func.value_and_grad(f)(x),
    "``(value, gradient)``, as ``scipy.optimize.minimize(..., jac=True)`` takes it.",
)
grad_and_aux = _nary(
    lambda f, x: func.grad(f, has_aux=True)(x),
    "``(gradient, aux)`` of a function that returns ``(value, aux)``.",
)
make_jvp = _nary(
    lambda f, x: lambda v: _each(_plain, func.jvp(f, (x,), (_each(_floating, v),))),
    "The function from a direction v to ``(value, Jacobian times v)``.",
)
deriv = _nary(
    lambda f, x: func.jvp(f, (x,), (_each(np.ones_like, x),))[1],
    "The Jacobian times ones: the derivative by a number.",
)
jacobian = _nary(
    lambda f, x: func.jacrev(f)(x),
    "The Jacobian, of the shape of the output and then that of the argument.",
)
hessian = _nary(lambda f, x: func.hessian(f)(x), "The Jacobian of the Jacobian.")
make_hvp = _nary(
    lambda f, x: make_vjp(func.grad(f))(x),
    "``(hvp, gradient)``; ``hvp(v)`` is the Hessian times v.",
)


def _pulled(f: Function, x: Any) -> Any:
    value, pull = func.vjp(f, x)
    return lambda g: _each(_plain, pull(_each(_floating, g))[0]), value


def _summed(f: Function, x: Any) -> Any:
    value, pull = func.vjp(f, x)
    return pull(_each(np.ones_like, value))[0]


make_vjp = _nary(_pulled, "``(vjp, value)``; ``vjp(g)`` is g times the Jacobian.")
elementwise_grad = _nary(
    _summed, "The sum of the rows of the Jacobian: the derivative of a function of single values."
)


def hessian_vector_product(fun: Function, argnum: int = 0) -> Function:
    """The Hessian of `fun` times the last argument of the function that this returns."""
    return lambda *args, **kwargs: make_hvp(fun, argnum)(*args[:-1], **kwargs)[0](args[-1])


def vector_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """The last argument of the function that this returns, times the Jacobian of `fun`."""

    def product(*args: Any, **kwargs: Any) -> Any:
        v = args[-1]
        dot = lambda *xs: np.tensordot(v, fun(*xs, **kwargs), axes=np.ndim(v))  # noqa: E731
        return jacobian(dot, argnum)(*args[:-1])

    return product


hessian_tensor_product, tensor_jacobian_product = hessian_vector_product, vector_jacobian_product


def checkpoint(fun: Function) -> Function:
    """`fun`, which keeps only its arguments for backward and runs again then."""
    return functools.wraps(fun)(functools.partial(_checkpoint, fun))


def holomorphic_grad(fun: Function, argnum: int = 0) -> NoReturn:
    """Raise TypeError: gradients pass real numbers only."""
    raise TypeError("holomorphic_grad: gradients pass real numbers only; use two real functions")
