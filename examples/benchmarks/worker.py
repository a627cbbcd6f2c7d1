"""One framework in a process of its own: answers requests, one JSON object per line.

    python worker.py FRAMEWORK THREADS

The benchmark starts it.  It imports only its neighbours in this folder and what is installed for
its interpreter, so a framework is measured as that environment has it.
"""

import importlib
import itertools
import json
import os
import sys
import time
import traceback
from types import SimpleNamespace
from typing import Any

import machine
import nets
import numpy as np
import small_ops

CHECKED_STEPS = 3
TRIAL_SECONDS = 0.1
TRIALS = 3
DEFAULTS: dict[str, Any] = {
    "set_threads": lambda threads: None,  # NumPy's BLAS and JAX read the worker's environment
    "ways": lambda mode: [""],
    "convert": lambda images, labels, way: (images, labels),
    "to_numpy": np.asarray,
}
"""The functions that a module with_*.py may leave out."""


class Program:
    """A network of one framework, ready to run: `step` on batches in turn, for as long as asked."""

    def __init__(self, framework: Any, cell: dict[str, Any], way: str) -> None:
        net = nets.NETS[cell["net"]](**cell["shape"])
        pairs = nets.make_batches(cell["batch"], net.size)
        self.way, self.framework = way, framework
        self.training = cell["mode"] == "train"
        self.step = framework.build(net, nets.first_weights(net), cell["mode"], way)
        self.batches = itertools.cycle([framework.convert(x, y, way) for x, y in pairs])
        self.losses = self._first_losses([y for _, y in pairs])
        self.seconds = self.run(1)

    def _first_losses(self, labels: list[np.ndarray]) -> list[float]:
        """The losses of the first steps, which have to agree between frameworks."""
        losses = []
        for images, targets in itertools.islice(self.batches, CHECKED_STEPS):
            answer = self.framework.to_numpy(self.step(images, targets)).astype("f8")
            if not self.training:  # scores (N, K)
                rows = np.arange(len(answer))
                top = answer.max(axis=1)
                total = np.log(np.exp(answer - top[:, None]).sum(axis=1)) + top
                answer = np.mean(total - answer[rows, labels[len(losses)]])
            losses.append(float(answer))
        return losses

    def run(self, steps: int) -> float:
        """Seconds per step of so many steps, until their results are there.

        In inference it waits for every answer; steps of training wait for each other.
        """
        step, to_numpy, training = self.step, self.framework.to_numpy, self.training
        start = time.perf_counter()
        for images, labels in itertools.islice(self.batches, steps):
            answer = step(images, labels)
            if not training:
                to_numpy(answer)
        last = to_numpy(answer)
        seconds = (time.perf_counter() - start) / steps
        if not np.isfinite(last).all():
            raise ArithmeticError("the network diverged: its last answer is not finite")
        return seconds

    def measure(self, seconds: float) -> float:
        """Seconds per step over about this many seconds, after a short warm-up."""
        for share in (0.02, 0.1):
            if steps := int(share * seconds / self.seconds):
                self.seconds = self.run(steps)
        self.seconds = self.run(max(1, int(seconds / self.seconds)))
        return self.seconds


class Worker:
    """The programs of one framework, one per cell."""

    def __init__(self, name: str, threads: int) -> None:
        module = importlib.import_module(f"with_{name}")
        self.framework = SimpleNamespace(**DEFAULTS | vars(module))
        self.framework.set_threads(threads)
        self.programs: dict[str, Program] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request asks for: its `do` names a method."""
        return getattr(self, f"do_{request.pop('do')}")(**request)

    def do_hello(self) -> dict[str, Any]:
        return {"version": self.framework.version(), "ways": self.framework.ways("train")}

    def do_prepare(self, cell: dict[str, Any]) -> dict[str, Any]:
        """Build a cell's program in every way the framework offers, and keep the fastest."""
        ways = self.framework.ways(cell["mode"])
        programs = [Program(self.framework, cell, way) for way in ways]
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(TRIALS if len(ways) > 1 else 1):
            for program in programs:
                best[program.way] = min(best[program.way], program.measure(TRIAL_SECONDS))
        kept = min(programs, key=lambda program: best[program.way])
        self.programs[json.dumps(cell)] = kept
        return {"losses": {p.way: p.losses for p in programs}, "way": kept.way, "seconds": best}

    def do_measure(self, cell: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Images per second, and how many processors other programs took meanwhile."""
        program = self.programs[json.dumps(cell)]
        watch = machine.Watch()
        rate = cell["batch"] / program.measure(seconds)
        return {"rate": rate, "others": watch.others()}

    def do_overhead(self, operation: str, backward: bool, seconds: float) -> dict[str, Any]:
        """Microseconds per operation on ten values."""
        call = small_ops.make_call(self.framework.Small, operation, backward)
        calls, taken = 1, 0.0
        while taken < seconds:
            calls = max(2 * calls, int(calls * seconds / taken) if taken else 0)
            start = time.perf_counter()
            for _ in range(calls):
                call()
            taken = time.perf_counter() - start
        return {"microseconds": 1e6 * taken / calls / small_ops.per_call(operation)}

    def do_memory(self, cell: dict[str, Any], way: str, steps: int, every: int) -> dict[str, Any]:
        """Resident memory in MiB before training, after every so many steps, and at its peak."""
        before = machine.resident()[0]
        program = Program(self.framework, cell, way)
        resident = []
        for _ in range(steps // every):
            program.run(every)
            resident.append(machine.resident()[0])
        return {"before": before, "resident": resident, "peak": machine.resident()[1]}

    def do_matmul(self) -> dict[str, Any]:
        return {"gflops": machine.matmul_rate()}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to the log, not between the answers
    try:
        worker = Worker(sys.argv[1], int(sys.argv[2]))
    except ImportError as error:
        answers.write(json.dumps({"error": str(error)}) + "\n")
        return
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # the parent reports it and goes on with the other cells
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
