"""What all pictures share.  Matplotlib is imported when something is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from autograd_cnn.data.files import AnyPath

BLUE, ORANGE, GREY = "#2166ac", "#e08214", "#666666"
STYLE = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


@contextmanager
def canvas(path: AnyPath | None, size: tuple[float, float], dpi: int = 100) -> Iterator[Any]:
    """An empty figure of `size` inches, saved when the block ends.

    Without a path it is pyplot's: a notebook shows it, and elsewhere ``plt.show()``.
    """
    try:
        library = import_module("matplotlib")
        figures = import_module("matplotlib.pyplot" if path is None else "matplotlib.figure")
    except ImportError as error:
        raise ImportError("pictures are drawn with matplotlib: pip install matplotlib") from error
    make = figures.figure if path is None else figures.Figure
    figure = make(figsize=size, layout="constrained")  # the first sets a notebook up, so not below
    with library.rc_context(STYLE):
        yield figure
        if path is not None:
            figure.savefig(path, dpi=dpi, facecolor="white")


@contextmanager
def picture(
    path: AnyPath | None, size: tuple[float, float], what: str, about: str
) -> Iterator[Any]:
    """A canvas with a headline: `what` in bold, then `about`, below it where there is no room."""
    with canvas(path, size, dpi=110) as figure:
        yield figure
        bold, gap = what.replace(" ", r"\ "), "   " if size[0] > 6 else "\n"
        place = {"x": 0.09 / size[0] + 0.005, "ha": "left"}
        figure.suptitle(rf"$\bf{{{bold}}}${gap}{about}", fontsize=12, **place)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)


def draw_mean(axes: Any, at: np.ndarray, values: np.ndarray, window: int, **style: Any) -> None:
    """A line of the mean of every `window` values in a row."""
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    axes.plot(at[window - 1 :], smooth, **style)
