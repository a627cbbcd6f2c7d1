"""The history of a run: columns, the best epoch, the summary, the picture, checkpoints."""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.training import History, load_checkpoint, save_checkpoint
from tests.programs import check_png


def epochs(count: int = 4) -> History:
    history = History()
    for number in range(1, count + 1):
        steps = [2.0 / (number + k / 10) for k in range(10)]
        history.append(
            {
                "epoch": number,
                "loss": 2.0 / number,
                "accuracy": 1 - 0.5**number,
                "test_loss": 2.5 / number + (0.5 if number == 4 else 0),
                "test_accuracy": [0.5, 0.75, 0.75, 0.7][number - 1],
                "seconds": 1.5,
                "step_loss": steps,
            }
        )
    return history


def test_it_is_a_list_of_epochs_with_columns() -> None:
    history = epochs()
    assert history["loss"] == [2.0, 1.0, 2 / 3, 0.5]
    assert history[1]["loss"] == 1.0
    assert [e["epoch"] for e in history[1:3]] == [2, 3]
    history.append({"test_loss": 9.0})
    assert history["loss"][-1] is None
    with pytest.raises(KeyError, match="no epoch has 'lose'; there is epoch, loss, accuracy"):
        history["lose"]


def test_the_best_epoch_is_the_first_of_the_best() -> None:
    history = epochs()
    assert history.best("test_accuracy") is history[1]
    assert history.best("test_loss") is history[2]
    assert history.best("test_accuracy", "min") is history[0]
    history.append({"loss": math.nan, "lr": 0.5})
    assert history.best("loss") is history[3]
    assert history.best("lr") is history[4]


@pytest.mark.parametrize(
    "odd",
    [None, "x", [1.0, 2.0], [], [[1.0], [1.0, 2.0]], {"a": 1}, np.ones((2, 2)), 10**400, True],
    ids=repr,
)
@pytest.mark.parametrize("name", ["loss", "seconds", "step_loss", "note", 0])
def test_what_is_no_number_is_left_out(odd: Any, name: Any, tmp_path: Path) -> None:
    for place in range(3):
        history = History([{"loss": 2.0, "step_loss": [1.0, 3.0]} for _ in range(3)])
        history[place] = {**history[place], name: odd}
        lines = repr(history).splitlines()
        assert [line.split()[0] for line in lines][:2] == ["3", "loss"]
        assert history.best("loss")["loss"] == 2.0
        history.plot(tmp_path / "curves.png")
        with pytest.raises(ValueError, match=r"History.best: step_loss has no number yet"):
            history.best("step_loss")
    only = History([{"loss": odd}])
    assert repr(only).startswith("1 epoch ")
    with pytest.raises(ValueError, match=r"History.best: loss has no number yet"):
        only.best("loss")


def test_the_summary_says_where_it_began_ended_and_was_best() -> None:
    assert repr(epochs()).splitlines() == [
        "4 epochs in 6.0 s    first     last     best",
        "loss                 2.000   0.5000   0.5000  in epoch 4",
        "accuracy           50.00 %  93.75 %  93.75 %  in epoch 4",
        "test_loss            2.500    1.125   0.8333  in epoch 3",
        "test_accuracy      50.00 %  70.00 %  75.00 %  in epoch 2",
    ]
    assert repr(History()) == "0 epochs  first  last  best"
    assert repr(epochs(1)).startswith("1 epoch in 1.5 s ")
    diverged = History([{"loss": math.nan, "note": "lost", "flag": True}])
    assert repr(diverged).splitlines()[1:] == ["loss       nan   nan   nan"]
    tensors = History([{"loss": ag.tensor(0.5)}, {}, {"loss": np.float32(0.25)}])
    assert repr(tensors).endswith("0.5000  0.2500  0.2500  in epoch 3")


def test_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run.npz", history=epochs())
    again = History(load_checkpoint(tmp_path / "run.npz")["history"])
    assert again == epochs() == copy.deepcopy(epochs())
    assert type(copy.deepcopy(again)) is History


# ----------------------------------------------------------------------------------------- pictures

RUNS: dict[str, Any] = {
    "whole": epochs,
    "one epoch": lambda: epochs(1),
    "losses alone": lambda: History([{"loss": 1.0}, {"loss": 0.5}]),
    "values now and then": lambda: History([{"loss": 1.0}, {"test_f1": 0.5}, {"loss": 0.5}]),
    "no loss above 0": lambda: History([{"loss": -1.0}, {"loss": -2.0}]),
    "nan": lambda: History([{"loss": math.nan, "accuracy": 0.1}]),
    "steps alone": lambda: History([{"step_loss": [1.0, 0.9]}, {"step_loss": [0.8]}]),
    "six of a word": lambda: History([{f"{k}_loss": k + 1.0 for k in "123456" for k in [int(k)]}]),
}


@pytest.mark.parametrize("name", RUNS)
def test_drawing(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    RUNS[name]().plot(tmp_path / "curves.png", "title_1 of $x$")
    check_png(tmp_path / "curves.png")


def test_without_a_path_pyplot_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    pyplot.switch_backend("agg")
    before, make = pyplot.get_fignums(), pyplot.figure

    def figure(*args: Any, **settings: Any) -> Any:
        # Its first call sets a notebook up, which must not end with the style.
        assert pyplot.rcParams["axes.spines.top"]
        return make(*args, **settings)

    monkeypatch.setattr(pyplot, "figure", figure)
    epochs().plot()
    monkeypatch.undo()
    (new,) = set(pyplot.get_fignums()) - set(before)
    panels = pyplot.figure(new).axes
    assert [axes.get_title("left") for axes in panels] == ["Loss", "Accuracy"]
    labels = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in panels]
    assert labels == [
        ["training, step by step", "test: 1.125"],
        ["training: 93.75 %", "test: 70.00 %"],
    ]
    pyplot.close(new)


def test_without_matplotlib_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="drawn with matplotlib: pip install matplotlib"):
        epochs().plot(tmp_path / "curves.png")
    assert repr(epochs()).startswith("4 epochs")
