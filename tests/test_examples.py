"""examples/mnist.py as a user meets it: run as a program, on the embedded digits."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_cnn import training
from tests.terminal import needs_terminal, shown_in_terminal

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPT = [sys.executable, str(EXAMPLES / "mnist.py")]
FIGURES = ["confusion.png", "curves.png", "filters.png", "mistakes.png"]
WEIGHTS = ["best.npz", "checkpoint.npz", "weights.npz"]
NAME = "embedded digits (UCI), 360 held-out images"


@pytest.fixture(scope="module")
def mnist():
    sys.path.insert(0, str(EXAMPLES))
    import mnist

    yield mnist
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """Default settings, with output to pipes and in a folder that is not the repository's."""
    folder = tmp_path_factory.mktemp("run")
    done = subprocess.run(
        [*SCRIPT, "--data", "digits"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done, folder / "runs" / "mnist"


def result(text):
    """The accuracy that a run reports in the end."""
    return float(re.search(rf"^{re.escape(NAME)}: (\S+)% correct", text, re.M)[1])


def without_times(text):
    return re.sub(r"[\d.,]+ (s|img/s)\b", "", text)


def test_default_run_reads_held_out_digits(default_run):
    done, _ = default_run
    assert done.returncode == 0, done.stderr
    assert result(done.stdout) >= 97.0
    assert "MNIST" not in done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows break in another way")
def test_a_reader_who_leaves_ends_it_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    options = ["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [*SCRIPT, *options], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_piped_output_is_plain_lines(default_run):
    done, _ = default_run
    for text in (done.stdout, done.stderr):
        assert "\r" not in text
        assert "\x1b" not in text
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert len(re.findall(r"^epoch .* test ", done.stdout, re.M)) == 15


def test_default_run_writes_weights_and_nothing_half_written(default_run):
    pytest.importorskip("matplotlib")
    _, out = default_run
    assert sorted(p.name for p in out.iterdir()) == sorted(WEIGHTS + FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_small_pngs(default_run, name):
    pytest.importorskip("matplotlib")
    _, out = default_run
    content = (out / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    assert len(content) < 200_000


def test_saved_weights_give_the_reported_accuracy(default_run, mnist):
    done, out = default_run
    digits = mnist.data.digits()
    model = mnist.MODELS["cnn"]()
    with np.load(out / "weights.npz") as weights:
        model.load_state_dict(weights)
    accuracy = mnist.evaluate(model, digits.test).accuracy
    assert f"{100 * accuracy:.2f}" == f"{result(done.stdout):.2f}"


@pytest.mark.parametrize("model", ["cnn", "best", "lenet", "mlp"])
def test_same_seed_same_numbers(mnist, tmp_path, capsys, monkeypatch, model):
    monkeypatch.setattr(mnist.figures, "Figure", None)  # they take longer than the training
    outputs, weights = [], []
    for run in ("a", "b"):
        out = tmp_path / run
        options = ["--data", "digits", "--epochs", "2", "--model", model, "--out", str(out)]
        assert mnist.main(options) == 0
        outputs.append(without_times(capsys.readouterr().out.replace(str(out), "")))
        with np.load(out / "weights.npz") as saved:
            weights.append(dict(saved))
    assert outputs[0] == outputs[1]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


def test_best_is_small(mnist):
    assert sum(p.size for p in mnist.MODELS["best"]().parameters()) < 500_000


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        (["--model", "best"], "MNIST", (12, 128, 0.1)),
        (["--model", "best", "--lr", "0.2"], "embedded digits (UCI)", (30, 128, 0.2)),
        (["--epochs", "1", "--batch-size", "8"], "MNIST", (1, 8, 0.05)),
        ([], "embedded digits (UCI)", (15, 64, 0.05)),
    ],
)
def test_the_recipe_fills_in_what_the_options_leave_open(mnist, given, name, expected):
    options = mnist.parser().parse_args(given)
    mnist.fill_in(options, name)
    assert (options.epochs, options.batch_size, options.lr) == expected


def test_only_the_best_recipe_changes_its_training_images(mnist):
    images = mnist.data.digits().train
    for model, changed in (("best", True), ("cnn", False)):
        options = mnist.parser().parse_args(["--model", model, "--batch-size", "32"])
        mnist.fill_in(options, "embedded digits (UCI)")
        batches = mnist.build(options, images, options.epochs)["batches"]
        plain = mnist.data.DataLoader(images, 32, shuffle=True, drop_last=True)
        (first, labels), (same, same_labels) = next(iter(batches)), next(iter(plain))
        np.testing.assert_array_equal(labels, same_labels)
        assert (first != same).any() == changed


def test_another_seed_other_numbers(mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mnist.figures, "Figure", None)
    outputs = []
    for seed in ("1", "2"):
        options = ["--data", "digits", "--epochs", "1", "--seed", seed, "--out", str(tmp_path)]
        assert mnist.main(options) == 0
        outputs.append(re.search(r"loss \S+", capsys.readouterr().out)[0])
    assert outputs[0] != outputs[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: must be at least 1, got 0"),
        (["--epochs", "many"], "--epochs: invalid int value: 'many'"),
        (["--batch-size", "-3"], "--batch-size: must be at least 1, got -3"),
        (["--batch-size", "5000"], "--batch-size: there are only 1,437 training images"),
        (["--lr", "0"], "--lr: must be"),
        (["--lr", "nan"], "--lr: must be"),
        (["--seed", "-1"], "--seed: must be at least 0, got -1"),
        (["--model", "resnet"], "choose from "),
        (["--data", "no/such/folder"], "'digits' or a folder with MNIST files, found no folder at"),
        (["--out", __file__], "test_examples.py"),
        (["--speed", "9"], "--speed"),
    ],
)
def test_bad_options_are_explained_in_one_line(mnist, tmp_path, capsys, options, message):
    common = ["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        mnist.main([*common, *options])
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_message_with_lists_fits_on_one_line(mnist):
    error = OSError(
        "Not found.\nLooked in:\n  /a (root): none\n  /b: none\nTried:\n  c: 404\nHelp."
    )
    assert mnist.one_line(error) == (
        "Not found. Looked in: /a (root): none; /b: none. Tried: c: 404. Help."
    )
    assert mnist.one_line(OSError("one line")) == "one line"


def test_damaged_files_are_explained_in_one_line(mnist, tmp_path, capsys):
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(b"no gzip file")
    with pytest.raises(SystemExit) as stopped:
        mnist.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_mnist_and_network_it_uses_the_digits_and_says_so(tmp_path):
    dead = "http://127.0.0.1:9"
    env = {
        **os.environ,
        "AUTOGRAD_CNN_DATA": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead),
        "no_proxy": "",
        "NO_PROXY": "",
    }
    options = ["--epochs", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [*SCRIPT, *options], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if "MNIST" in line] == lines[:1]
    assert "embedded digits" in lines[0]
    assert 0 <= result(done.stdout) <= 100


def hear_sigint() -> None:
    """A process started in the background of a shell ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child")
def test_ctrl_c_leaves_the_weights_of_the_last_epoch(tmp_path):
    options = ["--data", "digits", "--epochs", "2000", "--out", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*SCRIPT, *options], preexec_fn=hear_sigint, **pipes) as run:
        while not run.stdout.readline().startswith("epoch    1/2000"):
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith(f"Interrupted. {tmp_path / 'weights.npz'} holds")
    assert errors.endswith("--resume goes on from there.\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == WEIGHTS
    with np.load(tmp_path / "weights.npz") as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


def test_a_diverging_run_stops_with_advice(mnist, tmp_path, capsys):
    options = ["--data", "digits", "--model", "mlp", "--lr", "1e9", "--out", str(tmp_path)]
    assert mnist.main(options) == 1
    captured = capsys.readouterr()
    assert re.search(r"Stopped: the loss is (nan|inf) at step \d+ of epoch .*rate", captured.err)
    assert "--lr 1e+08" in captured.err


def test_without_matplotlib_only_the_figures_are_missing(mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mnist.figures, "Figure", None)
    assert mnist.main(["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "Figures skipped" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == WEIGHTS


def stop_after(mnist, monkeypatch, epochs):
    """Have the next run interrupted once it has saved so many epochs."""
    save = mnist.Record.save

    def save_and_stop(record, *arguments):
        save(record, *arguments)
        if len(record.history) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(mnist.Record, "save", save_and_stop)


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_a_resumed_run_ends_as_the_straight_one(mnist, tmp_path, capsys, monkeypatch, model):
    monkeypatch.setattr(mnist.figures, "Figure", None)
    options = ["--data", "digits", "--epochs", "4", "--model", model, "--out"]
    assert mnist.main([*options, str(tmp_path / "straight")]) == 0
    straight = capsys.readouterr().out.replace("straight", "stopped")
    with monkeypatch.context() as patch:
        stop_after(mnist, patch, 2)
        assert mnist.main([*options, str(tmp_path / "stopped")]) == 130
    stopped = capsys.readouterr().out
    assert mnist.main([*options, str(tmp_path / "stopped"), "--resume"]) == 0
    resumed = capsys.readouterr().out
    lines = without_times(straight).splitlines()
    assert without_times(stopped).splitlines() == lines[:3]
    assert without_times(resumed).splitlines() == lines[:2] + lines[4:]
    for name in ("weights.npz", "best.npz"):
        with np.load(tmp_path / "straight" / name) as a, np.load(tmp_path / "stopped" / name) as b:
            assert a.files == b.files
            for array in a.files:
                np.testing.assert_array_equal(a[array], b[array])


def test_what_cannot_be_resumed_is_explained_in_one_line(mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mnist.figures, "Figure", None)
    options = ["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    assert mnist.main(options) == 0
    capsys.readouterr()
    for change, message in (
        (["--lr", "0.1"], "its run had lr 0.05, not 0.1"),
        (["--model", "mlp"], "its run had model cnn, not mlp"),
        (["--epochs", "2"], "its run had epochs 1, not 2"),
        (["--out", str(tmp_path / "new")], "there is no such file; start without --resume"),
    ):
        with pytest.raises(SystemExit) as stopped:
            mnist.main([*options, "--resume", *change])
        assert stopped.value.code == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    training.save_checkpoint(tmp_path / "checkpoint.npz", history=[])
    with pytest.raises(SystemExit):
        mnist.main([*options, "--resume"])
    assert "checkpoint.npz: " in capsys.readouterr().err
    (tmp_path / "checkpoint.npz").write_bytes(b"half")
    with pytest.raises(SystemExit):
        mnist.main([*options, "--resume"])
    assert "checkpoint.npz: expected a checkpoint" in capsys.readouterr().err


def test_class_table(mnist):
    truth = np.array([0, 0, 0, 0, 1, 1], np.uint8)
    confusion = mnist.confusion_matrix(np.array([0, 2, 2, 1, 1, 1]), truth, classes=10)
    lines = mnist.report.class_table(confusion).splitlines()
    assert lines[1].split() == ["0", "4", "1", "25.00", "%", "2", "(twice)"]
    assert lines[2].split() == ["1", "2", "2", "100.00", "%", "-"]
    assert lines[-1].split() == ["all", "6", "3", "50.00", "%"]


@pytest.mark.parametrize("name", ["training", "report", "models", "recipes", "messages"])
def test_shared_modules_are_found_as_scripts_and_as_a_package(name):
    """`python examples/mnist.py` has the folder on its path, `python -m examples.x` its parent."""
    for folder, module in ((EXAMPLES, name), (EXAMPLES.parent, f"examples.{name}")):
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=folder, check=True)


@needs_terminal
def test_bar_fits_a_narrow_terminal(tmp_path):
    pytest.importorskip("tqdm")
    # Small batches, so that an epoch takes longer than the 0.1 s between two states of the bar.
    options = ["--data", "digits", "--epochs", "1", "--batch-size", "4", "--out", str(tmp_path)]
    environment = os.environ | {"LANG": ""}
    quiet = {"stdout": subprocess.DEVNULL, "env": environment}
    shown = shown_in_terminal([*SCRIPT, *options], 60, "stderr", **quiet)
    bars = shown.replace("\n", "\r").split("\r")
    assert any(re.search(r"loss \d.\d+ accuracy \d.\d+ [\d,]+/s", bar) for bar in bars)
    assert max(map(len, bars)) <= 60
