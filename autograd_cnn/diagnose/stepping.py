"""A graph as a page that goes through forward and backward, one op at a time."""

from __future__ import annotations

import ast
import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.gradients import seed_gradient
from autograd_cnn.engine.node import Node, values
from autograd_cnn.engine.watch import Compute, Watcher, Watching
from autograd_cnn.tensor.showing import Page

SIDE = 28
"""Rows and columns that a picture of an array has at most."""


def steps_page(output: Any, nodes: Sequence[dict[str, Any]]) -> Page:
    """The page for a scalar tensor.

    `nodes` describe what is behind it, inputs before results: each has the ``node`` or constant,
    its ``label``, its ``kind``, its ``box`` and the numbers of its ``inputs``.
    """
    steps = _Steps()
    seed = seed_gradient("draw", output, None, False)
    with Watching(steps):
        leaves = backpropagate([output], [seed], retain_graph=True)
    places = _places([n["inputs"] for n in nodes])
    found, numbers = [], {}
    for number, (described, (column, row)) in enumerate(zip(nodes, places)):
        node = described.pop("node")
        described |= {"column": column, "row": row, "value": _picture(node)}
        described |= {"doc": "", "rules": [], "gradient": None}
        found.append(described)
        if not isinstance(node, Node):
            continue
        numbers[node.serial] = number
        g = steps.arriving.get(node.serial, leaves.get(node.serial, (node, None))[1])
        described["gradient"] = None if g is None else _picture(g)
        if node.op is not None:
            described["doc"] = (node.op.forward.__doc__ or "").strip().split("\n\n")[0]
            described["rules"] = steps.rules(node)
    order = [numbers[serial] for serial in steps.arriving if serial in numbers]
    data = {"nodes": found, "backward": order}  # without what checkpoints compute in between
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    template = Path(__file__).with_name("steps.html").read_text(encoding="utf-8")
    return Page(template.replace("{/* data */}", text, 1))


class _Steps(Watcher):
    """The rules that a walk calls: what comes in, and what goes out to each input."""

    def __init__(self) -> None:
        self.arriving: dict[int, Any] = {}  # by serial, in the order of the walk
        self.leaving: dict[int, list[tuple[str, Any]]] = defaultdict(list)

    def rule(self, node: Any, name: str, g: Any, compute: Compute) -> Any:
        """Keep the gradients of a call."""
        self.arriving.setdefault(node.serial, np.array(values(g)))
        result = compute()
        each = zip(node.op.inputs, result) if node.op.joint is not None else [(name, result)]
        self.leaving[node.serial] += [
            (own, np.array(values(g))) for own, g in each if g is not None
        ]
        return result

    def rules(self, node: Any) -> list[dict[str, Any]]:
        """The rules that were called for a node, as formulas, with the gradients they gave."""
        op = node.op
        formulas = dict(zip(op.inputs, op.rules))
        return [
            {
                "input": name,
                "formula": formula(op.joint or formulas[name], op.inputs.index(name)),
                "gradient": _picture(g),
            }
            for name, g in self.leaving[node.serial]
        ]


@functools.cache
def _parsed(file: str) -> list[ast.Lambda | ast.FunctionDef]:
    """The functions of a source file; none if it cannot be read."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return []
    return [n for n in ast.walk(tree) if isinstance(n, (ast.Lambda, ast.FunctionDef))]


def formula(rule: Any, place: int = 0) -> str:
    """The formula of a backward rule, from its source; else its name.

    Of a rule for all inputs together, that of the input at `place`.

    >>> formula(ag.OPS["tanh"].rules[0])
    'g * (1.0 - out * out)'
    """
    code = getattr(rule, "__code__", None)
    if code is None:
        return getattr(rule, "__name__", type(rule).__name__)
    if inner := _wrapped(rule):
        return formula(inner)
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for found in _parsed(code.co_filename):
        own = found.args
        names = tuple(a.arg for a in (*own.posonlyargs, *own.args, *own.kwonlyargs))
        if found.lineno != code.co_firstlineno or names != arguments:
            continue
        if isinstance(found, ast.Lambda):
            start, end = found.body.col_offset, found.body.end_col_offset
            if (start, end) in {position[2:] for position in code.co_positions()}:
                return ast.unparse(found.body)
            continue
        returns = [n for n in ast.walk(found) if isinstance(n, ast.Return)]
        if len(returns) > 1 and not rule.__module__.startswith("autograd_cnn."):
            break
        for part in found.body:  # the formula, which serves tensors, or the end
            if isinstance(part, ast.If) and "Node" in ast.unparse(part.test):
                part = part.body[0]
            if isinstance(part, ast.Return) and part.value is not None:
                value = part.value
                return ast.unparse(value.elts[place] if isinstance(value, ast.Tuple) else value)
    return str(rule.__name__)


def _wrapped(rule: Any) -> Any:
    """The rule of this package that a rule of this package ends with, or None."""
    if not rule.__module__.startswith("autograd_cnn.ops"):  # what others write may do more
        return None
    for cell in rule.__closure__ or ():
        inner = getattr(cell.cell_contents, "__code__", None)
        if inner is not None and inner.co_varnames[:1] == ("g",):
            return cell.cell_contents
    return None


def _picture(x: Any) -> dict[str, Any]:
    """The values of an array that a page shows: those of one matrix, and which one it is."""
    array = np.asarray(values(x))
    shape, leading = array.shape, max(array.ndim - 2, 0)
    array = array[(0,) * leading] if array.size else np.empty((0, 0))
    array = array.reshape(1, -1) if array.ndim < 2 else array
    cut = tuple(slice(0, SIDE) for _ in array.shape)
    part = array[cut]
    notes = [f"[{', '.join('0' * leading)}]"] if leading else []
    if part.shape != array.shape:
        notes.append(f"the first {part.shape[0]} x {part.shape[1]}")
    rows = [[_number(v) for v in row] for row in part]
    return {"shape": str(shape), "note": ", ".join(notes), "rows": rows}


def _number(value: Any) -> float | str:
    """A number with four digits; what JSON has no number for is text."""
    value = float(value)
    return float(f"{value:.4g}") if np.isfinite(value) else str(value)


def _places(inputs: Sequence[Sequence[int]]) -> list[tuple[float, int]]:
    """A column and a row for each node: inputs above results, near what uses them."""
    rows = [0] * len(inputs)
    for k, sources in enumerate(inputs):
        rows[k] = 1 + max((rows[s] for s in sources), default=-1)
    users: dict[int, list[int]] = defaultdict(list)
    for k, sources in enumerate(inputs):
        for s in sources:
            users[s].append(k)
    for k in reversed(range(len(inputs))):
        if not inputs[k] and users[k]:
            rows[k] = min(rows[u] for u in users[k]) - 1
    columns = [0.0] * len(inputs)
    for row in range(max(rows, default=0), -1, -1):  # from the output up, in the order of its users
        own = [k for k in range(len(inputs)) if rows[k] == row]
        own.sort(key=lambda k: np.mean([columns[u] for u in users[k]] or [0.0]))
        for place, k in enumerate(own):
            columns[k] = place - (len(own) - 1) / 2
    return list(zip(columns, rows))
