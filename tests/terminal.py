"""A terminal of a given width, for what programs show on one."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

needs_terminal = pytest.mark.skipif(
    os.name == "nt", reason="Windows has no pseudo-terminals of this kind"
)


def shown_in_terminal(command: list[str], columns: int, stream: str, **options: Any) -> str:
    """What `command`, which must succeed, writes to `stream` ("stdout" or "stderr") when that is a
    terminal of so many columns; `options` are those of `subprocess.Popen`.
    """
    import fcntl
    import pty
    import struct
    import termios

    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(command, **{stream: theirs}, **options) as run:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(mine, 4096):
                shown += piece
        except OSError:  # Linux says so that the other end has been closed
            pass
    os.close(mine)
    assert run.returncode == 0
    return shown.decode()
