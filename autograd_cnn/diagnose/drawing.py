"""Graphs as text for Mermaid and Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, mistake
from autograd_cnn.diagnose.origin import behind
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Node, values
from autograd_cnn.nn.module import Module
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.showing import Drawing

_MERMAID = {"op": '(["{}"])', "leaf": '["{}"]', "constant": '["{}"]:::constant'}
_DOT = {"op": "ellipse", "leaf": "box", "constant": "plaintext"}


@checked
def draw(
    output: Any,
    names: Module | Mapping[str, Tensor] | None = None,
    *,
    format: str = "mermaid",
) -> str:
    """The graph behind a tensor, or several in a tuple or list, as text for Mermaid or Graphviz.

    Every result shows its op and shape.  `names` labels tensors: it is a mapping from names to
    tensors, or a module, whose parameters get their paths.  `format` is "mermaid", which GitHub
    draws inside a ```` ```mermaid ```` block, or "dot".

    >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> print(ag.draw((w * 3.0).sum(), {"w": w}))
    graph TD
        n0["w (2,)"]
        n1["3.0"]:::constant
        n2(["multiply (2,)"])
        n0 --> n2
        n1 --> n2
        n3(["sum ()"])
        n2 --> n3
        classDef constant stroke-dasharray: 3 3
    """
    choice("draw", "format", format, ("mermaid", "dot"))
    outputs = list(output) if isinstance(output, (tuple, list)) else [output]
    if not all(isinstance(x, Tensor) for x in outputs):
        raise mistake("draw", "output", "a tensor or a sequence of tensors", output)
    if names is not None and not isinstance(names, (Module, Mapping)):
        raise mistake("draw", "names", "a module or a mapping from names to tensors", names)
    named = names.named_parameters() if isinstance(names, Module) else (names or {}).items()
    picture = _Picture({id(t): name for name, t in named}, format == "dot")
    for node in reversed(behind(outputs)):
        picture.add(node)
    return Drawing(picture.text())


class _Picture:
    def __init__(self, names: dict[int, str], dot: bool) -> None:
        self.names, self.dot = names, dot
        self.lines: list[str] = []
        self.numbers: dict[int, int] = {}
        self.count = 0

    def add(self, node: Any) -> None:
        """Draw a tensor, whose inputs are drawn, with the constants among its inputs."""
        inputs = [x for x in node.inputs or () if x is not None]
        sources = [
            self.numbers[x.serial] if isinstance(x, Node) else self._place(_value(x), "constant")
            for x in inputs
        ]
        own = self.names.get(id(node))
        if node.op is None:
            label = own or ("leaf" if node.requires_grad else "input")
        else:
            label = node.op.name + (" (freed)" if node.inputs is None else "")
            label = f"{own} = {label}" if own else label
        kind = "op" if node.op else "leaf" if node.requires_grad else "constant"
        number = self._place(f"{label} {node.array.shape}", kind)
        self.numbers[node.serial] = number
        arrow = "n{} -> n{}" if self.dot else "n{} --> n{}"
        self.lines += [arrow.format(source, number) for source in sources]

    def _place(self, label: str, kind: str) -> int:
        number, self.count = self.count, self.count + 1
        if self.dot:
            text = label.replace("\\", "\\\\").replace('"', '\\"')
            self.lines.append(f'n{number} [label="{text}", shape={_DOT[kind]}]')
        else:
            self.lines.append(f"n{number}" + _MERMAID[kind].format(label.replace('"', "#quot;")))
        return number

    def text(self) -> str:
        """The finished text."""
        if self.dot:
            return "\n".join(["digraph {", *(f"    {line}" for line in self.lines), "}"])
        constants = any(line.endswith(":::constant") for line in self.lines)
        style = ["classDef constant stroke-dasharray: 3 3"] if constants else []
        return "\n    ".join(["graph TD", *self.lines, *style])


def _value(x: Any) -> str:
    if isinstance(x, (bool, int, float, np.generic)) or np.ndim(values(x)) == 0:
        return str(x)
    return f"constant {np.shape(x)}"
