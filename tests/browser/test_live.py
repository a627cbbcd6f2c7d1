"""The page docs/live in a real browser, and its numbers in Node; python -m pytest tests/browser."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.hands import HANDS

LIVE = Path(__file__).parents[2] / "docs" / "live"
sys.path.insert(0, str(LIVE))

import assemble  # noqa: E402
import lab  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with its runtime in a folder."""
    folder = tmp_path_factory.mktemp("site")
    try:
        assemble.assemble(folder)
    except assemble.UnavailableError as error:
        pytest.skip(f"Pyodide cannot be had here: {error}")
    return folder


def test_node_computes_what_python_computes_here(site: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    script = Path(__file__).with_name("numbers.mjs")
    done = subprocess.run([node, script, site], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    here = lab.Lab(LIVE / "weights.npz")
    image = lab.prepared(np.array(here.example(7)["image"], np.uint8))
    look = here.look(image)
    assert there["look"]["answer"] == look["answer"]
    for name in ("chances", "image", "saliency"):
        np.testing.assert_allclose(there["look"][name], look[name], rtol=2e-2, atol=2e-3)
    story = here.story(image, 0, 3, 10, 12)
    np.testing.assert_allclose(there["story"]["value"], story["value"], rtol=1e-3, atol=1e-4)
    assert np.mean(there["losses"][-10:]) < 0.5 * there["losses"][0]
    assert there["accuracy"] > 0.8


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(site))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Visit:
    """A page that has loaded, and what its console said."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.page = browser.new_page(**settings)
        self.complaints: list[str] = []
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("main:not([hidden])", timeout=120_000)

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        self.page.click("#clear")
        self.page.wait_for_function("find('answer').textContent === 'Draw a digit'")
        box = self.page.locator("#pad").bounding_box()
        scale = box["width"] / 280
        for stroke in strokes:
            points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke]
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for point in points[1:]:
                self.page.mouse.move(*point)
            self.page.mouse.up()
        self.page.wait_for_function("!reading && !again")

    def text(self, where: str) -> str:
        return self.page.inner_text(where)


@pytest.fixture(scope="module")
def visit(browser: Any, address: str) -> Visit:
    return Visit(browser, address, viewport={"width": 1200, "height": 900})


def test_digits_of_three_hands_are_read(visit: Visit) -> None:
    read = {}
    for digit, hands in HANDS.items():
        for hand, strokes in enumerate(hands):
            visit.draw(strokes)
            read[digit, hand] = visit.text("#answer").split()[2]
    wrong = {key: found for key, found in read.items() if found != str(key[0])}
    assert len(wrong) <= 1, wrong  # of 30
    assert visit.complaints == []


def test_a_pixel_of_a_convolution_tells_how_it_came_about(visit: Visit) -> None:
    visit.draw(HANDS[3][0])
    visit.page.locator("#layers canvas.live").nth(10).click(position={"x": 20, "y": 20})
    visit.page.wait_for_selector("#story:not([hidden])")
    assert "all 8 channels add" in visit.text("#storysum")
    visit.page.locator("#layers canvas.live").nth(2).focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_function(
        "find('storytitle').textContent.startsWith('Map 3, row 9, column 10')"
    )
    assert visit.page.locator("#storymaths table").count() == 3


def test_it_trains_here_and_learns_what_the_visitor_teaches(visit: Visit) -> None:
    visit.draw(HANDS[7][0])
    visit.page.select_option("#label", "7")
    visit.page.click("#teach")
    visit.page.wait_for_function("find('taught').textContent.startsWith('Taught as a 7')")
    visit.page.click("#start")
    visit.page.wait_for_function("losses.length >= 10", timeout=60_000)
    visit.page.wait_for_function("accuracy > 0.9", timeout=60_000)
    visit.page.click("#stop")
    visit.page.wait_for_function("!training && !find('start').disabled")
    losses = visit.page.evaluate("losses")
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])
    assert "of the 360 test digits read" in visit.text("#progress")
    assert visit.page.input_value("#reader") == "own"
    assert visit.complaints == []


def test_the_keyboard_is_enough(browser: Any, address: str) -> None:
    visit = Visit(browser, address, viewport={"width": 1000, "height": 800})
    press = visit.page.keyboard.press
    press("Tab")
    assert visit.page.evaluate("document.activeElement.id") == "pad"
    for key, times in (("ArrowUp", 8), ("Space", 1), ("ArrowDown", 16), ("Space", 1)):
        for _ in range(times):
            press(key)
    visit.page.wait_for_function("!reading && !again")
    assert visit.text("#answer").startswith("It reads 1")
    press("Delete")
    visit.page.wait_for_function("find('answer').textContent === 'Draw a digit'")
    seen = set()
    for _ in range(60):
        press("Tab")
        seen.add(visit.page.evaluate("document.activeElement.id"))
    assert {"clear", "undo", "example", "reader", "network", "rate", "start", "teach"} <= seen
    assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, address: str, scheme: str) -> None:
    visit = Visit(
        browser,
        address,
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=True,
    )
    visit.page.locator("#pad").scroll_into_view_if_needed()
    visit.draw(HANDS[2][0])
    assert visit.text("#answer").startswith("It reads 2")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visit.complaints == []


def test_a_missing_runtime_is_told(browser: Any, tmp_path: Path) -> None:
    for name in assemble.PAGE:
        shutil.copyfile(LIVE / name, tmp_path / name)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_selector("#error:not([hidden])")
        assert "could not start" in page.inner_text("#error")
        server.shutdown()
