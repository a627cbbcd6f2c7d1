"""Settings of the process: threads, the default dtype, and a report of what is in use."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import integer

__version__ = "0.2.0"


def set_num_threads(threads: int) -> None:
    """Set the number of threads in the compiled kernels, and in NumPy's OpenBLAS on Linux.

    It changes results only by the rounding of matrix products.  The default is
    ``OMP_NUM_THREADS``, or the number of processors that this process may use.

    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    threads = integer("set_num_threads", "threads", threads, 1)
    kernels.set_threads(threads)
    kernels.threads.set_blas_threads(threads)


def get_num_threads() -> int:
    """The number of threads that the compiled kernels use; see `set_num_threads`.

    >>> ag.get_num_threads() >= 1
    True
    """
    return kernels.get_threads()


def show_config() -> str:
    """Print and return versions, kernels, threads and memory: the first lines of a bug report.

    >>> text = ag.show_config()  # doctest: +ELLIPSIS
    autograd_cnn ..., NumPy ..., Python ...
    kernels   ...
    threads   ...
    memory    ...
    """
    stays = kernels.memory.RECYCLING
    python = f"Python {platform.python_version()}, {platform.machine()} {platform.system()}"
    lines = [
        f"autograd_cnn {__version__}, NumPy {np.__version__}, {python}",
        f"kernels   {kernels.REASON}",
        f"threads   {get_num_threads()} of {os.cpu_count()} processors",
        f"memory    {'freed memory stays in the process' if stays else 'managed by the C library'}",
    ]
    text = "\n".join(lines)
    print(text)
    return text


_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def default_array(x: Any) -> np.ndarray:
    """`x` as an array: arrays keep their dtype, Python floats get the default one."""
    array = np.asarray(x)
    plain = not hasattr(x, "__array__") and array.dtype == np.float64
    return array.astype(_default_dtype) if plain else array


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats become in `tensor` (float32 unless changed).

    >>> ag.get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype` in `tensor` and in new layers: float16, float32 or float64.

    >>> ag.set_default_dtype("float64")
    >>> ag.tensor([1.0]).dtype
    dtype('float64')
    >>> ag.set_default_dtype("float32")
    """
    global _default_dtype
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(bool)
    if found.kind != "f" or dtype is None:
        raise TypeError(
            f"set_default_dtype: dtype must be a floating dtype such as 'float32', got {dtype!r}"
        )
    _default_dtype = found
