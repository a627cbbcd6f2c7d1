"""The walk that turns the gradient of an output into gradients of what is behind it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd_cnn.engine import modes
from autograd_cnn.engine.op import Array, GraphError, Node, Op, describe, values, wrap
from autograd_cnn.engine.versions import version_used
from autograd_cnn.engine.watch import compute_rule, open_blocks


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
    target that the outputs do not depend on is not in the answer.  Only the part of the graph that
    leads to a target is walked.  The graph is freed on the way unless `retain_graph` is set.  The
    walk stops at tensors older than the serial `since`.
    """
    order = _ancestors(outputs, targets, since)
    wanted = {t.serial for t in targets} if targets is not None else None
    pending: dict[int, Array] = {}
    owned: set[int] = set()
    for output, seed in zip(outputs, seeds):
        before = pending.get(output.serial)
        pending[output.serial] = seed if before is None else before + seed
    needed = {node.serial for node in order}
    found: dict[int, tuple[Node, Array | None]] = {}
    token = modes.recording.set(create_graph)
    try:
        while order:
            node = order.pop()
            g = pending.pop(node.serial, None)
            owned.discard(node.serial)
            attached = node.attached
            if attached is not None:
                g = _hooked(node, g, create_graph)
            if (
                node.op is None or (attached is not None and attached.retains_grad)
                if wanted is None
                else node.serial in wanted
            ):
                found[node.serial] = (node, g)
            if node.op is None or node.serial < since:
                continue
            if g is not None:
                _visit(node, g, needed, create_graph, pending, owned)
            if not retain_graph:
                node.inputs = None
                node.params = {}
    finally:
        modes.recording.reset(token)
    return found


def _hooked(node: Node, g: Array | None, create_graph: bool) -> Array | None:
    """The final gradient of `node` after its hooks, each of which may replace it."""
    assert node.attached is not None
    for hook in node.attached.hooks:
        if g is None:
            g = np.zeros_like(node.array)
        shown = g
        if not isinstance(g, Node):
            view = np.asarray(g).view()
            view.flags.writeable = False  # the memory may also be another tensor's gradient
            shown = wrap(view)
        try:
            answer = hook(shown)
        except Exception as error:
            error.add_note(f"in a hook on a tensor {describe(node)}")
            raise
        if answer is None:
            continue
        new: Any = answer if isinstance(answer, Node) else np.asarray(answer, node.array.dtype)
        if new.shape != node.array.shape:
            raise ValueError(
                f"a hook on a tensor {describe(node)} returned a gradient of shape {new.shape}; it "
                "must have the tensor's shape"
            )
        new = new if create_graph else values(new)
        g = new if new.dtype == node.array.dtype else new.astype(node.array.dtype)
    return g


def _visit(
    node: Node,
    g: Array,
    needed: set[int],
    create_graph: bool,
    pending: dict[int, Array],
    owned: set[int],
) -> None:
    """Call the rules of the node's op for the wanted inputs; add the answers to `pending`."""
    op, inputs, params = node.op, node.inputs, node.params
    assert op is not None
    assert inputs is not None
    if create_graph:
        args: Sequence[Any] = (node, *inputs)
    else:
        args = [node.array]
        args += [x.array if isinstance(x, Node) else x for x in inputs]
    name = "its inputs"
    try:
        if op.joint is not None:
            wanted = tuple(isinstance(x, Node) and x.tracked and x.serial in needed for x in inputs)
            gradients = _apply(op.joint, node, name, g, args, {**params, "wanted": wanted})
            for x, gx, want in zip(inputs, gradients, wanted):
                if want and gx is not None:
                    _accumulate(pending, owned, op, x, gx)
            return
        for position, x in enumerate(inputs):
            if not (isinstance(x, Node) and x.tracked and x.serial in needed):
                continue
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
            if gx is not None:
                _accumulate(pending, owned, op, x, gx)
    except Exception as error:
        error.add_note(f"while differentiating {op.name} with respect to {name}")
        raise


def _apply(
    rule: Callable[..., Any],
    node: Node,
    name: str,
    g: Array,
    args: Sequence[Any],
    params: dict[str, Any],
) -> Any:
    """What the rule for input `name` answers, seen by the watchers."""
    if open_blocks:
        return compute_rule(node, name, g, functools.partial(rule, g, *args, **params))
    return rule(g, *args, **params)


def _fitted(op: Op, x: Node, gx: Array) -> Array:
    """`gx` with the dtype of `x`; its shape must be right already."""
    if not hasattr(gx, "dtype"):  # a rule that answers with a Python number
        gx = np.asarray(gx)
    array = values(gx)
    if array.dtype is not x.array.dtype and array.dtype != x.array.dtype:
        gx = gx.astype(x.array.dtype)
    if array.shape != x.array.shape:
        raise GraphError(
            f"{op.name}: a backward rule gave a gradient of shape {array.shape} for an input of "
            "shape "
            f"{x.array.shape}; a gradient has its input's shape"
        )
    return gx


def _accumulate(pending: dict[int, Array], owned: set[int], op: Op, x: Node, gx: Array) -> None:
    """Add `gx`, which a rule of `op` gave for x, to what is pending for x; in place only into a
    buffer that an earlier addition made.
    """
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


def _ancestors(outputs: Iterable[Node], targets: Sequence[Node] | None, since: int) -> list[Node]:
    """Nodes between the outputs and the targets (all leaves when None), oldest first."""
    found: dict[int, Node] = {}
    # What is older than every target cannot depend on one.
    oldest = 0 if targets is None else min((t.serial for t in targets), default=0)
    stack = [node for node in outputs if node.tracked and node.serial >= oldest]
    while stack:
        node = stack.pop()
        if node.serial in found:
            continue
        found[node.serial] = node
        if node.op is None or node.serial < since:
            continue
        if node.inputs is None:
            raise GraphError(
                f"the graph behind this result of {node.op.name} {describe(node)} has been freed "
                "by an earlier backward pass; pass retain_graph=True to the first one, or compute "
                "it anew"
            )
        if node.written is not None and node.written[0] > node.serial:
            raise _stale(f"the result of {node.op.name} ({describe(node)})", "it was computed")
        for x in node.inputs:
            if isinstance(x, Node):
                if x.serial > node.serial:
                    x = version_used(x, node)
                if x.written is not None and x.written[0] > node.serial:
                    used = "the op had used it"
                    raise _stale(f"an input of {node.op.name} ({describe(x)})", used)
                if x.tracked and x.serial >= oldest:
                    stack.append(x)
    order = [found[serial] for serial in sorted(found)]
    return order if targets is None else _leading_to(order, {t.serial for t in targets})


def _stale(what: str, when: str) -> GraphError:
    return GraphError(
        f"{what} was changed in place after {when}, so its gradient would be wrong; run backward "
        "before the change (optimizer.step, in-place arithmetic, .data = ...), or compute the "
        "graph anew"
    )


def _leading_to(order: list[Node], targets: set[int]) -> list[Node]:
    """The nodes of `order` (oldest first) that are a target or depend on one."""
    reached: set[int] = set()
    for node in order:
        inputs = node.inputs or ()
        if node.serial in targets or any(
            isinstance(x, Node) and x.serial in reached for x in inputs
        ):
            reached.add(node.serial)
    return [node for node in order if node.serial in reached]
