"""Time per op."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice, repeat, starmap
from typing import Any

from autograd_cnn.diagnose.table import Table
from autograd_cnn.engine.watch import Compute, Watcher, Watching, replaced_watcher
from autograd_cnn.kernels.precision import slow_calls


def profile() -> Profile:
    """Measure the time of every op in the ``with`` block, forward and backward.

    The time of a backward rule includes the ops that it calls.  All other time in the block
    (recording, adding gradients, your own code) counts as outside ops.  Only this thread or async
    task is measured.  Several blocks with the same profile add up.

    Layers that `nn.Sequential` fuses are measured as one op: ``batch_norm``, and under `no_grad`
    ``conv_fused`` and ``linear_fused``, include the normalisation, relu and max pooling.

    `slow` counts the calls that the compiled loops cannot take, by op, direction and cause: dtypes
    other than float32 or float64, or several.

    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.profile() as found:
    ...     ag.exp(x).sum().backward()
    >>> sorted(found.calls.items())
    [(('exp', 'backward'), 1), (('exp', 'forward'), 1), (('sum', 'backward'), 1), \
(('sum', 'forward'), 1)]
    """
    return Profile()


class Profile(Table, Watching, Watcher):
    """Calls and seconds per op and direction; ``print`` shows them as a table, slowest first.

    >>> with Profile() as found:
    ...     _ = ag.exp(ag.tensor([1.0]))
    >>> found.calls
    {('exp', 'forward'): 1}
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        self.slow: dict[tuple[str, str, str], int] = {}
        self._times: list[float] = []  # of starts and ends, in turn
        super().__init__(self)

    def __enter__(self) -> Profile:
        super().__enter__()
        return self

    def _open(self, *_: Any) -> Any:
        clock = map(self._times.append, starmap(time.perf_counter, repeat(())))
        return super()._open(islice(clock, 1), islice(clock, 1))

    @property
    def elapsed(self) -> float:
        """The seconds in the blocks that have ended."""
        ends = self._times[1::2]
        return sum(ends) - sum(self._times[: 2 * len(ends) : 2])

    def operation(self, op: Any, args: Sequence[Any], compute: Compute) -> Any:
        """Time the forward of an op."""
        return self._timed((op.name, "forward"), compute)

    def rule(self, node: Any, name: str, g: Any, compute: Compute) -> Any:
        """Time a backward rule."""
        return self._timed((node.op.name, "backward"), compute)

    def _timed(self, key: tuple[str, str], compute: Compute) -> Any:
        causes: list[str] = []
        token = slow_calls.set(causes)
        with replaced_watcher(self):  # the time of inner ops belongs to this one
            started = time.perf_counter()
            try:
                return compute()
            finally:
                spent = time.perf_counter() - started
                self.calls[key] = self.calls.get(key, 0) + 1
                self.seconds[key] = self.seconds.get(key, 0.0) + spent
                slow_calls.reset(token)
                for cause in causes:
                    self.slow[*key, cause] = self.slow.get((*key, cause), 0) + 1

    def _cells(self) -> list[list[str]]:
        names = {name for name, _ in self.calls}
        total = {n: sum(s for (m, _), s in self.seconds.items() if m == n) for n in names}
        rows = [["op", "calls", "forward ms", "calls", "backward ms", "share"]]
        whole = max(self.elapsed, sum(total.values()), 1e-12)
        for name in sorted(names, key=lambda n: (-total[n], n)):
            cells = [name]
            for direction in ("forward", "backward"):
                calls = self.calls.get((name, direction), 0)
                spent = self.seconds.get((name, direction), 0.0)
                cells += [str(calls), f"{1e3 * spent:.3f}"] if calls else ["", ""]
            rows.append([*cells, f"{total[name] / whole:.1%}"])
        outside = whole - sum(total.values())
        rows.append(["outside ops", "", f"{1e3 * outside:.3f}", "", "", f"{outside / whole:.1%}"])
        return [*rows, ["total", "", f"{1e3 * whole:.3f}", "", "", ""]]

    def _notes(self) -> list[str]:
        return [
            f"slow: {name} {direction} in {cause}, {calls} calls"
            for (name, direction, cause), calls in self.slow.items()
        ]
