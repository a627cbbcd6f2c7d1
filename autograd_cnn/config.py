"""What serves in this process: versions, kernels, threads, memory."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from autograd_cnn import kernels

__version__ = "0.2.0"


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
        raise TypeError(f"set_num_threads: threads must be an integer, got {threads!r}")
    if threads < 1:
        raise ValueError(f"set_num_threads: threads must be 1 or more, got {threads}")
    kernels.set_threads(threads)
    kernels.threads.set_blas_threads(threads)


def get_num_threads() -> int:
    """How many threads the compiled kernels use; see `set_num_threads`.

    >>> import autograd_cnn as ag
    >>> ag.get_num_threads() >= 1
    True
    """
    return kernels.get_threads()


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


_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def default_array(x: Any) -> np.ndarray:
    """`x` as an array: arrays keep their dtype, Python floats take the default one."""
    array = np.asarray(x)
    plain = not hasattr(x, "__array__") and array.dtype == np.float64
    return array.astype(_default_dtype) if plain else array


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats become in `tensor` (float32 unless changed).

    >>> import autograd_cnn as ag
    >>> ag.get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype` in `tensor` and in new layers: float16, float32 or float64.

    Raises TypeError for other dtypes.

    >>> import autograd_cnn as ag
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
