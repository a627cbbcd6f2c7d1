"""What the programs here share: options, errors in one line, and a quiet end of a pipe."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Shows `description` as it is written, and reports a mistake in one line without the usage."""

    def __init__(self, prog: str, description: str | None, **settings: Any) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, formatter_class=form, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")

    def add_folder(self, name: str, default: Path | None, content: str) -> None:
        """An option that names the folder for results."""
        text = f"folder for {content} (default: {default or 'none'})"
        self.add_argument(name, type=Path, default=default, metavar="DIR", help=text)


def at_least(kind: type, least: float) -> Callable[[str], Any]:
    """A reader of options that are finite numbers of type `kind`, not below `least`."""

    def read(text: str) -> Any:
        value = kind(text)
        if not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be at least {least:g}, got {text}")
        return value

    read.__name__ = kind.__name__  # argparse names the type when `kind` refuses the text
    return read


positive = at_least(int, 1)


def one_line(error: Exception) -> str:
    """The message of an error on one line, with semicolons between the items of its lists.

    >>> one_line(OSError("Not found.\\nLooked in:\\n  here\\n  there\\nTry again."))
    'Not found. Looked in: here; there. Try again.'
    """
    text = ""
    for line in str(error).splitlines():
        if text and not text.endswith((".", ":")):
            text += ";" if line.startswith(" ") else "."
        text = f"{text} {' '.join(line.split())}"
    return text.strip()


def percent(share: float, digits: int = 2) -> str:
    """A share such as 0.9932 as text, 99.32 %."""
    return f"{100 * share:.{digits}f} %"


def reader_left() -> int:
    """The exit status when the reader of a pipe, such as `head`, has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
