"""What type checkers see: a user's script that is right, and mistakes that they must report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = ("typed_script.py", "typed_mistakes.py")
Found = dict[str, dict[int, str]]


def run(folder: Path, *command: str, code: int) -> str:
    """What ``python -m <command>`` prints in a folder when it ends with this code."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def mypy(folder: Path) -> Found:
    """The first message on each line of the scripts."""
    options = ("--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary")
    text = run(folder, "mypy", *options, *SCRIPTS, code=1)
    found: Found = {name: {} for name in SCRIPTS}
    for name, line, message in re.findall(r"^(\w+\.py):(\d+): error: (.*)", text, re.MULTILINE):
        found[name].setdefault(int(line), message)
    return found


def pyright(folder: Path) -> Found:
    """The first message on each line of the scripts."""
    config = {"include": ["."], "typeCheckingMode": "strict", "extraPaths": [str(HERE.parent)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    text = run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable, code=1)
    found: Found = {name: {} for name in SCRIPTS}
    for entry in json.loads(text)["generalDiagnostics"]:
        line = entry["range"]["start"]["line"] + 1
        found[Path(entry["file"]).name].setdefault(line, entry["message"])
    return found


def test_the_script_runs() -> None:
    printed = run(HERE.parent, "tests.typed_script", code=0)  # here it would register its ops
    assert float(printed) < 2.0


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_typed_script_passes_and_each_mistake_is_reported(checker, tmp_path: Path) -> None:
    pytest.importorskip(checker.__name__, reason=f"{checker.__name__} comes with the dev extra")
    for name in SCRIPTS:
        shutil.copy(HERE / name, tmp_path)
    right, wrong = checker(tmp_path).values()
    assert right == {}
    lines = (HERE / SCRIPTS[1]).read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert marked
    assert set(wrong) == marked, wrong
