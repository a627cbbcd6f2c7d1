"""The origin of a tensor: the user's source line, the layer, the tensors behind it."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd_cnn.checks import user_frame
from autograd_cnn.engine import watch as watching
from autograd_cnn.engine.node import Node
from autograd_cnn.engine.watch import Watcher


class Origin(NamedTuple):
    """The call of an op: its name, the line of the user's code, the layers that were running."""

    op: str
    file: str
    line: int
    function: str
    layers: tuple[Any, ...]

    def __str__(self) -> str:
        code = linecache.getline(self.file, self.line).strip()
        inside = f" in {self.function}" if self.function != "<module>" else ""
        layer = f" (layer {layer_path(self.layers)})" if self.layers else ""
        return f"{self.file}:{self.line}{inside}: {code}{layer}"


def here(op: str) -> Origin:
    """The origin of the running op: the innermost line outside this package."""
    frame, _ = user_frame()
    code = frame.f_code
    return Origin(op, code.co_filename, frame.f_lineno, code.co_name, watching.layers.get())


def origin_of(node: Any) -> Origin | None:
    """The call of the op that made `node`, or None if no watcher recorded it."""
    return node.attached.origin if node.attached is not None else None


def behind(outputs: Sequence[Any]) -> list[Any]:
    """The outputs and all tensors behind them, newest first."""
    found: dict[int, Any] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.serial not in found:
            found[node.serial] = node
            stack += [x for x in inputs_of(node) if isinstance(x, Node)]
    return [found[serial] for serial in sorted(found, reverse=True)]


def inputs_of(node: Any) -> list[Any]:
    """The inputs of a tensor, each in the version that it was made from, before later writes."""
    found = list(node.inputs or ())
    for place, x in enumerate(found):
        while isinstance(x, Node) and x.serial > node.serial and x.inputs:
            x = found[place] = x.inputs[0]
    return found


def layer_path(layers: Sequence[Any]) -> str:
    """The path from the outermost to the innermost of the running `layers`.

    >>> net = nn.Sequential(nn.ReLU(), nn.Tanh())
    >>> layer_path([net, net[1]])
    'Sequential.1 (Tanh)'
    """
    path, outer, steps = type(layers[0]).__name__, layers[0], None
    for inner in layers[1:]:
        steps = next((name for name, m in outer.named_modules() if m is inner), None)
        if steps is None:  # the outer layer calls a layer that it does not contain
            path, outer = f"{path}, {type(inner).__name__}", inner
    return f"{path}.{steps} ({type(layers[-1]).__name__})" if steps else path


class Origins(Watcher):
    """Attaches an origin to every recorded tensor."""

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        """Attach the line and layer to a tensor that requires gradients."""
        if node.requires_grad:
            node.attach().origin = here(op.name)
