"""How many threads compute, in the compiled kernels and in NumPy's BLAS.

Two pools of threads share the cores.  Each lets its idle threads look for work for a while before
they sleep, and then they take a core from the other pool: a step of S4 at batch 32 on two cores
took 38 ms with both as they come and 6 ms with OpenMP's threads sleeping at once; at batch 128 it
took 26 ms, and 21 ms when matrix products leave BLAS's threads asleep (else they look for work for
some 20 ms).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

# Prefix and suffix under which builds of OpenBLAS export the same functions.
_NAMES = (("scipy_openblas", "64_"), ("scipy_openblas", ""), ("openblas", "64_"), ("openblas", ""))

SMALL_PRODUCT = 1 << 27
"""Multiply-adds below which a matrix product stays on one thread: about a millisecond."""


def prepare_openmp() -> None:
    """Let idle threads of OpenMP sleep at once, unless the user has decided; read at loading."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def default_threads() -> int:
    """OMP_NUM_THREADS where it is a number, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _blas() -> tuple[tuple[Callable[[], int], Callable[[int], Any]], ...]:
    """How to get and set the threads of each OpenBLAS in this process (found on Linux)."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return ()
    found = []
    for path in sorted(
        {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "openblas" in line}
    ):
        library = ctypes.CDLL(path)
        for prefix, suffix in _NAMES:
            setter = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            getter = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            if setter and getter:
                found.append((getter, setter))
                break
    return tuple(found)


def set_blas_threads(threads: int) -> None:
    """Let every OpenBLAS in this process use this many threads."""
    for _, setter in _blas():
        setter(threads)


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x @ y`` for matrices, a small product on one thread of BLAS."""
    if x.size * y.shape[1] > SMALL_PRODUCT:
        return np.matmul(x, y)
    busy = [(setter, before) for getter, setter in _blas() if (before := getter()) > 1]
    try:
        for setter, _ in busy:
            setter(1)
        return np.matmul(x, y)
    finally:
        for setter, before in busy:
            setter(before)
