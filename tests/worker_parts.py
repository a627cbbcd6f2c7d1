"""Data sets that draw, fail or wait, and programs with them: ``python -m tests.worker_parts NAME``.

Worker processes import this file, so it imports little.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data


class Items(data.Dataset):
    """Elements (row, i), of which the row is partly random; `failing` elements do `act`."""

    def __init__(self, n: int, failing: int = -1, act: str = "") -> None:
        self.n, self.failing, self.act, self.shift = n, failing, act, 0.0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if index == self.failing:
            return self.fail()
        return ag.random.generator().random(2) + index + self.shift, index

    def fail(self) -> Any:
        if self.act == "raise":
            raise KeyError("broken element")
        if self.act == "cannot be sent":
            raise Unsendable(1, 2)
        if self.act == "stop":
            raise StopIteration
        if self.act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.act.startswith("wait"):
            time.sleep(4 if self.act == "wait a little" else 600)
        return None  # "none"


class Unsendable(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


class Dicts(Items):
    def __getitem__(self, index: int) -> Any:
        row, number = super().__getitem__(index)
        return {"row": row, "more": (number, ag.tensor([float(number)])), "name": str(number)}


class Stream:
    """The elements one after the other, each drawn once."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[Any]:
        for index in range(self.n):
            yield ag.random.generator().random(2) + index, index


class Sampler:
    """A random order by the package's generator."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(ag.random.generator().permutation(self.n).tolist())


class Settings(Items):
    """What a worker has as default dtype and threads, and its process."""

    def __getitem__(self, index: int) -> Any:
        dtype = ag.get_default_dtype().itemsize
        return np.array([dtype, ag.get_num_threads(), os.getpid()])


def joined(items: list[Any]) -> Any:
    return len(items), sum(float(row.sum()) for row, _ in items)


def add_noise(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """New rows whose memory is ordered backwards, as that of warped images."""
    noisy = rows + rng.random(rows.shape)
    return np.ascontiguousarray(noisy.T).T


def scaled(*parts: Any) -> Any:
    return (parts[0] * ag.random.generator().random(), *parts[1:])


def cannot_join(items: list[Any]) -> Any:
    raise ArithmeticError("no sum")


def flat(batch: Any) -> list[Any]:
    """The parts of a batch in a form that compares: types, dtypes, memory orders and values."""
    if isinstance(batch, dict):
        return [(key, flat(part)) for key, part in batch.items()]
    if isinstance(batch, tuple):
        return list(map(flat, batch))
    if isinstance(batch, (np.ndarray, ag.Tensor)):
        array = np.asarray(batch)
        return [type(batch).__name__, array.dtype.str, array.strides, array.tolist()]
    return [batch]


def main(name: str, processes: bool) -> None:
    """Begin a pass and end the program in the middle of it."""
    act = "wait" if name == "interrupt" else ""
    loader = data.DataLoader(Items(400, 40, act), 4, num_workers=2, processes=processes)
    batches = iter(loader)
    next(batches)
    if processes:
        import multiprocessing

        print(*(child.pid for child in multiprocessing.active_children()))
    print("begun", flush=True)
    if name == "interrupt":
        list(batches)
    elif name == "raise":
        raise RuntimeError("the program ends")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "processes")
