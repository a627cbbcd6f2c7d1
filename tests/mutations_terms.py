"""Faults in the formula of a rule: a term, factor or call dropped, a sign or condition turned,
arguments exchanged, another number or axis.

The source of a rule, and of the helpers of its module that it names, is compiled anew with one
place changed, in a namespace of its own: the forward keeps the right ones.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from autograd_cnn.engine.op import OPS, Op
from tests.mutations import Fault, in_place_of


@functools.cache
def _tree(file: str) -> ast.Module:
    with open(file, encoding="utf-8") as source:
        return ast.parse(source.read())


def _declared(tree: ast.Module, op: Op, place: str) -> tuple[ast.expr | None, dict[str, Any]]:
    """The expression that declares a rule, and the functions of the module that are no ops."""
    rule, helpers = None, {}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        calls = [d for d in node.decorator_list if isinstance(d, ast.Call)]
        if node.name == op.name:
            (keywords,) = (d.keywords for d in calls if ast.unparse(d.func) == "op")
            rule = next((k.value for k in keywords if k.arg == place), None)
        elif not node.decorator_list:
            helpers[node.name] = node
    return rule, helpers


def _named(node: ast.AST, helpers: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The helpers that a formula uses, and those that they use."""
    own = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in helpers.keys() - own - found.keys():
            found[part.id] = helpers[part.id]
            _named(helpers[part.id], helpers, found)
    return found


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand wrongly in the place of one node."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            minus = isinstance(sign, ast.Sub)
            yield "first term dropped", ast.UnaryOp(ast.USub(), right) if minus else right
            yield "second term dropped", left
            yield "sign turned", ast.BinOp(left, ast.Add() if minus else ast.Sub(), right)
        case ast.BinOp(left, ast.Mult() | ast.Div() as times, right):
            yield "second factor dropped", left
            if isinstance(times, ast.Mult):
                yield "first factor dropped", right
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign dropped", operand
        case ast.Constant(float()):
            yield "other number", ast.Constant(node.value * 2.0 + 0.5)
        case ast.Constant(int()) if type(node.value) is int:
            yield "other number", ast.Constant(node.value + 1)
        case ast.Compare(left, [ast.Gt()], right):
            yield "comparison turned", ast.Compare(left, [ast.Lt()], right)
        case ast.Compare(left, [ast.Lt()], right):
            yield "comparison turned", ast.Compare(left, [ast.Gt()], right)
        case ast.Compare(left, [ast.Eq()], right):
            yield "comparison turned", ast.Compare(left, [ast.NotEq()], right)
        case ast.IfExp(_, first, second):
            yield "first branch always", first
            yield "second branch always", second
        case ast.If(test, body, other):
            yield "condition turned", ast.If(ast.UnaryOp(ast.Not(), test), body, other)
        case ast.Attribute(matrix, "mT"):
            yield "transpose dropped", matrix
        case ast.Call():
            yield from _changes_of_call(node)


SYMMETRIC = {"hypot", "max", "result_type"}
PLAIN = {"values", "isinstance", "any", "int"}
"""Comparisons give plain arrays with or without these."""


def _changes_of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    function, args, keywords = node.func, node.args, node.keywords
    name = ast.unparse(function).rpartition(".")[-1]
    if args and name not in PLAIN:
        yield "call dropped", args[0]
    for i, j in itertools.pairwise(range(len(args) if name not in SYMMETRIC else 0)):
        swapped = [*args[:i], args[j], args[i], *args[j + 1 :]]
        yield f"arguments {i} and {j} exchanged", ast.Call(function, swapped, keywords)
    for k, word in enumerate(keywords):
        if word.arg == "axis":
            moved = ast.keyword("axis", ast.Constant(None))
            yield "all axes", ast.Call(function, args, [*keywords[:k], moved, *keywords[k + 1 :]])


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


def _compiled(rule: ast.expr, units: dict[str, Any], namespace: dict[str, Any]) -> Any:
    own = dict(namespace)
    module = ast.Module(list(units.values()), [])
    exec(compile(ast.fix_missing_locations(module), "<mutation>", "exec"), own)
    expression = ast.Expression(rule)
    return eval(compile(ast.fix_missing_locations(expression), "<mutation>", "eval"), own)


def term_faults(name: str, position: int) -> Iterator[Fault]:
    """Every fault in the formula of the rule of one input of an op."""
    op = OPS[name]
    place = "joint" if op.joint else op.inputs[position]
    forward = inspect.unwrap(op.forward)
    module = sys.modules[forward.__module__]
    rule, helpers = _declared(_tree(inspect.getsourcefile(module)), op, place)
    if not isinstance(rule, (ast.Lambda, ast.Name)) or (op.joint and position):
        return
    units = {"": rule, **_named(rule, helpers, {})}
    seen: Counter[str] = Counter()
    for unit in units:
        for number, node in enumerate(ast.walk(units[unit])):
            for count in range(len(list(_changes(node)))):
                changed = copy.deepcopy(units)
                twin = list(ast.walk(changed[unit]))[number]
                kind, new = list(_changes(twin))[count]
                changed[unit] = _Replace(twin, new).visit(changed[unit])
                formula = changed.pop("")
                wrong = _compiled(formula, changed, vars(module))
                what = f"{kind} in {unit + ': ' if unit else ''}{ast.unparse(node)}"
                seen[what] += 1
                what += f", number {seen[what]}" if seen[what] > 1 else ""
                yield Fault(name, place, what, in_place_of(op, position, wrong))
