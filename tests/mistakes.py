"""The table of mistakes: calls that must fail, with the type and the words of their errors.

A row is ``call  =>  Type: message``.  A long row breaks before the arrow.  The message starts as
the row says; ``...`` stands for any text.  In a family, NAME stands for each of its names.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tests import mistakes_network, mistakes_ops, mistakes_training


class Mistake(NamedTuple):
    """A call, the type of its error, and a pattern that the message starts with."""

    call: str
    error: str
    message: str


def read(row: str) -> Mistake:
    call, _, expected = row.partition("=>")
    error, _, words = expected.strip().partition(": ")
    return Mistake(call.strip(), error, ".*".join(map(re.escape, words.split("..."))))


def rows(table: str) -> list[str]:
    """The rows of a table, without its headings."""
    joined = re.sub(r"\n +=>", " =>", table)
    return [line for line in joined.splitlines() if line and not line.startswith("# ")]


FAMILIES = [*mistakes_ops.FAMILIES, *mistakes_network.FAMILIES]
MISTAKES = [
    *(read(r) for m in (mistakes_ops, mistakes_network, mistakes_training) for r in rows(m.TABLE)),
    *(read(row.replace("NAME", name)) for names, row in FAMILIES for name in names.split()),
]
