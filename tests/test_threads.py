"""How many threads there are, and telling BLAS."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from autograd_cnn.kernels import threads


def test_every_blas_in_the_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[int]] = [[], []]
    monkeypatch.setattr(threads, "_blas", lambda: tuple((len, numbers.append) for numbers in told))
    threads.set_blas_threads(2)
    assert told == [[2], [2]]


READ = {"3": 3, " 3 ": 3, "007": 7, "2,1": 2, "4 , 2,1": 4, "999999999": 999_999_999}
IGNORED = [
    "0", "-1", "+2", "abc", "2.5", "2;1", ",2", "2,", "2,x", "1e3", "0x4", "٣", "²", "9" * 10, "9" * 30, "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("setting", READ)
def test_the_first_number_of_the_setting_is_the_default(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert threads.default_threads() == READ[setting]


@pytest.mark.parametrize("setting", ["", "  ", *IGNORED])
def test_other_settings_are_ignored_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    expected = threads.default_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    with contextlib.ExitStack() as stack:
        if setting.strip():
            stack.enter_context(pytest.warns(UserWarning, match="OMP_NUM_THREADS must be a number"))
        assert threads.default_threads() == expected


@pytest.mark.parametrize("setting", ["abc", "0", "2,1", "9" * 30, "999999999", ""])
def test_no_setting_makes_the_import_fail(setting: str) -> None:
    code = "import autograd_cnn as ag; print(ag.get_num_threads())"
    environment = {**os.environ, "OMP_NUM_THREADS": setting}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert 1 <= int(found.stdout) <= 64
