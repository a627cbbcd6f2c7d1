"""Faults in the formula of a rule: a term or factor dropped, a sign turned, a number changed.

The source of a rule, and of the helpers of its module that it names, is compiled anew with one
place changed, in a namespace of its own: the forward keeps the right ones.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from autograd_cnn.graph import OPS, Op
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
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in helpers and part.id not in found:
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
        case ast.Compare(left, [ast.Gt()], right):
            yield "comparison turned", ast.Compare(left, [ast.Lt()], right)
        case ast.Compare(left, [ast.Lt()], right):
            yield "comparison turned", ast.Compare(left, [ast.Gt()], right)


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
                yield Fault(name, place, what, in_place_of(op, position, wrong))
