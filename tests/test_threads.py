"""How many threads there are, and telling BLAS."""

from __future__ import annotations

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


def test_every_blas_in_the_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = [FakeBlas(4), FakeBlas(1)]
    monkeypatch.setattr(threads, "_blas", lambda: tuple((b.get, b.set) for b in libraries))
    threads.set_blas_threads(2)
    assert [b.history for b in libraries] == [[2], [2]]


@pytest.mark.parametrize(("setting", "expected"), [("3", 3), ("0", None), ("many", None)])
def test_the_default_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, setting: str, expected: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    found = threads.default_threads()
    assert found == expected if expected else found >= 1
