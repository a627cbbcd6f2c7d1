"""What starts a walk and what takes its gradients: `grad`, and the parts of `Tensor.backward`."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine import modes
from autograd_cnn.engine.arguments import as_numbers, checked, tensors
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.node import Array, GraphError, Node, describe, fill_node, wrap

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Input, Outputs, Tensor


def seed_gradient(name: str, output: Node, gradient: Any, create_graph: bool) -> Any:
    """The gradient that starts a backward pass from `output`."""
    shape, dtype = output.array.shape, output.array.dtype
    if not output.tracked:
        raise GraphError(
            f"{name}: the tensor {describe(output)} does not require gradients: no input of its "
            "computation has requires_grad=True, or it was computed under no_grad or from "
            ".detach(), .data or .numpy()"
        )
    if gradient is None and output.array.size != 1:
        raise ValueError(
            f"{name}: the output has shape {shape}, and only a single value has a gradient by "
            f"itself; reduce it with .sum() or .mean(), or pass gradient= an array of shape {shape}"
        )
    seed: Any = gradient
    if gradient is None:
        seed = array = np.empty(shape, dtype)
        array.fill(1)  # a fourth of the time of np.ones
    elif isinstance(seed, Node) and seed.array.dtype.kind != "c":
        array = seed.array
    else:
        array = as_numbers(name, "gradient", seed, dtype).astype(dtype, copy=False)
    if array.shape != shape:
        raise ValueError(f"{name}: gradient must have shape {shape}, got {array.shape}")
    if not create_graph:
        return array
    return seed if isinstance(seed, Node) else wrap(array.copy())  # the graph will hold it


_accumulating = threading.RLock()
_new = object.__new__


def accumulate_gradients(found: dict[int, tuple[Node, Array | None]]) -> None:
    """Add the gradients that backward found to `.grad`, each in a buffer that is not shared."""
    with _accumulating:  # so that threads sharing parameters lose no addition
        for serial in list(found):
            node, g = found.pop(serial)
            if g is None:
                g = np.zeros_like(node.array)
            old = node._grad
            if isinstance(g, Node):
                node._grad = _distinct(g, old)
                continue
            if old is not None:
                g = np.asarray(old.array + g)
            elif not (isinstance(g, np.ndarray) and g.base is None and references(g) == _ALONE):
                g = np.array(g, order="K")
            node._grad = fill_node(_new(Node.result_type), g)


def _distinct(g: Any, old: Any = None) -> Any:
    """A copy of `g`, or its sum with `old`, as a tensor that may change in place."""
    with modes.enable_grad():
        return g.copy() if old is None else old + g


references: Callable[[Any], float] = getattr(sys, "getrefcount", lambda x: math.nan)
"""How often an object is held: NaN, which equals nothing, where Python does not count."""
_ALONE = (lambda g: references(g))(np.empty(1))  # the count of an array with one holder


@checked
def grad(
    outputs: Outputs,
    inputs: Outputs = (),
    grad_outputs: Input | Sequence[Input | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """A tuple of gradients of the (sum of the) outputs in the inputs; `.grad` does not change.

    Outputs and inputs are a tensor or a sequence of them; inputs may be intermediate results.
    `grad_outputs` gives a gradient per output, of its shape; outputs of one value need none.  With
    `create_graph` the gradients can be differentiated again.  `retain_graph` (by default the same)
    keeps the graph for another pass.

    An input that no output depends on raises GraphError, or has the gradient None with
    `allow_unused`.

    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> (dx,) = ag.grad(x ** 3, x, create_graph=True)
    >>> ag.grad(dx, x)
    (tensor(18.),)
    """
    if callable(outputs):
        raise TypeError("grad: takes results; for the gradient of a function write ag.func.grad(f)")
    outs, ins = tensors("grad", "outputs", outputs), tensors("grad", "inputs", inputs)
    given = [grad_outputs] if isinstance(outputs, Node) else grad_outputs
    if given is None:
        given = [None] * len(outs)
    if not isinstance(given, (tuple, list)):
        raise mistake("grad", "grad_outputs", "a sequence, one per output", grad_outputs)
    if len(given) != len(outs):
        raise ValueError(
            f"grad: expected {len(outs)} grad_outputs, one per output, got {len(given)}"
        )
    for position, x in enumerate(ins):
        if not x.tracked:
            raise GraphError(
                f"grad: input {position} {describe(x)} does not require gradients; create it with "
                "requires_grad=True"
            )
    seeds = [seed_gradient("grad", out, c, create_graph) for out, c in zip(outs, given)]
    retain = create_graph if retain_graph is None else retain_graph
    found = backpropagate(outs, seeds, create_graph=create_graph, retain_graph=retain, targets=ins)
    results: list[Any] = []
    for position, x in enumerate(ins):
        if x.serial not in found and not allow_unused:
            raise GraphError(
                f"grad: the outputs do not depend on input {position} {describe(x)}; pass "
                "allow_unused=True to get None for it, or look for a .detach(), .numpy() or "
                "no_grad on the way"
            )
        g = found[x.serial][1] if x.serial in found else None
        if g is None:  # the derivative is zero, or there is no path
            results.append(wrap(np.zeros_like(x.array)) if x.serial in found else None)
        elif isinstance(g, Node):
            shared = any(g is other for other in (*results, *seeds))
            results.append(_distinct(g) if shared else g)
        else:
            results.append(wrap(g.copy(order="K")))
    return tuple(results)
