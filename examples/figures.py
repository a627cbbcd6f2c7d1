"""Figures of a training run, and the parts of all pictures, drawn with matplotlib."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

try:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator, PercentFormatter
except ImportError:  # everything but the figures works without it
    Figure = None

NEED = "need matplotlib (python -m pip install matplotlib)"

BLUE, ORANGE, GREY, LIGHT = "#2166ac", "#e08214", "#666666", "#cccccc"
INK, SIGNED = "gray_r", "RdBu_r"  # colours of an image; of values below and above zero
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

# ------------------------------------------------------------------------------------------- parts


def available() -> bool:
    """Whether matplotlib is installed."""
    return Figure is not None


@contextmanager
def canvas(path: Path, size: tuple[float, float], dpi: int = 100) -> Iterator[Any]:
    """An empty figure of `size` inches to draw on, saved as a PNG when the block ends."""
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(path, dpi=dpi, facecolor="white")


@contextmanager
def picture(path: Path, size: tuple[float, float], what: str, about: str) -> Iterator[Any]:
    """A canvas with a headline: `what` in bold, then `about`."""
    with canvas(path, size, dpi=110) as figure:
        yield figure
        bold = what.replace(" ", r"\ ")
        figure.suptitle(rf"$\bf{{{bold}}}$   {about}", x=0.015, ha="left", fontsize=12)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)


def empty_grid(figure: Any, rows: int, columns: int, **shape: Any) -> np.ndarray:
    """Axes (rows, columns) that stay invisible until something is shown on them."""
    grid = figure.subplots(rows, columns, squeeze=False, **shape)
    for axes in grid.flat:
        axes.axis("off")
    return grid


def show(axes: Any, image: np.ndarray, title: str = "", **colours: Any) -> None:
    """An image (H, W) in a thin frame: ink on white, or in the colours that are given."""
    axes.axis("on")
    axes.imshow(image, **({"cmap": INK} | colours))
    axes.set_title(title, fontsize=11, loc="center", weight="normal", pad=6)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=LIGHT)


def show_signed(axes: Any, values: np.ndarray, title: str = "", most: float | None = None) -> None:
    """Values (H, W) in a frame, blue below zero and red above, up to `most` or the largest."""
    most = most or np.abs(values).max() or 1.0
    show(axes, values, title, cmap=SIGNED, vmin=-most, vmax=most)


def table(
    axes: Any,
    values: np.ndarray,
    left: float = 0,
    top: float = 0,
    *,
    cmap: str = INK,
    border: bool = False,
    digits: int = 0,
) -> None:
    """Numbers in cells of size 1, lightly coloured; with `border` the outermost are grey."""
    rows, columns = values.shape
    most = 1.8 * (np.abs(values).max() or 1.0)
    box = (left, left + columns, top + rows, top)
    axes.imshow(values, cmap=cmap, vmin=-most if cmap == SIGNED else 0, vmax=most, extent=box)
    texts = np.vectorize(lambda value: f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}"))(values)
    fontsize = 10 if max(map(len, texts.flat)) < 5 else 8.5  # points; a cell is some 50 pixels wide
    for (row, column), text in np.ndenumerate(texts):
        outside = border and (row in (0, rows - 1) or column in (0, columns - 1))
        colour = GREY if outside else "black"
        place = (left + column + 0.5, top + row + 0.5)
        axes.text(*place, text, ha="center", va="center", fontsize=fontsize, color=colour)
    for k in range(rows + 1):
        axes.plot(box[:2], [top + k] * 2, color=LIGHT, lw=0.8, clip_on=False)
    for k in range(columns + 1):
        axes.plot([left + k] * 2, box[2:], color=LIGHT, lw=0.8, clip_on=False)


def outline(
    axes: Any, left: float, top: float, width: float = 1, height: float | None = None, **look: Any
) -> None:
    """A box; a square in orange around something that matters, if nothing else is said."""
    look = {"fill": False, "edgecolor": ORANGE, "lw": 2.2, "zorder": 5} | look
    axes.add_patch(Rectangle((left, top), width, height or width, clip_on=False, **look))


def draw_mean(axes: Any, at: np.ndarray, values: np.ndarray, window: int, **style: Any) -> None:
    """A line of the mean of every `window` values in a row."""
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    axes.plot(at[window - 1 :], smooth, **style)


# ---------------------------------------------------------------------------------- a training run


def draw_curves(path: Path, title: str, history: Sequence[dict[str, Any]]) -> None:
    """Loss per step and epoch on the left, accuracy per epoch on the right.

    `history` is that of `training.fit`.
    """
    with picture(path, (9.5, 4.2), "Training", title) as figure:
        left, right = figure.subplots(1, 2)
        _draw_losses(left, history)
        _draw_accuracies(right, history)
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.set_xlim(0, len(history) * 1.03)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(True)
            axes.legend()


def _draw_losses(axes: Any, history: Sequence[dict[str, Any]]) -> None:
    steps = np.concatenate([epoch["step_losses"] for epoch in history])
    at = np.arange(1, len(steps) + 1) * len(history) / len(steps)
    window = max(1, len(steps) // 60)
    axes.plot(at, steps, color=BLUE, alpha=0.2, linewidth=0.7)
    draw_mean(axes, at, steps, window, color=BLUE, label=f"training, mean of {window} steps")
    _draw_epochs(axes, [epoch["test_loss"] for epoch in history], ORANGE, "held-out images")
    axes.set_yscale("log")
    axes.set_title("Loss (cross entropy)")


def _draw_accuracies(axes: Any, history: Sequence[dict[str, Any]]) -> None:
    training = [epoch["accuracy"] for epoch in history]
    held_out = [epoch["test_accuracy"] for epoch in history]
    _draw_epochs(axes, training, BLUE, "training, while it learns")
    _draw_epochs(axes, held_out, ORANGE, f"held-out images: {held_out[-1]:.2%}")
    low, high = min(training + held_out), max(training + held_out)
    axes.set_ylim(bottom=low - 0.4 * (high - low) - 1e-3)  # room for the legend
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("Accuracy")


def _draw_epochs(axes: Any, values: Sequence[float], color: str, label: str) -> None:
    axes.plot(range(1, len(values) + 1), values, "o-", color=color, markersize=4, label=label)


def draw_confusion(path: Path, title: str, confusion: np.ndarray) -> None:
    """The confusion matrix: correct counts in blue on the diagonal, mistakes in red.

    The colour is in proportion to the count.  A few mistakes stay pale.
    """
    mistakes = confusion.astype(float)
    np.fill_diagonal(mistakes, 0.0)
    most = max(mistakes.max(), 8.0)
    edges = np.arange(len(confusion) + 1) - 0.5
    with picture(path, (6.6, 6.8), "Confusion", title) as figure:
        axes = figure.subplots()
        axes.spines[:].set_visible(False)
        axes.imshow(np.ma.masked_equal(mistakes, 0.0), cmap="Reds", vmin=0, vmax=most)
        for (truth, predicted), count in np.ndenumerate(confusion):
            dark = mistakes[truth, predicted] > 0.6 * most
            color = BLUE if truth == predicted else "white" if dark else "#333333"
            text = f"{count:,}" if count else ""
            axes.text(predicted, truth, text, ha="center", va="center", color=color, fontsize=10)
        axes.set(xlabel="predicted digit", ylabel="true digit")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(confusion)))
            axis.set_ticks(edges, minor=True)
        axes.grid(True, which="minor")
        axes.tick_params(which="both", length=0)


def draw_filters(path: Path, filters: np.ndarray) -> None:
    """Filters (F, KH, KW) side by side, each on its own scale: blue below zero, red above."""
    columns = min(8, len(filters))
    rows = -(-len(filters) // columns)
    size = (1.15 * columns + 0.2, 1.15 * rows + 0.45)
    about = "weights below zero are blue, above zero red"
    with picture(path, size, "First layer", about) as figure:
        grid = empty_grid(figure, rows, columns)
        for axes, weights in zip(grid.flat, filters):
            show_signed(axes, weights)


def draw_mistakes(path: Path, title: str, split: Any, scores: Any) -> None:
    """The wrongly recognised images of `split` with the highest loss, worst first."""
    wrong = np.flatnonzero(scores.predicted != split.labels)
    worst = wrong[np.argsort(-scores.losses[wrong], kind="stable")][:24]
    rows = -(-len(worst) // 8)
    columns = -(-len(worst) // max(rows, 1))  # so that the last row is nearly full
    what = ("No mistakes", "The only mistake", "All mistakes", "Worst mistakes")[
        min(len(wrong), 2) + (len(wrong) > len(worst))
    ]
    size = (max(1.3 * columns, 3.9), 1.7 * rows + 0.7)
    about = title if size[0] > 6 else f"\n{title}"  # below `what` where there is no room beside it
    with picture(path, size, what, about) as figure:
        if not rows:
            return
        grid = empty_grid(figure, rows, columns)
        for axes, i in zip(grid.flat, worst):
            show(axes, split.images[i, 0], f"{split.labels[i]} read as {scores.predicted[i]}")
            axes.set_xlabel(f"loss {scores.losses[i]:.1f}", fontsize=10, color=GREY, labelpad=3)
