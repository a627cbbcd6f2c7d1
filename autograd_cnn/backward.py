"""The walk that turns the gradient of an output into gradients of inputs, and what users call to
start it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from autograd_cnn import modes
from autograd_cnn.graph import Array, GraphError, Node, Op, describe, values, wrap


def backpropagate(
    outputs: Sequence[Node],
    seeds: Sequence[Array],
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    targets: Sequence[Node] | None = None,
) -> dict[int, tuple[Node, Array | None]]:
    """Gradients of ``sum(<seed, output>)`` with respect to `targets`, or to every leaf behind the
    outputs.

    Returns ``{serial: (node, gradient)}``; the gradient is None where the derivative is zero.  A
    target that the outputs do not depend on is not in the answer.  Only the part of the graph that
    leads to a target is walked.  The graph is freed on the way unless `retain_graph` is set.
    """
    order = _ancestors(outputs, targets)
    wanted = {t.serial for t in targets} if targets is not None else None
    pending: dict[int, Array] = {}
    owned: set[int] = set()
    for output, seed in zip(outputs, seeds):
        _accumulate(pending, owned, output.serial, seed)
    needed = {node.serial for node in order}
    found: dict[int, tuple[Node, Array | None]] = {}
    token = modes.recording.set(create_graph)
    try:
        while order:
            node = order.pop()
            g = pending.pop(node.serial, None)
            owned.discard(node.serial)
            if node.op is None if wanted is None else node.serial in wanted:
                found[node.serial] = (node, g)
            if node.op is None:
                continue
            if g is not None:
                _visit(node, g, needed, create_graph, pending, owned)
            if not retain_graph:
                node.inputs = None
                node.params = {}
    finally:
        modes.recording.reset(token)
    return found


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
    if op.joint is not None:
        wanted = tuple(
            isinstance(x, Node) and x.requires_grad and x.serial in needed for x in inputs
        )
        gradients = _apply(op.joint, op, "its inputs", g, args, {**params, "wanted": wanted})
        for x, gx, want in zip(inputs, gradients, wanted):
            if want and gx is not None:
                _accumulate(pending, owned, x.serial, _fitted(op, x, gx))
        return
    for position, x in enumerate(inputs):
        if not (isinstance(x, Node) and x.requires_grad and x.serial in needed):
            continue
        rule = op.rule(position)
        if rule is None:
            continue
        if op.variadic:
            params = {**params, "position": position}
        gx = _apply(rule, op, op.inputs[0 if op.variadic else position], g, args, params)
        if gx is not None:
            _accumulate(pending, owned, x.serial, _fitted(op, x, gx))


def _apply(
    rule: Callable[..., Any],
    op: Op,
    name: str,
    g: Array,
    args: Sequence[Any],
    params: dict[str, Any],
) -> Any:
    try:
        return rule(g, *args, **params)
    except Exception as error:
        error.add_note(f"while differentiating {op.name} with respect to {name}")
        raise


def _fitted(op: Op, x: Node, gx: Array) -> Array:
    """`gx` with the dtype of `x`; its shape must be right already."""
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


def _accumulate(pending: dict[int, Array], owned: set[int], serial: int, gx: Array) -> None:
    """Add `gx` to what is pending; in place only into a buffer that an earlier addition made."""
    if serial not in pending:
        pending[serial] = gx
    elif serial in owned:
        pending[serial] += gx
    else:
        pending[serial] = pending[serial] + gx
        if isinstance(pending[serial], np.ndarray):
            owned.add(serial)


def _ancestors(outputs: Iterable[Node], targets: Sequence[Node] | None) -> list[Node]:
    """Nodes between the outputs and the targets (all leaves when None), oldest first."""
    found: dict[int, Node] = {}
    stack = [node for node in outputs if node.requires_grad]
    while stack:
        node = stack.pop()
        if node.serial in found:
            continue
        found[node.serial] = node
        if node.op is None:
            continue
        if node.inputs is None:
            raise GraphError(
                f"the graph behind this result of {node.op.name} {describe(node)} has been freed "
                "by an "
                "earlier backward pass; pass retain_graph=True to the first one, or compute it "
                "anew"
            )
        for x in node.inputs:
            if isinstance(x, Node):
                if x.written is not None and x.written[0] > node.serial:
                    raise GraphError(
                        f"an input of {node.op.name} ({describe(x)}) was changed in place after "
                        "the op had "
                        f"used it, so its gradient would be wrong; run backward before the change "
                        "(optimizer.step, in-place arithmetic, .data = ...), or compute the "
                        "graph anew"
                    )
                if x.requires_grad:
                    stack.append(x)
    order = [found[serial] for serial in sorted(found)]
    return order if targets is None else _leading_to(order, {t.serial for t in targets})


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


# ---------------------------------------------------------------------------------- starting a pass


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
        seed = gradient if isinstance(gradient, Node) else np.asarray(gradient, output.array.dtype)
        if seed.shape != output.array.shape:
            raise ValueError(
                f"{name}: gradient must have the output's shape {output.array.shape}, got "
                f"{seed.shape}"
            )
    if create_graph:
        return seed if isinstance(seed, Node) else wrap(seed)
    return values(seed)


def accumulate_gradients(found: dict[int, tuple[Node, Array | None]]) -> None:
    """Add what backward found to `.grad`; every gradient gets a buffer that nobody else holds."""
    for serial in list(found):
        node, g = found.pop(serial)
        if g is None:
            g = np.zeros_like(node.array)
        old = node._grad
        if isinstance(g, Node):
            node._grad = (
                old + g
                if old is not None
                else g
                if g.op is not None
                else wrap(g.array.copy(order="K"))
            )
        elif old is not None:
            node._grad = wrap(old.array + g)
        elif isinstance(g, np.ndarray) and g.base is None and _holders(g) == _ALONE:
            node._grad = wrap(g)
        else:
            node._grad = wrap(np.array(g, order="K"))


def _holders(g: np.ndarray) -> int:
    """How many references to `g` there are; -2 where the interpreter does not count."""
    count = getattr(sys, "getrefcount", None)
    return count(g) if count else -2


def _count_alone() -> int:
    """What `_holders` answers to a caller that holds the only reference, on this interpreter."""
    g = np.empty(1)
    return _holders(g) if hasattr(sys, "getrefcount") else -1


_ALONE = _count_alone()


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

    `grad_outputs` gives a cotangent per output; outputs of one value need none.  Inputs may be
    intermediate results. With `create_graph` the gradients can be differentiated again.

    Raises GraphError when an output does not depend on an input, unless `allow_unused` (its
    gradient is then None).

    >>> from autograd_cnn import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (dx,) = grad(x ** 3, x, create_graph=True)
    >>> grad(dx, x)
    (tensor(18.),)
    """
    outs = [outputs] if isinstance(outputs, Node) else list(outputs)
    ins = [inputs] if isinstance(inputs, Node) else list(inputs)
    cotangents = (
        [grad_outputs] if isinstance(outputs, Node) else list(grad_outputs or [None] * len(outs))
    )
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
        results.append(g if isinstance(g, Node) else wrap(g.copy(order="K")))
    return tuple(results)
