"""Figures of the results, drawn with matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import BLUE, LIGHT, canvas

from benchmarks.cells import GOALS, MODES, Cell
from benchmarks.processes import FRAMEWORKS
from benchmarks.results import Results
from benchmarks.tables import measured_cells

COLORS = {
    "autograd_cnn": BLUE,
    "numpy-kernels": "#92c5de",
    "torch": "#d6604d",
    "keras": "#f4a582",
    "jax": "#e7c27d",
    "mygrad": "#999999",
    "autograd": LIGHT,
}
RATIO_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
NAMES = {
    "autograd_cnn": "autograd_cnn",
    "numpy-kernels": "autograd_cnn, NumPy kernels",
    "autograd": "HIPS autograd",
}


def name_of(framework: str) -> str:
    return NAMES.get(framework, FRAMEWORKS[framework].title)


def draw_bars(results: Results, path: Path) -> None:
    """Images/s of every framework in every cell, relative to the best rival, with the goals.

    A line in a bar spans the middle half of the rounds.
    """
    cells = [c for c in measured_cells(results) if results.best_rival(c.name)]
    modes = [mode for mode in MODES if any(c.mode == mode for c in cells)]
    used = [n for n in FRAMEWORKS if any(results.rates[c.name].get(n) for c in cells)]
    if not cells:
        return
    with canvas(path, (11, 3.4 * len(modes) + 0.6)) as figure:
        for axes, mode in zip(figure.subplots(len(modes), squeeze=False)[:, 0], modes):
            _draw_mode(axes, results, [c for c in cells if c.mode == mode], used)
            axes.set_title(MODES[mode], pad=16)
        _draw_legend(figure, axes)


def _draw_legend(figure: Any, axes: Any) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)


def _draw_mode(axes: Any, results: Results, cells: Sequence[Cell], used: Sequence[str]) -> None:
    """Groups of bars, a group per cell, cut off where one is more than three times the best."""
    top = 3.2
    width = 0.86 / len(used)
    at = np.arange(len(cells))
    for i, framework in enumerate(used):
        rounds = [results.ratios(c.name, framework, results.best_rival(c.name)) for c in cells]
        low, middle, high = np.array([_quartiles(ratios) for ratios in rounds]).T
        places = at + (i - (len(used) - 1) / 2) * width
        axes.bar(places, middle, width, color=COLORS[framework], label=name_of(framework))
        axes.vlines(places, low, high, color="#444444", linewidth=0.8)
        for place, ratio in zip(places, middle):
            if ratio > top:
                axes.text(place, top, f"{ratio:.1f}", ha="center", va="bottom", fontsize=8)
    goals = [GOALS[c.net][c.batch] for c in cells]
    axes.hlines(goals, at - 0.45, at + 0.45, color="black", linewidth=1, label="goal")
    axes.set_xticks(at, [f"{c.net}\nbatch {c.batch}" for c in cells], fontsize=9)
    axes.tick_params("x", length=0)
    axes.set_ylim(0, top)
    axes.set_xlim(-0.55, len(cells) - 0.45)
    axes.set_ylabel("images/s; the best of\nPyTorch, Keras and JAX is 1")
    axes.grid(axis="y")


def _quartiles(ratios: Sequence[float]) -> np.ndarray:
    return np.percentile(ratios, [25, 50, 75]) if ratios else np.zeros(3)


def draw_scaling(axes_points: Any, path: Path) -> None:
    """A panel per axis: the median of the rounds as a line, lowest to highest as a band."""
    with canvas(path, (9.5, 6.6)) as figure:
        for axes, (axis, points) in zip(figure.subplots(2, 2).flat, axes_points.items()):
            for framework in dict.fromkeys(name for _, name, _ in points):
                at, rates = zip(*((place, r) for place, name, r in points if name == framework))
                line = {"color": COLORS[framework], "label": name_of(framework), "markersize": 4}
                axes.plot(at, [np.median(r) for r in rates], "o-", **line)
                band = {"color": COLORS[framework], "alpha": 0.2, "linewidth": 0}
                axes.fill_between(at, [min(r) for r in rates], [max(r) for r in rates], **band)
            places = list(dict.fromkeys(place for place, _, _ in points))
            axes.set(xscale="log", xlabel=axis, ylabel="images/s, training")
            axes.set_xticks(places, map(str, places))
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.grid(True)
        _draw_legend(figure, axes)


def draw_ratios(rows: Sequence[tuple[str, float, list[float]]], path: Path) -> None:
    """A point per row: its group, its goal and the quartiles of its ratio.

    It is blue where it reaches the goal.
    """
    rows = [row for row in rows if row[2]]
    groups = list(dict.fromkeys(group for group, *_ in rows))
    if not rows:
        return
    with canvas(path, (10, 1.2 + 0.3 * len(groups) + 0.03 * len(rows)), dpi=110) as figure:
        axes = figure.subplots()
        for at, group in enumerate(groups):
            own = sorted((row for row in rows if row[0] == group), key=lambda row: row[2][1])
            places = at + np.linspace(-0.4, 0.4, len(own) + 2)[1:-1]
            low, middle, high = np.array([quartiles for *_, quartiles in own]).T
            colours = [BLUE if q[1] >= goal else COLORS["torch"] for _, goal, q in own]
            axes.hlines(places, low, high, colors=colours, linewidth=1)
            axes.scatter(middle, places, s=12, c=colours, zorder=2)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", xlabel="time of the best peer / ours (blue: the goal is reached)")
        ticks = [t for t in RATIO_TICKS if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
        axes.set_xticks(ticks, map(str, ticks))
        axes.minorticks_off()
        axes.set_yticks(range(len(groups)), groups)
        axes.tick_params("y", length=0)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.grid(axis="x")


def draw_memory(runs: dict[str, Any], every: int, path: Path) -> None:
    """Resident memory over the steps of training, a line per process."""
    with canvas(path, (8, 4)) as figure:
        axes = figure.subplots()
        for label, found in runs.items():
            values = found["resident"]
            steps = np.arange(1, len(values) + 1) * every
            axes.plot(steps, values, color=COLORS[found["framework"]], label=label)
            axes.text(steps[-1], values[-1], f" {label}", va="center", fontsize=8)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, 1.35 * steps[-1])  # room for the labels
        axes.set_xticks(np.linspace(0, steps[-1], 6).round().astype(int))
        axes.set(xlabel="training steps of S4 at batch 128", ylabel="resident memory, MiB")
        axes.grid(True)
