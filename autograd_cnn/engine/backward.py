"""The walk over the graph from outputs back to gradients, and the functions that start it."""

from __future__ import annotations

import functools
import math
import operator
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.engine import modes
from autograd_cnn.engine.arguments import as_numbers, checked, tensors
from autograd_cnn.engine.node import Array, GraphError, Node, describe, fill_node, values, wrap
from autograd_cnn.engine.op import Op
from autograd_cnn.engine.watch import open_blocks, watched

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import Input, Outputs, Tensor

_serial = operator.attrgetter("serial")


def backpropagate(
    outputs: Sequence[Node],
    seeds: Sequence[Array],
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    targets: Sequence[Node] | None = None,
    since: int = 0,
) -> dict[int, tuple[Node, Array | None]]:
    """Gradients of ``sum(<seed, output>)`` with respect to `targets`, or to every leaf behind the
    outputs.

    Returns ``{serial: (node, gradient)}``; the gradient is None where the derivative is zero.  A
    target that the outputs do not depend on has no entry.  The walk visits only the part of the
    graph that leads to a target and stops at nodes older than the serial `since`.  It frees the
    graph on the way unless `retain_graph` is set.
    """
    order = _ancestors(outputs, targets, since)
    wanted = None if targets is None else set(map(_serial, targets))
    pending: dict[int, Array] = {}
    owned: set[int] = set()  # serials of pending gradients that are sums made here
    for output, seed in zip(outputs, seeds):
        before = pending.get(output.serial)
        pending[output.serial] = seed if before is None else before + seed
    needed = set(map(_serial, order))
    found: dict[int, tuple[Node, Array | None]] = {}
    with (modes.back[modes.recording.get()](), modes.recording.set(create_graph))[0]:
        while order:
            node = order.pop()
            g = pending.pop(node.serial, None)
            owned.discard(node.serial)
            attached = node.attached
            if attached is not None:
                g = attached.final_gradient(node, g, create_graph)
            if (
                node.op is None or (attached is not None and attached.retains_grad)
                if wanted is None
                else node.serial in wanted
            ):
                found[node.serial] = (node, g)
            if node.op is None or node.serial < since:
                continue
            if g is not None:
                _differentiate(node, g, needed, create_graph, pending, owned)
            if not retain_graph:
                node.inputs = None
                node.params = {}
    return found


def _ancestors(outputs: Iterable[Node], targets: Sequence[Node] | None, since: int) -> list[Node]:
    """Nodes between the outputs and the targets (all leaves when None), oldest first."""
    found: dict[int, Node] = {}
    # Nodes older than every target do not depend on any.
    oldest = 0 if targets is None else min(map(_serial, targets), default=0)
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.serial in found or not node.tracked or node.serial < oldest:
            continue
        found[node.serial] = node
        if node.op is None or node.serial < since:
            continue
        if node.inputs is None:
            raise GraphError(
                f"the graph behind this result of {node.op.name} {describe(node)} has been freed "
                "by an earlier backward pass; pass retain_graph=True to it, or compute it again"
            )
        if node.written is not None and node.written[0] > node.serial:
            raise _stale("the result", node, node)
        for x in node.inputs:
            if isinstance(x, Node):
                if x.serial > node.serial:
                    x = _version_used(x, node)
                if x.written is not None and x.written[0] > node.serial:
                    raise _stale("an input", node, x)
                if x.tracked and x.serial >= oldest:
                    stack.append(x)
    order = sorted(found.values(), key=_serial)
    return order if targets is None else _leading_to(order, set(map(_serial, targets)))


def _version_used(x: Node, node: Node) -> Node:
    """The version of the input `x` that `node` was computed from, which takes its place there."""
    current = x
    while current.serial > node.serial:
        if not current.inputs or not isinstance(current.inputs[0], Node):
            raise _stale("an input", node, x)
        current = current.inputs[0]
    node.inputs = tuple(current if part is x else part for part in node.inputs or ())
    return current


def _stale(what: str, node: Node, x: Node) -> GraphError:
    name = node.op.name if node.op else "an op"
    return GraphError(
        f"{what} of {name} ({describe(x)}) was changed in place after the op ran, so its "
        "gradient would be wrong; run backward before the change (optimizer.step, in-place "
        "arithmetic, .data = ...), or compute the graph again"
    )


def _leading_to(order: list[Node], targets: set[int]) -> list[Node]:
    """The nodes of `order` (oldest first) that are a target or depend on one."""
    reached: dict[int, Node] = {}
    for node in order:
        if node.serial in targets:
            reached[node.serial] = node
            continue
        for x in node.inputs or ():
            if isinstance(x, Node) and x.serial in reached:
                reached[node.serial] = node
                break
    return list(reached.values())


def _differentiate(
    node: Node,
    g: Array,
    needed: set[int],
    create_graph: bool,
    pending: dict[int, Array],
    owned: set[int],
) -> None:
    """Call the rules of the node's op for the wanted inputs; add the gradients to `pending`."""
    op, inputs, params = node.op, node.inputs, node.params
    assert op is not None
    assert inputs is not None
    args: Any = [node if create_graph else node.array]
    wanted = []
    for x in inputs:
        is_node = isinstance(x, Node)
        args.append(x.array if is_node and not create_graph else x)
        wanted.append(is_node and x.tracked and x.serial in needed)
    joint, name = op.joint, "its inputs"
    try:
        if joint is not None:
            gradients = _apply(joint, node, name, g, args, {**params, "wanted": tuple(wanted)})
        for position, x in enumerate(inputs):
            if not wanted[position]:
                continue
            if joint is not None:
                gx = gradients[position]
            else:
                place = 0 if op.variadic else position
                rule, name = op.rules[place], op.inputs[place]
                if rule is None:
                    continue
                if op.variadic:
                    params = {**params, "position": position}
                if open_blocks:
                    gx = _apply(rule, node, name, g, args, params)
                else:  # as _apply does, without the call
                    gx = rule(g, *args, **params)
            if gx is None:
                continue
            # Add gx to what is pending for x, in place only into a sum that was made here.
            serial, array = x.serial, x.array
            if getattr(gx, "dtype", None) is not array.dtype or gx.shape != array.shape:
                gx = _fitted(op, x, gx)
            if serial not in pending:
                pending[serial] = gx
            elif serial in owned:
                pending[serial] += gx
            else:
                pending[serial] = pending[serial] + gx
                if isinstance(pending[serial], np.ndarray):
                    owned.add(serial)
    except Exception as error:
        error.add_note(f"while differentiating {op.name} with respect to {name}")
        raise


def _apply(
    rule: Callable[..., Any], node: Node, name: str, g: Array, args: Any, params: dict[str, Any]
) -> Any:
    """The gradient by the rule for the input `name`; watchers see the call."""
    if open_blocks:
        return watched("rule", functools.partial(rule, g, *args, **params), node, name, g)
    return rule(g, *args, **params)


def _fitted(op: Op, x: Node, gx: Array) -> Array:
    """`gx` with the dtype of `x`; its shape must be right already."""
    gx = gx if hasattr(gx, "dtype") else np.asarray(gx)  # a rule may give a Python number
    array = values(gx)
    if array.dtype != x.array.dtype:
        gx = gx.astype(x.array.dtype)
    if array.shape != x.array.shape:
        raise GraphError(
            f"{op.name}: a backward rule gave a gradient of shape {array.shape} for an input of "
            f"shape {x.array.shape}; a gradient has its input's shape"
        )
    return gx


def seed_gradient(name: str, output: Node, gradient: Any, create_graph: bool) -> Any:
    """The gradient that starts a backward pass from `output`."""
    shape = output.array.shape
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
    seed: Any = np.ones_like(output.array) if gradient is None else gradient
    if isinstance(seed, Node):
        array = seed.array
    else:
        array = as_numbers(name, "gradient", seed).astype(output.array.dtype, copy=False)
    if array.shape != shape:
        raise ValueError(
            f"{name}: gradient must have the output's shape {shape}, got {array.shape}"
        )
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
                g = old.array + g
            elif not (isinstance(g, np.ndarray) and g.base is None and _references(g) == _ALONE):
                g = np.array(g, order="K")
            node._grad = fill_node(_new(Node.result_type), np.asarray(g))


def _distinct(g: Any, old: Any = None) -> Any:
    """A copy of `g`, or its sum with `old`, as a tensor that may change in place."""
    with modes.enable_grad():
        return g.copy() if old is None else old + g


_references: Callable[[Any], float] = getattr(sys, "getrefcount", lambda g: math.nan)
_ALONE = (lambda g: _references(g))(np.empty(1))  # the count of an array with one holder


@checked
def grad(
    outputs: Outputs,
    inputs: Outputs,
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
