"""examples/mnist.py as a user meets it: run as a program, on the embedded digits."""

import gzip
import hashlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

from autograd_cnn import training
from autograd_cnn.data import image_sets, sources
from tests.programs import (
    EXAMPLES,
    ROOT,
    check_png,
    needs_terminal,
    refused,
    run,
    shown_in_terminal,
)
from tests.test_data_sets import idx

import mnist  # isort: skip

SCRIPT = str(EXAMPLES / "mnist.py")
REPORT = ["report.html"]
FIGURES = ["confusion.png", "curves.png", "filters.png", "mistakes.png"]
WEIGHTS = ["best.npz", "checkpoint.npz", "weights.npz"]
NAME = "embedded digits (UCI), 360 held-out images"


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """Default settings, with output to pipes and in a folder that is not the repository's."""
    folder = tmp_path_factory.mktemp("run")
    return run(SCRIPT, "--data", "digits", folder=folder), folder / "runs" / "mnist"


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take longer than the training."""
    monkeypatch.setattr(mnist.figures, "Figure", None)


def result(text):
    """The accuracy that a run reports in the end."""
    return float(re.search(rf"^{re.escape(NAME)}: (\S+) % correct", text.splitlines()[-1])[1])


def without_times(text):
    return re.sub(r"[\d.,]+ (s|img/s)\b", "", text)


def trained(folder, *options):
    assert mnist.main(["--data", "digits", *options, "--out", str(folder)]) == 0


def same_weights(first, second):
    with np.load(first) as a, np.load(second) as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])


# -------------------------------------------------------------------------------------- whole runs


def test_a_default_run_learns_and_prints_plain_lines(default_run):
    done, _ = default_run
    assert done.returncode == 0, done.stderr
    assert result(done.stdout) >= 97.0
    assert not re.search("MNIST|\r|\x1b", done.stdout + done.stderr)
    command = f"  {sys.executable} "  # may be long
    lines = [line for line in done.stdout.splitlines() if not line.startswith(command)]
    assert max(map(len, lines)) <= 80
    assert len(re.findall(r"^epoch .* test ", done.stdout, re.M)) == 15


def test_a_default_run_leaves_weights_and_figures(default_run):
    pytest.importorskip("matplotlib")
    done, out = default_run
    assert sorted(p.name for p in out.iterdir()) == sorted(WEIGHTS + FIGURES + REPORT)
    for name in FIGURES:
        check_png(out / name)
    digits, model = mnist.data.digits(), mnist.MODELS["cnn"]()
    with np.load(out / "weights.npz") as weights:
        model.load_state_dict(weights)
    accuracy = mnist.evaluate(model, digits.test).accuracy
    assert f"{100 * accuracy:.2f}" == f"{result(done.stdout):.2f}"


def test_the_report_is_one_file_with_all_that_the_run_showed(default_run):
    pytest.importorskip("matplotlib")
    done, out = default_run
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("src='data:image/png;base64,") == page.count("src=") == len(FIGURES)
    assert "http" not in page
    assert f"<b>{result(done.stdout):.2f} %</b>" in page
    assert "digit images correct accuracy" in page
    assert "--data digits --epochs 15 --batch-size 64 --lr 0.05 --seed 0 --shards 1</pre>" in page


def test_the_line_that_predicts_a_digit_runs_as_it_is_printed(default_run):
    done, out = default_run
    *_, line, _ = done.stdout.splitlines()
    python, *arguments = shlex.split(line)
    assert python == sys.executable
    predicted = run(*arguments, folder=out.parent.parent)
    truth = mnist.data.digits().test.labels[0]
    *drawn, image, answer = predicted.stdout.splitlines()
    assert image == f"embedded digits (UCI), held-out image 0, which shows a {truth}"
    assert re.fullmatch(rf"runs/mnist/weights\.npz reads {truth} in it \(\d+\.\d\d %\)", answer)
    assert len(drawn) == 15
    assert max(map(len, drawn)) <= 28


def test_another_program_that_trains_it_is_told_how_to_run_mnist(tmp_path, capsys, no_figures):
    trained(tmp_path, "--epochs", "1", "--model", "mlp")
    *_, line, _ = capsys.readouterr().out.splitlines()
    options = ["--data", "digits", "--model", "mlp", "--out", str(tmp_path)]
    assert shlex.split(line) == ["python", "examples/mnist.py", *options, "--predict", "0"]


def test_the_line_of_the_readme_that_predicts_a_digit(default_run, capsys):
    _, out = default_run
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\.venv/bin/python examples/mnist\.py (.*--predict.*)$", readme, re.M)
    assert mnist.main([*shlex.split(line), "--data", "digits", "--out", str(out)]) == 0
    assert "weights.npz reads" in capsys.readouterr().out


def test_it_runs_as_a_module_too(tmp_path):
    options = ["--data", "digits", "--epochs", "1", "--model", "mlp", "--out", str(tmp_path)]
    done = run("-m", "examples.mnist", *options, folder=ROOT)
    assert done.returncode == 0, done.stderr
    *_, line, _ = done.stdout.splitlines()
    command = [sys.executable, *("-m", "examples.mnist", *options[:2], *options[4:])]
    assert shlex.split(line) == [*command, "--predict", "0"]


@pytest.mark.skipif(os.name == "nt", reason="pipes of Windows break in another way")
def test_a_reader_who_leaves_ends_it_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, SCRIPT, "--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("model", ["cnn", "best", "lenet", "mlp"])
def test_the_seed_decides_the_numbers(tmp_path, capsys, no_figures, model):
    outputs = []
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        trained(tmp_path / name, "--epochs", "2", "--model", model, "--seed", seed)
        shown = without_times(capsys.readouterr().out.replace(str(tmp_path / name), ""))
        outputs.append(shown.replace("seed: 1", "seed: 0"))
    assert outputs[0] == outputs[1] != outputs[2]
    same_weights(tmp_path / "a" / "weights.npz", tmp_path / "b" / "weights.npz")


def test_without_mnist_and_network_it_uses_the_digits_and_says_so(tmp_path):
    dead = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    nowhere = {"AUTOGRAD_CNN_DATA": str(tmp_path / "a"), "XDG_CACHE_HOME": str(tmp_path / "b")}
    environment = {**dead, **nowhere, "no_proxy": "", "NO_PROXY": ""}
    options = ["--epochs", "1", "--out", str(tmp_path / "out")]
    done = run(SCRIPT, *options, folder=tmp_path, **environment)
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
    command = [sys.executable, SCRIPT, *options]
    with subprocess.Popen(command, preexec_fn=hear_sigint, **pipes) as running:
        while not running.stdout.readline().startswith("epoch    1/2000"):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in errors
    *_, said, there, resuming = errors.splitlines()
    assert said.startswith(f"Interrupted. {tmp_path / 'weights.npz'} holds")
    assert there == "This goes on from there:"
    assert shlex.split(resuming) == [*command, "--resume"]
    assert sorted(p.name for p in tmp_path.iterdir()) == WEIGHTS
    with np.load(tmp_path / "weights.npz") as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


def test_a_diverging_run_stops_with_advice(tmp_path, capsys):
    options = ["--data", "digits", "--model", "mlp", "--lr", "1e9", "--out", str(tmp_path)]
    assert mnist.main(options) == 1
    captured = capsys.readouterr()
    found = re.search(r"the loss is (nan|inf) at step \d+ of epoch .*rate (\S+)\.", captured.err)
    advice = re.search(r"--lr (\S+)\. ", captured.err)
    assert 0 < float(advice[1]) < float(found[2]) <= 1e9


def test_without_matplotlib_only_the_figures_are_missing(tmp_path, capsys, no_figures):
    trained(tmp_path, "--epochs", "1")
    assert "Figures skipped" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(WEIGHTS + REPORT)
    assert "src=" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@needs_terminal
def test_bar_fits_a_narrow_terminal(tmp_path):
    pytest.importorskip("tqdm")
    # Small batches, so that an epoch takes longer than the 0.1 s between two states of the bar.
    options = ["--data", "digits", "--epochs", "1", "--batch-size", "4", "--out", str(tmp_path)]
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"LANG": ""}}
    shown = shown_in_terminal([sys.executable, SCRIPT, *options], 60, "stderr", **quiet)
    bars = shown.replace("\n", "\r").split("\r")
    assert any(re.search(r"loss \d.\d+ accuracy \d.\d+ [\d,]+/s", bar) for bar in bars)


# ----------------------------------------------------------------------------------------- resuming


def stop_after(monkeypatch, epochs):
    """Have the next run interrupted once it has saved so many epochs."""
    save = mnist.Record.save

    def save_and_stop(record, *arguments):
        save(record, *arguments)
        if len(record.history) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(mnist.Record, "save", save_and_stop)


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_a_resumed_run_ends_as_the_straight_one(tmp_path, capsys, monkeypatch, no_figures, model):
    options = ["--epochs", "4", "--model", model]
    trained(tmp_path / "straight", *options)
    straight = capsys.readouterr().out.replace("straight", "stopped")
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        out = ["--out", str(tmp_path / "stopped")]
        assert mnist.main(["--data", "digits", *options, *out]) == 130
    stopped = capsys.readouterr().out
    trained(tmp_path / "stopped", *options, "--resume")
    resumed = capsys.readouterr().out
    lines = without_times(straight).splitlines()
    assert without_times(stopped).splitlines() == lines[:3]
    assert without_times(resumed).splitlines() == lines[:2] + lines[4:]
    for name in ("weights.npz", "best.npz"):
        same_weights(tmp_path / "straight" / name, tmp_path / "stopped" / name)


def test_what_cannot_be_resumed_is_explained_in_one_line(tmp_path, capsys, no_figures):
    options = ["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    trained(tmp_path, "--epochs", "1")
    capsys.readouterr()
    for change, message in (
        (["--lr", "0.1"], "its run had lr 0.05, not 0.1"),
        (["--model", "mlp"], "its run had model cnn, not mlp"),
        (["--epochs", "2"], "its run had epochs 1, not 2"),
        (["--out", str(tmp_path / "new")], "there is no such file; start without --resume"),
    ):
        assert message in refused(mnist.main, [*options, "--resume", *change], capsys)
    training.save_checkpoint(tmp_path / "checkpoint.npz", history=[])
    assert "checkpoint.npz: another" in refused(mnist.main, [*options, "--resume"], capsys)
    (tmp_path / "checkpoint.npz").write_bytes(b"half")
    assert "checkpoint.npz: expected a checkpoint" in refused(
        mnist.main, [*options, "--resume"], capsys
    )


# ------------------------------------------------------------------------------ options and reports


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        (["--model", "best"], "MNIST", (12, 128, 0.1)),
        (["--model", "best", "--lr", "0.2"], "embedded digits (UCI)", (30, 128, 0.2)),
        (["--epochs", "1", "--batch-size", "8"], "MNIST", (1, 8, 0.05)),
        ([], "embedded digits (UCI)", (15, 64, 0.05)),
    ],
)
def test_the_recipe_fills_in_what_the_options_leave_open(given, name, expected):
    options = mnist.parser().parse_args(given)
    mnist.fill_in(options, name)
    assert (options.epochs, options.batch_size, options.lr) == expected


@pytest.mark.parametrize(("model", "changed"), [("best", True), ("cnn", False)])
def test_only_the_best_recipe_changes_its_training_images(model, changed):
    images = mnist.data.digits().train
    options = mnist.parser().parse_args(["--model", model, "--batch-size", "32"])
    mnist.fill_in(options, "embedded digits (UCI)")
    parts = mnist.build(options, images, options.epochs)
    assert sum(p.size for p in parts["model"].parameters()) < 500_000
    plain = mnist.data.DataLoader(images, 32, shuffle=True, drop_last=True, seed=0)
    (first, labels), (same, same_labels) = next(iter(parts["batches"])), next(iter(plain))
    np.testing.assert_array_equal(labels, same_labels)
    assert (first != same).any() == changed


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
def test_bad_options_are_explained_in_one_line(tmp_path, capsys, options, message):
    common = ["--data", "digits", "--epochs", "1", "--out", str(tmp_path)]
    assert message in refused(mnist.main, [*common, *options], capsys)


def test_what_cannot_be_predicted_is_explained_in_one_line(tmp_path, capsys, no_figures):
    options = ["--data", "digits", "--out", str(tmp_path / "new")]
    line = refused(mnist.main, [*options, "--predict", "0"], capsys)
    assert "weights.npz has no weights of --model cnn ([Errno 2]" in line
    assert not (tmp_path / "new").exists()
    trained(tmp_path / "new", "--epochs", "1", "--model", "mlp")
    capsys.readouterr()
    for wrong, message in (
        (["--predict", "0"], "weights.npz has no weights of --model cnn (Sequential"),
        (["--predict", "360"], "--predict: there are only 360 held-out images"),
    ):
        assert message in refused(mnist.main, [*options, *wrong], capsys)
    weights = tmp_path / "new" / "weights.npz"
    whole, array = weights.read_bytes(), io.BytesIO()
    np.save(array, np.ones(3))
    version = re.sub(rb"(?s)(PK\x01\x02..).", b"\\1\xff", whole)  # of a later zip
    assert version != whole
    for damaged in (b"PK\3\4half", b"", b"text", whole[:-30], version, array.getvalue()):
        weights.write_bytes(damaged)
        assert "weights.npz has no" in refused(mnist.main, [*options, "--predict", "0"], capsys)


def test_a_folder_without_the_files_names_them_and_stays_as_it_was(tmp_path, capsys):
    folder = tmp_path / "some"
    folder.mkdir()
    options = ["--data", str(folder), "--out", str(tmp_path)]
    names = list(mnist.FILES)
    for part in (names, names[:1] + names[2:]):
        line = refused(mnist.main, options, capsys)
        assert f"{folder} lacks {', '.join(part)} (plain or .gz); --data digits needs none" in line
        (folder / names[1]).write_bytes(b"")
    assert [path.name for path in folder.iterdir()] == [names[1]]


def small_set(folder, plain=True, **changed):
    """Four IDX files of MNIST's form with 192 and 64 images; their contents by name."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    shapes = dict(zip(mnist.FILES, [(192, 28, 28), (192,), (64, 28, 28), (64,)]))
    arrays = {n: rng.integers(0, 10, s).astype(np.uint8) for n, s in shapes.items()}
    for name, array in (arrays | changed).items():
        content = idx(array) if plain else gzip.compress(idx(array))
        (folder / (name if plain else f"{name}.gz")).write_bytes(content)
    return folder


def test_another_set_of_the_form_of_mnist_is_trained_on(tmp_path, capsys, no_figures):
    folder = small_set(tmp_path / "clothes")
    options = ["--epochs", "1", "--model", "mlp", "--out", str(tmp_path / "out")]
    assert mnist.main(["--data", str(folder), *options]) == 0
    shown = capsys.readouterr().out
    assert f"{folder} has another set than MNIST, or changed files" in shown
    assert "the set in clothes, 64 held-out images; 192 to train on" in shown


def test_a_known_set_is_named(tmp_path, monkeypatch):
    folder = small_set(tmp_path / "data", plain=False)
    sums = [hashlib.md5((folder / f"{n}.gz").read_bytes()).hexdigest() for n in mnist.FILES]
    shapes = [(192, 28, 28), (192,), (64, 28, 28), (64,)]
    files = tuple(map(sources.IdxFile, mnist.FILES, shapes, sums))
    for name, source in {"Fashion-MNIST": "FASHION_MNIST", "KMNIST": "KMNIST"}.items():
        with monkeypatch.context() as patch:
            patch.setattr(image_sets, source, getattr(sources, source)._replace(forms=(files,)))
            found, dataset = mnist.load(str(folder))
        assert found == name
        assert dataset.train.images.shape == (192, 1, 28, 28)
    assert mnist.load(str(folder))[0] == "the set in data"


@pytest.mark.parametrize(
    "changed",
    [
        np.zeros((192, 28, 27), np.uint8),
        np.zeros((191, 28, 28), np.uint8),
        np.zeros((192,), np.uint8),
        np.zeros((0, 28, 28), np.uint8),
    ],
)
def test_a_set_of_another_form_is_refused(tmp_path, capsys, changed):
    folder = small_set(tmp_path / "set", **{mnist.FILES[0]: changed})
    options = ["--data", str(folder), "--out", str(tmp_path / "out")]
    expected = "expected uint8 images (N, 28, 28) and labels (N,) of 0..9, found uint8"
    assert expected in refused(mnist.main, options, capsys)


def test_damaged_files_are_explained_in_one_line(tmp_path, capsys):
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(b"no gzip file")
    options = ["--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert "ubyte.gz" in refused(mnist.main, options, capsys)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "Not found.\nLooked in:\n  /a (root): none\n  /b: none\nTried:\n  c: 404\nHelp.",
            "Not found. Looked in: /a (root): none; /b: none. Tried: c: 404. Help.",
        ),
        ("one line", "one line"),
    ],
)
def test_a_message_with_lists_fits_on_one_line(message, line):
    assert mnist.one_line(OSError(message)) == line


def test_class_table():
    truth = np.array([0, 0, 0, 0, 1, 1], np.uint8)
    confusion = mnist.confusion_matrix(np.array([0, 2, 2, 1, 1, 1]), truth, classes=10)
    lines = mnist.class_table(confusion).splitlines()
    assert lines[1].split() == ["0", "4", "1", "25.00", "%", "2", "(twice)"]
    assert lines[2].split() == ["1", "2", "2", "100.00", "%", "-"]
    assert lines[-1].split() == ["all", "6", "3", "50.00", "%"]
