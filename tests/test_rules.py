"""docs/rules.md: every rule names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    line
    for line in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| rule")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_a_rule_names_tests_that_exist(row: str) -> None:
    rule, tests = row.strip("| ").rsplit(" | ", 1)
    assert rule.endswith(".")
    parts = re.findall(r"`(\w+\.py)::(\w+)`((?:, `\w+`)*)", tests)
    assert parts, "a row names a test as `file.py::test_name`"
    for file, first, others in parts:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        for name in (first, *re.findall(r"\w+", others)):
            assert f"def {name}(" in text, f"{file} has no {name}"
