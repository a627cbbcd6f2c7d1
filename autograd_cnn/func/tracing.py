"""One evaluation of a function at variables of its own: what every transform starts from.

A transform gives the function fresh tensors in place of its arguments.  The fresh tensors know
nothing of the closed-over ones, so a function of x that also closes over x differentiates only what
it was told to.  Whether results can be differentiated further is decided by what is outside: see
`Traced.connected`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.node import describe, wrap
from autograd_cnn.engine.op import op
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import Rebuild, flatten

Gradient = Any  # what a walk finds: a Tensor, an array, or None where the derivative is zero

_variables: ContextVar[frozenset[int]] = ContextVar("autograd_cnn.variables", default=frozenset())
"""The serials of the variables of all transforms that are running here."""


@op(register=False, x=lambda g, out, x: g)
def variable(x: Any) -> Any:
    """`x` as a tensor of its own, by which a transform differentiates."""
    return x


@dataclass(frozen=True, slots=True)
class Lifted:
    """An argument taken apart: its leaves, a variable for each, and the way back."""

    originals: list[Any]
    variables: list[Tensor]
    rebuild: Rebuild


@dataclass(frozen=True, slots=True)
class Traced:
    """The function's outputs as tensors, the arguments they came from, and what is outside."""

    lifted: list[Lifted]
    outputs: list[Tensor]
    rebuild: Rebuild
    connected: bool
    """Whether results keep their graph: something outside can still be differentiated by."""
    kind: type
    """What results without a graph are: Tensor, np.ndarray, or float where it fits."""
    aux: Any

    @property
    def variables(self) -> list[Tensor]:
        """The variables of all arguments."""
        return [v for argument in self.lifted for v in argument.variables]

    def pull(
        self, cotangents: Sequence[Any], create_graph: bool, retain: bool = True
    ) -> list[Gradient]:
        """The gradient of ``sum(<cotangent, output>)`` per variable."""
        return walk(self.outputs, cotangents, self.variables, create_graph, retain)

    def shown(self, leaf: Any) -> Any:
        """An output or another result, of the kind that this evaluation gives."""
        return show(leaf, self.kind, self.connected)


def walk(
    outputs: Sequence[Any],
    cotangents: Sequence[Any],
    targets: Sequence[Tensor],
    create_graph: bool,
    retain: bool,
) -> list[Gradient]:
    """A backward pass that tells a target no output depends on (None) like a zero derivative."""
    pairs = [
        (o, c) for o, c in zip(outputs, cotangents) if isinstance(o, Tensor) and o.requires_grad
    ]
    seeds = [(wrap(plain(c)) if not isinstance(c, Tensor) else c) for _, c in pairs]
    found = backpropagate(
        [o for o, _ in pairs],
        seeds if create_graph else [s.array for s in seeds],
        create_graph=create_graph,
        retain_graph=retain,
        targets=targets,
    )
    return [found[t.serial][1] if t.serial in found else None for t in targets]


def plain(x: Any) -> np.ndarray:
    """The array behind a tensor, array or number."""
    return x.array if isinstance(x, Tensor) else np.asarray(x)


def show(leaf: Any, kind: type, connected: bool) -> Any:
    """A result as the caller gets it: with its graph, or as a value of `kind` in its own memory."""
    if not isinstance(leaf, (Tensor, np.ndarray, np.generic)):
        return leaf
    if connected:
        return leaf if isinstance(leaf, Tensor) else wrap(np.array(leaf))
    array = np.array(plain(leaf), order="K")
    if kind is Tensor:
        return wrap(array)
    return array.item() if kind is float and array.ndim == 0 else array


def kind_of(originals: Iterable[Any]) -> type:
    """Tensor if any leaf is one, float if all are Python numbers, np.ndarray otherwise."""
    leaves = list(originals)
    if any(isinstance(leaf, Tensor) for leaf in leaves):
        return Tensor
    return float if all(type(leaf) in (float, int) for leaf in leaves) else np.ndarray


def positions_of(where: str, argnums: Any, count: int) -> list[int]:
    """`argnums` as a list of positions among `count` arguments; raises ValueError, TypeError."""
    given = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not given or not all(isinstance(n, (int, np.integer)) for n in given):
        raise TypeError(f"{where}: argnums must be a position or a tuple of them, got {argnums!r}")
    for n in given:
        if not -count <= n < count:
            raise ValueError(f"{where}: argnums {argnums} but {count} positional arguments")
    positions = [int(n) % count for n in given]
    if len(set(positions)) < len(positions):
        raise ValueError(f"{where}: argnums {argnums} names an argument twice")
    return positions


def lift(where: str, argument: Any, recording: bool) -> Lifted:
    """Variables for all leaves of an argument, linked to tensors outside that are being recorded.

    Raises TypeError for leaves that are not floating.
    """
    leaves, rebuild = flatten(argument)
    variables = []
    for leaf in leaves:
        if type(leaf) in (int, float):
            variables.append(Tensor(float(leaf), requires_grad=True))
            continue
        if not isinstance(leaf, (Tensor, np.ndarray, np.generic)) or plain(leaf).dtype.kind != "f":
            raise TypeError(
                f"{where}: can only differentiate by floating arrays, tensors and numbers, got a "
                f"value {describe(leaf)}; convert it, or choose other arguments with argnums"
            )
        linked = recording and isinstance(leaf, Tensor) and leaf.requires_grad
        variables.append(variable(leaf) if linked else Tensor(leaf, requires_grad=True))
    return Lifted(leaves, variables, rebuild)


def trace(
    where: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    positions: Sequence[int],
    kwargs: dict[str, Any],
    has_aux: bool = False,
) -> Traced:
    """Evaluate ``f(*args)`` with variables in the given positions.

    Raises TypeError when an output is not a tensor, because then the graph was cut.
    """
    recording, around = modes.is_grad_enabled(), _variables.get()
    arguments = list(args)
    with modes.set_grad_enabled(True):
        lifted = [lift(where, args[n], recording) for n in positions]
        for n, argument in zip(positions, lifted):
            # The function gets copies, so that changing its argument in place moves no variable.
            arguments[n] = argument.rebuild([variable(v) for v in argument.variables])
        own = frozenset(v.serial for argument in lifted for v in argument.variables)
        token = _variables.set(around | own)
        try:
            result = f(*arguments, **kwargs)
        finally:
            _variables.reset(token)
    result, aux = _split(where, result) if has_aux else (result, None)
    outputs, rebuild = flatten(result)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"{where}: the function returned {describe(output)}, not a tensor: .item(), "
                ".numpy() or float() cut the graph; wrap a result that is constant in ag.tensor()"
            )
    kind = kind_of(leaf for argument in lifted for leaf in argument.originals)
    outside = None if kind is Tensor else around
    connected = recording and (kind is Tensor or bool(around)) and _reach(outputs, own, outside)
    if has_aux:
        extra, rebuild_aux = flatten(aux)
        tensors = [show(x, kind, connected) if isinstance(x, Tensor) else x for x in extra]
        aux = rebuild_aux(tensors)
    return Traced(lifted, outputs, rebuild, connected, kind, aux)


def _split(where: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{where}: with has_aux=True the function returns (output, aux)")
    return result[0], result[1]


def _reach(outputs: Iterable[Tensor], own: frozenset[int], wanted: frozenset[int] | None) -> bool:
    """Whether the outputs depend on a variable in `wanted`, or if None on any leaf that is not own.

    Under another transform only its variables count, so that an array argument and a network's
    parameters do not turn results into tensors.
    """
    seen: set[int] = set()
    stack: list[Any] = [o for o in outputs if o.requires_grad]
    while stack:
        node = stack.pop()
        if node.serial in seen:
            continue
        seen.add(node.serial)
        if wanted is not None and node.serial in wanted:
            return True
        if wanted is None and node.op is None and node.serial not in own:
            return True
        stack += [x for x in node.inputs or () if isinstance(x, Tensor) and x.requires_grad]
    return False
