"""In-place changes of recorded tensors, as new versions: the tensor takes over the result of an op,
and its old value lives on as a hidden node for those that used it.

Results recorded before the change still hold the tensor itself.  They are older than its new
version, which is how backward tells, and the versions before are the first inputs of their
successors.
"""

from __future__ import annotations

from autograd_cnn.engine.hooks import Attached
from autograd_cnn.engine.op import GraphError, Node, describe

_STATE = tuple(name for name in Node.__slots__ if name != "__weakref__")


def hidden_copy(node: Node) -> Node:
    """A second node with the state of `node`: the same array, origin and place in the order."""
    copy = object.__new__(type(node))
    _move(node, copy)
    return copy


def _move(source: Node, target: Node) -> None:
    for name in _STATE:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def take_over(node: Node, old: Node, result: Node) -> None:
    """Make `node` the newest version: the `result` of an op whose first input leads to `old`.

    Hooks stay with the old value, whose gradient they were promised; the wish to keep the gradient
    goes with the tensor.
    """
    _redirect(result, node, old)
    retains = old.attached is not None and old.attached.retains_grad
    _move(result, node)
    if retains and old.attached is not None:
        old.attached.retains_grad = False
        node.attached = Attached()
        node.attached.retains_grad = True


def _redirect(result: Node, node: Node, old: Node) -> None:
    """Let what `result` is made of use `old` in the place of `node`, so that no cycle arises."""
    stack, seen = [result], {result.serial}
    while stack:
        for x in stack.pop().inputs or ():
            if isinstance(x, Node) and x is not node and x.serial > old.serial:
                if x.serial in seen:
                    continue
                seen.add(x.serial)
                if x.inputs and any(part is node for part in x.inputs):
                    x.inputs = tuple(old if part is node else part for part in x.inputs)
                stack.append(x)


def version_used(x: Node, node: Node) -> Node:
    """The version of the input `x` that `node` was computed from, which takes its place there.

    Raises GraphError when that version is gone, because it was changed under no_grad or backward
    has freed it.
    """
    found = _version_before(x, node)
    node.inputs = tuple(found if part is x else part for part in node.inputs or ())
    return found


def _version_before(x: Node, node: Node) -> Node:
    current = x
    while current.serial > node.serial:
        if not current.inputs or not isinstance(current.inputs[0], Node):
            name = node.op.name if node.op else "an op"
            raise GraphError(
                f"an input of {name} ({describe(x)}) was changed in place after the op had used "
                "it, and its old value is gone (changed under no_grad, or its graph was freed by "
                "an earlier backward pass); run backward before the change, or compute the graph "
                "anew"
            )
        current = current.inputs[0]
    return current
