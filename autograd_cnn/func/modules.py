"""Modules as functions of their parameters, for the transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograd_cnn.checks import mistake
from autograd_cnn.config import Undo, held
from autograd_cnn.engine.arguments import as_input, checked
from autograd_cnn.engine.node import Node, values, wrap
from autograd_cnn.nn.module import Module
from autograd_cnn.tensor.tree import flatten


@checked
def functional_call(
    module: Module, parameters: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """``module(*args, **kwargs)`` with other values for some parameters and buffers.

    `parameters` maps paths, as in ``named_parameters`` and ``named_buffers``, to tensors or arrays
    of the same shapes.  `args` is a tuple, or a single argument.  A shared parameter is replaced
    everywhere.  Afterwards, also after an exception, the module has its own values again.  Buffers
    given as arrays receive the updates of a training step.  No other thread may use the module
    meanwhile.

    >>> layer = nn.Linear(2, 1)
    >>> def loss(parameters):
    ...     return ag.func.functional_call(layer, parameters, np.array([[1.0, 2.0]])).sum()
    >>> ag.func.grad(loss)({"weight": np.zeros((1, 2)), "bias": np.zeros(1)})
    {'weight': array([[1., 2.]]), 'bias': array([1.])}
    """
    if not isinstance(module, Module):
        raise mistake("functional_call", "module", "a module", module)
    if not isinstance(parameters, Mapping):
        wanted = "a mapping from paths to tensors or arrays"
        raise mistake("functional_call", "parameters", wanted, parameters)
    given = args if isinstance(args, tuple) else (args,)
    with _replaced(module, _substitutes(module, parameters)):
        return module(*given, **(kwargs or {}))


def _substitutes(module: Module, parameters: Mapping[str, Any]) -> dict[int, Any]:
    """The substitute of each parameter and buffer, by the id of the replaced object."""
    state: dict[str, Any] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    found: dict[int, Any] = {}
    for path, new in parameters.items():
        if path not in state:
            raise ValueError(
                f"functional_call: {type(module).__name__} has no parameter or buffer {path!r}; "
                f"there are {', '.join(state) or 'none'}"
            )
        old, new = state[path], as_input("functional_call", path, new)
        if new.shape != old.shape:
            raise ValueError(
                f"functional_call: {path} must have shape {old.shape}, got {new.shape}"
            )
        trained = isinstance(old, Node)
        if trained and not isinstance(new, Node):
            new = wrap(new.copy())  # a graph may keep it
        found[id(old)] = new if trained else values(new)
    return found


def _replaced(module: Module, new: dict[int, Any]) -> Undo:
    """Replace attributes of the modules by the `new` objects during the ``with`` block."""
    scopes = [vars(m) for m in module.modules()]
    after = [
        {name: y for name, x in scope.items() if (y := _with(x, new)) is not x} for scope in scopes
    ]
    before = [{name: scope[name] for name in part} for scope, part in zip(scopes, after)]
    return held(map(dict.update, scopes, after), map(dict.update, scopes, before))


def _with(value: Any, new: dict[int, Any]) -> Any:
    """`value`, or a copy with substitutes in its lists, tuples and dicts."""
    leaves, rebuild = flatten(value)
    if not any(id(x) in new for x in leaves):
        return value
    return rebuild([new.get(id(x), x) for x in leaves])
