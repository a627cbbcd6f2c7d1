"""examples/pictures.py: the numbers behind the pictures, the pictures, the program, the tutorial."""

import re
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import autograd_cnn as ag
from autograd_cnn import data, func, nn
from autograd_cnn import functional as F
from tests.programs import EXAMPLES, ROOT, check_png, refused, run

import figures  # isort: skip
import inspection  # isort: skip
import pictures  # isort: skip
import tutorial_pictures  # isort: skip

TUTORIAL = ROOT / "docs" / "tutorial"
WHOLE_NUMBERS = npst.arrays(
    np.float64,
    npst.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=7),
    elements=st.integers(-9, 9).map(float),
)


def small_model():
    """Convolution, batch norm and dropout, so that forgetting eval mode shows."""
    ag.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(3 * 13 * 13, 10),
    ).double()


def some_images(count=4):
    return pictures.from_half(data.digits().test.images[:count])


# ----------------------------------------------------------------------------------------- numbers


def test_edges_of_a_step_and_of_the_article_example():
    step = np.repeat([[0, 0, 0, 5, 5]], 4, axis=0)
    vertical, horizontal = inspection.edges(step, "valid")
    np.testing.assert_array_equal(vertical, [[0, 20, 20], [0, 20, 20]])  # 5 * (1 + 2 + 1)
    np.testing.assert_array_equal(horizontal, np.zeros((2, 3)))
    downwards = inspection.edges(step.T, "valid")
    np.testing.assert_array_equal(downwards, [horizontal.T, vertical.T])
    valid = inspection.edges(tutorial_pictures.IMAGE, "valid")[0]
    np.testing.assert_array_equal(valid, [[29, -192], [-35, -22]])


@given(WHOLE_NUMBERS)
def test_edges_are_weighted_sums_of_neighbours(image):
    padded = np.pad(image, 1)
    for filter, found in zip((inspection.SOBEL, inspection.SOBEL.T), inspection.edges(image)):
        for (row, column), value in np.ndenumerate(found):
            # whole numbers: exact in any order of summing
            assert value == (padded[row : row + 3, column : column + 3] * filter).sum()


@given(WHOLE_NUMBERS)
def test_max_pool_gradient_is_one_at_the_first_winner_of_each_window(image):
    kept, gradient = inspection.pool(image)
    expected = np.zeros_like(image)
    for row, column in np.ndindex(kept.shape):
        window = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        winner = np.unravel_index(window.argmax(), (2, 2))
        assert kept[row, column] == window[winner]
        expected[2 * row + winner[0], 2 * column + winner[1]] = 1
    np.testing.assert_array_equal(gradient, expected)  # a last odd row or column gets nothing


def test_detail_has_the_most_different_values():
    image = np.zeros((10, 9))
    image[:4, :4] = [9, 0, 9, 0]  # two values, far apart
    image[4:6, 7] = [1, 2]  # three values
    rows, columns = inspection.detail(image, 4)
    assert (rows.start % 2, columns.start % 2) == (0, 0)
    assert image[rows, columns].shape == (4, 4)
    assert sorted(np.unique(image[rows, columns])) == [0, 1, 2]
    assert image[inspection.detail(image, 20)].shape == image.shape


def test_saliency_is_the_gradient_of_each_winning_score():
    model, images = small_model(), some_images()
    found = inspection.saliency(model, images)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    for image, gradient in zip(images, found):
        expected = func.grad(lambda x: model(x[None]).max())(image)
        # sums round differently in batches of another size
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14)


def test_feature_maps_are_what_the_layers_hand_on():
    model, images = small_model(), some_images(1)
    found = inspection.feature_maps(model, images[0])
    assert [name for name, _ in found] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert [maps.shape for _, maps in found] == [(3, 26, 26)] * 3 + [(3, 13, 13)]
    first, *_, last = (maps for _, maps in found)
    np.testing.assert_array_equal(
        first, F.conv2d(images, *map(ag.Tensor.numpy, model[0].parameters()))[0]
    )
    np.testing.assert_array_equal(last, model[:4](ag.tensor(images)).numpy()[0])


def test_probabilities_do_not_depend_on_the_batch():
    model, images = small_model(), some_images()
    together = inspection.probabilities(model, images)
    assert together.shape == (4, 10)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-14)  # ten float64
    for image, expected in zip(images, together):
        alone = inspection.probabilities(model, image[None])[0]
        np.testing.assert_allclose(alone, expected, rtol=1e-12)  # as above


# The tutorial's descents and its two layers are those of the seeds: test_seeds.py has their figures.


def test_the_tutorial_shows_failures_and_cures():
    right, wrong = tutorial_pictures.compare_updates(2000)
    assert right[0] == wrong[0]
    assert right[-1] < 1e-25 < 0.6 < wrong[-1]
    one = tutorial_pictures.one_layer(60)
    assert one[-1] == pytest.approx(1, abs=1e-3)  # on its way to 1, the best one layer can do
    _, hidden = tutorial_pictures.two_layers(60)
    assert (hidden > 0.5).sum(axis=1).tolist() == [1, 1, 0, 0]


def test_momentum_and_adam_are_ahead_of_plain_descent():
    plain, momentum, adam = tutorial_pictures.compare_optimizers(1).values()
    assert plain[0] == momentum[0] == adam[0] == pytest.approx(np.log(10), abs=0.1)
    assert max(momentum[-15:].mean(), adam[-15:].mean()) < plain[-15:].mean()


# ---------------------------------------------------------------------------------------- pictures


def predictions(path, wrong):
    test = data.digits().test
    answers = np.full((360, 10), 0.01)
    answers[np.arange(360), (test.labels + (np.arange(360) < wrong)) % 10] = 0.91
    pictures.draw_predictions(path, "title", test, answers)


DRAWINGS = {
    "edges": lambda path: pictures.draw_edges(path, data.digits().test.images[3, 0]),
    "edges of nothing": lambda path: pictures.draw_edges(path, np.zeros((5, 7))),
    "padding": lambda path: pictures.draw_padding(path, tutorial_pictures.IMAGE),
    "padding of a detail": lambda path: pictures.draw_padding(path, np.eye(28)),
    "pooling": lambda path: pictures.draw_pooling_gradient(path, np.eye(28)),
    "pooling of little": lambda path: pictures.draw_pooling_gradient(path, np.eye(6)),
    "maps": lambda path: pictures.draw_feature_maps(path, small_model(), some_images()[0]),
    "saliency": lambda path: pictures.draw_saliency(path, small_model(), some_images(8)),
    "saliency of one": lambda path: pictures.draw_saliency(path, small_model(), some_images(1)),
    "all right": lambda path: predictions(path, wrong=0),
    "some wrong": lambda path: predictions(path, wrong=3),
    "all wrong": lambda path: predictions(path, wrong=360),
    "confusion": lambda path: figures.draw_confusion(path, "title", 90 * np.eye(10, dtype=int) + 9),
    "few confusions": lambda path: figures.draw_confusion(
        path, "title", np.eye(10, k=2, dtype=int)
    ),
    "one filter": lambda path: figures.draw_filters(path, np.zeros((1, 3, 3))),
    "eleven filters": lambda path: figures.draw_filters(path, np.ones((11, 5, 5))),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing(name, tmp_path):
    pytest.importorskip("matplotlib")
    DRAWINGS[name](tmp_path / "picture.png")
    check_png(tmp_path / "picture.png")


def keep_figures(monkeypatch, module):
    """The figures that the module draws from now on."""
    drawn, draw = [], figures.picture

    @contextmanager
    def kept_picture(*arguments):
        with draw(*arguments) as figure:
            drawn.append(figure)
            yield figure

    monkeypatch.setattr(module, "picture", kept_picture)
    return drawn


def test_probabilities_stand_clear_of_their_bars(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = keep_figures(monkeypatch, pictures)
    test = data.digits().test
    pictures.draw_predictions(tmp_path / "p.png", "title", test, np.eye(10)[test.labels])
    panels = [axes for part in drawn[0].subfigs for axes in part.axes if axes.containers]
    assert len(panels) == 8
    for axes in panels:
        texts = [text for text in axes.texts if text.get_text().endswith("%")]
        assert texts[0].get_text() == "100.0 %"
        for bar, text in zip(axes.containers[0], texts, strict=True):
            assert bar.get_window_extent().x1 < text.get_window_extent().x0


@pytest.mark.parametrize(
    ("count", "columns", "rows", "what"),
    [
        (0, 0, 0, "No mistakes"),
        (1, 1, 1, "The only mistake"),
        (3, 3, 1, "All mistakes"),
        (9, 5, 2, "All mistakes"),
        (24, 8, 3, "All mistakes"),
        (25, 8, 3, "Worst mistakes"),
    ],
)
def test_mistakes_are_laid_out_for_their_number(count, columns, rows, what, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    test = data.digits().test
    predicted = (test.labels + (np.arange(360) < count)) % 10
    scores = SimpleNamespace(predicted=predicted, losses=np.arange(360.0))
    drawn = keep_figures(monkeypatch, figures)
    figures.draw_mistakes(tmp_path / "mistakes.png", "title", test, scores)
    check_png(tmp_path / "mistakes.png")
    grid = [axes.get_subplotspec() for axes in drawn[0].axes]
    assert len(grid) == rows * columns
    assert all(place.get_gridspec().get_geometry() == (rows, columns) for place in grid)
    assert what.replace(" ", r"\ ") in drawn[0].get_suptitle()
    width, height = drawn[0].get_size_inches()
    assert width <= max(1.3 * columns, 3.9)
    assert height <= 1.7 * rows + 0.7


def test_a_failed_drawing_leaves_no_file(tmp_path):
    pytest.importorskip("matplotlib")
    picture = figures.picture(tmp_path / "picture.png", (2, 2), "what", "about")
    with pytest.raises(ValueError, match="half drawn"), picture:
        raise ValueError("half drawn")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------- the program


def test_as_a_script_it_draws_everything(tmp_path):
    pytest.importorskip("matplotlib")
    done = run(str(EXAMPLES / "pictures.py"), "--out", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    drawn = sorted(path.stem for path in (tmp_path / "out").glob("*.png"))
    without_network, by_mnist = ["edges", "padding", "pooling"], ["confusion", "curves", "filters"]
    of_network = ["maps", "mistakes", "predictions", "saliency"]
    assert drawn == sorted([*without_network, *by_mnist, *of_network])
    for path in (tmp_path / "out").glob("*.png"):
        check_png(path)


def test_as_a_module_it_draws_what_the_tutorial_shows(tmp_path):
    pytest.importorskip("matplotlib")
    done = run("-m", "examples.pictures", "--tutorial", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == sorted(path.name for path in TUTORIAL.glob("*.png"))
    for name in drawn:
        check_png(tmp_path / "out" / name)
        check_png(TUTORIAL / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--out", __file__], "test_pictures.py"),
        (["--tutorial", __file__], "test_pictures.py"),
        (["--speed", "9"], "--speed"),
    ],
)
def test_bad_options_are_explained_in_one_line(options, message, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert message in refused(pictures.main, ["--out", str(tmp_path), *options], capsys)


def test_without_matplotlib_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(figures, "Figure", None)
    assert "need matplotlib" in refused(pictures.main, ["--out", str(tmp_path)], capsys)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------ the tutorial


def test_the_tutorial_shows_every_picture_and_its_links_lead_somewhere():
    pages = {page.name: page.read_text(encoding="utf-8") for page in TUTORIAL.glob("*.md")}
    for name, text in pages.items():
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert links
        assert [link for link in links if not (TUTORIAL / link).exists()] == [], name
    shown = {name for text in pages.values() for name in re.findall(r"\]\((\S+\.png)\)", text)}
    assert shown == {path.name for path in TUTORIAL.glob("*.png")}
    chapters = re.findall(r"^\d\. \[.*\]\((\S+)\)", pages["README.md"], re.M)
    assert chapters == sorted(pages.keys() - {"README.md"})


def test_a_graph_that_the_tutorial_shows_is_one_that_it_prints():
    text = (TUTORIAL / "4-backward-in-forty-lines.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```mermaid\n(.*?)```", text, re.S)
    assert text.count(shown) == 2
    assert "draw(error, names, values=True))\n" + shown in text
