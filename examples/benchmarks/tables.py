"""The results as text that fits the terminal."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from benchmarks import nets
from benchmarks.cells import CELLS, GOALS, MODES, NUMPY_GOALS, Cell
from benchmarks.processes import FRAMEWORKS
from benchmarks.results import OURS, OURS_IN_NUMPY, RIVALS, Results

Row = Sequence[str]
LABELS = 2  # columns that every part of a split table repeats


def layout(rows: Sequence[Row], width: int) -> str:
    """A table of right-aligned columns; what is too wide goes on below, with the first columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    parts = [list(range(LABELS))]
    for column in range(LABELS, len(widths)):
        if sum(widths[c] + 2 for c in [*parts[-1], column]) - 2 > width and len(parts[-1]) > LABELS:
            parts.append(list(range(LABELS)))
        parts[-1].append(column)

    def line(row: Row, part: list[int]) -> str:
        cells = [row[c].rjust(widths[c]) if c else row[c].ljust(widths[c]) for c in part]
        return "  ".join(cells).rstrip()

    return "\n\n".join("\n".join(line(row, part) for row in rows) for part in parts)


def amount(value: float | None) -> str:
    """A number in three digits or so: 87, 1.2k, 54k, 1.3M."""
    if value is None:
        return "-"
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * size:
            return (
                f"{value / size:.1f}{unit}" if value < 99.95 * size else f"{value / size:.0f}{unit}"
            )
    return f"{value:.0f}"


def times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.{1 if value < 0.0995 else 0}f}"


def report(results: Results, width: int | None = None) -> str:
    """All tables of a run, with what is needed to read them."""
    width = width or min(shutil.get_terminal_size().columns, 100)
    parts = heading(results)
    for mode, title in MODES.items():
        cells = [c for c in measured_cells(results) if c.mode == mode]
        if cells:
            parts += ["", *tables(results, title, cells, width)]
    parts += ["", *remarks(results)]
    return "\n".join(p if "\n" in p else textwrap.fill(p, width) for p in parts).rstrip()


def measured_cells(results: Results) -> list[Cell]:
    """The cells for which anybody was measured, in the order of `CELLS`."""
    return [c for c in CELLS if any(results.rates.get(c.name, {}).values())]


def heading(results: Results) -> list[str]:
    found = results.machine
    lines = [f"{found['processor']}, {found['cores']} cores, {found['system']}"]
    if "matmul_gflops" in found:
        lines.append(
            f"NumPy multiplies float32 matrices at {found['matmul_gflops']:.0f} GFLOP/s with "
            f"{results.threads} threads."
        )
    versions = (f"{FRAMEWORKS[n].title}: {n} {v}" for n, v in results.versions.items())
    return [*lines, "; ".join(versions) + "."]


def tables(results: Results, title: str, cells: Sequence[Cell], width: int) -> list[str]:
    """Rates, ratios, spread and work for the cells of one mode, each below its title."""
    used = [n for n in FRAMEWORKS if any(results.rates[c.name].get(n) for c in cells)]
    rounds = max(len(r) for c in cells for r in results.rates[c.name].values())
    text = (
        f"{title}, images/s: median of {rounds} rounds, {results.threads} threads each. "
        "ratio: ours to the best of PyTorch, Keras and JAX."
    )
    titled = {text: rate_table(results, cells, used)}
    if OURS in used and len(used) > 1:
        text = f"{title}, ours relative to each: the median of the rounds' ratios."
        titled[text] = ratio_table(results, cells, [n for n in used if n != OURS])
    if rounds > 1:
        text = f"{title}, spread: half the range of the middle half of the rounds, % of the median."
        titled[text] = table(
            cells, titles(used), lambda c: (percent(results.spread(c.name, n)) for n in used)
        )
    text = f"{title}, MFLOP per image, and the share of the matrix product's rate reached, %."
    titled[text] = work_table(results, cells, used)
    return [part for t, rows in titled.items() for part in (t, "", layout(rows, width), "")][:-1]


def titles(frameworks: Iterable[str]) -> list[str]:
    return [FRAMEWORKS[n].title for n in frameworks]


def table(
    cells: Sequence[Cell], head: Iterable[str], values: Callable[[Cell], Iterable[str]]
) -> list[Row]:
    """A head, and below it the values of each cell, beside its network and batch size."""
    rows = [(cell.net, str(cell.batch), *values(cell)) for cell in cells]
    return [("net", "batch", *head), *rows]


def rate_table(results: Results, cells: Sequence[Cell], used: Sequence[str]) -> list[Row]:
    def values(cell: Cell) -> list[str]:
        ratio, goal = times(results.ratio_to_best(cell.name)), GOALS[cell.net][cell.batch]
        return [ratio, f"{goal:.1f}", *(amount(results.median(cell.name, n)) for n in used)]

    return table(cells, ["ratio", "goal", *titles(used)], values)


def ratio_table(results: Results, cells: Sequence[Cell], others: Sequence[str]) -> list[Row]:
    def values(cell: Cell) -> list[str]:
        best = results.best_rival(cell.name)
        ratios = (times(results.ratio(cell.name, OURS, n)) for n in others)
        return [*ratios, FRAMEWORKS[best].title if best else "-"]

    return table(cells, [*titles(others), "best is"], values)


def work_table(results: Results, cells: Sequence[Cell], used: Sequence[str]) -> list[Row]:
    limit = results.machine.get("matmul_gflops")

    def values(cell: Cell) -> list[str]:
        flop = nets.flop_per_image(nets.NETS[cell.net](**cell.shape), cell.mode)
        rates = (results.median(cell.name, n) for n in used)
        shares = (percent(r * flop / (limit * 1e9)) if r and limit else "-" for r in rates)
        return [f"{flop / 1e6:.2f}", *shares]

    return table(cells, ["MFLOP", *titles(used)], values)


def remarks(results: Results) -> list[str]:
    """Goals of the NumPy kernels, the ways that were fastest, disturbances, problems."""
    lines = []
    for cell in measured_cells(results):
        goal, ratio = NUMPY_GOALS.get(cell.net), results.ratio_to_best(cell.name, OURS_IN_NUMPY)
        if goal and ratio is not None:
            lines.append(
                f"NumPy kernels alone, {cell.name}: {ratio:.2f} of the best, goal {goal:.1f}."
            )
    for framework in RIVALS:
        ways = Counter(found[framework] for found in results.ways.values() if framework in found)
        if ways:
            told = ", ".join(f"{way} in {count}" for way, count in ways.most_common())
            lines.append(f"{FRAMEWORKS[framework].title}, fastest way by number of cells: {told}.")
    if results.disturbed:
        rounds = sum(len(rates) for found in results.rates.values() for rates in found.values())
        lines.append(
            f"Other programs used the processors during {results.disturbed} of {rounds} "
            "measurements."
        )
    return [*lines, *(f"PROBLEM: {problem}" for problem in results.problems)]
