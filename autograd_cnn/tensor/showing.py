"""How objects show themselves: in a line, in lines that fit a page, and as HTML in notebooks."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

LINES = 20
"""So many lines of values are shown at most."""
_PLAIN = (bool, int, float, str, type(None), np.generic)


def one_line(x: Any) -> str:
    """The class of an object and its public attributes: plain values, or the names of others."""
    public = {name: value for name, value in vars(x).items() if name[0] != "_"}
    return f"{type(x).__name__}({', '.join(f'{k}={_brief(v)}' for k, v in public.items())})"


def _brief(x: Any) -> str:
    if isinstance(x, (list, tuple)):
        return f"[{', '.join([*map(_brief, x[:4]), *(['...'] if len(x) > 4 else [])])}]"
    return reprlib.repr(x) if isinstance(x, _PLAIN) else getattr(x, "__name__", type(x).__name__)


def brief_values(array: np.ndarray, prefix: str) -> str:
    """The values of an array, of a large one those at its ends or only ``...``, in 20 lines."""
    for threshold in (None, 0):
        text = np.array2string(array, separator=", ", prefix=prefix, threshold=threshold)
        if text.count("\n") < LINES:
            return text
    return "..."


def escaped(text: str) -> str:
    """Text as it reads in HTML."""
    return text.translate({ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"})


def folded(title: str, body: str, shown: bool = True) -> str:
    """The start of HTML that a click on `title` shows or hides, with a `body` of HTML."""
    return f"<details{' open' if shown else ''}><summary>{escaped(title)}</summary>{body}"


def tree(text: str) -> str:
    """Nested lists in HTML, of a text in which a line that ends in ``(`` opens a branch.

    >>> tree(repr(nn.Sequential(nn.ReLU())))
    '<ul><li><details open><summary>Sequential</summary><ul><li>(0): ReLU()</ul></details></ul>'
    """
    html = ""
    for line in map(str.strip, text.splitlines()):
        if line == ")":
            html += "</ul></details>"
        else:
            html += "<li>" + (folded(line[:-1], "<ul>") if line[-1:] == "(" else escaped(line))
    return f"<ul>{html}</ul>"


class Drawing(str):
    """A graph as text for Mermaid, which notebooks draw, or for Graphviz.

    >>> print(Drawing("graph TD")._repr_markdown_())
    ```mermaid
    graph TD
    ```
    """

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return f"```{'dot' if self.startswith('digraph') else 'mermaid'}\n{self}\n```"


class Page(str):
    """A page of HTML that needs no other file: notebooks show it in a frame.

    >>> Page("<p>text</p>")._repr_html_()[:45]
    '<iframe srcdoc="&lt;p&gt;text&lt;/p&gt;" styl'
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        text = escaped(self).replace('"', "&quot;")
        return f'<iframe srcdoc="{text}" style="width:100%;height:640px;border:0"></iframe>'
