"""Figures of a training run, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

try:
    from matplotlib import rc_context
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter
except ImportError:  # everything but the figures works without it
    Figure = None

BLUE, ORANGE, GREY = "#2166ac", "#e08214", "#666666"
HELD_OUT: dict[str, Any] = {
    "color": ORANGE,
    "marker": "o",
    "markersize": 4,
    "label": "held-out images",
}
STYLE = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": "#dddddd",
}


def available() -> bool:
    """Whether matplotlib is installed."""
    return Figure is not None


def _save(figure: Any, path: Path) -> None:
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    figure.savefig(path, dpi=110, facecolor="white")


def _headline(figure: Any, what: str, where: str) -> None:
    """A title in bold and, after it, what it is about."""
    bold = what.replace(" ", r"\ ")
    figure.suptitle(rf"$\bf{{{bold}}}$   {where}", x=0.015, ha="left", fontsize=12)


def draw_curves(path: Path, title: str, steps: Sequence[float], epochs: Sequence[Any]) -> None:
    """Loss per step and epoch on the left, accuracy per epoch on the right."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _headline(figure, "Training", title)
        _draw_losses(left, np.asarray(steps), epochs)
        _draw_accuracies(right, epochs)
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.set_xlim(0, len(epochs) * 1.03)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(True)
            axes.set_axisbelow(True)
            axes.legend(frameon=False)
        _save(figure, path)


def _draw_losses(axes: Any, steps: np.ndarray, epochs: Sequence[Any]) -> None:
    at = np.arange(1, len(steps) + 1) * len(epochs) / len(steps)
    window = max(1, len(steps) // 60)
    smooth = np.convolve(steps, np.ones(window) / window, mode="valid")
    axes.plot(at, steps, color=BLUE, alpha=0.2, linewidth=0.7)
    axes.plot(at[window - 1 :], smooth, color=BLUE, label=f"training, mean of {window} steps")
    held_out = [e.test_loss for e in epochs]
    axes.plot(range(1, len(epochs) + 1), held_out, **HELD_OUT)
    axes.set_yscale("log")
    axes.set_title("Loss (cross entropy)")


def _draw_accuracies(axes: Any, epochs: Sequence[Any]) -> None:
    ends = range(1, len(epochs) + 1)
    training = [e.accuracy for e in epochs]
    held_out = [e.test_accuracy for e in epochs]
    axes.plot(ends, training, "o-", color=BLUE, markersize=4, label="training, while it learns")
    axes.plot(ends, held_out, **{**HELD_OUT, "label": f"held-out images: {held_out[-1]:.2%}"})
    low, high = min(training + held_out), max(training + held_out)
    axes.set_ylim(bottom=low - 0.4 * (high - low) - 1e-3)  # room for the legend
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("Accuracy")


def draw_confusion(path: Path, title: str, confusion: np.ndarray) -> None:
    """The confusion matrix: correct counts in blue on the diagonal, mistakes shaded."""
    mistakes = confusion.astype(float)
    np.fill_diagonal(mistakes, 0.0)
    most = max(mistakes.max(), 2.0)
    shown = np.ma.masked_equal(mistakes, 0.0)
    edges = np.arange(len(confusion) + 1) - 0.5
    with rc_context({**STYLE, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure = Figure(figsize=(6.6, 6.8), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shown, cmap="OrRd", norm=LogNorm(0.6, most))
        for (truth, predicted), count in np.ndenumerate(confusion):
            dark = mistakes[truth, predicted] > most**0.6
            color = BLUE if truth == predicted else "white" if dark else "#333333"
            text = f"{count:,}" if count else ""
            axes.text(predicted, truth, text, ha="center", va="center", color=color, fontsize=10)
        digits = range(len(confusion))
        axes.set(xticks=digits, yticks=digits, xlabel="predicted digit", ylabel="true digit")
        axes.set_xticks(edges, minor=True)
        axes.set_yticks(edges, minor=True)
        axes.grid(True, which="minor")
        axes.tick_params(which="both", length=0)
        _headline(figure, "Confusion", title)
        _save(figure, path)


def draw_filters(path: Path, filters: np.ndarray) -> None:
    """Filters (F, KH, KW) side by side, each on its own scale: blue below zero, red above."""
    columns = min(8, len(filters))
    rows = -(-len(filters) // columns)
    with rc_context(STYLE):
        size = (1.15 * columns + 0.2, 1.15 * rows + 0.45)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, weights in zip(grid.flat, filters):
            most = np.abs(weights).max() or 1.0
            axes.imshow(weights, cmap="RdBu_r", vmin=-most, vmax=most)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        _headline(figure, "First layer", "weights below zero are blue, above zero red")
        _save(figure, path)


def draw_mistakes(path: Path, title: str, split: Any, scores: Any) -> None:
    """The wrongly recognised images of `split` with the highest loss, worst first."""
    wrong = np.flatnonzero(scores.predicted != split.labels)
    worst = wrong[np.argsort(-scores.losses[wrong], kind="stable")][:24]
    columns = min(8, max(6, len(worst)))
    rows = max(1, -(-len(worst) // columns))
    with rc_context(STYLE):
        figure = Figure(figsize=(1.3 * columns, 1.7 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, i in zip(grid.flat, worst):
            axes.imshow(split.images[i, 0], cmap="gray_r")
            caption = f"{split.labels[i]} read as {scores.predicted[i]}"
            axes.set_title(caption, fontsize=10, pad=4, loc="center", weight="normal")
            axes.set_xlabel(f"loss {scores.losses[i]:.1f}", fontsize=9, color=GREY, labelpad=3)
        for position, axes in enumerate(grid.flat):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(position < len(worst))
            axes.spines[:].set_color("#cccccc")
        _headline(figure, "Worst mistakes" if len(worst) else "No mistakes", title)
        _save(figure, path)
