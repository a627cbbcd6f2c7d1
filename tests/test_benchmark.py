"""examples/benchmark.py: run as a program, and its parts."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPT = [sys.executable, str(EXAMPLES / "benchmark.py")]
OURS = ["--frameworks", "autograd_cnn,numpy-kernels"]
SHORT = ["--rounds", "2", "--seconds", "0.02"]


def load_part(name: str) -> Any:
    """A module of examples/."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(EXAMPLES))


nets = load_part("benchmarks.nets")
cells = load_part("benchmarks.cells")
results = load_part("benchmarks.results")
rounds = load_part("benchmarks.rounds")
tables = load_part("benchmarks.tables")
processes = load_part("benchmarks.processes")
program = load_part("benchmark")


# ------------------------------------------------------------------------------------ as a program


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two cells, in pipes and in a folder that is not the repository's."""
    folder = tmp_path_factory.mktemp("run")
    options = [*OURS, *SHORT, "--cells", "MLP/1,B1/32/train"]
    done = subprocess.run(
        [*SCRIPT, *options], cwd=folder, capture_output=True, text=True, timeout=120
    )
    return done, folder / "runs" / "benchmark"


def test_the_table_shows_every_cell(run: Any) -> None:
    done, _ = run
    assert done.returncode == 0, done.stderr
    for net, batch in (("MLP", 1), ("B1", 32)):
        assert re.search(
            rf"^{net} +{batch} +-\?? +\d\.\d +[\d.]+[kM]?\?? +[\d.]+[kM]?\??$", done.stdout, re.M
        )
    assert "Inference, images/s: median of 2 rounds, 2 threads each" in done.stdout
    assert "PROBLEM" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\r" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_the_record_has_every_measurement(run: Any) -> None:
    record = json.loads((run[1] / "benchmark.json").read_text())
    assert set(record["rates"]) == {"MLP/1/train", "MLP/1/infer", "B1/32/train"}
    for found in record["rates"].values():
        assert set(found) == {"autograd_cnn", "numpy-kernels"}
        assert all(len(rates) == 2 and min(rates) > 0 for rates in found.values())
    assert record["machine"]["matmul_gflops"] > 0
    assert record["versions"]["numpy-kernels"].endswith("numpy kernels")


def test_a_record_can_be_shown_again_and_joined(run: Any, tmp_path: Path) -> None:
    done, out = run
    record = str(out / "benchmark.json")
    shown = subprocess.run(
        [*SCRIPT, "--show", record], cwd=tmp_path, capture_output=True, text=True
    )
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
    charts = load_part("benchmarks.charts")
    charts.draw_bars(full_results(), tmp_path / "bars.png")
    points = [(at, n, [1.0, 2.0]) for at in (1, 2, 4) for n in ("autograd_cnn", "torch")]
    charts.draw_scaling({"batch size": points, "threads": points}, tmp_path / "scaling.png")
    run = {"framework": "torch", "resident": [1.0, 2.0]}
    charts.draw_memory({"torch contiguous": run}, 25, tmp_path / "memory.png")
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(content) < 200_000


def test_without_matplotlib_only_the_figure_is_missing(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.figures, "Figure", None)
    record = run[1] / "benchmark.json"
    assert program.main(["--show", str(record), "--out", str(tmp_path)]) == 0
    assert "No figure: it needs matplotlib" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["benchmark.json"]
    assert json.loads((tmp_path / "benchmark.json").read_text()) == json.loads(record.read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cells", "S5"], "argument --cells: no cell fits 'S5'; a cell is NET/BATCH/MODE"),
        (["--cells", "S4/1"], "no cell fits 'S4/1'"),
        (["--cells", "S4/32/train/x"], "no cell fits 'S4/32/train/x'"),
        (
            ["--frameworks", "theano"],
            "no framework 'theano'; there are autograd_cnn, numpy-kernels",
        ),
        (["--python", "torch"], "expected NAME=PATH, got 'torch'"),
        (["--python", "torch=/nowhere"], "'/nowhere' is not a Python interpreter"),
        (["--python", "theano=/nowhere"], "no framework 'theano'"),
        (["--threads", "0"], "argument --threads: must be above 0, got 0"),
        (["--seconds", "nan"], "argument --seconds: must be above 0, got nan"),
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
    with pytest.raises(SystemExit) as stopped:
        program.main(options)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("benchmark.py: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_framework_is_taken_from_the_environment_that_was_named(tmp_path: Path) -> None:
    """An interpreter whose autograd_cnn is another one: not this checkout's."""
    (tmp_path / "autograd_cnn.py").write_text("raise ImportError('I am another one')\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    options = ["--cells", "MLP/1/train", *OURS, "--python", f"autograd_cnn={python}"]
    done = subprocess.run(
        [*SCRIPT, *options], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "autograd_cnn takes no part: I am another one" in done.stderr
    assert "numpy-kernels takes no part: I am another one" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("not installed: autograd_cnn, numpy-kernels")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal to send")
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(tmp_path: Path) -> None:
    options = [*OURS, "--cells", "MLP/1/train", "--rounds", "300", "--seconds", "0.01"]
    with subprocess.Popen(
        [*SCRIPT, *options, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
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


class FakeWorker:
    """Answers as it is told to."""

    def __init__(self, name: str, answers: list[Any]) -> None:
        self.name, self.answers = name, answers

    def ask(self, what: str, **_: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeTeam:
    def __init__(self, *workers: FakeWorker) -> None:
        self.workers = workers
        self.versions = {worker.name: "1" for worker in workers}


CELL = cells.Cell("S4", 32, "train")
MACHINE = {"processor": "CPU", "cores": 2, "system": "Linux", "matmul_gflops": 100.0}
FULL = {"rate": 100.0, "others": 0.0}


def prepared(*losses: float) -> dict[str, Any]:
    return {"losses": {"eager": list(losses)}, "way": "eager"}


def measured(*workers: FakeWorker, count: int) -> Any:
    found = results.Results(dict(MACHINE), 2, 0.1)
    rounds.measure(FakeTeam(*workers), [CELL], count, 0.1, found)
    return found


def test_other_losses_are_reported() -> None:
    found = measured(
        FakeWorker("autograd_cnn", [prepared(2.3, 2.2), FULL]),
        FakeWorker("torch", [prepared(2.30001, 2.2001), FULL]),
        FakeWorker("jax", [prepared(2.3, 2.3), FULL]),
        count=1,
    )
    assert found.problems == [
        "S4/32/train: jax eager has other losses than autograd_cnn in the first steps: "
        "2.30000 2.30000, expected 2.30000 2.20000"
    ]
    assert "PROBLEM: S4/32/train: jax eager" in tables.report(found)


@pytest.mark.parametrize("losses", [(2.3, float("nan")), (2.3,)])
def test_losses_that_are_missing_or_no_numbers_do_not_agree(losses: tuple[float, ...]) -> None:
    assert not rounds.agree(list(losses), [2.3, 2.2])


def test_a_framework_that_fails_leaves_the_others_alone() -> None:
    broken = processes.WorkerError("out of memory")
    found = measured(
        FakeWorker("autograd_cnn", [prepared(2.3), FULL, FULL, FULL]),
        FakeWorker("torch", [broken]),
        FakeWorker("jax", [prepared(2.3), FULL, broken]),
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
    found = measured(FakeWorker("autograd_cnn", [prepared(2.3), *answers]), count=1)
    assert found.rates["S4/32/train"] == {"autograd_cnn": [2.0]}
    assert found.disturbed == {"S4/32/train": {"autograd_cnn": 0}}
    assert "?" not in tables.report(found)
    answers = [{"rate": rate, "others": 1.0 - rate / 10} for rate in (1.0, 4.0, 3.0)]
    found = measured(FakeWorker("autograd_cnn", [prepared(2.3), *answers]), count=1)
    assert found.rates["S4/32/train"] == {"autograd_cnn": [4.0]}
    shown = " ".join(tables.report(found).split())
    assert "Other programs used the processors during 1 of 1 measurements; ? marks" in shown
    assert "S4 32 -? 2.0 4?" in shown


# -------------------------------------------------------------------------------- networks and cells


@pytest.mark.parametrize("name", nets.NETS)
def test_layers_fit_their_weights_and_inputs(name: str) -> None:
    net = nets.NETS[name]()
    weights = nets.first_weights(net)
    assert len(weights) == len(net.layers)
    size, features = net.size, 1
    for layer, own in zip(net.layers, weights):
        match layer:
            case nets.Conv(inputs, outputs, kernel, padding):
                assert own["weight"].shape == (outputs, inputs, kernel, kernel)
                assert inputs == features
                features, size = outputs, size + 2 * padding - kernel + 1
            case nets.Pool():
                assert size % 2 == 0  # every framework pools the same values
                size //= 2
            case nets.Flatten():
                features *= size * size
            case nets.Linear(inputs, outputs):
                assert inputs == features
                features = outputs
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
