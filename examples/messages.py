"""Errors of the library as a program of the command line says them."""

from __future__ import annotations


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
