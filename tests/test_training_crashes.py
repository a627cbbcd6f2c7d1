"""Files that are replaced: whole whatever happens, killed processes and full disks included."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import optim, training
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
    left = {p.name for p in tmp_path.iterdir()} - {"run.npz"}
    assert all(name.startswith(".run.npz.") and name.endswith(".part") for name in left)
    assert len(left) <= 3  # of killed processes


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
def test_links_and_modes_are_those_of_any_new_file(tmp_path: Path) -> None:
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
