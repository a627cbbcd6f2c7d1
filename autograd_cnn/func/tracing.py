"""One evaluation of a function at fresh variables, the first step of every transform.

The function gets fresh tensors instead of its arguments.  So if it also closes over an argument,
only the argument is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_cnn.config import changed
from autograd_cnn.engine import modes
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.node import describe, values, wrap
from autograd_cnn.engine.op import op
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import Rebuild, flatten

_variables: ContextVar[frozenset[int]] = ContextVar("autograd_cnn.variables", default=frozenset())
"""The serials of the variables of all transforms that are running here."""


@op(register=False, x=lambda g, out, x: g)
def variable(x: Any) -> Any:
    """`x` as a new tensor to differentiate by, which the function may change in place."""
    return x.copy()


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument in parts: its leaves, a variable for each, and the function that rebuilds it."""

    leaves: list[Any]
    variables: list[Tensor]
    rebuild: Rebuild


@dataclass(frozen=True, slots=True)
class Traced:
    """The arguments and outputs of one evaluation."""

    arguments: list[Argument]
    outputs: list[Tensor]
    rebuild: Rebuild
    connected: bool
    """Whether results keep their graph, because they depend on tensors outside."""
    result_type: type
    """The type of results without a graph: Tensor, np.ndarray, or float for single values."""
    aux: Any

    @property
    def variables(self) -> list[Tensor]:
        """The variables of all arguments."""
        return [v for argument in self.arguments for v in argument.variables]

    def pull(self, cotangents: Sequence[Any], create_graph: bool, retain: bool = True) -> list[Any]:
        """The gradient of ``sum(<cotangent, output>)`` by each variable."""
        return gradients(self.outputs, cotangents, self.variables, create_graph, retain)

    def output(self) -> Any:
        """The output of the function as a result for the user."""
        return self.rebuild([result(o, self.result_type, self.connected) for o in self.outputs])

    def arranged(self, found: Sequence[Any], several: bool, connected: bool) -> Any:
        """One array or tensor per variable in the structure of the arguments.

        The result is a tuple with an entry per argument if `several`, or else the only entry.
        """
        rest, parts = iter(found), []
        for argument in self.arguments:
            leaves = []
            for leaf, v in zip(argument.leaves, argument.variables):
                g = next(rest)
                g = np.zeros_like(v.array) if g is None else g
                leaves.append(result(g, result_type([leaf]), connected))
            parts.append(argument.rebuild(leaves))
        return tuple(parts) if several else parts[0]


def gradients(
    outputs: Sequence[Any],
    cotangents: Sequence[Any],
    variables: Sequence[Tensor],
    create_graph: bool,
    retain: bool,
) -> list[Any]:
    """The gradients of ``sum(<cotangent, output>)``; None for a variable without influence."""
    pairs = [
        (o, c) for o, c in zip(outputs, cotangents) if isinstance(o, Tensor) and o.requires_grad
    ]
    seeds = [c if isinstance(c, Tensor) else wrap(np.asarray(c)) for _, c in pairs]
    found = backpropagate(
        [o for o, _ in pairs],
        seeds if create_graph else [s.array for s in seeds],
        create_graph=create_graph,
        retain_graph=retain,
        targets=variables,
    )
    return [found[v.serial][1] if v.serial in found else None for v in variables]


def result(leaf: Any, kind: type, connected: bool) -> Any:
    """A tensor or array as a result: with its graph if `connected`, or as a copy of type `kind`."""
    if not isinstance(leaf, (Tensor, np.ndarray, np.generic)):
        return leaf
    if connected:
        return leaf if isinstance(leaf, Tensor) else wrap(np.array(leaf))
    array = np.array(values(leaf), order="K")
    if kind is Tensor:
        return wrap(array)
    return array.item() if kind is float and array.ndim == 0 else array


def result_type(leaves: Sequence[Any]) -> type:
    """Tensor if any leaf is one, float if all are Python numbers, np.ndarray otherwise."""
    if any(isinstance(leaf, Tensor) for leaf in leaves):
        return Tensor
    return float if all(type(leaf) in (float, int) for leaf in leaves) else np.ndarray


def positions_of(where: str, argnums: Any, count: int) -> list[int]:
    """`argnums` as a list of positions among `count` arguments."""
    given = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not given or not all(isinstance(n, (int, np.integer)) for n in given):
        raise TypeError(f"{where}: argnums must be a position or a tuple of them, got {argnums!r}")
    if not all(-count <= n < count for n in given):
        raise ValueError(f"{where}: argnums {argnums} but {count} positional arguments")
    positions = [int(n) % count for n in given]
    if len(set(positions)) < len(positions):
        raise ValueError(f"{where}: argnums {argnums} names an argument twice")
    return positions


def take_apart(where: str, argument: Any, recording: bool) -> Argument:
    """An argument with its variables; when `recording`, they depend on the tensors outside."""
    leaves, rebuild = flatten(argument)
    variables = []
    for leaf in leaves:
        if type(leaf) in (int, float):
            variables.append(Tensor(float(leaf), requires_grad=True))
            continue
        if not isinstance(leaf, (Tensor, np.ndarray, np.generic)) or leaf.dtype.kind != "f":
            raise TypeError(
                f"{where}: can only differentiate by floating arrays, tensors and numbers, got a "
                f"value {describe(leaf)}; convert it, or choose other arguments with argnums"
            )
        if recording and isinstance(leaf, Tensor) and leaf.requires_grad:
            variables.append(variable(leaf))
        else:
            variables.append(Tensor(leaf, requires_grad=True))
    return Argument(leaves, variables, rebuild)


def trace(
    where: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    positions: Sequence[int],
    kwargs: dict[str, Any],
    has_aux: bool = False,
) -> Traced:
    """Evaluate ``f(*args)`` with variables in the given positions."""
    recording, around = modes.is_grad_enabled(), _variables.get()
    given = list(args)
    with modes.set_grad_enabled(True):
        arguments = [take_apart(where, args[n], recording) for n in positions]
        for n, argument in zip(positions, arguments):
            # The function gets copies, so that it cannot change a variable in place.
            given[n] = argument.rebuild([variable(v) for v in argument.variables])
        own = frozenset(v.serial for argument in arguments for v in argument.variables)
        with changed(_variables, around | own):
            returned = f(*given, **kwargs)
    aux = None
    if has_aux:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(f"{where}: with has_aux=True the function returns (output, aux)")
        returned, aux = returned
    outputs, rebuild = flatten(returned)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"{where}: the function returned {describe(output)}, not a tensor: .item(), "
                ".numpy() or float() cut the graph; wrap a result that is constant in ag.tensor()"
            )
    kind = result_type([leaf for argument in arguments for leaf in argument.leaves])
    # For array arguments only the variables of transforms outside count: the parameters of a
    # network do not turn results into tensors.
    outside = None if kind is Tensor else around
    connected = recording and (kind is Tensor or bool(around)) and _depend(outputs, own, outside)
    if has_aux:
        leaves, rebuild_aux = flatten(aux)
        aux = rebuild_aux(
            [result(x, kind, connected) if isinstance(x, Tensor) else x for x in leaves]
        )
    return Traced(arguments, outputs, rebuild, connected, kind, aux)


def _depend(outputs: Iterable[Tensor], own: frozenset[int], wanted: frozenset[int] | None) -> bool:
    """Whether outputs depend on a variable in `wanted`, or if None on a leaf not in `own`."""
    seen: set[int] = set()
    stack: list[Any] = [o for o in outputs if o.requires_grad]
    while stack:
        node = stack.pop()
        if node.serial not in seen:
            seen.add(node.serial)
            leaf = node.op is None and node.serial not in own
            if leaf if wanted is None else node.serial in wanted:
                return True
            stack += [x for x in node.inputs or () if isinstance(x, Tensor) and x.requires_grad]
    return False
