"""What serves in this process: versions, kernels, threads, memory."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.version import __version__

# Names under which builds of OpenBLAS export the same function.
_BLAS_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def set_num_threads(threads: int) -> None:
    """Use `threads` threads in the compiled kernels and, where it is OpenBLAS on Linux, in NumPy's
    BLAS.

    Results do not depend on the number beyond the rounding of matrix products.  The default is the
    number of processors this process may use, or ``OMP_NUM_THREADS``.  Raises TypeError or
    ValueError for anything but an int of 1 or more.

    >>> import autograd_cnn as ag
    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise TypeError(f"set_num_threads: expected an int, got {threads!r}")
    if threads < 1:
        raise ValueError(f"set_num_threads: expected 1 or more, got {threads}")
    kernels.set_threads(threads)
    for setter in _blas_setters():
        setter(threads)


def get_num_threads() -> int:
    """How many threads the compiled kernels use; see `set_num_threads`."""
    return kernels.get_threads()


def _blas_setters() -> list[Callable[[int], Any]]:
    """The functions that set the threads of every OpenBLAS in this process."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "openblas" in line}
    found = []
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        name = next((n for n in _BLAS_SETTERS if hasattr(library, n)), None)
        if name:
            found.append(getattr(library, name))
    return found


def show_config() -> str:
    """Print, and return, what serves in this process and why: the first lines of a bug report.

    >>> import autograd_cnn as ag
    >>> text = ag.show_config()  # doctest: +ELLIPSIS
    autograd_cnn ..., NumPy ..., Python ...
    kernels   ...
    threads   ...
    memory    ...
    """
    recycling = (
        "freed memory stays in the process"
        if kernels.memory.RECYCLING
        else "as the C library has it"
    )
    text = "\n".join(
        (
            f"autograd_cnn {__version__}, NumPy {np.__version__}, Python "
            f"{platform.python_version()}, "
            f"{platform.machine()} {platform.system()}",
            f"kernels   {kernels.REASON}",
            f"threads   {get_num_threads()} of {os.cpu_count()} processors",
            f"memory    {recycling}",
        )
    )
    print(text)
    return text
