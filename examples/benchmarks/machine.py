"""This machine: its processor, what its matrix product reaches, and who else is using it."""

import contextlib
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

UNNOTICED = 0.2
"""Processors that others may take without a measurement counting as disturbed."""


def describe() -> dict[str, Any]:
    """What a reader needs to know to judge the figures."""
    return {
        "processor": processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def matmul_rate(size: int = 2048, seconds: float = 0.5) -> float:
    """GFLOP/s of the fastest of several float32 matrix products by NumPy."""
    x = np.random.default_rng(0).random((size, size), np.float32)
    out, best, end = np.empty_like(x), float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(x, x, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def resident() -> tuple[float, float]:
    """This process's resident memory now and at its peak, in MiB (Linux).

    The peak that getrusage reports would include that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    now, peak = (int(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def waited() -> float:
    """Seconds that threads of this process were ready and had no processor (Linux; else 0)."""
    total = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            total += int(path.read_text().split()[1])
    return total / 1e9


class Watch:
    """How many processors the rest of the machine used since this was made (Linux; else 0)."""

    def __init__(self) -> None:
        self.start, self.busy, self.own = time.perf_counter(), _busy(), time.process_time()

    def others(self) -> float:
        elapsed = time.perf_counter() - self.start
        return max(0.0, _busy() - self.busy - (time.process_time() - self.own)) / elapsed


def _busy() -> float:
    """Seconds that all processors together have worked since the machine started."""
    try:
        fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft, stolen = map(int, fields)
    total = user + nice + system + interrupts + soft + stolen
    return total / os.sysconf("SC_CLK_TCK")
