"""Counts of what a piece of work does: Python calls, and arrays whose memory NumPy allocates.

Run as a program it prints the counts of a training step, for the kernels that serve in it.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn, optim

PACKAGE = str(Path(ag.__file__).parent)
KERNELS = str(Path(kernels.__file__).parent)
LARGE = 200_000  # bytes: the smallest activation in a block of S4 at batch 32 has 200,704


def count_calls(work: Callable[[], Any]) -> Counter[str]:
    """Calls of the package's own functions, by file and name.

    Kernels count as far as they are called from outside.  What Python inlines in some versions
    (comprehensions) is not counted, nor is NumPy.
    """
    found: Counter[str] = Counter()

    def note(frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code.co_name.startswith("<") or PACKAGE not in code.co_filename:
            return
        if KERNELS in code.co_filename and KERNELS in frame.f_back.f_code.co_filename:
            return
        found[f"{Path(code.co_filename).relative_to(PACKAGE)}:{code.co_qualname}"] += 1

    _profiled(work, note)
    return found


def _profiled(work: Callable[[], Any], note: Callable[[Any, str, Any], None]) -> None:
    """Run `work`; `note` hears of every call."""
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)


def count_hops(work: Callable[[], Any]) -> int:
    """Every call event of the package's files, comprehensions and kernels included."""
    found = 0

    def note(frame: Any, event: str, _: Any) -> None:
        nonlocal found
        found += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    _profiled(work, note)
    return found


# --------------------------------------------------------------------------------------- allocations


class _Allocator(ctypes.Structure):
    """PyDataMemAllocator of NumPy's C API (NEP 49)."""

    _fields_ = [
        ("ctx", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    ]


class _Handler(ctypes.Structure):
    """PyDataMem_Handler."""

    _fields_ = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", _Allocator),
    ]


_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_SIGNATURES = {  # what each returns, then its arguments
    "malloc": (_POINTER, _POINTER, _SIZE),
    "calloc": (_POINTER, _POINTER, _SIZE, _SIZE),
    "realloc": (_POINTER, _POINTER, _POINTER, _SIZE),
}
_SET_HANDLER, _GET_HANDLER = 304, 305  # places in NumPy's table of C functions, fixed since 1.22

_python = ctypes.pythonapi
_python.PyCapsule_GetPointer.restype = ctypes.c_void_p
_python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_python.PyCapsule_New.restype = ctypes.py_object
_python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def _numpy_function(place: int, *arguments: Any) -> Any:
    table = _python.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
    address = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[place]
    return ctypes.PYFUNCTYPE(ctypes.py_object, *arguments)(address)


class _Recorder:
    """NumPy's own allocator, with a list of the sizes that were asked of it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        capsule = _numpy_function(_GET_HANDLER)()
        own = _Handler.from_address(_python.PyCapsule_GetPointer(capsule, b"mem_handler"))
        malloc, calloc, realloc = (  # called with the lock of the interpreter held
            ctypes.PYFUNCTYPE(*signature)(getattr(own.allocator, name))
            for name, signature in _SIGNATURES.items()
        )

        def note_malloc(ctx: Any, size: int) -> Any:
            self.sizes.append(size)
            return malloc(ctx, size)

        def note_calloc(ctx: Any, count: int, size: int) -> Any:
            self.sizes.append(count * size)
            return calloc(ctx, count, size)

        def note_realloc(ctx: Any, pointer: Any, size: int) -> Any:
            self.sizes.append(size)
            return realloc(ctx, pointer, size)

        # Arrays free their memory through the handler that gave it, so it stays for good.
        self.notes = [
            ctypes.CFUNCTYPE(*signature)(note)
            for signature, note in zip(
                _SIGNATURES.values(), (note_malloc, note_calloc, note_realloc)
            )
        ]
        noting = (ctypes.cast(note, ctypes.c_void_p) for note in self.notes)
        allocator = _Allocator(own.allocator.ctx, *noting, own.allocator.free)
        self.handler = _Handler(b"counting", own.version, allocator)
        address = ctypes.addressof(self.handler)
        self.capsule = _python.PyCapsule_New(address, b"mem_handler", None)


_recorder: _Recorder | None = None


def allocated_sizes(work: Callable[[], Any]) -> list[int]:
    """The sizes in bytes of all array memory that NumPy allocates in `work`, in order."""
    global _recorder
    _recorder = _recorder or _Recorder()
    set_handler = _numpy_function(_SET_HANDLER, ctypes.py_object)
    before = set_handler(_recorder.capsule)
    _recorder.sizes.clear()
    try:
        work()
    finally:
        set_handler(before)
    return list(_recorder.sizes)


# ------------------------------------------------------------------------------------------ the work


def make_step(batch: int = 32) -> Callable[[], Any]:
    """A training step of S4, which has been run twice."""
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.BatchNorm1d(128), nn.ReLU()),
        nn.Linear(128, 10),
    )
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    random = np.random.default_rng(0)
    images = ag.tensor(random.random((batch, 1, 28, 28), np.float32))
    labels = random.integers(0, 10, batch)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

    step()
    step()
    return step


def step_counts() -> dict[str, Any]:
    """Calls, and allocations of at least `LARGE` bytes, in one training step of S4 at batch 32."""
    step = make_step()
    calls = count_calls(step)
    sizes = [size for size in allocated_sizes(step) if size >= LARGE]
    return {
        "calls": calls.total(),
        "large arrays": len(sizes),
        "megabytes": round(sum(sizes) / 1e6, 1),
        "sizes": sizes,
        "by function": calls,
    }


if __name__ == "__main__":
    print(json.dumps(step_counts(), indent=1))
