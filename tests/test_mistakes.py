"""Every mistake of the table is explained, and every public function and class has a row in it."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

import autograd_cnn as ag
from autograd_cnn.engine.op import COMPOSITIONS
from tests.calls import CALLS
from tests.mistakes import MISTAKES, Mistake
from tests.snippets import NAMES, value

SHORT = ("ag", "F", "nn", "init", "optim", "data", "augment", "func", "training")
MODULES = {name: NAMES[name] for name in SHORT}
MODULES["nn.utils"] = ag.nn.utils
# What has no input that could be wrong: settings to look at, blocks, and records of results.
NO_INPUT = {
    *("ag.Op", "ag.enable_grad", "ag.get_default_dtype", "ag.get_num_threads"),
    *("ag.is_grad_enabled", "ag.no_grad", "ag.profile", "ag.show_config", "ag.set_grad_enabled"),
    *("ag.why_no_grad", "data.DataError", "data.DataUnavailable", "data.TrainTest", "data.Split"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.call)
def test_a_mistake_is_explained(mistake: Mistake) -> None:
    with pytest.raises(value(mistake.error)) as caught:
        value(mistake.call)
    assert re.match(mistake.message, str(caught.value), re.DOTALL), str(caught.value)


def test_no_row_stands_twice_or_says_nothing() -> None:
    calls = [mistake.call for mistake in MISTAKES]
    assert len(set(calls)) == len(calls)
    assert min(len(mistake.message) for mistake in MISTAKES) > 8


def named(call: str) -> set[str]:
    """The dotted names, such as ``F.conv2d`` and ``ops.conv.fold``, in a call or an error."""
    return {
        ast.unparse(node) for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Attribute)
    }


NAMED = set().union(*(named(m.call) | named(m.error) for m in MISTAKES))


def public(short: str) -> dict[str, Any]:
    module = MODULES[short]
    found = {name: getattr(module, name) for name in module.__all__}
    return {f"{short}.{name}": entry for name, entry in found.items() if callable(entry)}


@pytest.mark.parametrize("short", MODULES)
def test_every_public_function_has_a_row(short: str) -> None:
    """One in the table, or a call whose arguments test_bad_values.py replaces by nonsense."""
    # A few names stand in F and in ag.
    of_both = {name for name, entry in public(short).items() if entry in public("F").values()}
    covered = NAMED | CALLS.keys() | NO_INPUT
    aliases = {n: x.__name__ for n, x in public(short).items() if not n.endswith(x.__name__)}
    of_both |= {name for name, own in aliases.items() if f"{short}.{own}" in covered}
    missing = sorted(public(short).keys() - covered - of_both)
    assert missing == [], "no row: add one to the TABLE of a file tests/mistakes_*.py"


def test_every_op_and_composition_has_a_row() -> None:
    last = {name.rsplit(".", 1)[-1] for name in NAMED if name.startswith(("ag.", "ops.", "F."))}
    own = {n for n, o in ag.OPS.items() if o.forward.__module__.startswith("autograd_cnn.")}
    missing = sorted((own | COMPOSITIONS.keys()) - last)
    assert missing == [], "no row: add one to TABLE or PAIRS in tests/mistakes_ops.py"


def test_what_is_let_off_exists_and_needs_it() -> None:
    for name in NO_INPUT:
        short, attribute = name.split(".")
        assert attribute in MODULES[short].__all__
    assert (NAMED | CALLS.keys()).isdisjoint(NO_INPUT)
