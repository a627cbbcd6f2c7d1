"""The pictures of docs/tutorial that no other program draws; pictures.py puts all of them there."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures
import numpy as np
from figures import BLUE, GREY, ORANGE, draw_mean, empty_grid, picture, show_signed, table
from first_steps import INPUTS, LAMPS, MATRIX, TRUTHS, WALK, ByHand, descend, two_layers

from autograd_cnn import data, manual_seed, nn, optim, tensor
from autograd_cnn import functional as F

IMAGE = np.array([[0, 50, 0, 29], [0, 80, 31, 2], [33, 90, 0, 75], [0, 9, 0, 95]])
FORWARD, BACKWARD, BOX, EDGE = "#1f5fa8", "#b5482a", "#f3f5f8", "#444444"  # of architecture.svg
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
WIDE, HIGH = 0.95, 0.68  # half the sizes of a node
DOTTED = {"marker": "o", "markersize": 5, "lw": 1.2}

# ----------------------------------------------------------------------------------------- numbers


def compare_updates(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Summed squared errors of chapter 2's matrix: with its gradient, and with that transposed."""
    right, wrong = (
        descend(lambda w: w @ INPUTS, MATRIX, TRUTHS, 0.01, steps, direction)
        for direction in (np.asarray, np.transpose)
    )
    return ((right @ INPUTS - TRUTHS) ** 2).sum(axis=1), ((wrong @ INPUTS - TRUTHS) ** 2).sum(
        axis=1
    )


def one_layer(passes: int) -> np.ndarray:
    """The error of one layer on chapter 3's streetlights, after each pass."""
    path = descend(lambda w: LAMPS @ w, np.zeros((3, 1)), WALK, 0.2, passes + 1)
    return ((LAMPS @ path[1:] - WALK) ** 2).sum(axis=(1, 2))


def learn_filters() -> tuple[np.ndarray, np.ndarray]:
    """The filters (8, 1, 3, 3) of chapter 5's network, before and after its training."""
    train, rng = data.digits().train, np.random.default_rng(0)
    net = ByHand(lambda *shape: rng.standard_normal(shape))
    before = net.filters.numpy().copy()
    for _ in range(3):
        for _ in net.train(train.images[:1000], train.labels[:1000], rng.permutation(1000)):
            pass
    return before, net.filters.numpy()


def compare_optimizers(epochs: int) -> dict[str, np.ndarray]:
    """The loss of every step of chapter 6's small network, for each of its optimizers."""
    makers = {
        "plain descent, rate 0.01": lambda weights: optim.SGD(weights, lr=0.01),
        "momentum 0.9, rate 0.01": lambda weights: optim.SGD(weights, lr=0.01, momentum=0.9),
        "Adam, rate 0.001": lambda weights: optim.Adam(weights, lr=0.001),
    }
    found = {}
    for name, make in makers.items():
        manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(1352, 64), nn.ReLU(), nn.Linear(64, 10)),
        ).double()
        optimizer, losses = make(net.parameters()), []
        batches = data.DataLoader(data.digits().train, batch_size=32, shuffle=True)
        for _ in range(epochs):
            for images, labels in batches:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(images / 255 - 0.5), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        found[name] = np.array(losses)
    return found


# ---------------------------------------------------------------------------------------- pictures


def draw_descent(path: Path) -> None:
    """Chapter 1: steps down a bowl, and over its edge."""

    def error(x: float) -> Callable[[Any], Any]:
        return lambda w: (w * x - 0.8) ** 2

    colours = {1.0: ORANGE, 0.1: BLUE}
    runs = [(0.5, {1.0: 20}, (0.2, 2.9)), (2.0, {1.0: 2, 0.1: 20}, (-0.4, 1.4))]
    with picture(path, (9, 3.9), "Gradient descent", "the goal is 0.8") as figure:
        for axes, (x, rates, limits) in zip(figure.subplots(1, 2), runs):
            weights = np.linspace(*limits, 200)
            axes.plot(weights, error(x)(weights), color=GREY, lw=1)
            for rate, steps in rates.items():
                taken = descend(lambda w, x=x: w * x, 0.5, 0.8, rate, steps + 1)
                line = {"color": colours[rate], "label": f"learning rate {rate:g}"}
                axes.plot(taken, error(x)(taken), **DOTTED, **line)
            axes.set(xlabel="weight", ylabel="squared error", title=f"input {x:g}")
            axes.legend(loc="upper center")


def draw_two_weights(path: Path) -> None:
    """Chapter 2: the error over two of three weights, a valley, and the steps of three runs."""
    start = np.array([0.1, 0.2, -0.1])
    first, third = np.meshgrid(np.linspace(0.09, 0.142, 200), np.linspace(-0.13, 0.04, 200))
    misses = INPUTS[0] * first + INPUTS[1] * start[1] + INPUTS[2] * third - 1
    runs = {
        "both learn, rate 0.01": (BLUE, [0.01, 0, 0.01]),
        "both learn, rate 0.025": (ORANGE, [0.025, 0, 0.025]),
        "first frozen, rate 0.3": (EDGE, [0, 0, 0.3]),
    }
    about = "the squared error over weights 1 and 3: darker is more, 0 along the dashed line"
    with picture(path, (9.4, 3.9), "A valley", about) as figure:
        panels = figure.subplots(1, 3, sharey=True)
        for axes, (name, (colour, rate)) in zip(panels, runs.items()):
            levels = np.linspace(0, 0.3, 9) ** 2  # as far apart as the misses
            axes.contourf(first, third, misses**2, levels, cmap="Greys", vmax=0.2)
            axes.contour(first, third, misses, [0], colors=EDGE, linewidths=1, linestyles="--")
            taken = descend(lambda w: w @ INPUTS, start, 1, np.array(rate), 7)[:, [0, 2]]
            axes.plot(*taken.T, "o", markersize=4, color=colour)
            for here, there in itertools.pairwise(taken):
                arrow = {"arrowstyle": "-|>", "color": colour, "connectionstyle": "arc3,rad=-0.35"}
                axes.annotate("", there, here, arrowprops=arrow)
            axes.set(xlabel="weight 1, input 8.5", xticks=[0.1, 0.12, 0.14])
            axes.set_title(name, fontsize=11, weight="normal")
        panels[0].set_ylabel("weight 3, input 1.2")


def draw_transposed(path: Path) -> None:
    """Chapter 2: the error under the true gradient, and under the transposed one."""
    right, wrong = compare_updates(2000)
    steps = np.arange(1, 2001)
    about = "three inputs, three outputs"
    with picture(path, (8, 3.6), "A gradient the wrong way round", about) as figure:
        axes = figure.subplots()
        axes.plot(steps, wrong, color=ORANGE, label="outer(x, delta), the mistake")
        axes.plot(steps, right, color=BLUE, label="outer(delta, x), the gradient")
        axes.set(xscale="log", yscale="log", ylim=(1e-6, 10))
        axes.set(xlabel="step", ylabel="summed squared error")
        axes.grid(True)
        axes.legend()


def draw_streetlights(path: Path) -> None:
    """Chapter 3: one layer against two, and what the hidden units answer."""
    one, (two, hidden) = one_layer(60), two_layers(60)
    about = "walk when one of the first two lamps is on"
    with picture(path, (9, 3.7), "Streetlights", about) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.3, 1])
        left.plot(np.arange(1, 61), one, color=ORANGE, label="one layer")
        left.plot(np.arange(1, 61), two, color=BLUE, label="two layers")
        left.set(yscale="log", xlabel="pass", ylabel="summed squared error")
        left.grid(True)
        left.legend()
        table(right, hidden, cmap="Blues", digits=2)
        lamps = ["left", "middle", "neither", "both"]
        right.set_yticks(np.arange(4) + 0.5, lamps)
        right.set_xticks(np.arange(4) + 0.5, ["1", "2", "3", "4"])
        right.set(xlabel="hidden unit", ylabel="lamps that are on")
        right.tick_params(length=0)
        right.spines[:].set_visible(False)


def draw_graph(path: Path) -> None:
    """Chapter 4: how the error was made, with values, and the slopes that come back."""
    weight, given, truth = (tensor(x, dtype="float64", requires_grad=True) for x in (0.5, 0.5, 0.8))
    prediction = weight * given
    miss = prediction - truth
    error = miss * miss
    nodes = {
        **{"weight": (weight, (0, 1.2)), "input": (given, (3.2, -1.2))},
        **{"prediction": (prediction, (3.2, 1.2)), "truth": (truth, (6.4, -1.2))},
        **{"miss": (miss, (6.4, 1.2)), "error": (error, (9.6, 1.2))},
    }
    arrows = [
        ("weight", "prediction", f"{TIMES} input"),
        ("input", "prediction", f"{TIMES} weight"),
        ("prediction", "miss", f"{TIMES} 1"),
        ("truth", "miss", f"{TIMES} {MINUS}1"),
        ("miss", "error", f"{TIMES} 2 {TIMES} miss"),
    ]
    for node, _ in nodes.values():
        node.retain_grad()
    error.backward()
    about = "values go forward (blue), slopes come back and are multiplied (red)"
    with picture(path, (9.4, 3.9), "How an error was made", about) as figure:
        axes = empty_grid(figure, 1, 1)[0, 0]
        for name, (node, place) in nodes.items():
            lines = [(name, "black"), (f"value {node.item():.4g}", FORWARD)]
            _draw_node(axes, place, [*lines, (f"slope {node.grad.item():.4g}", BACKWARD)])
        for source, target, factor in arrows:
            _draw_arrows(axes, nodes[source][1], nodes[target][1], factor)
        axes.set(xlim=(-1.1, 10.7), ylim=(-2.0, 2.0))


def _draw_node(axes: Any, place: tuple[float, float], lines: list[tuple[str, str]]) -> None:
    """A box around lines of text, each with its colour."""
    x, y = place
    look = {"fill": True, "edgecolor": EDGE, "facecolor": BOX, "lw": 1}
    figures.outline(axes, x - WIDE, y - HIGH, 2 * WIDE, 2 * HIGH, **look)
    for k, (text, colour) in enumerate(lines):
        text = text.replace("-", MINUS)
        axes.text(x, y + 0.42 * (1 - k), text, color=colour, ha="center", va="center", zorder=6)


def _draw_arrows(
    axes: Any, start: tuple[float, float], end: tuple[float, float], factor: str
) -> None:
    """An arrow to the right or up, and one back beside it with the factor of the slope."""
    ahead = np.sign(np.subtract(end, start))
    aside = 0.14 * np.array([-ahead[1], ahead[0]])
    ends = start + ahead * (WIDE + 0.06, HIGH + 0.06), end - ahead * (WIDE + 0.06, HIGH + 0.06)
    for (a, b), colour, side in ((ends, FORWARD, aside), (ends[::-1], BACKWARD, -aside)):
        axes.annotate("", b + side, a + side, arrowprops={"arrowstyle": "-|>", "color": colour})
    x, y = (ends[0] + ends[1]) / 2 - 2.6 * aside
    text = {"color": BACKWARD, "va": "center", "fontsize": 10}
    axes.text(x, y, factor, ha="center" if ahead[0] else "left", **text)


def draw_learned_filters(path: Path, image: np.ndarray) -> None:
    """Chapter 5: filters before and after training, and their maps of the ink in an image."""
    before, after = learn_filters()
    maps = F.conv2d(image[None, None] / 255, after)[0]
    largest = max(np.abs(before).max(), np.abs(after).max())
    about = "blue below zero, red above; a map is 0 where there is no ink"
    with picture(path, (9.4, 3.9), "Eight filters", about) as figure:
        grid = empty_grid(figure, 3, 8)
        for column, old, new, found in zip(grid.T, before[:, 0], after[:, 0], maps):
            show_signed(column[0], old, most=largest)
            show_signed(column[1], new, most=largest)
            show_signed(column[2], found)
        for axes, name in zip(grid[:, 0], ("before", "after", "maps")):
            axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)


def draw_optimizers(path: Path) -> None:
    """Chapter 6: the loss of three optimizers."""
    colours = [GREY, BLUE, ORANGE]
    with picture(path, (8, 3.8), "Optimizers", "mean loss of 15 steps, three epochs") as figure:
        axes = figure.subplots()
        for (name, losses), colour in zip(compare_optimizers(3).items(), colours):
            at = np.arange(1, len(losses) + 1)
            draw_mean(axes, at, losses, 15, color=colour, label=name)
        axes.set(xlabel="step", ylabel="cross entropy", ylim=(0, None))
        axes.grid(True)
        axes.legend()
