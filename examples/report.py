"""What a trained classifier got right and wrong, as text."""

from __future__ import annotations

import numpy as np


def class_table(confusion: np.ndarray) -> str:
    """One line per class: images, correct, accuracy and what it was most often mistaken for."""
    lines = ["digit  images  correct  accuracy  most often mistaken for"]
    for digit, row in enumerate(confusion):
        count, correct = row.sum(), row[digit]
        wrong = row.copy()
        wrong[digit] = 0
        other = f"{wrong.argmax()}  ({times(int(wrong.max()))})" if wrong.any() else "-"
        accuracy = f"{100 * correct / count:.2f} %" if count else "-"
        lines.append(f"{digit:5}  {count:6,}  {correct:7,}  {accuracy:>8}  {other}")
    count, correct = confusion.sum(), np.trace(confusion)
    lines.append(f"  all  {count:6,}  {correct:7,}  {f'{100 * correct / count:.2f} %':>8}")
    return "\n".join(lines)


def times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def confusion_table(confusion: np.ndarray) -> str:
    """The matrix as text: a row per true digit, a column per predicted digit, a dot for none."""
    width = max(5, len(str(confusion.max())) + 1)
    header = "".join(f"{digit:{width}}" for digit in range(len(confusion)))
    lines = ["truth     predicted", "     " + header]
    for digit, row in enumerate(confusion):
        lines.append(f"{digit:5}" + "".join(f"{n or '.':>{width}}" for n in row.tolist()))
    return "\n".join(lines)
