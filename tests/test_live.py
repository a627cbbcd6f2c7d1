"""What the page docs/live computes, and its files; tests/browser has the page itself."""

from __future__ import annotations

import copy
import itertools
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from tests.browser.hands import HANDS

LIVE = Path(__file__).parents[1] / "docs" / "live"
sys.path.insert(0, str(LIVE))

import assemble  # noqa: E402
import lab  # noqa: E402


@pytest.fixture(scope="module")
def reader() -> Any:
    return lab.Lab(LIVE / "weights.npz")


@pytest.fixture
def same_generator() -> Iterator[None]:
    state = ag.random.generator().bit_generator.state
    yield
    ag.random.generator().bit_generator.state = state


def drawn(strokes: Any, width: int = 10) -> np.ndarray:
    """Strokes as round points, close to each other, on a field of 280 x 280."""
    field = np.zeros((280, 280), np.uint8)
    rows, columns = np.mgrid[:280, :280]
    for stroke in strokes:
        for (x0, y0), (x1, y1) in itertools.pairwise(stroke):
            for t in np.linspace(0, 1, 12):
                x, y = x0 + t * (x1 - x0), y0 + t * (y1 - y0)
                field[(rows - y) ** 2 + (columns - x) ** 2 < width**2] = 255
    return field


@pytest.mark.parametrize("shape", [(160, 30), (30, 160), (1, 1), (280, 280), (19, 23)])
def test_a_drawing_fills_20_pixels_around_its_centre_of_mass(shape: tuple[int, int]) -> None:
    field = np.zeros((280, 280), np.uint8)
    field[: shape[0], 280 - shape[1] :] = 255
    image = lab.prepared(field)
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == lab.BOX
    for axis, places in ((1, rows), (0, columns)):
        middle = (image.sum(axis) * (np.arange(28) + 0.5)).sum() / image.sum()
        assert abs(middle - 14) <= 0.5, places
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1


def test_an_empty_drawing_is_an_empty_image() -> None:
    assert not lab.prepared(np.zeros((280, 280), np.uint8)).any()


def test_images_shrink_and_grow_by_averages() -> None:
    np.testing.assert_allclose(lab.shares(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    for many, few in ((7, 3), (3, 7), (20, 20), (280, 20)):
        np.testing.assert_allclose(lab.shares(many, few).sum(1), 1)


def test_the_shipped_weights_read_digits_of_several_hands(reader: Any) -> None:
    read = {
        (digit, hand): reader.look(lab.prepared(drawn(strokes)))["answer"]
        for digit, hands in HANDS.items()
        for hand, strokes in enumerate(hands)
    }
    wrong = {key: found for key, found in read.items() if found != key[0]}
    assert len(wrong) <= 1, wrong  # of 30
    examples = [reader.example(k) for k in range(100)]
    answers = [reader.look(lab.prepared(np.array(e["image"], "u1")))["answer"] for e in examples]
    assert np.mean([a == e["label"] for a, e in zip(answers, examples)]) > 0.95


def test_the_saliency_is_the_slope_of_the_score(reader: Any) -> None:
    noise = 0.01 * np.random.default_rng(0).random((28, 28))  # so that no windows have ties
    image = lab.prepared(drawn(HANDS[5][0])) + noise
    found = reader.look(image)
    model = copy.deepcopy(reader.trained).double()

    def score(x: np.ndarray) -> float:
        with ag.no_grad():
            scores = model(((x - lab.MEAN) / lab.DEVIATION)[None, None]).numpy()
        return float(scores[0, found["answer"]])

    row, column = np.unravel_index(np.abs(found["saliency"]).argmax(), image.shape)
    step = np.zeros(image.shape)
    step[row, column] = 1e-6 * lab.DEVIATION  # the slope is with respect to the standardised pixel
    slope = (score(image + step) - score(image - step)) / 2e-6
    np.testing.assert_allclose(slope, found["saliency"][row][column], rtol=2e-3)  # float32


@pytest.mark.parametrize("own", [False, True])
def test_the_story_of_a_pixel_adds_up(reader: Any, own: bool, same_generator: None) -> None:
    reader.begin("two_blocks" if own else "no_convolution", 0.05)
    image = lab.prepared(drawn(HANDS[8][1]))
    look = reader.look(image, own)
    for layer in (x for x in look["layers"] if x["name"] == "Conv2d"):
        story = reader.story(image, layer["layer"], 3, 2, 5, own)
        total = np.sum(story["products"]) + story["bias"]
        np.testing.assert_allclose(total, story["value"], atol=2e-3)  # four digits each
        np.testing.assert_allclose(layer["maps"][3][2][5], story["value"], rtol=1e-3)
        np.testing.assert_allclose(
            np.array(story["window"]) * story["filter"], story["products"], atol=2e-3
        )
        assert np.any(story["gradient"])


def test_training_reads_the_digits_and_those_of_the_visitor(same_generator: None) -> None:
    own = lab.Lab(LIVE / "weights.npz")
    image = lab.prepared(drawn(HANDS[7][0]))
    assert own.begin("one_convolution", 0.05) == 3_098
    assert own.teach(image, 3) == 1  # this visitor's 3 looks like a 7
    while own.train(0.0)["epoch"] < 5:
        pass
    assert own.accuracy() > 0.9
    assert own.look(image, own=True)["answer"] == 3
    assert own.look(image)["answer"] == 7, "the other network has learned nothing"


def test_what_the_page_says_of_the_networks(same_generator: None) -> None:
    page = (LIVE / "index.html").read_text(encoding="utf-8")
    for name in lab.NETWORKS:
        count = lab.Lab(LIVE / "weights.npz").begin(name, 0.1)
        assert re.search(rf'<option value="{name}">[^<]*{count:,} weights', page), name


def test_the_page_is_small_and_whole(tmp_path: Path) -> None:
    sizes = {name: (LIVE / name).stat().st_size for name in assemble.PAGE}
    assert sizes.pop("weights.npz") < 160_000
    assert sum(sizes.values()) < 60_000
    page, script = ((LIVE / name).read_text("utf-8") for name in ("index.html", "page.js"))
    asked = set(re.findall(r'find\("(\w+)"\)', script))
    assert asked <= set(re.findall(r'id="(\w+)"', page))
    assert "://" not in re.sub(r'href="https://pyodide.org"', "", page), "nothing from elsewhere"


def test_the_package_for_the_browser_is_the_package(tmp_path: Path) -> None:
    assemble.zip_package(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
    own = {str(p.relative_to(assemble.PACKAGE.parent)) for p in assemble.PACKAGE.rglob("*.py")}
    assert own <= set(names)
    assert {"autograd_cnn/hints.txt", "autograd_cnn/data/digits.npz"} <= set(names)
    assert not [n for n in names if n.endswith((".c", ".h", ".so", ".pyc"))]
