"""The pictures of docs/tutorial that no other program draws; pictures.py puts all of them there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import BLUE, GREY, ORANGE, draw_mean, empty_grid, picture, show_signed, table
from first_steps import INPUTS, LAMPS, MATRIX, TRUTHS, WALK, ByHand, descend, two_layers

from autograd_cnn import data, manual_seed, nn, optim, tensor
from autograd_cnn import functional as F

IMAGE = np.array([[0, 50, 0, 29], [0, 80, 31, 2], [33, 90, 0, 75], [0, 9, 0, 95]])
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
    """The filters (8, 1, 3, 3) of chapter 4's network, before and after its training."""
    train, rng = data.digits().train, np.random.default_rng(0)
    net = ByHand(lambda *shape: rng.standard_normal(shape))
    before = net.filters.numpy().copy()
    for _ in range(3):
        for _ in net.train(train.images[:1000], train.labels[:1000], rng.permutation(1000)):
            pass
    return before, net.filters.numpy()


def compare_optimizers(epochs: int) -> dict[str, np.ndarray]:
    """The loss of every step of chapter 5's small network, for each of its optimizers."""
    makers = {
        "SGD, rate 0.01": lambda weights: optim.SGD(weights, lr=0.01),
        "the same with momentum 0.9": lambda weights: optim.SGD(weights, lr=0.01, momentum=0.9),
        "Adam, rate 0.001": lambda weights: optim.Adam(weights, lr=0.001),
    }
    found = {}
    for name, make in makers.items():
        manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(1352, 64), nn.ReLU(), nn.Linear(64, 10)),
        )
        optimizer, losses = make(net.parameters()), []
        batches = data.DataLoader(data.digits().train, batch_size=32, shuffle=True)
        for _ in range(epochs):
            for images, labels in batches:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(tensor(images, dtype="float32") / 255 - 0.5), labels)
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

    runs = [
        (0.5, [(1.0, BLUE, 20)], (0.2, 2.9)),
        (2.0, [(1.0, ORANGE, 2), (0.1, BLUE, 20)], (-0.4, 1.4)),
    ]
    with picture(path, (9, 3.9), "Gradient descent", "the goal is 0.8") as figure:
        for axes, (x, rates, limits) in zip(figure.subplots(1, 2), runs):
            weights = np.linspace(*limits, 200)
            axes.plot(weights, error(x)(weights), color=GREY, lw=1)
            for rate, colour, steps in rates:
                taken = descend(lambda w, x=x: w * x, 0.5, 0.8, rate, steps + 1)
                name = f"learning rate {rate:g}"
                axes.plot(taken, error(x)(taken), **DOTTED, color=colour, label=name)
            axes.set(xlabel="weight", ylabel="squared error", title=f"input {x:g}")
            axes.legend(loc="upper center")


def draw_three_weights(path: Path) -> None:
    """Chapter 2: the error over each of three weights, and the steps of two runs."""
    start = np.array([0.1, 0.2, -0.1])

    def error(w: Any) -> Any:
        return ((w * INPUTS).sum(axis=-1) - 1) ** 2

    runs = {
        "all learn, rate 0.01": (BLUE, 0.01),
        "first one frozen, rate 0.3": (ORANGE, np.array([0, 0.3, 0.3])),
    }
    about = "each bowl as it is at the start, the other weights at rest"
    with picture(path, (9, 3.5), "Three weights", about) as figure:
        panels = figure.subplots(1, 3, sharey=True)
        for k, axes in enumerate(panels):
            moves = np.linspace(-0.12, 0.45, 300)
            axes.plot(
                start[k] + moves, error(start + moves[:, None] * np.eye(3)[k]), color=GREY, lw=1
            )
            for name, (colour, rate) in runs.items():
                taken = descend(lambda w: w @ INPUTS, start, 1, rate, 4)
                axes.plot(taken[:, k], error(taken), **DOTTED, color=colour, label=name)
            axes.set(xlabel=f"weight {k + 1}, input {INPUTS[k]:g}", ylim=(-0.001, 0.03))
        panels[0].set_ylabel("squared error")
        panels[1].legend(loc="upper right", fontsize=10)


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


def draw_learned_filters(path: Path, image: np.ndarray) -> None:
    """Chapter 4: filters before and after training, and their maps of an image (H, W)."""
    before, after = learn_filters()
    maps = F.conv2d(image[None, None] / 255 - 0.5, after)[0]
    largest = max(np.abs(before).max(), np.abs(after).max())
    about = "blue below zero, red above; each map on its own scale"
    with picture(path, (9.4, 3.9), "Eight filters", about) as figure:
        grid = empty_grid(figure, 3, 8)
        for column, old, new, found in zip(grid.T, before[:, 0], after[:, 0], maps):
            show_signed(column[0], old, most=largest)
            show_signed(column[1], new, most=largest)
            show_signed(column[2], found)
        for axes, name in zip(grid[:, 0], ("before", "after", "maps")):
            axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)


def draw_optimizers(path: Path) -> None:
    """Chapter 5: the loss of three optimizers."""
    colours = [GREY, BLUE, ORANGE]
    with picture(path, (8, 3.8), "Optimizers", "mean loss of 15 steps, three epochs") as figure:
        axes = figure.subplots()
        for (name, losses), colour in zip(compare_optimizers(3).items(), colours):
            at = np.arange(1, len(losses) + 1)
            draw_mean(axes, at, losses, 15, color=colour, label=name)
        axes.set(xlabel="step", ylabel="cross entropy", ylim=(0, None))
        axes.grid(True)
        axes.legend()
