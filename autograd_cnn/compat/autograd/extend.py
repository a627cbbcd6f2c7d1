"""Functions with gradients of their own: `primitive`, and `defvjp` that declares them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.checks import absent
from autograd_cnn.engine.node import Node, values
from autograd_cnn.engine.op import op
from autograd_cnn.tensor.tree import Rebuild, flatten

Maker = Callable[..., Any]
_INPUT = object()  # stands for a tensor among the leaves of an argument


class _Call(NamedTuple):
    """The arguments of a call without their tensors, as leaves and what puts them together."""

    parts: list[tuple[list[Any], Rebuild]]
    kwargs: dict[str, Any]

    def args(self, xs: Iterable[Any]) -> list[Any]:
        rest = iter(xs)
        return [
            rebuild([next(rest) if x is _INPUT else x for x in leaves])
            for leaves, rebuild in self.parts
        ]


# ruff: noqa: D102 - calls are those of the function
class primitive:  # noqa: N801 - HIPS autograd's name
    """A function on plain arrays, with gradients by `defvjp`; any argument may hold tensors.

    >>> from autograd_cnn.compat.autograd import grad, primitive
    >>> from autograd_cnn.compat.autograd.extend import defvjp
    >>> cube = primitive(lambda x: x * x * x)
    >>> defvjp(cube, lambda ans, x: lambda g: g * 3.0 * x * x)
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0))
    (12.0, 12.0)
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun, self.vjp = fun, None  # type: Callable[..., Any], Any
        functools.update_wrapper(self, fun)

        def forward(*xs: Any, call: Any) -> Any:
            return fun(*call.args(xs), **call.kwargs)

        forward.__name__, forward.__module__ = getattr(fun, "__name__", "primitive"), "a user's"
        self._op = op(register=False, joint=self._gradients)(forward)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        parts = [flatten(x) for x in args]
        tensors = [x for leaves, _ in parts for x in leaves if isinstance(x, Node)]
        if not tensors:
            return self.fun(*args, **kwargs)
        for leaves, _ in parts:
            kept = (x.copy() if isinstance(x, np.ndarray) else x for x in leaves)
            leaves[:] = [_INPUT if isinstance(x, Node) else x for x in kept]
        return self._op(*tensors, call=_Call(parts, kwargs))

    def _gradients(self, g: Any, out: Any, *xs: Any, call: Any, wanted: Sequence[bool]) -> Any:
        held = [n for n, (leaves, _) in enumerate(call.parts) for x in leaves if x is _INPUT]
        places = sorted({n for n, want in zip(held, wanted) if want})
        if self.vjp is None:
            raise _undefined(self, places)
        found = self.vjp(places, out, call.args(xs), call.kwargs)(g)
        rows: dict[int, list[Any]] = {}
        for n, gradient in zip(places, found):
            pairs = zip(flatten(gradient)[0], call.parts[n][0])
            rows[n] = [part for part, x in pairs if x is _INPUT]
        parts = [rows[n].pop(0) if n in rows else None for n in held]
        return [x if x is None or isinstance(x, Node) else np.asarray(x) for x in parts]


def _undefined(fun: Any, places: Sequence[int]) -> NotImplementedError:
    return NotImplementedError(f"VJP of {fun.__name__} wrt argnums {places} not defined: defvjp")


def defvjp_argnums(fun: Any, vjpmaker: Maker) -> None:
    """Declare the gradients: ``vjpmaker(argnums, ans, args, kwargs)(g)`` gives one per argument."""
    if not isinstance(fun, primitive):
        raise TypeError(
            f"defvjp: {getattr(fun, '__name__', fun)} must be a function of your own under "
            "@primitive; the functions of numpy here have their gradients"
        )
    fun.vjp = vjpmaker


def defvjp_argnum(fun: Any, vjpmaker: Maker) -> None:
    """Declare the gradients: ``vjpmaker(argnum, ans, args, kwargs)(g)`` gives that of one."""

    def maker(argnums: Sequence[int], *call: Any) -> Any:
        pulls = [vjpmaker(n, *call) for n in argnums]
        return lambda g: [pull(g) for pull in pulls]

    defvjp_argnums(fun, maker)


def defvjp(fun: Any, *vjpmakers: Maker | None, argnums: Iterable[int] | None = None) -> None:
    """Declare the gradient by each argument, ``vjpmaker(ans, *args, **kwargs)(g)``; None is 0."""
    makers = dict(zip(count() if argnums is None else argnums, vjpmakers))

    def maker(n: int, ans: Any, args: Any, kwargs: Any) -> Any:
        if n not in makers:
            raise _undefined(fun, [n])
        found = makers[n]
        if found:
            return found(ans, *args, **kwargs)
        leaves, rebuild = flatten(args[n])
        return lambda g: rebuild([np.zeros(np.shape(values(x))) for x in leaves])

    defvjp_argnum(fun, maker)


def defjvp(fun: Any, *jvpmakers: Any, argnums: Any = None) -> None:
    """Do nothing: directional derivatives follow from `defvjp`."""


defjvp_argnum = defjvp_argnums = def_linear = defjvp


def __getattr__(name: str) -> Any:
    raise absent("hips", __name__, name)
