"""Matrix products that leave BLAS's threads asleep, and give them back."""

from __future__ import annotations

import os

import numpy as np
import pytest

from autograd_cnn.kernels import threads


class FakeBlas:
    """A BLAS library that notes how many threads it was given."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.history: list[int] = []

    def get(self) -> int:
        return self.count

    def set(self, count: int) -> None:
        self.count = count
        self.history.append(count)


def test_a_small_product_borrows_one_thread_and_a_large_one_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blas = FakeBlas(4)
    monkeypatch.setattr(threads, "_blas", lambda: ((blas.get, blas.set),))
    x, y = np.ones((2, 3)), np.ones((3, 4))
    assert np.array_equal(threads.matmul(x, y), x @ y)
    assert blas.history == [1, 4]
    with pytest.raises(ValueError, match="matmul"):
        threads.matmul(x, y.T)
    assert blas.count == 4  # given back after an error too
    blas.history.clear()
    monkeypatch.setattr(threads, "SMALL_PRODUCT", 23)
    threads.matmul(x, y)
    assert blas.history == []


def test_the_users_own_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    blas = FakeBlas(1)
    monkeypatch.setattr(threads, "_blas", lambda: ((blas.get, blas.set),))
    threads.matmul(np.ones((2, 2)), np.ones((2, 2)))
    assert blas.history == []
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    threads.prepare_openmp()
    assert os.environ["OMP_WAIT_POLICY"] == "active"


@pytest.mark.parametrize(("setting", "expected"), [("3", 3), ("0", None), ("many", None)])
def test_the_default_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, setting: str, expected: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    found = threads.default_threads()
    assert found == expected if expected else found >= 1
