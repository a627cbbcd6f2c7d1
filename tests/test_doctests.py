"""Every example in docstrings, the README and the docs runs and prints what it says.

The names `np`, `ag`, `F` and `nn` need no import there.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FOUND = pkgutil.walk_packages(ag.__path__, "autograd_cnn.")
# The compiled kernels have no docstrings, and only type checkers read the types.
SKIPPED = {"autograd_cnn.kernels._compiled", "autograd_cnn.tensor.types"}
MODULES = ["autograd_cnn", *sorted(m.name for m in FOUND if m.name not in SKIPPED)]


def names() -> dict[str, Any]:
    return {"np": np, "ag": ag, "F": ag.functional, "nn": ag.nn}


@pytest.fixture(autouse=True)
def _ops_of_examples_stay_there() -> Iterator[None]:
    """Examples declare ops, which other tests would find in the registry."""
    known = set(ag.OPS)
    yield
    for name in ag.OPS.keys() - known:
        del ag.OPS[name]


def run(examples: list[doctest.DocTest]) -> tuple[int, str]:
    """How many examples ran, and the report of those that failed."""
    runner = doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    ops = dict(ag.OPS)
    for example in examples:
        runner.run(example, out=report.append)
    for name in ag.OPS.keys() - ops.keys():  # an example may declare one
        del ag.OPS[name]
    return runner.tries, "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(
        module, extraglobs={key: x for key, x in names().items() if key not in vars(module)}
    )
    _, report = run(found)
    assert not report, report


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_in_documents(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(tmp_path)
    parser = doctest.DocTestParser()
    text = path.read_text(encoding="utf-8")
    if ">>> history.plot(" in text:
        pytest.importorskip("matplotlib")
    example = parser.get_doctest(text, names(), path.name, str(path), 0)
    _, report = run([example])
    assert not report, report


def test_a_wrong_example_is_reported() -> None:
    text = ">>> 1 + 1\n3\n>>> np.zeros(1)\narray([0.])\n"
    tries, report = run([doctest.DocTestParser().get_doctest(text, names(), "wrong", None, 0)])
    assert tries == 2
    assert "Expected:\n    3\nGot:\n    2" in report
    assert "zeros" not in report
