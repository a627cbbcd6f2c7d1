"""python -m examples.seeds: names, options, exit status, and what it prints where."""

import os
import re
import sys

import pytest

from autograd_cnn import data
from examples.seeds import SYSTEMS, Figure, System
from examples.seeds import __main__ as program
from tests.programs import ROOT, needs_terminal, refused, run, shown_in_terminal


def test_list_names_every_system(capsys):
    assert program.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SYSTEMS)
    assert max(map(len, lines)) <= 80


def test_as_a_module_in_a_pipe():
    done = run("-m", "examples.seeds", "c3", folder=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "published      0.7976744445781151" in done.stdout
    assert "measured       0.7976744445781151" in done.stdout
    assert re.search(r"^C3: as published \(\d", done.stdout, re.M)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_group_and_a_system_name_each_once(capsys):
    assert program.main(["C", "c3", "D5", "--quick", "--data", os.devnull]) == 2
    captured = capsys.readouterr()
    shown = re.findall(r"^([A-D]\d+): [A-Z]", captured.out, re.M)
    assert shown == [*(f"C{n}" for n in range(1, 10)), "C12", "C13", "C14", "D5"]
    assert captured.out.endswith("Failed: C12, C13, C14.\n")
    why, *failures = captured.err.strip().split("\n\n")
    assert why.startswith("No MNIST: root: expected a folder")
    assert failures == [f"{name} failed: it needs MNIST" for name in ("C12", "C13", "C14")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "NAME"),
        (["E1"], "no system 'E1'; 'list' names them"),
        (["C1", ""], "no system ''"),
        (["C10", "--quick"], "none of C10 is quick"),
        (["D1", "--epochs", "0"], "--epochs: must be at least 1, got 0"),
        (["A1", "--runs", "some"], "--runs: invalid int value: 'some'"),
        (["C1", "--fast"], "--fast"),
    ],
)
def test_bad_arguments_are_explained_in_one_line(capsys, arguments, message):
    assert message in refused(program.main, arguments, capsys)


def enter(monkeypatch, function, figures):
    monkeypatch.setitem(SYSTEMS, "Z1", System("Z1", figures, True, False, function))


def test_a_figure_that_is_off_changes_the_exit_status(monkeypatch, capsys):
    enter(monkeypatch, lambda: {"one": 70.0}, {"one": Figure(75, 1, "%")})
    assert program.main(["Z1"]) == 1
    out = capsys.readouterr().out
    assert "difference     -5 (points)" in out
    assert "Z1: not as published: one" in out
    assert program.main(["Z1", "--epochs", "1"]) == 0
    assert "Z1: not compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [data.DataError("damaged"), program.DivergedError("nan", 0.1), PermissionError("no")]
)
def test_a_failure_is_said_in_one_line(monkeypatch, capsys, error):
    def fail():
        raise error

    enter(monkeypatch, fail, {})
    assert program.main(["Z1", "C4"]) == 2
    captured = capsys.readouterr()
    assert captured.err.strip() == f"Z1 failed: {error}"
    assert "C4: as published" in captured.out


def test_ctrl_c_ends_it_with_a_hint(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    enter(monkeypatch, interrupt, {})
    assert program.main(["Z1"]) == 130
    assert "--resume" in capsys.readouterr().err


@needs_terminal
@pytest.mark.parametrize("columns", [40, 60])
def test_it_fits_a_narrow_terminal(columns):
    command = [sys.executable, "-m", "examples.seeds", "C4", "C6", "C9", "D5"]
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    shown = shown_in_terminal(command, columns, "stdout", cwd=ROOT, env=environment)
    assert max(map(len, shown.split("\r\n"))) <= columns
