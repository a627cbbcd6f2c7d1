"""What users call to start a backward pass, and where gradients go."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.arguments import as_numbers, checked
from autograd_cnn.engine.checks import mistake
from autograd_cnn.engine.op import Array, GraphError, Node, describe, values, wrap
from autograd_cnn.engine.walk import backpropagate

__all__ = ["accumulate_gradients", "backpropagate", "grad", "seed_gradient", "tensors"]


def seed_gradient(name: str, output: Node, gradient: Any, create_graph: bool) -> Any:
    """The gradient that starts a backward pass from `output`."""
    if not output.requires_grad:
        raise GraphError(
            f"{name}: the tensor {describe(output)} does not require gradients: no input of its "
            "computation has "
            "requires_grad=True, or it was computed under no_grad or from .detach(), .data or "
            ".numpy()"
        )
    if gradient is None:
        if output.array.size != 1:
            raise ValueError(
                f"{name}: the output has shape {output.array.shape}; only a single value has a "
                "gradient of its own. Reduce "
                "it with .sum() or .mean(), or pass gradient= an array of shape "
                f"{output.array.shape}"
            )
        seed: Any = np.ones_like(output.array)
    else:
        seed = gradient
        if not isinstance(seed, Node):
            seed = as_numbers(name, "gradient", gradient).astype(output.array.dtype, copy=False)
        if seed.shape != output.array.shape:
            raise ValueError(
                f"{name}: gradient must have the output's shape {output.array.shape}, got "
                f"{seed.shape}"
            )
    if create_graph:
        return seed if isinstance(seed, Node) else wrap(seed.copy())  # the graph will hold it
    return values(seed)


def accumulate_gradients(found: dict[int, tuple[Node, Array | None]]) -> None:
    """Add what backward found to `.grad`; every gradient gets a buffer that nobody else holds."""
    with _accumulating:  # threads that share parameters add up, too
        for serial in list(found):
            node, g = found.pop(serial)
            if g is None:
                g = np.zeros_like(node.array)
            old = node._grad
            if isinstance(g, Node):
                node._grad = _distinct(g, old)
            elif old is not None:
                node._grad = wrap(old.array + g)
            elif isinstance(g, np.ndarray) and g.base is None and _holders(g) == _ALONE:
                node._grad = wrap(g)
            else:
                node._grad = wrap(np.array(g, order="K"))


_accumulating = threading.RLock()


def _distinct(g: Node, old: Any = None) -> Any:
    """`g`, added to `old` where there is one, as a tensor that nobody else holds and may change."""
    token = modes.recording.set(True)
    try:
        copied: Any = g
        return copied.copy() if old is None else old + g
    finally:
        modes.recording.reset(token)


_holders: Callable[[np.ndarray], int] = getattr(sys, "getrefcount", lambda g: -2)
"""How many references to an array there are; -2 where the interpreter does not count."""


def _count_alone() -> int:
    """What `_holders` answers to a caller that holds the only reference, on this interpreter."""
    g = np.empty(1)
    return _holders(g) if hasattr(sys, "getrefcount") else -1


_ALONE = _count_alone()


def tensors(where: str, name: str, given: Any) -> list[Any]:
    """A tensor or several, such as ``model.parameters()``, as a list."""
    found = [given] if isinstance(given, Node) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(x, Node) for x in found):
        raise mistake(where, name, "a tensor or a sequence of tensors", given)
    return found


@checked
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Gradients of the (sum of the) outputs with respect to the inputs, as a tuple; `.grad` is left
    alone.

    Outputs and inputs are a tensor or a sequence of them; inputs may be intermediate results.
    `grad_outputs` gives a cotangent per output, of its shape; outputs of one value need none.  With
    `create_graph` the gradients can be differentiated again; `retain_graph` (by default the same)
    keeps the graph for another pass.

    Raises GraphError when an output does not depend on an input, unless `allow_unused` (its
    gradient is then None), and TypeError or ValueError for what is no tensor or does not fit.

    >>> from autograd_cnn import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (dx,) = grad(x ** 3, x, create_graph=True)
    >>> grad(dx, x)
    (tensor(18.),)
    """
    outs, ins = tensors("grad", "outputs", outputs), tensors("grad", "inputs", inputs)
    cotangents = [grad_outputs] if isinstance(outputs, Node) else grad_outputs or [None] * len(outs)
    if not isinstance(cotangents, (tuple, list)):
        raise mistake("grad", "grad_outputs", "a sequence, one per output", grad_outputs)
    if len(cotangents) != len(outs):
        raise ValueError(
            f"grad: expected {len(outs)} grad_outputs, one per output, got {len(cotangents)}"
        )
    for position, x in enumerate(ins):
        if not x.requires_grad:
            raise GraphError(
                f"grad: input {position} {describe(x)} does not require gradients; create it with "
                "requires_grad=True"
            )
    seeds = [seed_gradient("grad", out, c, create_graph) for out, c in zip(outs, cotangents)]
    retain = create_graph if retain_graph is None else retain_graph
    found = backpropagate(outs, seeds, create_graph=create_graph, retain_graph=retain, targets=ins)
    results: list[Node | None] = []
    for position, x in enumerate(ins):
        if x.serial not in found:
            if not allow_unused:
                raise GraphError(
                    f"grad: the outputs do not depend on input {position} {describe(x)}; pass "
                    "allow_unused=True to get "
                    f"None for it, or check for a .detach(), .numpy() or no_grad on the way"
                )
            results.append(None)
            continue
        g = found[x.serial][1]
        g = np.zeros_like(x.array) if g is None else g
        if isinstance(g, Node):
            shared = any(g is other for other in (*results, *seeds))
            results.append(_distinct(g) if shared else g)
        else:
            results.append(wrap(g.copy(order="K")))
    return tuple(results)
