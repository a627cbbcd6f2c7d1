"""Tables of text that fit the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells as lines of at most 80 characters, or fewer in a narrow terminal.

    The first `left` columns are aligned left and may be cut to 12 characters or more.  The others
    are aligned right.

    >>> aligned([["op", "calls"], ["exp", "3"]])
    ['op  calls', 'exp     3']
    """
    limit = min(80, shutil.get_terminal_size((80, 24)).columns)
    widths = [max(map(len, column)) for column in zip(*rows)]
    for place in range(left):
        surplus = max(sum(widths) + len(widths) - 1 - limit, 0)
        widths[place] -= min(surplus, max(widths[place] - 12, 0))
    sides = [place < left for place in range(len(widths))]
    return [" ".join(map(_cell, row, widths, sides)).rstrip() for row in rows]


def _cell(text: str, width: int, left: bool) -> str:
    if len(text) > width:
        text = text[: width - 2] + ".."
    return text.ljust(width) if left else text.rjust(width)
