"""Every public name has a docstring with an example; tests/test_doctests.py runs the examples."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import autograd_cnn as ag
from autograd_cnn.engine.op import COMPOSITIONS

MODULES = [
    ag,
    ag.functional,
    ag.nn,
    ag.nn.init,
    ag.nn.utils,
    ag.optim,
    ag.optim.swa_utils,
    ag.data,
    ag.data.augment,
    ag.func,
    ag.testing,
    ag.diagnose,
    ag.training,
    ag.distributed,
]
CLASSES = [
    *(ag.Tensor, ag.nn.Module, ag.optim.Optimizer, ag.optim.LRScheduler, ag.data.DataLoader),
    *(ag.training.EarlyStopping, ag.training.History, ag.training.Progress),
]
OPERATIONS = ag.OPS.keys() | COMPOSITIONS.keys() | {*ag.__all__}


def public_names() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) or inspect.ismodule(value):
                yield f"{module.__name__}.{name}", value
    for name, record in ag.OPS.items():
        if (record.forward.__module__ or "").startswith("autograd_cnn."):  # not ops of tests
            yield f"OPS[{name!r}]", record.forward
    for name, function in COMPOSITIONS.items():
        yield f"COMPOSITIONS[{name!r}]", function


OF_THE_GRAPH = {"attach", "share", "touch", "write_record"}
"""Methods that tensors have for the graph, not for users."""


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    for name in dir(owner):
        found = inspect.getattr_static(owner, name)
        found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if not name.startswith("_") and name not in OF_THE_GRAPH and inspect.isfunction(found):
            yield f"{owner.__name__}.{name}", found


METHODS = {name: found for owner in CLASSES for name, found in methods(owner)}


@pytest.mark.parametrize("name", sorted({name for name, _ in public_names()}))
def test_a_public_name_has_an_example(name: str) -> None:
    value = dict(public_names())[name]
    text = inspect.getdoc(value) or ""
    if inspect.ismodule(value):
        assert text, f"{name} has no docstring"
    else:
        assert ">>> " in text, f"{name} has no example in its docstring"


def forwards(text: str) -> bool:
    """One line that names the operation, whose own docstring has the example."""
    match = re.fullmatch(r".*; see `(\w+)`\.", text)
    return match is not None and match[1] in OPERATIONS


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_public_method_has_an_example_or_names_its_operation(name: str) -> None:
    text = inspect.getdoc(METHODS[name]) or ""
    assert ">>> " in text or forwards(text), f"{name}: {text or 'no docstring'}"


@pytest.mark.parametrize("name", [n for n in ag.nn.__all__ if inspect.isclass(getattr(ag.nn, n))])
def test_a_method_of_a_layer_has_a_docstring_or_inherits_one(name: str) -> None:
    layer = getattr(ag.nn, name)
    named = [method.partition(".")[2] for method, _ in methods(layer)]
    assert [method for method in named if not inspect.getdoc(getattr(layer, method))] == []


def test_the_rule_for_methods_is_not_vacuous() -> None:
    assert forwards("Sum over `axis`; see `sum`.")
    assert not forwards("Sum over `axis`.")
    assert not forwards("Sum over `axis`; see `nothing`.")
    assert {"Tensor.backward", "Tensor.sum", "Module.train", "Optimizer.step"} <= METHODS.keys()
