"""Write the chapters of the tutorial as Jupyter notebooks: python docs/make_notebooks.py FOLDER

A block of a chapter becomes code cells, each up to the next result, so that Jupyter shows all
results.  They stand below their cells as the chapter has them until you run it.
"""

from __future__ import annotations

import argparse
import doctest
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

TUTORIAL = Path(__file__).with_name("tutorial")
BLOCK = re.compile(r"^ *```python\n(.*?)^ *```\n", re.M | re.S)
IN_JUPYTER = [  # what GitHub's Markdown writes otherwise
    (r"^```math\n(.*?)^```$", r"$$\n\1$$"),
    (r"^<details>\n<summary>(.*?)</summary>$", r"**\1**"),
    (r"^</details>$", ""),
]


def main() -> None:
    """Write all notebooks into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="The chapters of the tutorial as notebooks.")
    parser.add_argument("folder", type=Path, help="where to write them, with their pictures")
    print(*write(parser.parse_args().folder), sep="\n")


def write(folder: Path) -> list[Path]:
    """Write a notebook for each chapter, and the pictures; returns the notebooks' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in TUTORIAL.glob("*.png"):
        shutil.copy(picture, folder)
    chapters = sorted(TUTORIAL.glob("[0-9]*.md"))
    paths = [folder / f"{chapter.stem}.ipynb" for chapter in chapters]
    for chapter, path in zip(chapters, paths):
        found = notebook(chapter.read_text(encoding="utf-8"), folder)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return paths


def notebook(page: str, folder: Path) -> dict[str, Any]:
    """A chapter in the format of Jupyter, version 4, with links that lead on from `folder`."""
    found, end = [], 0
    for block in BLOCK.finditer(page):
        found += [*text_cells(page[end : block.start()], folder), *code_cells(block[1])]
        end = block.end()
    found += text_cells(page[end:], folder)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": found, "metadata": about, "nbformat": 4, "nbformat_minor": 4}


def text_cells(text: str, folder: Path) -> list[dict[str, Any]]:
    """The text between two blocks as a cell, or none where there is no text."""
    for pattern, new in IN_JUPYTER:
        text = re.sub(pattern, new, text, flags=re.M | re.S)
    text = re.sub(r"\]\(([^):]+)\)", lambda link: f"]({_there(link[1], folder)})", text).strip()
    return [{"cell_type": "markdown", "metadata": {}, "source": _lines(text)}] if text else []


def _there(link: str, folder: Path) -> str:
    """Where a link of a chapter leads to: another notebook, a picture, or a file of the project."""
    if re.match(r"\d.*\.md$", link):
        return link.removesuffix(".md") + ".ipynb"
    if link.endswith(".png"):
        return link
    return Path(os.path.relpath((TUTORIAL / link).resolve(), folder.resolve())).as_posix()


def code_cells(block: str) -> list[dict[str, Any]]:
    """The examples of a block, a cell up to each result."""
    found, source = [], ""
    for example in doctest.DocTestParser().get_examples(block):
        source += re.sub(r" +# doctest: .*", "", example.source)
        if example.want:
            found.append(_code(source, example.want, raises=example.exc_msg is not None))
            source = ""
    return [*found, _code(source)] if source else found


def _code(source: str, result: str = "", raises: bool = False) -> dict[str, Any]:
    shown = {"output_type": "stream", "name": "stdout", "text": _lines(result)}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["raises-exception"]} if raises else {},  # "run all" goes on behind it
        "outputs": [shown] if result else [],
        "source": _lines(source.rstrip()),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    main()
