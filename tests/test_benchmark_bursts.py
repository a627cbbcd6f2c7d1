"""examples/benchmark.py --breadth and --deploy: run as a program, and their parts."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from tests.programs import EXAMPLES, check_png, refused
from tests.programs import run as run_python

import benchmark as program  # isort: skip
from benchmarks import breadth, charts, families, nets, processes, rounds, task  # isort: skip

SCRIPT = str(EXAMPLES / "benchmark.py")
PARTS = EXAMPLES / "benchmarks"
SHORT = ["--frameworks", "autograd_cnn", "--rounds", "2", "--seconds", "0.001"]
SETTINGS = task.Settings(list(processes.EVERYONE), {}, 1, 3, 0.001)
CALLS = [
    (family, sizes.split())
    for group in families.GROUPS.values()
    for family, (sizes, _) in group.items()
]


# ------------------------------------------------------------------------------------ as a program


@pytest.mark.parametrize(
    ("mode", "names"),
    [("breadth", ["softmax/100x10", "MLP/1"]), ("deploy", ["A1/1", "MLP/32"])],
)
def test_two_rows_without_peers(mode: str, names: list[str], tmp_path: Path) -> None:
    extra = ["--json", str(tmp_path / "rows.json")]
    chosen = ",".join(f": {name}" for name in names)  # with the end of the group's name
    done = run_python(SCRIPT, f"--{mode}", "--families", chosen, *SHORT, *extra, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in names:
        assert re.search(rf"^{name} +- +- +1\.[02] +\d+ +-$", done.stdout, re.M)
    record = json.loads((tmp_path / "rows.json").read_text())
    found = {row["name"]: row for row in record["rows"]}
    assert set(names) <= set(found)
    assert f"{len(found)} of {len(found)} rows were measured." in done.stdout
    assert "PROBLEM" not in done.stdout
    for row in found.values():
        assert min(row["times"]["autograd_cnn"][""]) > 0
        assert len(row["times"]["autograd_cnn"][""]) == 2
        if "net" in row["request"]:
            assert set(row["memory"]) == set(row["times"]["autograd_cnn"]) == {"", "program"}
            assert all(min(found.values()) > 0 for found in row["memory"].values())
    written = (tmp_path / "runs" / "benchmark" / f"{mode}.json").read_text()
    assert json.loads(written) == record


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--breadth", "--families", "quantum"], "no family has 'quantum' in its name; there are"),
        (["--families", "conv"], "--families is for --breadth and --deploy"),
        (["--breadth", "--deploy"], "argument --deploy: not allowed with argument --breadth"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*options, "--out", str(tmp_path)]
    assert message in refused(program.main, options, capsys)


# ---------------------------------------------------------------------------------------- workloads


def test_both_libraries_have_what_the_families_call() -> None:
    """Read as text: PyTorch need not be installed."""
    tree = ast.parse((PARTS / "families.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "lib"
    }
    own = [own_calls(f"with_{name}.py") for name in ("autograd_cnn", "torch")]
    assert own[0] == own[1]
    assert used == {"F", *shared_calls(), *own[0]}


def own_calls(name: str) -> set[str | None]:
    """The keywords of `calls = pytorch_style.calls(...)` in a module."""
    for node in ast.parse((PARTS / name).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "calls":
            assert isinstance(node.value, ast.Call)
            return {keyword.arg for keyword in node.value.keywords}
    raise AssertionError(f"{name} has no calls")


def shared_calls() -> list[str]:
    text = (PARTS / "pytorch_style.py").read_text()
    (found,) = re.findall(r"^SHARED = (.+)$", text, re.M)
    return list(ast.literal_eval(found))


def test_rows_are_many_and_have_different_names() -> None:
    rows = breadth.Breadth(SETTINGS, "").chosen
    names = [f"{row.group}: {row.name}" for row in rows]
    assert len(set(names)) == len(names)
    assert 90 <= len(names) <= 120
    text = " ".join(names)
    assert all(re.search(rf"/{batch}x", text) for batch in (1, 3, 8, 17, 32, 100))
    assert all(re.search(rf"x{channels}x", text) for channels in (3, 16, 48, 64, 130, 256))
    deployed = {row.name for row in breadth.Deploy(SETTINGS, "").chosen}
    assert {"A1/1", "VGG-like/128"} <= deployed
    assert len(deployed) == 18


@pytest.fixture(scope="module")
def team() -> Any:
    with processes.Team(["autograd_cnn", "numpy-kernels"], {}, 1) as team:
        yield team


@pytest.mark.parametrize(("family", "sizes"), CALLS, ids=[family for family, _ in CALLS])
def test_every_family_runs_alike_on_all_kernels(team: Any, family: str, sizes: list[str]) -> None:
    smallest = min(sizes, key=lambda size: families.make(f"{family}/{size}").inputs[0].size)
    cell = {"call": f"{family}/{smallest}"}
    first, second = (worker.ask("ready", cell=cell) for worker in team.workers)
    assert first["problems"] == second["problems"] == {}
    for way, answer in first["answers"].items():
        assert all(total > 0.1 for total in answer)
        assert rounds.agree(second["answers"][way], answer)


@pytest.mark.parametrize("net", nets.COLOUR_NETS)
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_networks_for_colour_images_run_alike(team: Any, net: str, mode: str) -> None:
    _, cell = breadth.network(net, 2, mode, slow=False, trained=True)
    answers = [worker.ask("ready", cell=cell)["answers"] for worker in team.workers]
    expected = answers[0][""]
    assert len(expected) == (2 * nets.CLASSES if mode == "infer" else 3)
    for found in answers:
        assert set(found) == {"", "program"}
        assert all(rounds.agree(answer, expected) for answer in found.values())
    assert team.workers[0].ask("burst", way="", seconds=0.001)["seconds"] > 0


def test_an_onnx_file_has_the_layers_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(PARTS)
    onnx_file = importlib.import_module("onnx_file")
    net = nets.make("S4")
    onnx_file.write(net, nets.trained_weights(net), 3, str(tmp_path / "net.onnx"))
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert len(model.graph.node) == len(net.layers)


# ------------------------------------------------------------------------------------ turns, tables


def fake_worker(name: str, *answers: Any) -> Any:
    """Answers as it is told to."""
    return SimpleNamespace(name=name, ask=Mock(side_effect=answers))


def ready(**answers: list[float]) -> dict[str, Any]:
    return {"answers": answers, "problems": {}}


def measured(*workers: Any) -> Any:
    found = breadth.Breadth(SETTINGS, "softmax/100x10")
    found.chosen = found.chosen[:1]
    found.versions = {worker.name: "1" for worker in workers}
    found._measure(SimpleNamespace(workers=workers), found.chosen[0])
    return found


def took(*times: float) -> list[dict[str, float]]:
    return [{"seconds": seconds, "waited": 0.0} for seconds in times]


def test_the_best_way_counts_and_ratios_are_of_neighbours() -> None:
    ours = fake_worker("autograd_cnn", ready(plain=[1.0]), *took(1.0, 2.0, 4.0))
    torch = fake_worker(
        "torch",
        ready(slow=[1.0], fast=[1.0]),
        *took(9.0, 3.0, 9.0, 5.0, 9.0, 2.0),
    )
    found = measured(ours, torch)
    (row,) = found.chosen
    assert row.best(["torch"]) == ("torch", "fast", [3.0, 5.0, 2.0])
    assert row.quartiles() == pytest.approx([1.5, 2.5, 2.75])
    text = found.report()
    assert re.search(r"^softmax/100x10 +2\.50 +1\.50-2\.75 +1\.0 .* PyTorch fast$", text, re.M)
    assert "geometric mean 2.50 over 1 rows; 0 below 1, 0 below their goal" in text
    assert "disturbed" not in text


def test_other_results_and_failures_leave_a_note_and_the_others_alone() -> None:
    ours = fake_worker("autograd_cnn", ready(plain=[1.0, 2.0]), *took(1.0, 1.0, 1.0))
    broken = processes.WorkerError("out of memory")
    answers = {**ready(other=[1.0, 2.1], good=[1.0, 2.0]), "problems": {"compile": "no compiler"}}
    found = measured(ours, fake_worker("torch", answers, *took(0.5), broken))
    assert found.problems == [
        "softmax/100x10: torch compile: no compiler",
        "softmax/100x10: torch other: left out, for its results are not those of the first",
        "softmax/100x10: torch good: out of memory",
    ]
    assert found.chosen[0].times["torch"] == {"good": [0.5]}
    assert found.chosen[0].quartiles() == [0.5, 0.5, 0.5]
    assert "1 below 1, 1 below their goal" in found.report()


def test_disturbed_bursts_are_counted() -> None:
    answers = [{"seconds": 1.0, "waited": waited} for waited in (0.0, 0.5, 0.05)]
    found = measured(fake_worker("autograd_cnn", ready(plain=[1.0]), *answers))
    assert "Other programs disturbed 1 of 3 bursts." in found.report()
    assert "no peer" in found.report()


def test_the_figure_is_a_small_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [("pooling", 1.0, [0.2, 0.5, 3.0]), ("norms", 1.0, [1.0, 1.2, 1.3]), ("norms", 1.0, [])]
    charts.draw_ratios(rows, tmp_path / "ratios.png")
    check_png(tmp_path / "ratios.png")
