"""What users see of objects: a line, a page at most, HTML in notebooks; cells that run twice; dir."""

from __future__ import annotations

import importlib
import inspect
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim, training
from autograd_cnn.tensor.showing import tree
from tests.test_docstrings import MODULES

CLASSES = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name in module.__all__
    if inspect.isclass(value := getattr(module, name))
}


def leaf(*values: float) -> ag.Tensor:
    return ag.tensor(values, requires_grad=True)


def trained(rate: float = 0.5) -> optim.SGD:
    return optim.SGD(nn.Linear(2, 1).parameters(), lr=rate, momentum=0.9)


class Pairs(ag.data.Dataset):
    def __init__(self) -> None:
        self.pixels = np.zeros((1000, 28, 28))

    def __len__(self) -> int:
        return len(self.pixels)


MODEL = nn.Sequential(nn.Linear(2, 1), nn.Sequential(nn.ReLU(), nn.Flatten()))
OBJECTS = {
    "no_grad()": ag.no_grad(),
    "enable_grad()": ag.set_grad_enabled(True),
    "Watching()": ag.detect_anomaly(),
    "Pairs(1,000 elements)": Pairs(),
    "Dataset()": ag.data.Dataset(),
    "StepLR(step_size=2, gamma=0.1, optimizer=SGD, base_lrs=[0.5], last_epoch=0)": (
        optim.StepLR(trained(), 2)
    ),
    "LambdaLR(lr_lambdas=[<lambda>], optimizer=SGD, base_lrs=[0.5], last_epoch=0)": (
        optim.LambdaLR(trained(), lambda epoch: 1.0)
    ),
    "EarlyStopping(model=Sequential, patience=3, mode='min', best=None, waited=0)": (
        training.EarlyStopping(MODEL, 3)
    ),
    "Step(model=Sequential, loss=cross_entropy, optimizer=SGD, reduce=None, shards=1, "
    "outputs=None)": (training.Step(MODEL, F.cross_entropy, trained())),
    "Progress(title='epoch 1', steps=3, step=0, count=0)": training.Progress("epoch 1", 3),
    "Op(name='exp', inputs=('x',), saves=(), variadic=False, params=(), exposed=())": ag.OPS["exp"],
}
SCHEDULES = [
    optim.OneCycleLR(trained(), 1.0, 10),
    optim.ReduceLROnPlateau(trained()),
    optim.CosineAnnealingLR(trained(), 3),
    optim.MultiStepLR(trained(), range(100)),
]


# ------------------------------------------------------------------------------------------ in text


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_no_public_class_shows_an_address(name: str) -> None:
    assert CLASSES[name].__repr__ is not object.__repr__


@pytest.mark.parametrize("text", OBJECTS)
def test_objects_show_their_settings_in_a_line(text: str) -> None:
    assert repr(OBJECTS[text]) == text


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_schedules_are_short(schedule: optim.LRScheduler) -> None:
    assert re.fullmatch(r"\w+\(\w+=.*, last_epoch=0\)", repr(schedule))
    assert len(repr(schedule)) < 300


def test_a_handle_says_whether_its_hook_is_there() -> None:
    handle = leaf(1.0).register_hook(lambda g: None)
    assert re.fullmatch(r"Handle\(hook \d+\)", repr(handle))
    handle.remove()
    assert re.fullmatch(r"Handle\(hook \d+, removed\)", repr(handle))


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((4,), "tensor([0., 0., 0., 0.])"),
        ((5000,), "tensor([0., 0., 0., ..., 0., 0., 0.], shape=(5000,))"),
        ((64, 3, 28, 28), "tensor(..., shape=(64, 3, 28, 28))"),
    ],
)
def test_a_large_tensor_shows_its_shape(shape: tuple[int, ...], text: str) -> None:
    assert repr(ag.tensor(np.zeros(shape, np.float32))) == text


@pytest.mark.parametrize("shape", [(28, 28), (500, 1), (1, 1, 20, 20), (2,) * 9, (1,) * 30, (0, 5)])
@pytest.mark.parametrize("kind", [ag.tensor, nn.Parameter])
def test_every_tensor_fits_a_page(shape: tuple[int, ...], kind: Any) -> None:
    text = repr(kind(np.ones(shape, np.float32)))
    assert text.count("\n") < 20
    assert ("..." in text or 0 in shape) == (f"shape={shape}" in text)


def test_what_is_said_of_a_large_tensor_is_said_of_its_results() -> None:
    x = ag.tensor(np.ones((64, 1, 28, 28)), requires_grad=True)
    assert repr(x) == "tensor(..., shape=(64, 1, 28, 28), dtype=float64, requires_grad=True)"
    assert repr(x * 2.0) == "tensor(..., shape=(64, 1, 28, 28), dtype=float64, op=multiply)"


# ------------------------------------------------------------------------------------------ in HTML


class Reader(HTMLParser):
    """The text of HTML; notes elements that are closed without being open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("tr", "td", "th"):
            self._leave("td", "th", *(("tr",) if tag == "tr" else ()))
        if tag == "li" and self.open[-1:] == ["li"]:
            self.open.pop()
        if tag != "br":
            self.open.append(tag)

    def _leave(self, *tags: str) -> None:
        """Leave elements whose ends may be left out."""
        while self.open and self.open[-1] in tags:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        self._leave("li", "tr", "td", "th")
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(x: Any) -> Reader:
    found = Reader(x._repr_html_())
    assert not found.open
    return found


def test_a_tensor_says_shape_and_dtype_above_its_values() -> None:
    html = leaf(1.0, 2.0)._repr_html_()
    assert html == (
        "<details open><summary>tensor (2,) float32, requires_grad=True</summary>"
        "<pre>[1., 2.]</pre></details>"
    )
    weight = nn.Linear(2, 1).weight
    assert "<summary>Parameter (1, 2) float32</summary>" in weight._repr_html_()
    assert "float32, op=multiply</summary>" in (leaf(1.0) * 2.0)._repr_html_()


def test_the_values_of_a_large_tensor_are_folded() -> None:
    html = ag.tensor(np.zeros((28, 28)))._repr_html_()
    assert html.startswith("<details><summary>tensor (28, 28) float64</summary>")
    assert html.count("0.") == 28 * 28


def test_a_module_is_a_tree_that_folds() -> None:
    assert MODEL._repr_html_() == (
        "<ul><li><details open><summary>Sequential</summary><ul>"
        "<li>(0): Linear(in_features=2, out_features=1, bias=True)"
        "<li><details open><summary>(1): Sequential</summary><ul>"
        "<li>(0): ReLU()<li>(1): Flatten(start_dim=1, end_dim=-1)"
        "</ul></details></ul></details></ul>"
    )
    assert read(MODEL).text.count("Sequential") == 2


def test_html_is_escaped() -> None:
    class Named(nn.Module):
        def extra_repr(self) -> str:
            return "<script>&"

    assert read(nn.Sequential(Named())).text.count("<script>&") == 1
    with ag.profile() as found:
        ag.exp(leaf(1.0))
    found.calls["<b>", "forward"] = 1
    assert "<b>" in read(found).text


def test_a_repr_of_the_user_s_own_is_what_the_tree_shows() -> None:
    class Own(nn.Module):
        def __repr__(self) -> str:
            return "mine"

    assert Own()._repr_html_() == "<ul><li>mine</ul>"
    Reader(tree("a(\n b"))  # whatever the text, nothing raises


def test_tables_hold_what_their_text_holds() -> None:
    with ag.profile() as found:
        summary = ag.summary(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), (1, 2))
        ag.exp(ag.tensor(np.ones(3, np.float16)))
    for table in (summary, found):
        lines = [line for line in str(table).splitlines() if set(line) != {"-"}]
        assert "".join("".join(lines).split()) == "".join(read(table).text.split())
        assert table._repr_html_().count("<tr>") >= 3


def test_a_drawing_is_text_that_notebooks_draw() -> None:
    drawn = ag.draw((leaf(1.0) * 2.0).sum())
    assert drawn._repr_markdown_() == f"```mermaid\n{drawn}\n```"
    dot = ag.draw(leaf(1.0) * 2.0, format="dot")
    assert dot._repr_markdown_().startswith("```dot\ndigraph")


@pytest.mark.parametrize("x", [leaf(1.0), MODEL, trained(), ag, nn])
def test_what_notebooks_look_for_and_nobody_has_is_absent(x: Any) -> None:
    for name in ("_ipython_display_", "_repr_mimebundle_", "_repr_png_", "_ipython_canary_"):
        assert not hasattr(x, name)


# ------------------------------------------------------------------------------- cells that run twice

CELL = """
@ag.op(x=lambda g, out, x: g * {factor})
def run_twice(x):
    "A cell of a notebook."
    return x * {factor}
"""


def cell(factor: float, module: str = "__main__") -> Any:
    names = {"ag": ag, "__name__": module}
    exec(CELL.format(factor=factor), names)
    return names["run_twice"]


@pytest.fixture
def _clean() -> Any:
    yield
    ag.OPS.pop("run_twice", None)


@pytest.mark.usefixtures("_clean")
def test_an_op_declared_again_replaces_the_earlier_one() -> None:
    first = cell(2.0)
    second = cell(3.0)
    assert ag.OPS["run_twice"] is second.op is not first.op
    for made, factor in ((first, 2.0), (second, 3.0)):  # the earlier one still works
        x = leaf(1.0)
        made(x).backward()
        assert x.grad.tolist() == [factor]


@pytest.mark.usefixtures("_clean")
def test_an_op_of_another_module_keeps_its_name() -> None:
    kept = cell(2.0)
    with pytest.raises(TypeError, match="'run_twice' is already registered, by __main__; choose"):
        cell(3.0, module="another")
    assert ag.OPS["run_twice"] is kept.op
    with pytest.raises(TypeError, match=r"already registered, by autograd_cnn\.ops\.exponential"):

        @ag.op(x=lambda g, out, x: g)
        def exp(x: Any) -> Any:
            return x


@pytest.mark.usefixtures("_clean")
def test_a_declaration_that_fails_leaves_the_earlier_one() -> None:
    kept = cell(2.0)
    with pytest.raises(TypeError, match="backward rules for"):
        exec(
            CELL.replace("x=lambda", "z=lambda").format(factor=3.0),
            {"ag": ag, "__name__": "__main__"},
        )
    assert ag.OPS["run_twice"] is kept.op


# -------------------------------------------------------------------------------------------- dir


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_dir_lists_the_public_names(module: Any) -> None:
    assert dir(module) == sorted(module.__all__)
    assert importlib.import_module(module.__name__) is module
