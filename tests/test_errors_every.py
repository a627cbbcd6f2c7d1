"""Every public function and class has a row in a table of mistakes, and every row's message is right."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import autograd_cnn as ag
from autograd_cnn import data, func, nn, optim, training
from autograd_cnn import functional as F
from autograd_cnn.engine.op import COMPOSITIONS
from tests import errors_ops, errors_parts, errors_training, test_errors, test_errors_network

ROWS = [*errors_ops.ROWS, *errors_parts.ROWS, *errors_training.ROWS]
TABLES = [errors_ops, errors_parts, errors_training, test_errors, test_errors_network]
MODULES = {
    "ag": ag,
    "F": F,
    "nn": nn,
    "nn.utils": nn.utils,
    "optim": optim,
    "data": data,
    "augment": data.augment,
    "func": func,
    "training": training,
}
# What has no input that could be wrong: settings to look at, blocks, and records of results.
NO_INPUT = {
    *("ag.GraphError", "ag.Op", "ag.detect_anomaly", "ag.enable_grad", "ag.get_default_dtype"),
    *("ag.get_num_threads", "ag.is_grad_enabled", "ag.no_grad", "ag.profile", "ag.show_config"),
    *("ag.set_grad_enabled", "ag.why_no_grad"),
    *("data.DataError", "data.DataUnavailable", "data.Dataset", "data.Split", "data.digits"),
}


@pytest.mark.parametrize(("call", "kind", "message"), ROWS, ids=[str(i) for i in range(len(ROWS))])
def test_a_mistake_is_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def named(table: Any) -> set[str]:
    """The dotted names, such as ``F.conv2d`` and ``ops.conv.fold``, that occur in a table."""
    tree = ast.parse(Path(table.__file__).read_text(encoding="utf-8"))
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


NAMED = errors_parts.LOOPED.union(*map(named, TABLES))


@pytest.mark.parametrize("short", MODULES)
def test_every_public_function_has_a_row(short: str) -> None:
    module = MODULES[short]
    public = {f"{short}.{name}" for name in module.__all__ if callable(getattr(module, name))}
    assert public - NAMED - NO_INPUT == set()


def test_every_op_and_composition_has_a_row() -> None:
    last = {name.rsplit(".", 1)[-1] for name in NAMED if name.startswith(("ag.", "ops.", "F."))}
    own = {n for n, o in ag.OPS.items() if o.forward.__module__.startswith("autograd_cnn.")}
    assert (own | COMPOSITIONS.keys()) - last == set()


def test_what_is_let_off_exists_and_needs_it() -> None:
    for name in NO_INPUT:
        short, attribute = name.split(".")
        assert attribute in MODULES[short].__all__
    assert NAMED.isdisjoint(NO_INPUT - {"ag.GraphError"})
