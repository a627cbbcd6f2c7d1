"""A system's figures as text: published, measured and the difference, one below the other."""

import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from .registry import Figure, Measurements, System


def width() -> int:
    """Columns to fill: those of the terminal, but no more than read well; 80 into a file."""
    return min(shutil.get_terminal_size((80, 24)).columns, 88) if sys.stdout.isatty() else 80


def system_list(systems: Iterable[System]) -> str:
    lines = []
    for system in systems:
        speed = "quick" if system.quick else ""
        lines.append(_fold(f"{system.name:4} {speed:6} {system.title}", indent=12))
    return "\n".join(lines)


def introduction(system: System) -> str:
    paragraphs = [f"{system.name}: {system.title}", *system.explanation.split("\n\n")]
    return "\n\n".join(_fold(" ".join(text.split())) for text in paragraphs if text)


def figures(system: System, measured: Measurements) -> str:
    """Every measurement, beside what was published where that is known."""
    blocks = []
    for name, value in measured.items():
        figure = system.figures.get(name)
        lines = {"measured": _numbers(value)} if figure is None else _comparison(figure, value)
        blocks.append(_fold(name))
        blocks += [_fold(f"  {word:13}  {text}", indent=17) for word, text in lines.items()]
    return "\n".join(blocks)


def verdict(system: System, measured: Measurements) -> str:
    if not system.figures:
        return "no figure was published"
    far = [name for name, figure in system.figures.items() if not figure.agrees(measured[name])]
    return f"not as published: {'; '.join(far)}" if far else "as published"


def _comparison(figure: Figure, measured: Any) -> dict[str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    between = " (points)" if figure.unit == "%" else unit
    return {
        figure.source: _numbers(figure.value) + unit,
        "measured": _numbers(measured, _digits(figure.value)) + unit,
        "difference": _numbers(figure.difference(measured), 2, sign="+") + between,
        "allowed": _numbers(figure.within, 2) + between,
    }


def _digits(value: Any) -> int:
    """Significant digits of the longest of the published numbers, but at least 4."""
    found = [f"{x!r}".partition("e")[0].lstrip("-0.") for x in np.ravel(value).tolist()]
    return max(4, *(len(digits.replace(".", "")) for digits in found))


def _numbers(value: Any, digits: int | None = None, sign: str = "") -> str:
    if isinstance(value, str):
        return value
    return "  ".join(
        f"{x!r}" if digits is None else f"{x:{sign}.{digits}g}" if x else "0"
        for x in np.ravel(value).tolist()
    )


def _fold(text: str, indent: int = 0) -> str:
    return textwrap.fill(text, width(), subsequent_indent=" " * indent, break_long_words=False)
