"""Running the programs of examples/, and what all of them promise: short errors, small pictures.

Importing this module puts examples/ on the path, as running a program there does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
sys.path.insert(0, str(EXAMPLES))

needs_terminal = pytest.mark.skipif(
    os.name == "nt", reason="Windows has no pseudo-terminals of this kind"
)


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python *arguments` in `folder`, with output to pipes."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def refused(main: Callable[[list[str]], int], arguments: list[str], capsys: Any) -> str:
    """The one line on stderr with which `main` ends for these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def check_png(path: Path) -> None:
    """A whole picture, not too large for a page."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    assert len(content) < 200_000
    assert int.from_bytes(content[16:20]) <= 1200  # pixels wide


def shown_in_terminal(command: list[str], columns: int, stream: str, **options: Any) -> str:
    """The text that `command` writes to `stream` ("stdout" or "stderr") on a terminal.

    The terminal has so many columns; `options` are those of `subprocess.Popen`.
    """
    import fcntl
    import pty
    import struct
    import termios

    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(command, **{stream: theirs}, **options) as running:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(mine, 4096):
                shown += piece
        except OSError:  # Linux reports the closed other end
            pass
    os.close(mine)
    assert running.returncode == 0
    return shown.decode()
