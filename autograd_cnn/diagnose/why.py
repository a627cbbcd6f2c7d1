"""Reasons why a parameter gets no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.diagnose.origin import Origin, behind, here, origin_of
from autograd_cnn.engine.node import Node, describe, values
from autograd_cnn.engine.watch import Watcher, Watching
from autograd_cnn.tensor import Tensor


def why_no_grad(loss: Tensor | Callable[[], Any], parameter: Any) -> str:
    """Say where the path from a loss to a parameter breaks, or that it is whole.

    It finds a parameter that is frozen, of integers, or not a tensor; a loss that is not a tensor
    or was not recorded; an op on the way whose derivative is zero; a graph that an earlier backward
    freed; and detached copies of the parameter.  Instead of the loss you can pass a function that
    computes it.  `why_no_grad` then runs it and names the line of the first op that loses the path.
    It cannot follow plain Python numbers.

    >>> w, x = ag.tensor([2.0], requires_grad=True), ag.tensor([3.0], requires_grad=True)
    >>> print(ag.why_no_grad((w.detach() * x).sum(), w))
    The parameter enters multiply cut off from its graph, by .detach(), .data or .numpy().
    """
    if problem := _parameter_problem(parameter):
        return problem
    breaks: _Breaks | None = None
    if not isinstance(loss, Tensor) and callable(loss):
        breaks = _Breaks(parameter)
        with Watching(breaks):
            loss = loss()
    if not isinstance(loss, Tensor):
        ended = ".item(), float() or .numpy() has ended the graph."
        return f"The loss is not a tensor ({describe(loss)}): {ended}"
    if loss.requires_grad and (path := _path(loss, parameter, zeros=False)):
        return _whole(path, parameter)
    if breaks is not None and (place := breaks.of(loss)):
        return place
    if not loss.requires_grad:
        return (
            "Nothing behind the loss was recorded: it was computed under no_grad, or from tensors "
            "that are detached or do not require gradients. To find the place, pass a function "
            "that computes the loss."
        )
    return _where_it_ends(loss, parameter)


def _parameter_problem(parameter: Any) -> str:
    if not isinstance(parameter, Tensor):
        return (
            f"The parameter is not a tensor ({describe(parameter)}); use ag.tensor(..., "
            "requires_grad=True) or nn.Parameter."
        )
    if parameter.dtype.kind != "f":
        return (
            f"The parameter has dtype {parameter.dtype}; only floating tensors get gradients. "
            "Convert it, for example with .astype('float32')."
        )
    if not parameter.requires_grad:
        return "The parameter is frozen (requires_grad=False); call requires_grad_() on it."
    return ""


def _path(loss: Tensor, parameter: Tensor, zeros: bool) -> list[Any]:
    """Tensors from the loss to the parameter; with `zeros`, also through derivatives of zero."""
    before: dict[int, Any] = {loss.serial: None}
    queue: list[Any] = [loss]
    for node in queue:
        if node is parameter:
            path = [node]
            while (after := before[path[-1].serial]) is not None:
                path.append(after)
            return path[::-1]
        for position, x in enumerate(node.inputs or ()):
            if not isinstance(x, Tensor) or not x.requires_grad or x.serial in before:
                continue
            rule = node.op.joint or node.op.rules[0 if node.op.variadic else position]
            if zeros or rule is not None:
                before[x.serial] = node
                queue.append(x)
    return []


def _whole(path: list[Any], parameter: Tensor) -> str:
    steps = " <- ".join(["loss", *(node.op.name for node in path if node.op), "parameter"])
    if parameter.op is None:
        return f"The path is whole: {steps}. loss.backward() fills the parameter's .grad."
    return (
        f"The path is whole ({steps}), but the parameter is a result of {parameter.op.name}, and "
        "backward fills .grad of leaves only: call retain_grad() on it before backward."
    )


def _where_it_ends(loss: Tensor, parameter: Tensor) -> str:
    if path := _path(loss, parameter, zeros=True):
        return (
            f"The path {' <- '.join(node.op.name for node in path if node.op)} goes through an op "
            "whose derivative is zero everywhere, so the gradient is zero."
        )
    graph = [node for node in behind([loss]) if node.requires_grad]
    for node in graph:
        if node.inputs is None:
            return (
                f"The graph behind a result of {node.op.name} ({describe(node)}) was freed by an "
                "earlier backward, so the path behind it is gone: compute it again, or "
                "pass retain_graph=True to the first backward."
            )
    for node in graph:
        for x in node.inputs:
            if how := _copy_of(parameter, x):
                return f"The parameter enters {node.op.name} {how}.{_at(origin_of(node))}"
    leaves = [describe(node) for node in graph if node.op is None]
    listed = "; ".join(leaves[:5]) + ("; ..." if len(leaves) > 5 else "")
    which = f"its {len(leaves)} leaves are" if len(leaves) > 1 else "its only leaf is"
    return (
        f"No recorded op behind the loss uses the parameter; {which} {listed}. Values that went "
        "through float(), .item() or NumPy cannot be followed."
    )


_CUT = "cut off from its graph, by .detach(), .data or .numpy()"


def _copy_of(parameter: Tensor, x: Any) -> str:
    """How the constant `x` seems to come from the parameter's values, or ""."""
    array = values(x)
    if not isinstance(array, np.ndarray) or (isinstance(x, Tensor) and x.requires_grad):
        return ""
    if np.may_share_memory(array, parameter.array):
        return _CUT
    if array.size > 1 and array.shape == parameter.shape and np.array_equal(array, parameter.array):
        return "as a copy of its values, without a graph, by ag.tensor(...), .numpy() or NumPy"
    return ""


def _at(origin: Origin | None) -> str:
    return f" That is at {origin}." if origin else ""


class _Breaks(Watcher):
    """Follows a parameter's values through ops to where they leave the graph."""

    def __init__(self, parameter: Tensor) -> None:
        self.linked = {parameter.serial}
        self.arrays = [parameter.array]
        self.lost: dict[int, str] = {}
        self.first = ""

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        inherited = next(
            (self.lost[x.serial] for x in args if isinstance(x, Node) and x.serial in self.lost), ""
        )
        if any(isinstance(x, Node) and x.serial in self.linked for x in args):
            if node.requires_grad:
                self.linked.add(node.serial)
                self.arrays.append(node.array)
            else:
                self._lose(node, f"The path ends in {op.name}, which ran under no_grad.")
        elif inherited:
            self.lost[node.serial] = inherited
        elif any(self._shares(x) for x in args):
            self._lose(node, f"The parameter enters {op.name} {_CUT}.")

    def _shares(self, x: Any) -> bool:
        array = values(x)
        return isinstance(array, np.ndarray) and any(
            np.may_share_memory(array, known) for known in self.arrays
        )

    def _lose(self, node: Any, text: str) -> None:
        text += _at(here(""))
        self.lost[node.serial] = text
        self.first = self.first or text

    def of(self, loss: Tensor) -> str:
        """The sentence that says where the path to this loss broke, or ""."""
        return self.lost.get(loss.serial, self.first)
