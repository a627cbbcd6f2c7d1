"""Ops in one statement: a function, the formulas of its gradients, a summary, and an example.

An example is a call and the values it returns, ``"sqrt([0.0, 9.0]) -> [0., 3.]"``.  It names the
op and becomes a doctest in its docstring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

from autograd_cnn.engine.annotations import parameter_names
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import Rule, composition, op
from autograd_cnn.ops.shape import sum_to
from autograd_cnn.ops.signatures import quiet_function

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import ArrayFunction

P = ParamSpec("P")


def unary(
    function: Callable[[Any], Any], rule: Rule | None, summary: str, example: str
) -> ArrayFunction[[Array]]:
    """The op of a NumPy function of one array; a rule of None stands for a gradient of 0."""

    def forward(x: Array) -> Array:
        return function(x)

    forward.ufunc = function  # type: ignore[attr-defined]
    return op(x=rule)(described(forward, summary, example))


def binary(
    function: Callable[..., Any],
    x_rule: Rule | None,
    y_rule: Rule | None,
    summary: str,
    example: str,
) -> ArrayFunction[[Array, Array]]:
    """The op of a NumPy function of two arrays, which broadcast.

    The results of the rules are summed to the shape of the input.
    """

    def forward(x: Array, y: Array) -> Array:
        return function(x, y)

    forward.ufunc = function  # type: ignore[attr-defined]

    def gradient_x(g: Array, out: Array, x: Array, y: Array) -> Array:
        found = x_rule(g, out, x, y)  # type: ignore[misc]
        return found if found.shape == x.shape else sum_to(found, shape=x.shape)

    def gradient_y(g: Array, out: Array, x: Array, y: Array) -> Array:
        found = y_rule(g, out, x, y)  # type: ignore[misc]
        return found if found.shape == y.shape else sum_to(found, shape=y.shape)

    declare = op(x=x_rule and gradient_x, y=y_rule and gradient_y)
    return declare(described(forward, summary, example))


def composed(function: Callable[P, Any], summary: str, example: str) -> ArrayFunction[P]:
    """The composition of a function made of ops in one expression."""
    _annotate(function)
    return composition(described(function, summary, example))


def functional(
    function: Callable[P, Any], summary: str, example: str, numbers: int = 0
) -> ArrayFunction[P]:
    """A function of ``F`` in one expression; its settings have the types of their defaults.

    The other arguments are arrays, but for the last `numbers` of them.
    """
    given = ["Array"] * (parameter_names(function)[2] - numbers) + ["float"] * numbers
    _annotate(function, given)
    return quiet_function(described(function, summary, example, "F"))


_SETTINGS = {"dim": "int", "axis": "int", "start": "int", "length": "int", "index": "Integers"}
_OPTIONS = {"dim": "Axis", "axis": "Axis", "eps": "float | None"}


def _annotate(function: Any, required: Sequence[str] = ()) -> None:
    """Annotate the inputs as `required`, and settings by their names or the types of defaults."""
    names, settings, count = parameter_names(function)
    options = dict(zip(names[count:], function.__defaults__ or ()))
    options |= function.__kwdefaults__ or {}
    kinds = dict(zip(names, required)) | {n: _SETTINGS[n] for n in settings if n in _SETTINGS}
    for name, x in options.items():
        kinds[name] = type(x).__name__ if x is not None else _OPTIONS.get(name, "Array | None")
    function.__annotations__ = kinds


def described(
    function: Callable[P, Any], summary: str, example: str, home: str = "ag"
) -> Callable[P, Any]:
    """The function with the name of its example, which calls it from `home`, and a docstring."""
    call, values = example.split(" -> ")
    function.__name__ = function.__qualname__ = call.partition("(")[0]
    function.__module__ = sys._getframe(2).f_globals["__name__"]  # where the statement stands
    function.__doc__ = f"{summary}\n\n>>> {home}.{call}\narray({values}, dtype=float32)\n"
    return function
