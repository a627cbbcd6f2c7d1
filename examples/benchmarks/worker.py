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
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import families
import machine
import nets
import numpy as np
import small_ops

CHECKED_STEPS = 3
TRIAL_SECONDS = 0.1
TRIALS = 3
BLOCK_SECONDS = 0.002
DEFAULTS: dict[str, Any] = {
    "set_threads": lambda threads: None,  # NumPy's BLAS and JAX read the worker's environment
    "ways": lambda mode: [""],
    "slow_ways": lambda mode: [],
    "call_ways": lambda inputs: [""],
    "convert": lambda images, labels, way: (images, labels),
    "to_numpy": np.asarray,
}
"""The functions that a module with_*.py may leave out."""


class Program:
    """A network of one framework, ready to run: `step` on batches in turn, for as long as asked."""

    def __init__(self, framework: Any, cell: dict[str, Any], way: str) -> None:
        net = nets.make(cell["net"], **cell["shape"])
        pairs = nets.make_batches(cell["batch"], net.size, net.channels)
        self.way, self.framework = way, framework
        self.batch_bytes = sum(x.nbytes + y.nbytes for x, y in pairs)
        self.training = cell["mode"] == "train"
        weights = nets.trained_weights(net) if cell.get("trained") else nets.first_weights(net)
        self.step = framework.build(net, weights, cell["mode"], way)
        self.batches = itertools.cycle([framework.convert(x, y, way) for x, y in pairs])
        self.losses = self._first_losses([y for _, y in pairs])
        self.seconds = self.run(1)

    def _first_losses(self, labels: list[np.ndarray]) -> list[float]:
        """The losses of the first steps, which have to agree between frameworks.

        In inference `scores` keeps the scores of the first step, which have to agree as well.
        """
        self.scores: list[float] = []
        losses = []
        for images, targets in itertools.islice(self.batches, CHECKED_STEPS):
            answer = self.framework.to_numpy(self.step(images, targets)).astype("f8")
            if not self.training:  # scores (N, K)
                self.scores = self.scores or answer.ravel().tolist()
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


class Call:
    """A workload of families.py, forward and backward; `losses` are what has to agree of it."""

    def __init__(self, framework: Any, name: str, way: str) -> None:
        work = families.make(name)
        is_leaf = [
            i not in work.constant and a.dtype.kind == "f" for i, a in enumerate(work.inputs)
        ]
        self.inputs = [framework.leaf(a, way, k) for a, k in zip(work.inputs, is_leaf)]
        self.leaves = [x for x, kept in zip(self.inputs, is_leaf) if kept]
        self.call, self.calls, self.scores = work.call, framework.calls, []
        out = self.call(self.calls, *self.inputs)
        self.seed = framework.seed(out, families.values(*out.shape, seed=9))
        out.backward(self.seed)
        found = [framework.to_numpy(x) for x in (out, *(leaf.grad for leaf in self.leaves))]
        self.losses = [total(values) for values in found]

    def run(self, steps: int) -> float:
        """Seconds per step of so many steps."""
        call, calls, inputs, seed = self.call, self.calls, self.inputs, self.seed
        leaves = self.leaves
        start = time.perf_counter()
        for _ in range(steps):
            for leaf in leaves:
                leaf.grad = None
            call(calls, *inputs).backward(seed)
        return (time.perf_counter() - start) / steps


def total(values: np.ndarray) -> float:
    """The sum of the sizes of all values, where later values count more."""
    return float(abs(values.astype("f8")).ravel() @ np.linspace(1, 2, values.size))


def burst(run: Callable[[int], float], seconds: float) -> float:
    """Seconds per step in the fastest of several blocks of steps."""
    once = run(1)  # wakes threads and fills caches
    steps = max(1, int(BLOCK_SECONDS / once))
    found, end = [run(steps)], time.perf_counter() + seconds
    while time.perf_counter() < end or (len(found) < 3 and once < seconds):
        found.append(run(steps))
    return min(found)


class Worker:
    """The programs of one framework, one per cell."""

    def __init__(self, name: str, threads: int) -> None:
        module = importlib.import_module(f"with_{name}")
        self.framework = SimpleNamespace(**DEFAULTS | vars(module))
        self.framework.set_threads(threads)
        self.programs: dict[str, Program] = {}
        self.ready: dict[str, Program | Call] = {}

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

    def do_ready(self, cell: dict[str, Any]) -> dict[str, Any]:
        """Build a cell in every way, for bursts; the last cell's programs go.

        Answers with what has to agree between frameworks, and why ways are missing.
        """
        self.ready, answers, problems = {}, {}, {}
        framework = self.framework
        if call := cell.get("call"):
            ways = framework.call_ways(families.make(call).inputs)
        else:
            ways = framework.ways(cell["mode"]) + framework.slow_ways(cell["mode"]) * cell["slow"]
        for way in ways:
            try:
                program = Call(framework, call, way) if call else Program(framework, cell, way)
            except Exception as error:  # the other ways can still take part
                traceback.print_exc()
                problems[way] = shown(error)
            else:
                self.ready[way] = program
                answers[way] = program.scores or program.losses
        return {"answers": answers, "problems": problems}

    def do_burst(self, way: str, seconds: float) -> dict[str, Any]:
        """Seconds per step, and the share of the time for which threads waited for processors."""
        start, waited = time.perf_counter(), machine.waited()
        found = burst(self.ready[way].run, seconds)
        share = (machine.waited() - waited) / (time.perf_counter() - start)
        return {"seconds": found, "waited": share}

    def do_footprint(self, cell: dict[str, Any], way: str) -> dict[str, Any]:
        """Bytes that Python allocates: what a network keeps after steps, and new in a step's peak.

        The network keeps weights, optimizer and programs; the batches do not count.
        """
        tracemalloc.start()
        program = Program(self.framework, cell, way)
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        program.run(1)
        peak = tracemalloc.get_traced_memory()[1] - kept
        tracemalloc.stop()
        return {"kept": kept - program.batch_bytes, "peak": peak}

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


def shown(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


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
            answer = {"error": shown(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
