"""How many threads compute, in the compiled kernels and in NumPy's BLAS.

The compiled kernels have threads of their own (compiled_threads.h), which look for work for a
moment before they sleep.  OpenBLAS's do so as well, for some 20 ms, and take a core from others
meanwhile; so the matrix products of small networks go to the compiled kernels, and BLAS serves the
large ones, whose time is worth it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

# Prefix and suffix under which builds of OpenBLAS export the same functions.
_NAMES = (("scipy_openblas", "64_"), ("scipy_openblas", ""), ("openblas", "64_"), ("openblas", ""))


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
