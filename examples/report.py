"""The report of a training run: one HTML file with its figures, numbers and settings."""

import base64
import html
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from program import percent

import autograd_cnn as ag
from autograd_cnn.training import replace_file

FIGURES = {
    "curves.png": ("Loss and accuracy", "Loss and accuracy after each epoch."),
    "confusion.png": ("Confusion", "How often each digit was read as each digit."),
    "filters.png": ("Filters", "The weights of the first layer."),
    "mistakes.png": ("Mistakes", "The held-out images with the largest loss that were misread."),
}

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.result { font-size: 1.2rem; } .result b { font-size: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8886;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; background: #fff; }
pre { padding: .6rem .8rem; border: 1px solid #8886; border-radius: 6px; overflow-x: auto; }
"""


def write(
    path: Path,
    title: str,
    history: Sequence[dict[str, Any]],
    tables: str,
    settings: dict[str, Any],
    command: str,
    drawn: bool,
) -> None:
    """Write the report of a finished run to `path`.

    `tables` is text with the results by digit, and `command` repeats the run.  If figures were
    `drawn`, the report contains those in its folder.
    """
    last = history[-1]
    figures = [
        f"<h2>{heading}</h2><figure><img alt='{text}' src='data:image/png;base64,"
        f"{base64.b64encode((path.parent / name).read_bytes()).decode()}'></figure>"
        for name, (heading, text) in FIGURES.items()
        if drawn
    ]
    epochs = [
        [
            f"{epoch['epoch']}",
            f"{epoch['loss']:.4f}",
            percent(epoch["accuracy"]),
            f"{epoch['test_loss']:.4f}",
            percent(epoch["test_accuracy"]),
            f"{epoch['seconds']:.1f}",
        ]
        for epoch in history
    ]
    heads = ["epoch", "loss", "train", "held-out loss", "held-out", "seconds"]
    page = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p class='result'><b>{percent(last['test_accuracy'])}</b> correct after epoch "
        f"{last['epoch']}, the last one.</p>",
        "<h2>Epochs</h2>",
        table(heads, epochs),
        "<p>Loss and train are means while the network learned, so they lag behind.</p>",
        *figures,
        "<h2>By digit</h2>",
        f"<pre>{html.escape(tables)}</pre>",
        "<h2>Settings</h2>",
        table(["setting", "value"], [[k, str(v)] for k, v in settings.items()]),
        f"<pre>{html.escape(configuration())}</pre>",
        "<h2>Run it again</h2>",
        "<p>The same seed gives the same numbers on the same machine.</p>",
        f"<pre>{html.escape(command)}</pre></html>",
    ]
    with replace_file(path) as file:
        file.write("\n".join(page).encode(errors="backslashreplace"))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text in HTML.

    >>> table(["a"], [["<"]])
    "<div class='wide'><table><tr><th>a</th></tr><tr><td>&lt;</td></tr></table></div>"
    """
    lines = [("th", heads), *(("td", row) for row in rows)]
    inside = "".join(
        f"<tr>{''.join(f'<{tag}>{html.escape(x)}</{tag}>' for x in row)}</tr>" for tag, row in lines
    )
    return f"<div class='wide'><table>{inside}</table></div>"


def configuration() -> str:
    """Versions, kernels and threads."""
    with redirect_stdout(io.StringIO()):
        return ag.show_config()
