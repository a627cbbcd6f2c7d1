"""Sizes in lines, by folder and file: ``python -m tests.sizes`` prints them beside the budgets."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autograd_cnn"

BUDGETS = {"engine": 1_900, "package": 30_200, "C": 4_000, "file": 350}
"""At most so many lines, docstrings and type stubs included."""


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def files(folder: Path, *suffixes: str) -> dict[str, int]:
    """The files under a folder with their lines."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in suffixes)
    return {str(p.relative_to(ROOT)): lines(p) for p in found if "__pycache__" not in p.parts}


def by_folder() -> Counter[str]:
    """Lines of Python in the package by the first part of the path."""
    count: Counter[str] = Counter()
    for name, size in files(PACKAGE, ".py", ".pyi").items():
        parts = Path(name).parts
        count[parts[1]] += size
    return count


def longest_functions(least: int) -> list[tuple[int, str]]:
    """Functions with at least so many lines of code below their docstring, longest first."""
    found = []
    for name in files(PACKAGE, ".py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                size = node.end_lineno - body[0].lineno + 1 if body and node.end_lineno else 0
                if size >= least:
                    found.append((size, f"{name}:{node.name}"))
    return sorted(found, reverse=True)


def totals() -> dict[str, int]:
    """What the budgets limit, as it is now."""
    package = files(PACKAGE, ".py", ".pyi")
    return {
        "engine": by_folder()["engine"],
        "package": sum(package.values()),
        "C": sum(files(PACKAGE, ".c", ".h").values()),
        "file": max(package.values()),
    }


def main() -> int:
    for name, size in sorted(by_folder().items()):
        print(f"{name:16}{size:7,}")
    for folder in ("tests", "examples"):
        print(f"{folder:16}{sum(files(ROOT / folder, '.py').values()):7,}")
    over = 0
    for name, size in totals().items():
        mark = "" if size <= BUDGETS[name] else "  over the budget"
        over += size > BUDGETS[name]
        print(f"{name:16}{size:7,} of {BUDGETS[name]:7,}{mark}")
    return over


if __name__ == "__main__":
    sys.exit(main())
