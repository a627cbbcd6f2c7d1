"""Pictures of what a convolutional network does with an image, and of what a trained one learned.

    python -m examples.pictures                    with the small digits that come with the package
    python -m examples.pictures --data FOLDER      with the MNIST files in that folder
    python -m examples.pictures --tutorial DIR     those that docs/tutorial shows, into DIR

Edges by Sobel's filters, padding, and max pooling with its gradient need no training.  Then it
trains the network of mnist.py, which draws its curves, confusions, filters and mistakes.  It adds
the maps between the layers, the probabilities, and the pixels that decide an answer.  inspection.py
has the numbers behind these pictures.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # its neighbours, however it was started

import figures
import mnist
import numpy as np
import tutorial_pictures
from figures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SIGNED,
    empty_grid,
    outline,
    picture,
    show,
    show_signed,
    table,
)
from inspection import SOBEL, detail, edges, feature_maps, pool, probabilities, saliency
from models import cnn
from program import Parser, one_line, percent
from training import History, fit, standardise

import autograd_cnn as ag
from autograd_cnn import data, optim
from autograd_cnn.training import EarlyStopping

ACROSS = 8  # pictures in a row
BY = " \N{MULTIPLICATION SIGN} "

# ------------------------------------------------------------------------------- without a network


def draw_edges(path: Path, image: np.ndarray) -> None:
    """An image (H, W), and beside each Sobel filter the edges that it finds in it."""
    maps = edges(image)
    most = np.abs(maps).max()
    about = "red where ink begins, rightwards or downwards; blue where it ends"
    with picture(path, (9, 2.75), "Edges", about) as figure:
        panels = empty_grid(figure, 1, 7, width_ratios=[1, 0.04, 0.36, 1, 0.04, 0.36, 1])[0]
        show(panels[0], image, "the image")
        table(panels[2], SOBEL, cmap=SIGNED)
        show_signed(panels[3], maps[0], "vertical edges", most)
        table(panels[5], SOBEL.T, cmap=SIGNED)
        show_signed(panels[6], maps[1], "horizontal edges", most)


def draw_padding(path: Path, image: np.ndarray) -> None:
    """Sobel's filter on 4 x 4 varied pixels of an image, without padding and with.

    Without padding ('valid') the result is smaller than the image.  A border of zeros keeps the
    size ('same'), and adds edges that the image does not have.
    """
    part = image[detail(image, 4)]
    about = "an image, Sobel's filter for vertical edges, and the result"
    with picture(path, (9, 5.8), "Padding", about) as figure:
        axes = empty_grid(figure, 1, 1)[0, 0]
        _draw_convolution(axes, 2, part, "valid", border=0)
        _draw_convolution(axes, 7.8, part, "same", border=1)
        axes.set(xlim=(-3.7, 16.2), ylim=(11, -0.2), aspect="equal")


def _draw_convolution(
    axes: Any, middle: float, image: np.ndarray, padding: str, border: int
) -> None:
    """Image, filter and result in a row, with the first window and what it gives outlined."""
    given, result = np.pad(image.astype(float), border), edges(image, padding)[0]
    tops = [middle - len(values) / 2 for values in (given, SOBEL, result)]
    table(axes, given, 1 - border, tops[0], border=bool(border))
    table(axes, SOBEL, 7.5, tops[1], cmap=SIGNED)
    table(axes, result, 12, tops[2], cmap=SIGNED)
    outline(axes, 1 - border, tops[0], 3)
    outline(axes, 12, tops[2])
    for x, sign in ((6.75, "\N{ASTERISK OPERATOR}"), (11.25, "=")):
        axes.text(x, middle, sign, ha="center", va="center", fontsize=18)
    sizes = " to ".join(BY.join(map(str, values.shape)) for values in (image, result))
    axes.text(-3.6, middle - 0.3, f"'{padding}'", va="center", fontsize=13)
    axes.text(-3.6, middle + 0.4, sizes, va="center", color=GREY)


def draw_pooling_gradient(path: Path, image: np.ndarray) -> None:
    """What a 2 x 2 max pool keeps of an image, and where its gradient goes; below it a detail."""
    rows, columns = detail(image, 6)
    part, small, whole = image[rows, columns], pool(image[rows, columns]), pool(image)
    about = "the largest of each four pixels goes on, and the gradient goes back to it"
    with picture(path, (9, 6.5), "Max pooling", about) as figure:
        panels = empty_grid(figure, 2, 3)
        show(panels[0, 0], image, "the image")
        show(panels[0, 1], whole.kept, f"what a 2{BY}2 max pool keeps")
        show(panels[0, 2], whole.gradient, "where its gradient goes", cmap="Blues", vmax=1.6)
        for axes, scale in zip(panels[0], (1, 2, 1)):
            outline(axes, columns.start / scale - 0.5, rows.start / scale - 0.5, 6 / scale)
        for axes, values in zip(panels[1], (part, *small)):
            table(axes, values, cmap="Blues" if values is small.gradient else INK)
        for axes in panels[1, ::2]:
            for k in range(0, 7, 2):  # the windows
                axes.plot([0, 6, np.nan, k, k], [k, k, np.nan, 0, 6], color="black", lw=1.2)
            for row, column in np.argwhere(small.gradient):
                outline(axes, column, row)


# -------------------------------------------------------------------------------- a trained network


def draw_feature_maps(path: Path, model: Any, image: np.ndarray) -> None:
    """The first 8 maps that each layer of a Sequential makes of an image (1, H, W).

    What it makes of an empty image is subtracted, so that the background is white.  Batch norm is
    left out: it shifts and scales each map, which looks the same.
    """
    empty = feature_maps(model, np.full_like(image, image.min()))
    rows = [
        (name, maps - without)
        for (name, maps), (_, without) in zip(feature_maps(model, image), empty)
        if not name.startswith("BatchNorm")
    ]
    size = (9.4, 1.13 * len(rows) + 1.5)
    about = "white: as for an empty image; blue: less; red: more; each map on its own scale"
    with picture(path, size, "Feature maps", about) as figure:
        grid = empty_grid(figure, len(rows) + 1, ACROSS)
        show(grid[0, 0], image[0])
        for row, (_, maps) in zip(grid[1:], rows):
            for axes, values in zip(row, maps):
                show_signed(axes, values)
        for axes, (name, maps) in zip(grid[:, 0], [("image", image), *rows]):
            text = f"{name}\n{BY.join(map(str, maps.shape))}"
            axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=8)


def draw_predictions(path: Path, title: str, split: Any, answers: np.ndarray) -> None:
    """Images that were read rightly and wrongly, with the three most probable digits of each.

    `answers` are probabilities (N, 10).  The right ones are those that were least sure, the wrong
    ones those that were surest.
    """
    right = answers.argmax(axis=1) == split.labels
    order = np.argsort(answers.max(axis=1))
    least_sure, surest = order[right[order]], order[~right[order]][::-1]
    with picture(path, (9.4, 5), "Predictions", title) as figure:
        upper, lower = figure.subfigures(2, 1)
        name = "Read correctly, the least sure first; in blue the probability of the true digit"
        _draw_answers(upper, name, split, answers, least_sure)
        name = "Read wrongly, the surest first" if len(surest) else "None was read wrongly"
        _draw_answers(lower, name, split, answers, surest)


def _draw_answers(
    figure: Any, name: str, split: Any, answers: np.ndarray, chosen: np.ndarray
) -> None:
    figure.suptitle(name, x=0.015, ha="left", fontsize=11)
    images, bars = empty_grid(figure, 2, ACROSS, height_ratios=[1, 0.62])
    for top, bottom, i in zip(images, bars, chosen):
        show(top, split.images[i, 0])
        likely = np.argsort(-answers[i])[:3]
        colours = [BLUE if k == split.labels[i] else ORANGE for k in likely]
        bottom.barh(range(3), answers[i, likely], color=colours, height=0.5)
        for row, k in enumerate(likely):
            text = {"y": row, "fontsize": 9, "ha": "right", "va": "center"}
            bottom.text(-0.1, s=f"{k}", **text)
            bottom.text(3.1, s=percent(answers[i, k], 1), color=GREY, **text)
        bottom.set(xlim=(-0.3, 3.1), ylim=(2.6, -0.6))


def draw_saliency(path: Path, model: Any, images: np.ndarray) -> None:
    """Images (N, 1, H, W), N at most 8, and the gradient of the winning score to their pixels."""
    answers, gradients = probabilities(model, images), saliency(model, images)
    about = "more ink on red raises the score of the answer, on blue lowers it"
    with picture(path, (9.4, 3), "Saliency", about) as figure:
        grid = empty_grid(figure, 2, ACROSS)
        for top, bottom, image, answer, gradient in zip(*grid, images, answers, gradients):
            show(top, image[0], f"{answer.argmax()}: {percent(answer.max(), 1)}")
            show_signed(bottom, gradient[0])
            middle = (image.min() + image.max()) / 2
            line = {"colors": GREY, "linewidths": 0.8, "linestyles": "solid"}
            bottom.contour(image[0], levels=[middle], **line)


# ------------------------------------------------------------------------------------- the program


def draw_tutorial(folder: Path) -> None:
    """The pictures of docs/tutorial, from the embedded digits; trains for a few seconds."""
    dataset = data.digits()
    digit = dataset.test.images[3, 0]
    drawings = {
        "1-descent": tutorial_pictures.draw_descent,
        "2-two-weights": tutorial_pictures.draw_two_weights,
        "2-transposed": tutorial_pictures.draw_transposed,
        "3-streetlights": tutorial_pictures.draw_streetlights,
        "4-graph": tutorial_pictures.draw_graph,
        "5-edges": lambda path: draw_edges(path, digit),
        "5-padding": lambda path: draw_padding(path, tutorial_pictures.IMAGE),
        "5-pooling": lambda path: draw_pooling_gradient(path, digit),
        "5-filters": lambda path: tutorial_pictures.draw_learned_filters(path, digit),
        "6-optimizers": tutorial_pictures.draw_optimizers,
    }
    for name, draw in drawings.items():
        draw(folder / f"{name}.png")
    model, validation, history = train_for_tutorial(dataset.train)
    title = f"embedded digits (UCI), {len(validation.labels)} images for validation"
    figures.draw_curves(folder / "7-curves.png", title, history)
    title = f"embedded digits (UCI), {len(dataset.test.labels)} test images"
    draw_trained(folder, "7-", title, model, dataset.test, from_half(dataset.test.images))


def from_half(images: np.ndarray) -> np.ndarray:
    """Images uint8 as the tutorial prepares them: float64 from -0.5 to 0.5."""
    return images / 255 - 0.5


def train_for_tutorial(train: data.Split) -> tuple[Any, data.Split, History]:
    """The run of chapter 7: the model, the images that it was validated on, and its notes."""
    ag.manual_seed(0)
    model = cnn().double()
    teaching, rest = data.random_split(train, [0.85, 0.15], seed=0)
    validation = data.Split(*rest[:])
    batches = data.DataLoader(teaching, batch_size=32, shuffle=True, drop_last=True)
    optimizer = optim.Adam(model.parameters(), lr=0.002)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=8 * len(batches))
    stopping = EarlyStopping(model, patience=3, mode="max")
    history = fit(
        *(model, optimizer, schedule, batches, validation),
        epochs=8,
        prepare=from_half,
        after_epoch=lambda history: stopping.update(history[-1]["test_accuracy"]),
    )
    stopping.restore()
    return model, validation, history


def draw_trained(
    folder: Path, prefix: str, title: str, model: Any, test: data.Split, inputs: np.ndarray
) -> None:
    """What a trained Sequential makes of the images of `test`, prepared as its `inputs`."""
    answers = np.concatenate([probabilities(model, part) for part in np.array_split(inputs, 10)])
    first = [int(np.flatnonzero(test.labels == digit)[0]) for digit in range(ACROSS)]
    draw_predictions(folder / f"{prefix}predictions.png", title, test, answers)
    draw_feature_maps(folder / f"{prefix}maps.png", model, inputs[3])
    draw_saliency(folder / f"{prefix}saliency.png", model, inputs[first])


def main(arguments: list[str] | None = None) -> int:
    p = Parser("pictures.py", __doc__)
    p.add_argument(
        "--data",
        metavar="WHERE",
        default="digits",
        help="folder with the four MNIST files, or 'digits' (default: digits)",
    )
    p.add_folder("--out", Path("runs/pictures"), "pictures and weights")
    p.add_argument("--tutorial", type=Path, metavar="DIR", help="draw those of the tutorial there")
    options = p.parse_args(arguments)
    if not figures.available():
        p.error(f"pictures {figures.NEED}")
    try:
        if options.tutorial is not None:
            options.tutorial.mkdir(parents=True, exist_ok=True)
            draw_tutorial(options.tutorial)
            return 0
        return draw_all(options.data, options.out)
    except (data.DataError, OSError) as error:
        p.error(one_line(error))
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def draw_all(where: str, out: Path) -> int:
    """Train the network of mnist.py on the data that `where` names, and draw everything."""
    if failed := mnist.main(["--data", where, "--out", str(out)]):
        return failed
    name, dataset = mnist.load(where)
    model = cnn()
    with np.load(out / "weights.npz") as weights:
        model.load_state_dict(weights)
    digit = dataset.test.images[3, 0]
    draw_edges(out / "edges.png", digit)
    draw_padding(out / "padding.png", digit)
    draw_pooling_gradient(out / "pooling.png", digit)
    title = f"{name}, {len(dataset.test.labels):,} held-out images"
    draw_trained(out, "", title, model, dataset.test, standardise(dataset.test.images))
    return 0


if __name__ == "__main__":
    sys.exit(main())
