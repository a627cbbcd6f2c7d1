"""Gradients, and products of the Jacobian with vectors from either side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import as_numbers, checked
from autograd_cnn.engine.node import describe, wrap
from autograd_cnn.func.tracing import Traced, gradients, positions_of, result, trace
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import matching


@checked
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that gives the gradient of `f`, a function with a single value.

    `argnums` is the position of the argument to differentiate by, or a tuple of positions, which
    gives a tuple of gradients.  An argument is an array, a tensor, a number, or tuples, lists and
    dicts of them.  Its gradient has the same structure, shapes and dtypes: arrays for arrays,
    tensors for tensors, a float for a number.  Arguments without influence get zeros.  With
    `has_aux`, `f` returns ``(value, aux)`` and the new function ``(gradient, aux)``.

    Transforms nest: inside another transform a result that depends on its variables is a tensor.
    The new function does not use `.grad`, and works under `no_grad` too.

    >>> ag.func.grad(lambda x: x**3)(2.0)
    12.0
    >>> ag.func.grad(ag.func.grad(lambda x: x**3))(2.0)
    12.0
    >>> ag.func.grad(lambda p, x: ag.sum(p["w"] * x))({"w": ag.tensor([1.0, 2.0])}, 3.0)
    {'w': tensor([3., 3.])}
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        traced, found = _evaluate("grad", f, argnums, has_aux, args, kwargs)
        return (found, traced.aux) if has_aux else found

    return gradient


@checked
def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """The function that gives ``(value, gradient)`` of `f` from one evaluation; see `grad`.

    With `has_aux` it gives ``((value, aux), gradient)``.

    >>> ag.func.value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        traced, found = _evaluate("value_and_grad", f, argnums, has_aux, args, kwargs)
        value = result(traced.outputs[0], traced.result_type, traced.connected)
        return ((value, traced.aux) if has_aux else value), found

    return value_and_gradient


def _evaluate(
    where: str,
    f: Function,
    argnums: Any,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Traced, Any]:
    """The traced evaluation of `f`, and its gradients in the structure of the arguments."""
    positions = positions_of(where, argnums, len(args))
    traced = trace(where, f, args, positions, kwargs, has_aux)
    found = traced.pull(_one(where, traced), traced.connected, retain=traced.connected)
    return traced, traced.arranged(found, isinstance(argnums, (tuple, list)), traced.connected)


def _one(where: str, traced: Traced) -> list[np.ndarray]:
    """The cotangent 1 of a function with a single value."""
    if len(traced.outputs) != 1 or traced.outputs[0].size != 1:
        shapes = [o.shape for o in traced.outputs]
        raise ValueError(
            f"{where}: the function must return a single value, got shapes {shapes}; reduce it "
            "with .sum() or .mean(), or use func.jacobian or func.vjp"
        )
    return [np.ones_like(traced.outputs[0].array)]


@checked
def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """``f(*primals)``, and the function from a cotangent to the cotangent times the Jacobian.

    A cotangent has the structure and shapes of the output.  The function returns a tuple with a
    gradient per primal, and can be called many times; see `grad`.

    >>> out, pull = ag.func.vjp(ag.exp, np.array([0.0, 1.0]))
    >>> pull(np.array([1.0, 0.0]))
    (array([1., 0.]),)
    """
    traced = trace("vjp", f, primals, range(len(primals)), {})
    out = traced.output()

    def pull(cotangent: Any) -> Any:
        seeds = _directions("vjp", cotangent, out, traced.outputs)
        connected = _connected(traced, seeds)
        return traced.arranged(traced.pull(seeds, connected), True, connected)

    return out, pull


@checked
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and the Jacobian times `tangents`: the exact derivative in a direction.

    `tangents` has the structure and shapes of `primals`; the second result has those of the output.
    The derivative is computed as the gradient, by the cotangent, of the gradient times the tangents
    (Townsend, "A new trick for calculating Jacobian vector products", 2017).

    >>> ag.func.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (6.0, 23.0)
    """
    traced = trace("jvp", f, primals, range(len(primals)), {})
    seeds = _directions("jvp", tuple(tangents), tuple(primals), traced.variables)
    connected = _connected(traced, seeds)
    moved = pushforward(traced, connected, retain=connected)(seeds)
    found = [result(t, traced.result_type, connected) for t in moved]
    return traced.output(), traced.rebuild(found)


def pushforward(traced: Traced, create_graph: bool, retain: bool = True) -> Function:
    """The function from tangents (one per variable) to tangents of the outputs."""
    # The pullback is linear, so any cotangent works; 1 avoids 0 * inf.
    cotangents = [
        Tensor(np.ones_like(o.array), requires_grad=o.requires_grad) for o in traced.outputs
    ]
    pulled = traced.pull(cotangents, create_graph=True)

    def push(tangents: Sequence[Any]) -> list[Any]:
        found = gradients(pulled, tangents, cotangents, create_graph, retain)
        return [np.zeros_like(c.array) if t is None else t for c, t in zip(cotangents, found)]

    return push


@checked
def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of `f`, a function with a single value, times `tangents`: a tuple like `primals`.

    It costs a few evaluations of `f` and never forms the Hessian.

    >>> ag.func.hvp(lambda x: x**3, (2.0,), (10.0,))
    (120.0,)
    """
    traced = trace("hvp", f, primals, range(len(primals)), {})
    first = traced.pull(_one("hvp", traced), create_graph=True)
    seeds = _directions("hvp", tuple(tangents), tuple(primals), traced.variables)
    connected = _connected(traced, seeds)
    second = gradients(first, seeds, traced.variables, connected, retain=connected)
    return tuple(traced.arranged(second, True, connected))


def _connected(traced: Traced, seeds: Sequence[Any]) -> bool:
    """Whether results keep the graph of the evaluation, or of a tangent or cotangent."""
    tracked = any(isinstance(s, Tensor) and s.requires_grad for s in seeds)
    return traced.connected or (tracked and modes.is_grad_enabled())


def _directions(where: str, given: Any, like: Any, targets: Sequence[Tensor]) -> list[Any]:
    """Tangents or cotangents as a flat list, checked against `like` and cast like `targets`."""
    seeds = matching(where, given, like)
    for n, (seed, x) in enumerate(zip(seeds, targets)):
        array = as_numbers(where, f"direction {n}", seed, x.dtype)
        if array.shape != x.shape:
            raise ValueError(f"{where}: direction {n} {describe(array)} must have shape {x.shape}")
        if not isinstance(seed, Tensor):
            seeds[n] = wrap(np.asarray(array, x.dtype))
        elif seed.dtype != x.dtype:
            seeds[n] = seed.astype(x.dtype)
    return seeds
