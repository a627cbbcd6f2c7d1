"""Files that are replaced: whole whatever happens, killed processes and full disks included."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import data, optim, training
from autograd_cnn.data import files
from autograd_cnn.data.image_sets import _places
from autograd_cnn.data.sources import MNIST
from tests.training_run import advance, build

ROOT = Path(__file__).resolve().parent.parent
UNIX = pytest.mark.skipif(
    os.name == "nt", reason="Windows has neither these limits nor these users"
)


def program(path: Path, steps: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.training_run", str(path), str(steps)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@UNIX
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path, steps = tmp_path / "run.npz", 60
    rng = np.random.default_rng(int(time.time()))
    for kill in range(1, 4):
        with program(path, steps) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if int(line) >= kill * 12:
                    break
            time.sleep(rng.uniform(0, 0.02))  # to hit any place in a step or in a save
            run.kill()
        kept = training.load_checkpoint(
            path, **dict.fromkeys(("model", "optimizer", "schedule", "loader", "stopping"))
        )
        assert kill * 12 <= len(kept["losses"]) <= steps
    with program(path, steps) as run:
        run.communicate(timeout=60)
    assert run.returncode == 0
    made = build(partial(optim.Adam, lr=0.01), partial(optim.StepLR, step_size=3), seed=0)
    losses: list[float] = []
    advance(made, losses, steps)
    resumed = build(partial(optim.Adam, lr=0.5), partial(optim.StepLR, step_size=3), seed=9)
    assert training.load_checkpoint(path, **resumed)["losses"] == losses
    for name, array in made["model"].state_dict().items():
        np.testing.assert_array_equal(array, resumed["model"].state_dict()[name])
    assert os.listdir(tmp_path) == ["run.npz"]  # what killed processes left is gone


FULL_DISK = """
import resource, signal, sys
import numpy as np
from autograd_cnn import training
path = sys.argv[1]
training.save_checkpoint(path, kept=np.arange(10))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for size in (10_000, 100_000):  # more than the limit at the end, and at once
    try:
        training.save_checkpoint(path, a=np.zeros(3), kept=np.zeros(size), z=np.zeros(3))
    except OSError as error:
        print(error, error.__notes__)
print(training.load_checkpoint(path))
"""


@UNIX
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    *errors, kept = done.stdout.splitlines()
    assert len(errors) == 2
    for error in errors:
        assert error.startswith(f"[Errno {errno.EFBIG}] ")
        assert f"'{path}' ['What was there before is unchanged.']" in error
    assert kept == "{'kept': array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])}"
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_at_the_end_leaves_the_old_file(
    call: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    training.save_checkpoint(path, kept=1)

    def fail(*arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(type(error)) as caught:
            training.save_checkpoint(path, kept=2)
    if isinstance(error, OSError):
        assert str(caught.value) == f"[Errno {errno.ENOSPC}] No space left: '{path}'"
    assert os.listdir(tmp_path) == ["run.npz"]
    assert training.load_checkpoint(path) == {"kept": 1}


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def sync_files_only(handle: int) -> None:  # as some network file systems do
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    training.save_checkpoint(tmp_path / "run.npz", kept=2)
    assert os.listdir(tmp_path) == ["run.npz"]
    assert training.load_checkpoint(tmp_path / "run.npz") == {"kept": 2}


def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("old")

    def write(error: Exception) -> None:
        with training.replace_file(path) as file:
            file.write(b"half")
            raise error

    for error in (ZeroDivisionError(), FileNotFoundError(errno.ENOENT, "none", "another-file")):
        with pytest.raises(type(error)) as caught:
            write(error)
        assert caught.value is error
    assert os.listdir(tmp_path) == ["notes"]
    assert path.read_text() == "old"


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who owns nothing here, where the tests run as root, whom no mode of a file stops."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@UNIX
def test_a_folder_that_cannot_be_written_to() -> None:
    folder = Path(tempfile.mkdtemp(dir=tempfile.gettempdir()))
    path = folder / "run.npz"
    try:
        training.save_checkpoint(path, kept=1)
        path.chmod(0o444)
        folder.chmod(0o555)
        with without_rights():
            with pytest.raises(PermissionError, match=r"\[Errno 13\] .*run\.npz'"):
                training.save_checkpoint(path, kept=2)
            assert training.load_checkpoint(path) == {"kept": 1}
        assert os.listdir(folder) == ["run.npz"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder; make it first: '.*run\.npz'"):
        training.save_checkpoint(tmp_path / "no" / "run.npz", kept=1)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        training.save_checkpoint(tmp_path, kept=1)
    with pytest.raises(OSError, match=str(tmp_path)):
        training.load_checkpoint(tmp_path)


@UNIX
def test_links_stay_and_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "far" / "run.npz")
    for kept in range(2):
        training.save_checkpoint(link, kept=kept)
        assert link.is_symlink()
        assert training.load_checkpoint(tmp_path / "far" / "run.npz") == {"kept": kept}
    with suppress(FileExistsError), open(tmp_path / "plain", "x"):
        pass
    assert (tmp_path / "plain").stat().st_mode == (tmp_path / "far" / "run.npz").stat().st_mode


@UNIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755, 0o2664])
def test_a_file_keeps_its_mode_and_was_never_open_to_others(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    path.touch()
    path.chmod(mode)
    with training.replace_file(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~mode == 0
    assert stat.S_IMODE(path.stat().st_mode) == mode


def special(kind: str, path: Path) -> None:
    """Make something at `path` that is not a regular file that may be written."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to(os.devnull)
    else:
        path.touch()
        path.chmod(0o444)


@UNIX
@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device", "protected"])
def test_what_is_not_a_file_to_write_is_refused_and_stays(kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = Path(folder, "run.npz")
        special(kind, path)
        before = os.stat(path)
        words = "write-protected" if kind == "protected" else "only a regular file can be replaced"
        named = rf"{words}; give another path: '{path}'"
        with without_rights(), pytest.raises(OSError, match=named) as caught:
            training.save_checkpoint(path, kept=1)
        assert caught.value.__notes__ == ["What was there before is unchanged."]
        assert os.listdir(folder) == ["run.npz"]
        assert (os.stat(path).st_mode, os.stat(path).st_ino) == (before.st_mode, before.st_ino)


@UNIX
def test_only_files_that_nobody_writes_are_cleared(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    for name in (".run.npz.123-0123abcd.part", ".run.npz.x-0123abcd.part", ".b.123-0123abcd.part"):
        (tmp_path / name).write_text("left")
    with training.replace_file(path) as first:
        assert len(os.listdir(tmp_path)) == 3
        with training.replace_file(path) as second:
            second.write(b"second")
        first.write(b"first")
    assert path.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == [
        *(".b.123-0123abcd.part", ".run.npz.x-0123abcd.part", "run.npz")
    ]


def test_savers_at_the_same_time_never_take_a_file_from_each_other(tmp_path: Path) -> None:
    path, failures = tmp_path / "run.npz", list[BaseException]()

    def save(number: int) -> None:
        try:
            for _ in range(60):
                with training.replace_file(path) as file:
                    file.write(b"%d" % number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert os.listdir(tmp_path) == ["run.npz"]


@UNIX
def test_a_name_that_is_used_again_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking what is to be cleared, another saver may clear it."""
    fcntl: Any = files.fcntl
    left, lock = tmp_path / ".run.npz.123-0123abcd.part", fcntl.flock
    left.write_text("left")

    def after_the_other(file: Any, flags: int) -> None:
        if flags & fcntl.LOCK_NB:
            left.unlink()
            left.write_text("new")
        lock(file, flags)

    monkeypatch.setattr(fcntl, "flock", after_the_other)
    with training.replace_file(tmp_path / "run.npz"):
        assert left.read_text() == "new"


@pytest.mark.parametrize(
    "name", ["n" * 255, "\u00e9" * 127, "\U0001f600" * 63, "a'b", "[a]*?", "~nobody"]
)
def test_names_up_to_the_limit_of_the_system(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / name, os.fsencode(tmp_path / name)):
        training.save_checkpoint(path, kept=1)
        assert training.load_checkpoint(path) == {"kept": 1}
    assert os.listdir(tmp_path) == [name]


PATHS: dict[str, Callable[[Any], Any]] = {
    "save_checkpoint": lambda path: training.save_checkpoint(path, kept=1),
    "load_checkpoint": lambda path: training.load_checkpoint(path),
    "replace_file": lambda path: training.replace_file(path).__enter__(),
    "read_idx": data.read_idx,
    "mnist": data.mnist,
    "ImageFolder": data.ImageFolder,
}


@pytest.mark.parametrize("call", PATHS)
def test_a_bad_path_is_named_as_text_and_no_file_descriptor_is_taken(
    call: str, tmp_path: Path
) -> None:
    missing = tmp_path / "none" / "file"
    for path in (missing, os.fsencode(missing)):
        with pytest.raises(FileNotFoundError) as caught:
            PATHS[call](path)
        assert str(caught.value).rstrip("'").endswith(f"{missing}")
    with pytest.raises(OSError, match="File name too long: '.*nnn'"):
        PATHS[call](tmp_path / ("n" * 256))
    for path in (0, 3.5, None if call != "mnist" else 1):
        with pytest.raises(TypeError, match="str, bytes or os.PathLike"):
            PATHS[call](path)


@pytest.mark.parametrize("end", ["/", "/.", "/..", "//"])
def test_a_path_of_a_folder_or_a_link_to_itself_is_no_file(end: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for name in ("new", "old"):
        with pytest.raises(OSError, match="names a folder"):
            training.save_checkpoint(f"{tmp_path}/{name}{end}", kept=1)
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for name in ("one", "two"):
        with pytest.raises(OSError, match="leads back to itself"):
            training.save_checkpoint(tmp_path / name, kept=1)
        assert (tmp_path / name).is_symlink()
    assert {x.name for x in tmp_path.iterdir()} == {"old", "one", "two"}


def test_a_setting_with_the_home_of_nobody_is_a_folder_without_mnist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", "~nobody-by-this-name/mnist")
    assert str(dict(_places(MNIST, None))["$AUTOGRAD_CNN_DATA"]) == "~nobody-by-this-name/mnist"
