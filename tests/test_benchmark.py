"""examples/benchmark.py: run as a program, and its parts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from tests.programs import EXAMPLES, check_png, refused
from tests.programs import run as run_python

import benchmark as program  # isort: skip
from benchmarks import cells, charts, nets, processes, results, rounds, tables  # isort: skip

SCRIPT = str(EXAMPLES / "benchmark.py")
OURS = ["--frameworks", "autograd_cnn,numpy-kernels"]
SHORT = ["--rounds", "2", "--seconds", "0.02"]


# ------------------------------------------------------------------------------------ as a program


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two cells, in pipes and in a folder that is not the repository's."""
    folder = tmp_path_factory.mktemp("run")
    options = [*OURS, *SHORT, "--cells", "MLP/1,B1/32/train"]
    return run_python(SCRIPT, *options, folder=folder), folder / "runs" / "benchmark"


def test_the_table_and_the_record_have_every_cell(run: Any) -> None:
    done, out = run
    assert done.returncode == 0, done.stderr
    for net, batch in (("MLP", 1), ("B1", 32)):
        rates = r" +\d\.\d +[\d.]+[kM]? +[\d.]+[kM]?$"
        assert re.search(rf"^{net} +{batch} +-{rates}", done.stdout, re.M)
    assert "Inference, images/s: median of 2 rounds, 2 threads each" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not re.search("PROBLEM|\r|\x1b", done.stdout + done.stderr)
    record = json.loads((out / "benchmark.json").read_text())
    assert set(record["rates"]) == {"MLP/1/train", "MLP/1/infer", "B1/32/train"}
    for found in record["rates"].values():
        assert set(found) == {"autograd_cnn", "numpy-kernels"}
        assert all(len(rates) == 2 and min(rates) > 0 for rates in found.values())
    assert record["machine"]["matmul_gflops"] > 0
    assert record["versions"]["numpy-kernels"].endswith("numpy kernels")


def test_a_record_can_be_shown_again_and_joined(run: Any, tmp_path: Path) -> None:
    done, out = run
    record = str(out / "benchmark.json")
    shown = run_python(SCRIPT, "--show", record, folder=tmp_path)
    assert shown.stdout == done.stdout
    assert not list(tmp_path.iterdir())
    both = results.load([out / "benchmark.json", out / "benchmark.json"])
    assert len(both.rates) == 3
    other = json.loads(Path(record).read_text()) | {"threads": 7}
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(results.RecordError, match="from another machine or has other threads"):
        results.load([out / "benchmark.json", tmp_path / "other.json"])


def test_the_figure_is_a_small_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    charts.draw_speeds(full_results(), tmp_path / "speeds.png")
    points = [(at, n, [1.0, 2.0]) for at in (1, 2, 4) for n in ("autograd_cnn", "torch")]
    charts.draw_scaling({"batch size": points, "threads": points}, tmp_path / "scaling.png")
    run = {"framework": "torch", "resident": [1.0, 2.0]}
    charts.draw_memory({"torch contiguous": run}, 25, tmp_path / "memory.png")
    for path in tmp_path.iterdir():
        check_png(path)


def test_without_matplotlib_only_the_figure_is_missing(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.figures, "Figure", None)
    record = run[1] / "benchmark.json"
    assert program.main(["--show", str(record), "--out", str(tmp_path)]) == 0
    assert "need matplotlib" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["benchmark.json"]
    assert json.loads((tmp_path / "benchmark.json").read_text()) == json.loads(record.read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cells", "S5"], "argument --cells: no cell fits 'S5'; a cell is NET/BATCH/MODE"),
        (["--cells", "S4/1"], "no cell fits 'S4/1'"),
        (["--cells", "S4/32/train/x"], "no cell fits 'S4/32/train/x'"),
        (["--frameworks", "theano"], "no framework 'theano'; there are autograd_cnn, numpy-ker"),
        (["--python", "torch"], "expected NAME=PATH, got 'torch'"),
        (["--python", "torch=/nowhere"], "'/nowhere' is not a Python interpreter"),
        (["--python", "theano=/nowhere"], "no framework 'theano'"),
        (["--threads", "0"], "argument --threads: must be at least 1, got 0"),
        (["--seconds", "nan"], "argument --seconds: must be at least 0.001, got nan"),
        (["--rounds", "x"], "argument --rounds: invalid int value: 'x'"),
        (["--cells", "S4", "--memory"], "argument --memory: not allowed with argument --cells"),
        (["--show", "/nowhere/x.json"], "No such file or directory: '/nowhere/x.json'"),
        (["--show", __file__], "is not a benchmark.json that this program wrote"),
        (["--out", __file__], "File exists"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(program.main, options, capsys)
    assert error.startswith("benchmark.py: error: ")
    assert message in error


def test_a_framework_is_taken_from_the_environment_that_was_named(tmp_path: Path) -> None:
    """An interpreter whose autograd_cnn is another one: not this checkout's."""
    (tmp_path / "autograd_cnn.py").write_text("raise ImportError('I am another one')\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    options = ["--cells", "MLP/1/train", *OURS, "--python", f"autograd_cnn={python}"]
    done = run_python(SCRIPT, *options, folder=tmp_path)
    assert done.returncode == 2
    assert "autograd_cnn takes no part: I am another one" in done.stderr
    assert "numpy-kernels takes no part: I am another one" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("not installed: autograd_cnn, numpy-kernels")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal to send")
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(tmp_path: Path) -> None:
    options = [*OURS, "--cells", "MLP/1/train", "--rounds", "1000", "--seconds", "0.01"]
    command = [sys.executable, SCRIPT, *options, "--out", str(tmp_path)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as running:
        assert running.stderr
        for line in running.stderr:
            if "round " in line:
                break
        workers = children(running.pid)
        running.send_signal(signal.SIGINT)
        shown, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in errors
    assert "Interrupted: what follows was measured before." in errors
    assert "Training, images/s" in shown
    record = json.loads((tmp_path / "benchmark.json").read_text())
    assert len(record["rates"]["MLP/1/train"]["autograd_cnn"]) >= 1
    assert len(workers) == 2 or not Path("/proc").is_dir()
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def children(pid: int) -> list[int]:
    """The processes that this one started (Linux; elsewhere none are seen)."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


# ------------------------------------------------------------------------------- workers and rounds


def test_a_worker_that_waits_is_stopped(tmp_path: Path) -> None:
    with processes.Team(["autograd_cnn"], {}, 1) as team:
        (worker,) = team.workers
        status = Path(f"/proc/{worker.process.pid}/status")
        if not status.exists():
            pytest.skip("the state of a process is read from /proc")
        deadline = time.monotonic() + 5
        while "\nState:\tT" not in status.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(processes.WorkerError, match="AttributeError.*do_nothing"):
            worker.ask("nothing")
        assert worker.ask("hello")["version"].startswith(ag.__version__)
        worker.process.kill()
        with pytest.raises(processes.WorkerError, match=r"its process ended \(-9\)"):
            worker.ask("hello")


def test_all_kernels_train_alike_and_time_is_measured() -> None:
    cell = cells.Cell("S4", 32, "train", {"size": 12, "channels": 4})
    with processes.Team(["autograd_cnn", "numpy-kernels"], {}, 1) as team:
        first, second = (worker.ask("prepare", cell=cell.request) for worker in team.workers)
        assert rounds.agree(first["losses"][""], second["losses"][""])
        assert all(2.0 < loss < 3.0 for loss in first["losses"][""])
        rate = team.workers[0].ask("measure", cell=cell.request, seconds=0.02)
        assert rate["rate"] > 0
        assert 0 <= rate["others"] < 1000
        operation = {"operation": "exp(x)", "backward": True, "seconds": 0.01}
        assert team.workers[0].ask("overhead", **operation)["microseconds"] > 0


def fake_worker(name: str, *answers: Any) -> Any:
    """Answers as it is told to."""
    return SimpleNamespace(name=name, ask=Mock(side_effect=answers))


CELL = cells.Cell("S4", 32, "train")
MACHINE = {"processor": "CPU", "cores": 2, "system": "Linux", "matmul_gflops": 100.0}
FULL = {"rate": 100.0, "others": 0.0}


def prepared(*losses: float) -> dict[str, Any]:
    return {"losses": {"eager": list(losses)}, "way": "eager"}


def measured(*workers: Any, count: int) -> Any:
    found = results.Results(dict(MACHINE), 2, 0.1)
    team = SimpleNamespace(workers=workers, versions={worker.name: "1" for worker in workers})
    rounds.measure(team, [CELL], count, 0.1, found)
    return found


def test_other_losses_are_reported() -> None:
    found = measured(
        fake_worker("autograd_cnn", prepared(2.3, 2.2), FULL),
        fake_worker("torch", prepared(2.30001, 2.2001), FULL),
        fake_worker("jax", prepared(2.3, 2.3), FULL),
        count=1,
    )
    assert found.problems == [
        "S4/32/train: jax eager has other losses than autograd_cnn in the first steps: "
        "2.30000 2.30000, expected 2.30000 2.20000"
    ]
    assert "PROBLEM: S4/32/train: jax eager" in tables.report(found)
    for losses in ([2.3, float("nan")], [2.3]):
        assert not rounds.agree(losses, [2.3, 2.2])


def test_a_framework_that_fails_leaves_the_others_alone() -> None:
    broken = processes.WorkerError("out of memory")
    found = measured(
        fake_worker("autograd_cnn", prepared(2.3), FULL, FULL, FULL),
        fake_worker("torch", broken),
        fake_worker("jax", prepared(2.3), FULL, broken),
        count=3,
    )
    assert found.problems == [
        "S4/32/train: torch: out of memory",
        "S4/32/train: jax: out of memory",
    ]
    lengths = {name: len(rates) for name, rates in found.rates["S4/32/train"].items()}
    assert lengths == {"autograd_cnn": 3, "jax": 1}


def test_a_disturbed_measurement_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds.machine, "cores", lambda: 2)
    answers = [{"rate": rate, "others": others} for rate, others in ((1.0, 0.9), (2.0, 0.1))]
    found = measured(fake_worker("autograd_cnn", prepared(2.3), *answers), count=1)
    assert found.rates["S4/32/train"] == {"autograd_cnn": [2.0]}
    assert found.disturbed == 0
    answers = [{"rate": rate, "others": 1.0 - rate / 10} for rate in (1.0, 4.0, 3.0)]
    found = measured(fake_worker("autograd_cnn", prepared(2.3), *answers), count=1)
    assert found.rates["S4/32/train"] == {"autograd_cnn": [4.0]}
    shown = " ".join(tables.report(found).split())
    assert "Other programs used the processors during 1 of 1 measurements." in shown
    assert "S4 32 - 2.0 4 " in shown


# -------------------------------------------------------------------------------- networks and cells


@pytest.mark.parametrize("name", nets.NETS)
def test_layers_fit_their_weights_and_inputs(name: str) -> None:
    net = nets.NETS[name]()
    weights = nets.first_weights(net)
    assert len(weights) == len(net.layers)
    size, features = net.size, 1
    for layer, own in zip(net.layers, weights):
        if layer.kind in ("conv", "linear"):
            kernel = (layer.kernel, layer.kernel) if layer.kind == "conv" else ()
            assert own["weight"].shape == (layer.outputs, layer.inputs, *kernel)
            assert layer.inputs == features
            features = layer.outputs
            size += 2 * layer.padding - layer.kernel + 1
        elif layer.kind == "pool":
            assert size % 2 == 0  # every framework pools the same values
            size //= 2
        elif layer.kind == "flatten":
            features *= size * size
        assert all(w.dtype == np.float32 for w in own.values())
    assert features == nets.CLASSES


def test_work_is_counted_by_hand() -> None:
    conv1, conv2 = 2 * 16 * 9 * 28 * 28, 2 * 32 * 16 * 9 * 14 * 14
    linear = 2 * (32 * 7 * 7 * 128 + 128 * 10)
    assert nets.flop_per_image(nets.s4(), "infer") == conv1 + conv2 + linear
    assert nets.flop_per_image(nets.s4(), "train") == 2 * conv1 + 3 * (conv2 + linear)


def test_batches_differ_and_are_what_a_user_has() -> None:
    pairs = nets.make_batches(32, 28)
    assert len(pairs) == 8
    for images, labels in pairs:
        assert images.shape == (32, 1, 28, 28)
        assert images.dtype == np.float32
        assert images.flags.c_contiguous
        assert labels.dtype == np.int64
        assert 0.15 < np.count_nonzero(images) / images.size < 0.25
    assert not np.array_equal(pairs[0][0], pairs[1][0])


def test_cells_are_chosen_by_pattern() -> None:
    names = [cell.name for cell in cells.choose_cells("//train,S4/32")]
    assert len(names) == 15
    assert "S4/32/infer" in names
    assert [c.name for c in cells.choose_cells("S4/32/train")] == ["S4/32/train"]
    assert cells.choose_cells("") == cells.CELLS
    assert len(cells.CELLS) == 28


# -------------------------------------------------------------------------------------------- tables


def full_results() -> Any:
    """Every framework in every cell: ours takes the place 2, 4, 6, ... times as fast."""
    found = results.Results(dict(MACHINE), 2, 0.1)
    found.versions = dict.fromkeys(processes.FRAMEWORKS, "1.0")
    for cell in cells.CELLS:
        found.rates[cell.name] = {
            name: [1000.0 / 2**i * factor for factor in (1.0, 1.5, 2.0)]
            for i, name in enumerate(processes.FRAMEWORKS)
        }
        found.ways[cell.name] = {"torch": "eager"}
    return found


def test_ratios_are_medians_over_rounds() -> None:
    found = results.Results({}, 2, 0.1)
    found.rates["x"] = {
        "autograd_cnn": [10.0, 40.0, 90.0],
        "torch": [10.0, 20.0, 30.0],
        "jax": [1.0, 100.0, 1.0],
    }
    assert found.best_rival("x") == "torch"  # by its median
    assert found.ratio("x", "autograd_cnn", "torch") == 2.0
    assert found.ratio_to_best("x") == 2.0
    assert found.ratio("x", "autograd_cnn", "keras") is None
    assert found.spread("x", "torch") == pytest.approx(0.25)
    found.rates["x"]["autograd_cnn"] = []
    assert found.ratio_to_best("x") is None
    assert found.spread("x", "autograd_cnn") is None


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_tables_fit_the_terminal(width: int) -> None:
    text = tables.report(full_results(), width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("1500") == 0
    assert re.search(r"^S4 +32 +4\.00 +2\.0", text, re.M)
    assert "S4/32/train: 2.00 of the best, goal 0.8" in " ".join(text.split())


entries = st.text("abc", min_size=1, max_size=9)


@given(st.lists(st.lists(entries, min_size=5, max_size=5), min_size=1), st.integers(1, 60))
def test_a_table_keeps_every_entry_in_any_width(rows: list[list[str]], width: int) -> None:
    parts = [part.splitlines() for part in tables.layout(rows, width).split("\n\n")]
    for i, row in enumerate(rows):
        lines = [part[i].split() for part in parts]
        assert all(line[:2] == row[:2] for line in lines)
        assert [entry for line in lines for entry in line[2:]] == row[2:]
    for part in parts:
        assert max(map(len, part)) <= width or len(part[0].split()) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "-"), (0.4, "0"), (87.4, "87"), (999.4, "999"), (999.7, "1.0k"), (1234, "1.2k")),
        *((99_940, "99.9k"), (99_960, "100k"), (1.25e6, "1.2M")),
    ],
)
def test_amounts_are_short(value: float | None, text: str) -> None:
    assert tables.amount(value) == text
