"""Ctrl-C at any place of saving and loading: it stays Ctrl-C, and all or nothing has happened."""

from __future__ import annotations

import gc
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import autograd_cnn as ag
from autograd_cnn import data, nn, optim
from autograd_cnn.training import (
    CheckpointError,
    EarlyStopping,
    load_checkpoint,
    replace_file,
    save_checkpoint,
)
from tests.programs import EXAMPLES
from tests.training_run import states

from training import Record  # isort: skip

__all__ = ["EXAMPLES"]  # whose module puts the folder into the path

THOROUGH = settings().max_examples > 15
SOURCES = ("autograd_cnn", "zipfile", "contextlib", "_npyio_impl", "_format_impl", "pathlib")


def lines_of(action: Callable[[], Any], stop: float = math.inf) -> int:
    """Run `action`, with KeyboardInterrupt at line `stop` of it; how many lines it ran."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        above = frame.f_back
        if not any(name in frame.f_code.co_filename for name in SOURCES):
            return trace
        if "__del__" in (frame.f_code.co_name, above and above.f_code.co_name):
            return None  # Python itself swallows what is raised there
        if event == "line":
            count += 1
            if count == stop:
                raise KeyboardInterrupt
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(old)
    return count


def interrupted(
    action: Callable[[], Any], least: int, prepare: Callable[[], Any] = lambda: None
) -> Iterator[int]:
    """Yields after each interrupt, at lines spread over all; at more in the thorough profile."""
    prepare()
    lines = lines_of(action)
    assert lines > least
    # Archives and files that were cut off complain when Python removes them; nobody can help it.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        for place in range(1, lines + 1, lines // (600 if THOROUGH else 100) + 1):
            prepare()
            try:
                reached = lines_of(action, stop=place)
            except KeyboardInterrupt:
                yield place
            else:
                assert reached < place, f"the interrupt at line {place} was swallowed"
    finally:
        gc.collect()
        sys.unraisablehook = hook


def run(seed: int) -> dict[str, Any]:
    """Parts of every kind, after a step."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    for p in model.parameters():
        p.data = rng.standard_normal(p.shape)
    optimizer = optim.Adam(model.parameters(), lr=0.1 * (1 + seed))
    schedule = optim.StepLR(optimizer, 1 + seed)
    loader = data.DataLoader(np.arange(6), 2, seed=4)
    stopping = EarlyStopping(model, 9)
    if seed:
        model(rng.standard_normal((4, 3)).astype("float32")).sum().backward()
        optimizer.step()
        next(iter(loader))
        stopping.update(1.0)
    schedule.step_size = 2  # the same, as a setting of the state
    generator = np.random.default_rng(seed)
    return {
        **{"model": model, "optimizer": optimizer, "schedule": schedule, "loader": loader},
        **{"stopping": stopping, "rng": generator},
    }


def test_an_interrupted_save_is_an_interrupt_and_leaves_the_old_or_the_new_file(
    tmp_path: Path,
) -> None:
    path, old, new = tmp_path / "run.npz", run(0), run(1)
    save_checkpoint(path, **new)
    contents = {path.read_bytes()}
    save_checkpoint(path, **old)
    contents.add(path.read_bytes())
    for _ in interrupted(lambda: save_checkpoint(path, **new), 500):
        assert path.read_bytes() in contents
        save_checkpoint(path, **old)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_an_interrupted_block_is_an_interrupt(tmp_path: Path) -> None:
    """np.savez raises ValueError when it closes the archive that an interrupt cut off."""
    path, arrays = tmp_path / "weights.npz", run(0)["model"].state_dict()

    def save() -> None:
        with replace_file(path) as file:
            np.savez(file, **arrays)

    for _ in interrupted(save, 300):
        with np.load(path) as found:
            assert {name: found[name].tolist() for name in found} == {
                name: array.tolist() for name, array in arrays.items()
            }


def test_an_error_while_an_interrupt_is_handled_stays_that_error(tmp_path: Path) -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with pytest.raises(ZeroDivisionError), replace_file(tmp_path / "a"):
            _ = 1 / 0


def test_an_interrupted_load_changes_nothing(tmp_path: Path) -> None:
    path, mine = tmp_path / "run.npz", dict[str, Any]()
    save_checkpoint(path, **run(1))

    def prepare() -> None:
        mine.update(run(0))
        del mine["optimizer"].param_groups[0]["initial_lr"]  # a setting that loading adds
        ag.manual_seed(3)

    prepare()
    before = states(mine)
    for _ in interrupted(lambda: load_checkpoint(path, **mine), 500, prepare):
        assert states(mine) == before


class Broken:
    """A part whose loading fails, as often as wanted and in any way."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, _: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([ValueError("no")], CheckpointError),
        ([RecursionError("deep")], CheckpointError),
        ([KeyboardInterrupt()], KeyboardInterrupt),
        ([SystemExit(3)], SystemExit),
        ([ValueError("no"), KeyboardInterrupt()], KeyboardInterrupt),
        ([KeyboardInterrupt(), KeyboardInterrupt(), KeyboardInterrupt()], KeyboardInterrupt),
    ],
)
def test_a_part_that_fails_leaves_all_parts_as_they_were(
    errors: list[BaseException], expected: type[BaseException], last: bool, tmp_path: Path
) -> None:
    path, saved, mine = tmp_path / "run.npz", run(1), run(0)
    second = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    del mine["optimizer"].param_groups[0]["initial_lr"]
    save_checkpoint(path, **saved, second=second, broken=Broken())
    parts = {**mine, "second": second}
    before, broken = states(parts), {"broken": Broken(*errors)}
    with pytest.raises(expected):
        load_checkpoint(path, **({**parts, **broken} if last else {**broken, **parts}))
    assert states(parts) == before


# ----------------------------------------------------------------------- interrupts between two files


def epoch_of(path: Path, accuracies: list[float]) -> tuple[int, str]:
    """After which epoch the weight in a file is: the tests below write the number of it."""
    with np.load(path) as weights:
        epoch = int(weights["weight"][0, 0])
    return epoch, f"{100 * accuracies[epoch - 1]:.2f} %"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("place", range(1, 10))
def test_what_mnist_says_after_ctrl_c_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, late: bool, times: int
) -> None:
    """Ctrl-C before or after any file is replaced, once or twice; three epochs of three files."""
    replace, calls = os.replace, 0

    def replacing(*paths: Any) -> None:
        nonlocal calls
        calls += 1
        if late or not place <= calls < place + times:
            replace(*paths)
        if place <= calls < place + times:
            raise KeyboardInterrupt

    accuracies, model = [0.25, 0.5, 0.75], nn.Linear(1, 1)
    parts = {"model": model, "optimizer": optim.SGD(model.parameters(), lr=0.1)}
    record = Record(tmp_path, {"seed": 0})
    monkeypatch.setattr(os, "replace", replacing)

    def train() -> None:
        for epoch, accuracy in enumerate(accuracies, 1):
            nn.init.constant_(model.weight, epoch)
            record.history.append({"test_accuracy": accuracy})
            record.save(parts)

    with pytest.raises(KeyboardInterrupt):
        train()
    monkeypatch.setattr(os, "replace", replace)
    said = record.weights_kept() + record.resume_hint("mnist --resume")
    if not (tmp_path / "weights.npz").exists():
        assert said == "No epoch was completed, so no weights were saved."
        return
    epoch, accuracy = epoch_of(tmp_path / "weights.npz", accuracies)
    assert f"weights.npz holds the weights after epoch {epoch} ({accuracy} on held-out" in said
    if not record.checkpoint.exists():
        assert "--resume" not in said
        return
    again = Record(tmp_path, {"seed": 0})
    again.resume(parts)
    there = len(again.history)
    place = "from there" if there == epoch else f"after epoch {there}"
    assert said.endswith(f"\nThis goes on {place}:\n  mnist --resume")
    assert epoch_of(tmp_path / "weights.npz", accuracies)[0] == there
    if times == 1:
        assert there == epoch == epoch_of(tmp_path / "best.npz", accuracies)[0]
        assert sorted(os.listdir(tmp_path)) == ["best.npz", "checkpoint.npz", "weights.npz"]
