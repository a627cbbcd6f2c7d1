"""Where an operation was called: the user's source line and the layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd_cnn.engine import watch
from autograd_cnn.engine.watch import Watcher, user_frame


class Origin(NamedTuple):
    """The call of an op: its name, the line of the caller's code, the layers that were running."""

    op: str
    file: str
    line: int
    function: str
    layers: tuple[Any, ...]

    def __str__(self) -> str:
        import linecache

        code = linecache.getline(self.file, self.line).strip()
        inside = f" in {self.function}" if self.function != "<module>" else ""
        layer = f" (layer {layer_path(self.layers)})" if self.layers else ""
        return f"{self.file}:{self.line}{inside}: {code}{layer}"


def here(op: str) -> Origin:
    """The origin of an op called now: the innermost line that is not this package's own.

    >>> here("exp").op
    'exp'
    """
    frame, _ = user_frame()
    code = frame.f_code
    return Origin(op, code.co_filename, frame.f_lineno, code.co_name, watch.layers.get())


def origin_of(node: Any) -> Origin | None:
    """Where the op that made `node` was called, if somebody was watching."""
    return node.attached.origin if node.attached is not None else None


def layer_path(layers: Sequence[Any]) -> str:
    """The innermost of the running `layers` by its path from the outermost.

    >>> from autograd_cnn import nn
    >>> net = nn.Sequential(nn.ReLU(), nn.Tanh())
    >>> layer_path([net, net[1]])
    'Sequential.1 (Tanh)'
    """
    path, outer = type(layers[0]).__name__, layers[0]
    for inner in layers[1:]:
        steps = next((name for name, m in outer.named_modules() if m is inner), None)
        if steps is None:  # called, but not held
            path, outer = f"{path}, {type(inner).__name__}", inner
    inner = layers[-1]
    steps = next((name for name, m in outer.named_modules() if m is inner), "")
    return f"{path}.{steps} ({type(inner).__name__})" if steps else path


class Origins(Watcher):
    """Notes on every recorded tensor where it was made."""

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        """Note the line and layer on a tensor that backward may come to."""
        if node.requires_grad:
            node.attach().origin = here(op.name)
