"""Tables of text that fit the terminal, and of HTML in notebooks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from autograd_cnn.tensor.showing import escaped


class Table:
    """What prints as a table; the first row of `_cells` is its head, the last its total."""

    _left = 1
    """The number of columns that are aligned left."""

    def _cells(self) -> list[list[str]]:
        raise NotImplementedError

    def _notes(self) -> list[str]:
        """Lines below the table."""
        return []

    def __str__(self) -> str:
        head, *lines, total = aligned(self._cells(), self._left)
        rule = "-" * len(head)
        return "\n".join([head, rule, *lines, rule, total, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = ("".join(map(self._cell, row, range(len(row)))) for row in self._cells())
        rows = [head.replace("<td", "<th"), *rows]
        notes = "<br>".join(map(escaped, self._notes()))
        return f"<table><tr>{'<tr>'.join(rows)}</table>{notes}"

    def _cell(self, text: str, column: int) -> str:
        side = "left" if column < self._left else "right"
        return f'<td style="text-align:{side};white-space:pre">{escaped(text)}'


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
