"""Graphs as text for Mermaid and Graphviz, and as a page of their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, mistake
from autograd_cnn.diagnose.origin import behind, inputs_of, origin_of
from autograd_cnn.diagnose.stepping import steps_page
from autograd_cnn.engine import node as nodes
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn.module import Module
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.showing import Drawing

_COLOURS = {
    "op": ("#e3eefb", "#1f5fa8", "#1f3f66"),
    "leaf": ("#f3f5f8", "#444444", "#222222"),
    "constant": ("#ffffff", "#999999", "#666666"),
}
"""Area, border and text of each kind of node, as in docs/architecture.svg."""
_MERMAID = {"op": '(["{}"]):::op', "leaf": '["{}"]:::leaf', "constant": '["{}"]:::constant'}
_DOT = {"op": "ellipse", "leaf": "box", "constant": "box"}


@checked
def draw(
    output: Any,
    names: Module | Mapping[str, Tensor] | None = None,
    *,
    format: str = "mermaid",
    values: bool = False,
) -> str:
    """The graph behind a tensor, or several in a tuple or list, as text for Mermaid or Graphviz, or
    as a page.

    Every result shows its op and shape.  With `values` all tensors show what they hold, and their
    `grad` if they have one.  `names` labels tensors: it is a mapping from names to tensors, or a
    module.  Parameters of a module get their paths, and every layer in it gets a box with its
    parameters and the ops that use them.  Inside ``ag.detect_anomaly()`` the graph remembers its
    layers, and each box has all ops of its layer.

    `format` is "mermaid", which GitHub draws in a block of that language; "dot"; or "html".
    This is a page in one file that goes through forward and backward, one op at a time: arrays as
    pictures, each rule as its formula, the gradients that arrive and leave.  It needs a single
    value that requires gradients, such as a loss, before its backward.  `.grad` does not change.

    >>> w = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * 3.0).sum()
    >>> loss.backward(retain_graph=True)
    >>> print(ag.draw(loss, {"w": w}, values=True))
    graph TD
        n0["w (2,)<br/>[1., 2.]<br/>grad [3., 3.]"]:::leaf
        n1["3.0"]:::constant
        n2(["multiply (2,)<br/>[3., 6.]"]):::op
        n3(["sum ()<br/>9."]):::op
        n0 --> n2
        n1 --> n2
        n2 --> n3
        classDef op fill:#e3eefb,stroke:#1f5fa8,color:#1f3f66
        classDef leaf fill:#f3f5f8,stroke:#444444,color:#222222
        classDef constant fill:#ffffff,stroke:#999999,color:#666666,stroke-dasharray:3 3
    """
    choice("draw", "format", format, ("mermaid", "dot", "html"))
    outputs = list(output) if isinstance(output, (tuple, list)) else [output]
    if not all(isinstance(x, Tensor) for x in outputs):
        raise mistake("draw", "output", "a tensor or a sequence of tensors", output)
    if names is not None and not isinstance(names, (Module, Mapping)):
        raise mistake("draw", "names", "a module or a mapping from names to tensors", names)
    named = names.named_parameters() if isinstance(names, Module) else (names or {}).items()
    boxes = _boxes(names) if isinstance(names, Module) else {}
    picture = _Picture({id(t): name for name, t in named}, boxes, values)
    for node in reversed(behind(outputs)):
        picture.add(node)
    if format == "html":
        if len(outputs) != 1:
            raise mistake("draw", "output", "one tensor, for a page of its steps", output)
        return steps_page(outputs[0], picture.nodes)
    return Drawing(picture.text(format == "dot"))


def _boxes(module: Module) -> dict[int, str]:
    """The boxes of all layers in a module and of their parameters, by their ids."""
    found: dict[int, str] = {}
    for path, layer in module.named_modules():
        for x in (layer, *layer.parameters(recurse=False)) if path else ():
            found.setdefault(id(x), f"{path} ({type(layer).__name__})")
    return found


class _Picture:
    def __init__(self, names: dict[int, str], boxes: dict[int, str], values: bool) -> None:
        self.names, self.boxes, self.values = names, boxes, values
        self.nodes: list[dict[str, Any]] = []  # inputs before results; see `steps_page`
        self.numbers: dict[int, int] = {}

    def add(self, node: Any) -> None:
        """Add a tensor, whose inputs are there, with the constants among its inputs."""
        inputs = [x for x in inputs_of(node) if x is not None]
        box = self._box(node, inputs)
        sources = [
            self.numbers[x.serial]
            if isinstance(x, nodes.Node)
            else self._place(x, _constant(x), "constant", box)
            for x in inputs
        ]
        own = self.names.get(id(node))
        if node.op is None:
            label = own or ("leaf" if node.requires_grad else "input")
        else:
            label = node.op.name + (" (freed)" if node.inputs is None else "")
            label = f"{own} = {label}" if own else label
        label = f"{label} {node.array.shape}"
        if self.values:
            label += f"\n{_short(node.array)}"
            label += "" if node.grad is None else f"\ngrad {_short(node.grad.array)}"
        kind = "op" if node.op else "leaf" if node.requires_grad else "constant"
        self.numbers[node.serial] = self._place(node, label, kind, box, sources)

    def _box(self, node: Any, inputs: list[Any]) -> str:
        """The box of the innermost layer that made it, or of a parameter that it is or uses."""
        origin = origin_of(node)
        owners = (node, *inputs) if origin is None else reversed(origin.layers)
        return next((self.boxes[id(x)] for x in owners if id(x) in self.boxes), "")

    def _place(self, node: Any, label: str, kind: str, box: str, inputs: Sequence[int] = ()) -> int:
        place = {"node": node, "label": label, "kind": kind, "box": box, "inputs": inputs}
        self.nodes.append(place)
        return len(self.nodes) - 1

    def text(self, dot: bool) -> str:
        """The finished text, for Graphviz or for Mermaid."""
        quoted = _quoted_dot if dot else _quoted_mermaid
        inside: dict[str, list[str]] = {"": []}  # the lines of each box, and those of none
        arrows = []
        for number, n in enumerate(self.nodes):
            if dot:
                area, border, text = _COLOURS[n["kind"]]
                look = f'fillcolor="{area}", color="{border}", fontcolor="{text}"'
                line = f"n{number} [label={quoted(n['label'])}, shape={_DOT[n['kind']]}, {look}]"
            else:
                line = f"n{number}" + _MERMAID[n["kind"]].replace('"{}"', quoted(n["label"]))
            inside.setdefault(n["box"], []).append(line)
            arrow = "n{} -> n{}" if dot else "n{} --> n{}"
            arrows += [arrow.format(source, number) for source in n["inputs"]]
        lines = inside.pop("")
        for number, (box, own) in enumerate(inside.items()):
            title = quoted(box)
            start, end = f"subgraph m{number}[{title}]", ["end"]
            if dot:
                start, end = f"subgraph cluster{number} {{", [f"    label={title}", "}"]
            lines += [start, *(f"    {line}" for line in own), *end]
        lines += arrows
        if dot:
            return "\n    ".join(["digraph {", "node [style=filled]", *lines]) + "\n}"
        for kind, (area, border, text) in _COLOURS.items():
            dashes = ",stroke-dasharray:3 3" if kind == "constant" else ""
            lines.append(f"classDef {kind} fill:{area},stroke:{border},color:{text}{dashes}")
        lines += [f"style m{number} fill:none,stroke:#444444" for number in range(len(inside))]
        return "\n    ".join(["graph TD", *lines])


def _quoted_dot(label: str) -> str:
    label = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{label}"'


def _quoted_mermaid(label: str) -> str:
    label = label.replace('"', "#quot;").replace("\n", "<br/>")
    return f'"{label}"'


def _constant(x: Any) -> str:
    if isinstance(x, (bool, int, float, np.generic)) or np.ndim(nodes.values(x)) == 0:
        return str(x)
    return f"constant {np.shape(x)}"


def _short(array: np.ndarray) -> str:
    """Up to six values, or the first and the last two of a row of all."""
    array = array if array.size <= 6 else array.ravel()
    return np.array2string(array, precision=4, separator=", ", threshold=6, edgeitems=2)
