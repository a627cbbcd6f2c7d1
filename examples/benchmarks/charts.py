"""Figures of the results, drawn with matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import BLUE, LIGHT, canvas, picture

from benchmarks.cells import GOALS, MODES
from benchmarks.processes import FRAMEWORKS
from benchmarks.results import OURS, Results
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
PLAIN = {
    "A1": "A1: one convolution,\none linear layer",
    "B1": "B1: one filter,\ntwo linear layers",
    "S4": "S4: two convolutions,\nbatch norm, two linear layers",
    "LeNet": "LeNet-5: two convolutions,\nthree linear layers",
    "MLP": "MLP: two linear layers",
}
"""What the networks are, in the words of the tables."""
NAMES = {
    "autograd_cnn": "autograd_cnn",
    "numpy-kernels": "autograd_cnn, NumPy kernels",
    "autograd": "HIPS autograd",
}


def name_of(framework: str) -> str:
    return NAMES.get(framework, FRAMEWORKS[framework].title)


def draw_speeds(results: Results, path: Path) -> None:
    """A row per network: its batches below each other, a dot for every framework.

    A dot is the speed relative to the best rival, and a line through it spans the middle half of
    the rounds.
    """
    cells = [c for c in measured_cells(results) if results.best_rival(c.name)]
    modes = [mode for mode in MODES if any(c.mode == mode for c in cells)]
    used = [n for n in FRAMEWORKS if any(results.rates[c.name].get(n) for c in cells)]
    if not cells:
        return
    batches: dict[str, list[int]] = {}
    for net, batch in dict.fromkeys((c.net, c.batch) for c in cells):
        batches.setdefault(net, []).append(batch)
    heights = [len(found) + 0.4 for found in batches.values()]
    about = "images per second; the best of PyTorch, Keras and JAX is 1; further right is faster"
    with picture(path, (10.5, 0.36 * sum(heights) + 2), "Speed", about) as figure:
        shape = {"sharex": True, "squeeze": False, "height_ratios": heights}
        grid = figure.subplots(len(batches), len(modes), **shape)
        for row, (net, own) in zip(grid, batches.items()):
            for axes, mode in zip(row, modes):
                found = {c.batch: c for c in cells if (c.net, c.mode) == (net, mode)}
                _draw_network(axes, results, [found.get(batch) for batch in own], used)
                axes.set_yticks(range(len(own)), [f"batch {n}" for n in own])
                axes.tick_params("y", labelleft=axes is row[0])
            row[0].set_ylabel(PLAIN[net], rotation=0, ha="right", va="center", labelpad=8)
        for axes, mode in zip(grid[0], modes):
            axes.set_title(MODES[mode])
        low, high = grid[0, 0].get_xlim()
        ticks = [t for t in RATIO_TICKS if low <= t <= high]
        grid[0, 0].set_xticks(ticks, map(str, ticks))
        grid[0, 0].minorticks_off()
        pairs = [zip(*axes.get_legend_handles_labels()) for axes in grid.flat]
        dots = {text: dot for pair in pairs for dot, text in reversed([*pair])}
        figure.legend(dots.values(), dots.keys(), loc="outside lower center", ncols=4)


def _draw_network(axes: Any, results: Results, cells: Sequence[Any], used: Sequence[str]) -> None:
    """The dots of one network in training or inference; None where a batch was not measured."""
    rows = [(at, cell) for at, cell in enumerate(cells) if cell]
    for framework in reversed(used):  # ours on top
        rounds = [results.ratios(c.name, framework, results.best_rival(c.name)) for _, c in rows]
        found = [(at, _quartiles(ratios)) for (at, _), ratios in zip(rows, rounds) if ratios]
        if found:
            at, ratios = zip(*found)
            low, middle, high = np.transpose(ratios)
            line = {"color": COLORS[framework], "linewidth": 1}
            axes.hlines(at, low, high, **line)
            dot = {"color": COLORS[framework], "s": 60 if framework == OURS else 30, "zorder": 2}
            axes.scatter(middle, at, label=name_of(framework), **dot)
    goals = [GOALS[cell.net][cell.batch] for _, cell in rows]
    places = [at for at, _ in rows]
    axes.scatter(goals, places, marker="|", s=150, color="black", linewidth=1.2, label="our goal")
    axes.set(xscale="log", ylim=(len(cells) - 0.3, -0.7))
    axes.tick_params("both", length=0)
    axes.grid(axis="x")


def _quartiles(ratios: Sequence[float]) -> np.ndarray:
    return np.percentile(ratios, [25, 50, 75])


def draw_scaling(axes_points: Any, path: Path) -> None:
    """A panel per axis: the median of the rounds as a line, lowest to highest as a band."""
    about = f"images per second in training, {PLAIN['S4'].replace(chr(10), ' ')}"
    with picture(path, (9.5, 7), "Scaling", about) as figure:
        panels = figure.subplots(2, 2)
        for axes, (axis, points) in zip(panels.flat, axes_points.items()):
            for framework in dict.fromkeys(name for _, name, _ in points):
                at, rates = zip(*((place, r) for place, name, r in points if name == framework))
                line = {"color": COLORS[framework], "label": name_of(framework), "markersize": 4}
                axes.plot(at, [np.median(r) for r in rates], "o-", **line)
                band = {"color": COLORS[framework], "alpha": 0.2, "linewidth": 0}
                axes.fill_between(at, [min(r) for r in rates], [max(r) for r in rates], **band)
            places = list(dict.fromkeys(place for place, _, _ in points))
            axes.set(xscale="log", title=f"by {axis}")
            axes.set_xticks(places, map(str, places))
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.grid(True)
        panels[0, 0].legend()


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
