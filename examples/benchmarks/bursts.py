"""Short bursts in turns: a cell is prepared everywhere, then each framework runs it a few
milliseconds at a time, and what slows the machine for a while slows all alike.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import charts, tables
from benchmarks.processes import EVERYONE, Team, Worker, WorkerError
from benchmarks.results import OURS
from benchmarks.rounds import Progress, agree
from benchmarks.task import NothingToMeasureError, Settings, Task

WIDTH = 110
WAITED = 0.1
"""A burst is disturbed if its threads waited for processors longer than this share of its time."""


@dataclass
class Row:
    """A cell FAMILY/SIZE of the table `group`, the request to a worker, and what was found.

    `times` has seconds per step by framework, way and burst; `memory` has bytes, by way of
    ours.  `disturbed` counts the bursts that other programs disturbed.
    """

    group: str
    name: str
    request: dict[str, Any]
    peers: tuple[str, ...]
    goal: float
    times: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    disturbed: int = 0

    @property
    def family(self) -> str:
        return self.name.rpartition("/")[0]

    def best(self, frameworks: Iterable[str]) -> tuple[str, str, list[float]] | None:
        """The framework and its way with the least median, and the times."""
        found = [(n, way, t) for n in frameworks for way, t in self.times.get(n, {}).items() if t]
        return min(found, key=lambda one: statistics.median(one[2]), default=None)

    def quartiles(self) -> list[float]:
        """How many times as fast we are as the best peer: the quartiles over the bursts."""
        ours, peer = self.best([OURS]), self.best(self.peers)
        ratios = [b / a for a, b in zip(ours[2], peer[2])] if ours and peer else []
        return np.percentile(ratios, [25, 50, 75]).tolist() if ratios else []


class Bursts(Task):
    """All rows whose group or name has one of the parts of `pattern`, which commas separate."""

    title = ""

    def __init__(self, settings: Settings, pattern: str) -> None:
        super().__init__(settings)
        self.problems: list[str] = []
        parts = pattern.split(",")
        every = self.rows()
        self.chosen = [row for row in every if any(p in f"{row.group}: {row.name}" for p in parts)]
        if not self.chosen:
            names = ", ".join(dict.fromkeys(row.family for row in every))
            raise NothingToMeasureError(f"no family has {pattern!r} in its name; there are {names}")

    def rows(self) -> list[Row]:
        """All rows of the task."""
        raise NotImplementedError

    # ----------------------------------------------------------------------------------- measuring

    def run(self) -> None:
        progress = Progress(len(self.chosen))
        with self.settings.team({OURS}.union(*(row.peers for row in self.chosen))) as team:
            self.versions = team.versions
            for row in self.chosen:
                self._measure(team, row)
                progress.update(row.name)

    def _measure(self, team: Team, row: Row) -> None:
        expected: list[float] = []
        runs = []
        for worker in team.workers:
            if worker.name in (OURS, *row.peers):
                runs += [(worker, way) for way in self._prepare(worker, row, expected)]
        for _ in range(self.settings.rounds):
            for worker, way in list(runs):
                request = {"way": way, "seconds": self.settings.seconds}
                if answer := self._ask(row, worker, way, "burst", **request):
                    row.times[worker.name][way].append(answer["seconds"])
                    row.disturbed += answer["waited"] > WAITED
                else:
                    runs.remove((worker, way))
        for worker, way in runs:
            if worker.name == OURS and "net" in row.request:
                found = self._ask(row, worker, way, "footprint", cell=row.request, way=way)
                row.memory |= {way: found} if found else {}

    def _ask(
        self, row: Row, worker: Worker, way: str, what: str, /, **details: Any
    ) -> dict[str, Any]:
        """The answer of a worker; an empty one where it failed, and a note."""
        try:
            return worker.ask(what, **details)
        except WorkerError as error:
            self._note(row, worker, way, str(error))
            return {}

    def _prepare(self, worker: Worker, row: Row, expected: list[float]) -> list[str]:
        """The ways in which a worker can run the cell and has the results of the first one."""
        found = self._ask(row, worker, "", "ready", cell=row.request)
        for way, reason in found.get("problems", {}).items():
            self._note(row, worker, way, reason)
        times = row.times[worker.name] = {}
        for way, answer in found.get("answers", {}).items():
            expected += [] if expected else answer
            if agree(answer, expected):
                times[way] = []
            else:
                self._note(row, worker, way, "left out, for its results are not those of the first")
        return list(times)

    def _note(self, row: Row, worker: Worker, way: str, reason: str) -> None:
        self.problems.append(f"{row.name}: {f'{worker.name} {way}'.strip()}: {reason}")

    # ----------------------------------------------------------------------------------- reporting

    def measured(self) -> bool:
        return any(row.best([OURS]) for row in self.chosen)

    def report(self) -> str:
        done = [row for row in self.chosen if row.best([OURS])]
        versions = (f"{EVERYONE[n].title} {version}" for n, version in self.versions.items())
        processor = f"{self.machine['processor']}, {self.machine['cores']} cores"
        parts = [f"{processor}, threads: {self.settings.threads}; {'; '.join(versions)}"]
        parts += [f"{self.title}: medians of {self.settings.rounds} bursts, us."]
        parts += ["ratio: time of the best peer in its fastest way / ours; above 1 we are faster."]
        for group in dict.fromkeys(row.group for row in done):
            rows = [row for row in done if row.group == group]
            parts += ["", tables.layout(self._table(group, rows), WIDTH), summary(rows)]
        parts += ["", tables.layout(family_table(done), WIDTH), "", summary(done)]
        parts += [f"{len(done)} of {len(self.chosen)} rows were measured."]
        bursts = sum(len(t) for row in done for ways in row.times.values() for t in ways.values())
        if disturbed := sum(row.disturbed for row in done):
            parts += [f"Other programs disturbed {disturbed} of {bursts} bursts."]
        if remembered := [row for row in done if row.memory]:
            parts += ["", tables.layout(memory_table(remembered), WIDTH)]
        return "\n".join([*parts, *(f"PROBLEM: {problem}" for problem in self.problems)])

    def _table(self, group: str, rows: Sequence[Row]) -> list[tables.Row]:
        used = [n for n in EVERYONE if any(row.best([n]) for row in rows)]
        head = (group, "ratio", "middle half", "goal", *(EVERYONE[n].title for n in used), "best")
        return [head, *((*self._entries(row, used), best_peer(row)) for row in rows)]

    def _entries(self, row: Row, used: Sequence[str]) -> list[str]:
        low, middle, high = row.quartiles() or [None] * 3
        found = [row.best([name]) for name in used]
        times = [f"{1e6 * statistics.median(one[2]):.0f}" if one else "-" for one in found]
        half = f"{low:.2f}-{high:.2f}" if low and high else "-"
        return [row.name, tables.times(middle), half, f"{row.goal:.1f}", *times]

    def record(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "versions": self.versions,
            "threads": self.settings.threads,
            "seconds": self.settings.seconds,
            "rows": [asdict(row) for row in self.chosen if row.times],
            "problems": self.problems,
        }

    def draw(self, path: Path) -> None:
        """A line per group, or per family where there is one group."""
        one = len({row.group for row in self.chosen}) == 1
        rows = [(r.family if one else r.group, r.goal, r.quartiles()) for r in self.chosen]
        charts.draw_ratios(rows, path)


def best_peer(row: Row) -> str:
    peer = row.best(row.peers)
    return f"{EVERYONE[peer[0]].title} {peer[1]}".strip() if peer else "-"


def medians(rows: Iterable[Row]) -> list[float]:
    return [row.quartiles()[1] for row in rows if row.quartiles()]


def summary(rows: Sequence[Row]) -> str:
    found = medians(rows)
    if not found:
        return "no peer"
    below = sum(ratio < 1 for ratio in found)
    missed = sum(bool(row.quartiles()) and row.quartiles()[1] < row.goal for row in rows)
    return (
        f"geometric mean {statistics.geometric_mean(found):.2f} over {len(found)} rows; "
        f"{below} below 1, {missed} below their goal"
    )


def family_table(rows: Sequence[Row]) -> list[tables.Row]:
    """Geometric mean, least ratio and the rows below 1 of each family."""
    table: list[tables.Row] = [("family", "mean", "least", "below 1", "of")]
    for family in dict.fromkeys(row.family for row in rows):
        if found := medians(row for row in rows if row.family == family):
            numbers = statistics.geometric_mean(found), min(found)
            below = sum(ratio < 1 for ratio in found)
            table.append((family, *map(tables.times, numbers), str(below), str(len(found))))
    return table


def memory_table(rows: Sequence[Row]) -> list[tables.Row]:
    """Bytes that Python allocates, ours: weights, batches, optimizer and programs are kept."""
    table: list[tables.Row] = [("memory, ours, KiB", "new at a step's peak", "kept")]
    for row in rows:
        for way, found in row.memory.items():
            sizes = (f"{found[key] / 1024:,.0f}" for key in ("peak", "kept"))
            table.append((f"{row.name} {way}".strip(), *sizes))
    return table
