"""The process keeps freed memory instead of returning it to the system after every operation.

By default the GNU C library asks the system for the memory of each large array, and the system
zeroes its pages: two thirds of a naive training step (S4 at batch 32: 18.0 ms, 6.0 ms with this
setting; see docs/architecture.md).  The setting concerns the whole process, which keeps up to
`KEPT` bytes.  ``AUTOGRAD_CNN_RECYCLE=0`` in the environment switches it off.  Other C libraries
(macOS, Windows, musl) lack the call.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Parameters of mallopt(3), from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3

KEPT = 1 << 30
"""Freed bytes at the top of the heap that the process keeps at most (1 GiB)."""
_STEP = 64 << 20  # the heap grows by this much at a time
_LARGEST = 32 << 20  # glibc's limit: larger arrays are still mapped one by one


def recycle() -> bool:
    """Ask the C library to keep freed memory; returns whether it accepted."""
    if os.environ.get("AUTOGRAD_CNN_RECYCLE", "1") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
        mallopt, _ = library.mallopt, library.gnu_get_libc_version
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, KEPT), (_TOP_PAD, _STEP))
    return all(mallopt(parameter, value) for parameter, value in settings)


RECYCLING = recycle()
"""Whether freed memory is being kept in this process."""
