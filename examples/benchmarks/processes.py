"""The benchmark's side of the workers: starting them, asking one at a time, stopping the others."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Framework:
    """What can take part: a name, a column title, the module with_*.py, and environment."""

    name: str
    title: str
    module: str
    environment: tuple[tuple[str, str], ...] = ()


NUMPY_KERNELS = (("AUTOGRAD_CNN_KERNELS", "numpy"),)
FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework("autograd_cnn", "ours", "autograd_cnn"),
        Framework("numpy-kernels", "numpy", "autograd_cnn", NUMPY_KERNELS),
        Framework("torch", "PyTorch", "torch"),
        Framework("keras", "Keras", "keras", (("TF_CPP_MIN_LOG_LEVEL", "2"),)),
        Framework("jax", "JAX", "jax", (("JAX_PLATFORMS", "cpu"),)),
        Framework("mygrad", "MyGrad", "mygrad"),
        Framework("autograd", "HIPS", "autograd"),
    )
}
RUNTIMES = {
    framework.name: framework
    for framework in (
        Framework("onnxruntime", "ONNX Runtime", "onnxruntime"),
        Framework("openvino", "OpenVINO", "openvino"),
    )
}
"""What only infers: these take part in --deploy."""
EVERYONE = FRAMEWORKS | RUNTIMES


class WorkerError(Exception):
    """A worker could not do what it was asked; the message says why."""


class Worker:
    """A framework's process.  It is stopped (SIGSTOP) while another one works.

    Idle threads of some frameworks look for work for a while: stopped, they take nobody's time.
    """

    def __init__(self, framework: Framework, python: str, threads: int) -> None:
        self.framework = framework
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115, closed in close()
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), str(threads)
        )
        self.process = subprocess.Popen(
            [python, str(WORKER), framework.module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | limits | dict(framework.environment),
            # A group of its own: Ctrl-C reaches only the benchmark, which ends the workers.  Should
            # the benchmark be killed, the system wakes and ends the stopped group.
            process_group=0 if os.name == "posix" else None,
        )

    @property
    def name(self) -> str:
        return self.framework.name

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """Wake the process, wait for its answer, stop it again; WorkerError if there is none."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin
        assert stdout
        self._signal("SIGCONT")
        try:
            stdin.write(json.dumps({"do": what, **details}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it ended early: its last words come next
        line = stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        self._signal("SIGSTOP")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _signal(self, name: str) -> None:
        if hasattr(signal, name) and self.process.poll() is None:
            self.process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        self.process.wait()
        self.log.seek(0)
        lines = self.log.read().strip().splitlines() or ["it left no message"]
        return f"its process ended ({self.process.returncode}): {lines[-1][:200]}"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            with contextlib.suppress(BrokenPipeError):  # of a request that nobody read
                if pipe:
                    pipe.close()


class Team:
    """The workers of a run, ended with it; those that are not installed are `missing`, with why."""

    def __init__(self, names: Iterable[str], pythons: Mapping[str, str], threads: int) -> None:
        self.workers: list[Worker] = []
        self.missing: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.ways: dict[str, list[str]] = {}
        try:
            for name in names:
                self._add(Worker(EVERYONE[name], interpreter(name, pythons), threads))
        except BaseException:
            self.close()
            raise

    def _add(self, worker: Worker) -> None:
        self.workers.append(worker)
        try:
            hello = worker.ask("hello")
            self.versions[worker.name], self.ways[worker.name] = hello["version"], hello["ways"]
        except WorkerError as error:
            self.missing[worker.name] = str(error)
            self.workers.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


def interpreter(name: str, pythons: Mapping[str, str]) -> str:
    """Where a framework lives; the NumPy kernels are at home with autograd_cnn."""
    home = pythons.get("autograd_cnn") if name == "numpy-kernels" else None
    return pythons.get(name) or home or sys.executable
