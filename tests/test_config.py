"""Threads, and what show_config says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels


def test_show_config_names_versions_kernels_threads_and_memory(capsys: Any) -> None:
    text = ag.show_config()
    assert capsys.readouterr().out == text + "\n"
    assert f"autograd_cnn {ag.__version__}, NumPy {np.__version__}" in text
    assert f"kernels   {kernels.REASON}" in text
    assert f"threads   {ag.get_num_threads()} of" in text


def test_threads_are_set_and_change_no_result() -> None:
    before = ag.get_num_threads()
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 3, 9, 9)), rng.standard_normal((4, 3, 3, 3))
    found = []
    try:
        for threads in (1, 2):
            ag.set_num_threads(threads)
            assert ag.get_num_threads() in (1, threads)  # 1 where NumPy serves
            found.append(F.conv2d(x, w, padding=1))
        ag.set_num_threads(10**30)
        assert 1 <= ag.get_num_threads() <= 64
    finally:
        ag.set_num_threads(before)
    assert np.allclose(*found, rtol=1e-12)


@pytest.mark.parametrize("setting", ["fast", "NumPy"])
def test_a_wrong_choice_of_kernels(setting: str) -> None:
    with pytest.raises(ValueError, match="AUTOGRAD_CNN_KERNELS must be 'numpy' or 'compiled'"):
        kernels.choice.choose(setting)
    assert kernels.choice.choose("numpy")[0] is None
