"""The walk over the graph from outputs back to gradients."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.node import Array, GraphError, Node, Writes, describe, next_serial, values
from autograd_cnn.engine.op import Op
from autograd_cnn.engine.watch import open_blocks, watched

_serial = operator.attrgetter("serial")
_quiet = functools.partial(np.errstate, under="ignore")


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
    started = next_serial()
    order = ancestors(outputs, targets, since)
    wanted = None if targets is None else set(map(_serial, targets))
    pending: dict[int, Array] = {}
    owned: set[int] = set()  # serials of pending gradients that are sums made here
    pieces: dict[int, list[Any]] = {}  # by serial, what `rule.together` will add up
    for output, seed in zip(outputs, seeds):
        before = pending.get(output.serial)
        pending[output.serial] = seed if before is None else before + seed
    needed = set(map(_serial, order))
    found: dict[int, tuple[Node, Array | None]] = {}
    with (modes.back[modes.recording.get()](), modes.recording.set(create_graph))[0], _quiet():
        while order:
            node = order.pop()
            g = pending.pop(node.serial, None)
            owned.discard(node.serial)
            if node.serial in pieces:
                g = pieces[node.serial][0][0].together(node, g, pieces.pop(node.serial))
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
            if Writes.last > started:  # a hook, or another thread
                _refuse_stale(node)
            if g is not None:
                _differentiate(node, g, needed, create_graph, pending, owned, pieces)
            if not retain_graph:
                node.inputs = None
                node.params = {}
    return found


def ancestors(outputs: Iterable[Node], targets: Sequence[Node] | None, since: int) -> list[Node]:
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
                f"the graph behind this result of {node.op.name} {describe(node)} was freed by a "
                "backward; pass it retain_graph=True, or .detach() the state that a loop carries on"
            )
        if node.written is not None and node.written.serial > node.serial:
            raise stale("the result", node, node)
        for x in node.inputs:
            if isinstance(x, Node):
                if x.serial > node.serial:
                    x = _version_used(x, node)
                if x.written is not None and x.written.serial > node.serial:
                    raise stale("an input", node, x)
                if x.tracked and x.serial >= oldest:
                    stack.append(x)
    order = sorted(found.values(), key=_serial)
    return order if targets is None else _leading_to(order, set(map(_serial, targets)))


def _version_used(x: Node, node: Node) -> Node:
    """The version of the input `x` that `node` was computed from, which takes its place there."""
    current = x
    while current.serial > node.serial:
        if not current.inputs or not isinstance(current.inputs[0], Node):
            raise stale("an input", node, x)
        current = current.inputs[0]
    if current.written is not None and not reads_shapes(node):
        current.written.restore(current, x, node)
    node.inputs = tuple(current if part is x else part for part in node.inputs or ())
    return current


def reads_shapes(node: Node) -> bool:
    """Whether the rules of its op read no values, which ``rule.by_shape`` says."""
    return node.op is not None and hasattr(node.op.rules[0], "by_shape")


def _refuse_stale(node: Node) -> None:
    """Raise GraphError when a value that the rules of `node` see changed during the walk."""
    for x in (node, *(node.inputs or ())):
        if isinstance(x, Node) and (
            x.serial > node.serial or (x.written and x.written.serial > node.serial)
        ):
            raise stale("the result" if x is node else "an input", node, x)


def stale(what: str, node: Node, x: Node) -> GraphError:
    """The error for `x`, the result or an input of `node`, whose values have changed."""
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
    pieces: dict[int, list[Any]],
) -> None:
    """Call the rules of the node's op for the wanted inputs; add the gradients to `pending`."""
    op, inputs, params = node.op, node.inputs, node.params
    assert op is not None
    assert inputs is not None
    rules, gradients, name = op.rules, None, "its inputs"
    if create_graph:
        args = [node, *inputs]
    else:
        args = [node.array, *[x.array if isinstance(x, Node) else x for x in inputs]]
    try:
        if op.joint is not None:
            wanted = tuple([isinstance(x, Node) and x.serial in needed for x in inputs])
            gradients = _apply(op.joint, node, name, g, args, {**params, "wanted": wanted})
        for position, x in enumerate(inputs):
            if not isinstance(x, Node) or x.serial not in needed:
                continue
            serial = x.serial
            if gradients is not None:
                gx = gradients[position]
            else:
                place = 0 if op.variadic else position
                rule, name = rules[place], op.inputs[place]
                if rule is None:
                    continue
                if serial in owned and hasattr(rule, "adds"):
                    rule.adds(pending[serial], g, *args, **params)
                    continue
                if create_graph and hasattr(rule, "together"):
                    pieces.setdefault(serial, []).append((rule, g, params))
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
            array = x.array
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
    if array.shape != x.array.shape or array.dtype.kind not in "biuf":
        cure = "a gradient has its input's shape and holds real numbers"
        ends = zip(reversed(x.array.shape), reversed(array.shape))
        broadcast = array.shape != x.array.shape and x.array.ndim <= array.ndim
        if broadcast and all(n in (1, m) for n, m in ends):
            cure = "sum it over the axes of broadcasting, with ops.shape.unbroadcast(gradient, x)"
        raise GraphError(
            f"{op.name}: a backward rule gave a gradient of shape {array.shape} for an input of "
            f"shape {x.array.shape}; {cure}"
        )
    if array.dtype != x.array.dtype:
        gx = gx.astype(x.array.dtype)
    return gx
