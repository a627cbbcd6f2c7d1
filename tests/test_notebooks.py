"""docs/make_notebooks.py: the chapters of the tutorial as notebooks that run from top to bottom."""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from autograd_cnn.testing import GradientError
from tests.programs import ROOT

TUTORIAL = ROOT / "docs" / "tutorial"
PROGRAM = runpy.run_path(str(ROOT / "docs" / "make_notebooks.py"))
CHAPTERS = sorted(page.stem for page in TUTORIAL.glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found: Path = tmp_path_factory.mktemp("notebooks")
    assert [path.stem for path in PROGRAM["write"](found)] == CHAPTERS
    return found


def cells_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_notebook_has_the_examples_of_its_chapter_in_order(chapter: str, folder: Path) -> None:
    text = (TUTORIAL / f"{chapter}.md").read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_examples(text)
    code = [cell for cell in cells_of(folder / f"{chapter}.ipynb") if cell["cell_type"] == "code"]
    statements = [ast.dump(s) for e in examples for s in ast.parse(e.source).body]
    assert [ast.dump(s) for c in code for s in ast.parse("".join(c["source"])).body] == statements
    results = ["".join(c["outputs"][0]["text"]) for c in code if c["outputs"]]
    assert results == [example.want for example in examples if example.want]


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name[0] in "124"])
def test_a_notebook_shows_its_results(chapter: str, folder: Path) -> None:
    """The cells of quick chapters as Jupyter runs them; test_doctests.py runs all examples."""
    names: dict[str, Any] = {}
    check = doctest.OutputChecker().check_output
    for cell in cells_of(folder / f"{chapter}.ipynb"):
        if cell["metadata"]:
            with pytest.raises(GradientError):
                run_cell("".join(cell["source"]), names)
        elif cell["cell_type"] == "code":
            shown = run_cell("".join(cell["source"]), names)
            expected = "".join(line for out in cell["outputs"] for line in out["text"])
            assert check(expected, shown, doctest.ELLIPSIS), (cell["source"], shown)


def run_cell(source: str, names: dict[str, Any]) -> str:
    """What Jupyter shows below a cell: what it prints, and the value of its last line."""
    *statements, last = ast.parse(source).body
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(ast.Module(statements, []), "cell", "exec"), names)
        exec(compile(ast.Interactive([last]), "cell", "single"), names)
    return shown.getvalue()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_notebook_is_valid_and_its_links_lead_somewhere(chapter: str, folder: Path) -> None:
    cells = cells_of(folder / f"{chapter}.ipynb")
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    assert "```python" not in text
    assert "```math" not in text
    assert "details>" not in text
    links = re.findall(r"\]\(([^):]+)\)", text)
    assert [link for link in links if not (folder / link).exists()] == []
    keys = {"code": {"execution_count", "outputs"}, "markdown": set()}
    for cell in cells:
        assert set(cell) == {"cell_type", "metadata", "source"} | keys[cell["cell_type"]]


def test_a_cell_that_raises_is_marked_so_that_the_next_one_runs(folder: Path) -> None:
    for chapter in "457":
        (path,) = folder.glob(f"{chapter}-*.ipynb")
        marked = [cell for cell in cells_of(path) if cell["metadata"]]
        assert marked
        for cell in marked:
            assert cell["metadata"] == {"tags": ["raises-exception"]}
            assert "Traceback" in cell["outputs"][0]["text"][0]
