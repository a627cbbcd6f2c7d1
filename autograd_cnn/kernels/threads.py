"""The number of threads in the compiled kernels and in NumPy's BLAS.

The threads of the compiled kernels (c/threads.h) look for work for a moment before they sleep.
OpenBLAS's threads do so for some 20 ms and occupy a core meanwhile.  So the compiled kernels
compute matrix products up to some 500 rows and columns, and BLAS the large ones.
"""

from __future__ import annotations

import ctypes
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

# Prefix and suffix under which builds of OpenBLAS export the same functions.
_NAMES = (("scipy_openblas", "64_"), ("scipy_openblas", ""), ("openblas", "64_"), ("openblas", ""))


def default_threads() -> int:
    """The first number of OMP_NUM_THREADS, as OpenMP reads it ("4" or "4,2"), else the number of
    processors that the process may use.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").strip()
    if re.fullmatch(r"0*[1-9][0-9]{0,8}(\s*,\s*[0-9]+)*", wanted):
        return int(wanted.split(",")[0])
    if wanted:
        warnings.warn(
            f"OMP_NUM_THREADS must be a number of threads from 1 on, got {wanted!r}, which is "
            "ignored",
            stacklevel=2,
        )
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _blas() -> tuple[tuple[Callable[..., Any], Callable[..., Any]], ...]:
    """Functions that get and set the threads of each OpenBLAS in this process (Linux only)."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return ()
    found = []
    paths = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "openblas" in line}
    for library in map(ctypes.CDLL, sorted(paths)):
        names = [
            (f"{start}_get_num_threads{end}", f"{start}_set_num_threads{end}")
            for start, end in _NAMES
        ]
        found += [
            (getattr(library, get), getattr(library, put))
            for get, put in names
            if hasattr(library, put)
        ][:1]
    return tuple(found)


def set_blas_threads(threads: int) -> None:
    """Let every OpenBLAS in this process use this many threads."""
    for _, put in _blas():
        put(threads)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let every OpenBLAS use one thread in the block, as their number changes how it rounds."""
    before = [get() for get, _ in _blas()]
    set_blas_threads(1)
    try:
        yield
    finally:
        for (_, put), threads in zip(_blas(), before):
            put(threads)
