"""Functions that give gradients, and products with the Jacobian from either side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.kinds import Function
from autograd_cnn.engine.node import describe, wrap
from autograd_cnn.func.tracing import (
    Gradient,
    Lifted,
    Traced,
    kind_of,
    plain,
    positions_of,
    show,
    trace,
    walk,
)
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import matching


@checked
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The function that gives the gradient of `f`, a function with a single value.

    `argnums` is the position of the argument to differentiate by, or a tuple of them (the result is
    then a tuple).  An argument is an array, a tensor, a number, or tuples, lists and dicts of them;
    a gradient has its structure, shapes, dtypes and kinds: arrays for arrays, tensors for tensors,
    a float for a number.  Inside another transform a result that depends on its variables is a
    tensor, so transforms nest.  With `has_aux`, `f` returns ``(value, aux)`` and the new function
    ``(gradient, aux)``.  An argument that does not matter has gradient zero.

    `.grad` of tensors is left alone, and the answer is the same under `no_grad`.  The new function
    raises TypeError for arguments that are not floating and when `f` cuts the graph, ValueError
    when its result is not a single value.

    >>> import autograd_cnn as ag
    >>> ag.func.grad(lambda x: x**3)(2.0)
    12.0
    >>> ag.func.grad(ag.func.grad(lambda x: x**3))(2.0)
    12.0
    >>> ag.func.grad(lambda p, x: ag.sum(p["w"] * x))({"w": ag.tensor([1.0, 2.0])}, 3.0)
    {'w': tensor([3., 3.])}
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        traced, gradients = _evaluate("grad", f, argnums, has_aux, args, kwargs)
        return (gradients, traced.aux) if has_aux else gradients

    return gradient


@checked
def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Function:
    """The function that gives ``(value, gradient)`` of `f` from one evaluation; see `grad`.

    With `has_aux`, ``((value, aux), gradient)``.  The value is a tensor if any argument by which is
    differentiated holds one.

    >>> import autograd_cnn as ag
    >>> ag.func.value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        traced, gradients = _evaluate("value_and_grad", f, argnums, has_aux, args, kwargs)
        value = traced.shown(traced.outputs[0])
        return ((value, traced.aux) if has_aux else value), gradients

    return value_and_gradient


def _evaluate(
    where: str,
    f: Function,
    argnums: Any,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Traced, Any]:
    """The evaluation of `f` and its gradients in the caller's structure."""
    positions = positions_of(where, argnums, len(args))
    traced = trace(where, f, args, positions, kwargs, has_aux)
    _single_value(where, traced)
    seed = np.ones_like(traced.outputs[0].array)
    found = traced.pull([seed], traced.connected, retain=traced.connected)
    return traced, arranged(traced, found, isinstance(argnums, (tuple, list)))


def _single_value(where: str, traced: Traced) -> None:
    if len(traced.outputs) != 1 or traced.outputs[0].size != 1:
        shapes = [o.shape for o in traced.outputs]
        raise ValueError(
            f"{where}: the function must return a single value, got shapes {shapes}; reduce it "
            "with .sum() or .mean(), or use func.jacobian or func.vjp"
        )


def arranged(traced: Traced, found: Sequence[Gradient], several: bool) -> Any:
    """What a walk found, one per variable, in the structure and of the kind of the arguments."""
    rest = iter(found)
    parts = [arranged_argument(a, [next(rest) for _ in a.variables], traced) for a in traced.lifted]
    return tuple(parts) if several else parts[0]


def arranged_argument(argument: Lifted, found: Sequence[Gradient], traced: Traced) -> Any:
    """As `arranged`, for one argument."""
    leaves = []
    for original, v, g in zip(argument.originals, argument.variables, found):
        g = np.zeros_like(v.array) if g is None else g
        leaves.append(show(g, kind_of([original]), traced.connected))
    return argument.rebuild(leaves)


@checked
def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """``f(*primals)`` and the function that multiplies a cotangent with the Jacobian from the left.

    The function takes a cotangent in the structure and shapes of the output, any number of times,
    and returns a tuple of gradients, one per primal.  Kinds, structures and errors as in `grad`.

    >>> import numpy as np
    >>> import autograd_cnn as ag
    >>> out, pull = ag.func.vjp(ag.exp, np.array([0.0, 1.0]))
    >>> pull(np.array([1.0, 0.0]))
    (array([1., 0.]),)
    """
    traced = trace("vjp", f, primals, range(len(primals)), {})
    out = traced.rebuild([traced.shown(o) for o in traced.outputs])

    def pull(cotangent: Any) -> tuple[Any, ...]:
        seeds = directions("vjp", cotangent, out, traced.outputs)
        linked = modes.is_grad_enabled() and any(_tracked(s) for s in seeds)
        found = traced.pull(seeds, traced.connected or linked)
        if linked and not traced.connected:
            return tuple(arranged(_linked(traced), found, True))
        return tuple(arranged(traced, found, True))

    return out, pull


def _tracked(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _linked(traced: Traced) -> Traced:
    """The same evaluation, with results that keep their graph because of a cotangent's."""
    return Traced(traced.lifted, traced.outputs, traced.rebuild, True, traced.kind, traced.aux)


@checked
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and the Jacobian times `tangents`: the exact derivative in a direction.

    `tangents` has the structure and shapes of `primals`; the second result those of the output.
    The gradient is linear in the cotangent, so its own gradient by the cotangent, in the direction
    of the tangents, is the answer (Townsend, "A new trick for calculating Jacobian vector
    products", 2017).  Kinds and errors as in `grad`.

    >>> import autograd_cnn as ag
    >>> ag.func.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    (6.0, 23.0)
    """
    traced = trace("jvp", f, primals, range(len(primals)), {})
    seeds = directions("jvp", tuple(tangents), tuple(primals), None)
    _fit("jvp", seeds, traced.variables)
    linked = traced.connected or (modes.is_grad_enabled() and any(map(_tracked, seeds)))
    push = pushforward(traced, linked, retain=linked)
    found = [show(t, traced.kind, linked) for t in push(seeds)]
    out = traced.rebuild([traced.shown(o) for o in traced.outputs])
    return out, traced.rebuild(found)


def pushforward(traced: Traced, create_graph: bool, retain: bool = True) -> Function:
    """The function from tangents (one per variable) to tangents of the outputs."""
    # Any cotangent will do, the pullback being linear; at 1 no 0 * inf comes up.
    cotangents = [
        Tensor(np.ones_like(o.array), requires_grad=o.requires_grad) for o in traced.outputs
    ]
    pulled = traced.pull(cotangents, create_graph=True)

    def push(tangents: Sequence[Any]) -> list[Any]:
        found = walk(pulled, tangents, cotangents, create_graph, retain)
        return [np.zeros_like(c.array) if t is None else t for c, t in zip(cotangents, found)]

    return push


@checked
def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of `f`, a function with a single value, times `tangents`: a tuple like `primals`.

    Costs a few evaluations of `f`, whatever the number of values, and never forms the Hessian.
    Kinds and errors as in `grad`.

    >>> import autograd_cnn as ag
    >>> ag.func.hvp(lambda x: x**3, (2.0,), (10.0,))
    (120.0,)
    """
    traced = trace("hvp", f, primals, range(len(primals)), {})
    _single_value("hvp", traced)
    seeds = directions("hvp", tuple(tangents), tuple(primals), None)
    _fit("hvp", seeds, traced.variables)
    first = traced.pull([np.ones_like(traced.outputs[0].array)], create_graph=True)
    linked = modes.is_grad_enabled() and any(map(_tracked, seeds))
    linked = traced.connected or linked
    second = walk(first, seeds, traced.variables, linked, retain=linked)
    result = _linked(traced) if linked else traced
    return tuple(arranged(result, second, True))


def directions(where: str, given: Any, like: Any, fit: Sequence[Tensor] | None) -> list[Any]:
    """Cotangents or tangents as a flat list, checked against the structure of `like`."""
    seeds = matching(where, given, like)
    if fit is not None:
        _fit(where, seeds, fit)
    return seeds


def _fit(where: str, seeds: list[Any], fit: Sequence[Tensor]) -> None:
    """Check shapes and bring every direction to the dtype of what it is a direction of."""
    for n, (seed, x) in enumerate(zip(seeds, fit)):
        if np.shape(plain(seed)) != x.shape:
            raise ValueError(
                f"{where}: direction {n} {describe(plain(seed))} must have shape {x.shape}"
            )
        if not isinstance(seed, Tensor):
            seeds[n] = wrap(np.asarray(seed, x.dtype))
        elif seed.dtype != x.dtype:
            seeds[n] = seed.astype(x.dtype)
