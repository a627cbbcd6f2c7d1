"""What a run has measured in its epochs: as columns, as a summary and as a picture."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, mistake
from autograd_cnn.data.files import AnyPath
from autograd_cnn.training.plots import BLUE, GREY, ORANGE, draw_mean, picture

_ASIDE = ("epoch", "seconds")  # neither compared nor drawn


class History(list[dict[str, Any]]):
    """A list with a dict for each epoch: numbers by name, or lists with a number for each step.

    ``history["loss"]`` has the values of all epochs, and ``print(history)`` sums the run up.  A
    checkpoint keeps it as a list: ``History(load_checkpoint(path, ...)["history"])``.

    >>> history = History()
    >>> for loss, accuracy in [(0.9, 0.5), (0.4, 0.875), (0.5, 0.75)]:
    ...     history.append({"test_loss": loss, "test_accuracy": accuracy})
    >>> history["test_loss"]
    [0.9, 0.4, 0.5]
    >>> history
    3 epochs         first     last     best
    test_loss       0.9000   0.5000   0.4000  in epoch 2
    test_accuracy  50.00 %  75.00 %  87.50 %  in epoch 2
    """

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, str):
            return super().__getitem__(place)
        if not any(place in epoch for epoch in self._epochs()):
            known = ", ".join(dict.fromkeys(str(name) for epoch in self for name in epoch))
            raise KeyError(f"History: no epoch has {place!r}; there is {known or 'nothing yet'}")
        return [epoch.get(place) for epoch in self]

    def best(self, name: str, mode: str | None = None) -> dict[str, Any]:
        """The epoch with the best value, the first of equals; NaN never counts.

        `mode` is 'min' or 'max', by default 'min' for names that end in "loss" or "error".

        >>> History([{"loss": 2.0}, {"loss": 1.0}]).best("loss")
        {'loss': 1.0}
        """
        mode = choice("History.best", "mode", mode or _mode(name), ("min", "max"))
        place = _best(self._column(name), mode)
        if place is None:
            raise ValueError(f"History.best: {name} has no number yet")
        return self[place]

    def __repr__(self) -> str:
        title = f"{len(self)} epoch" + "s" * (len(self) != 1)
        if any("seconds" in epoch for epoch in self._epochs()):
            seconds = np.nansum(self._column("seconds"))
            title += f" in {seconds:.1f} s"
        rows: list[tuple[str, ...]] = [(title, "first", "last", "best", "")]
        for name in self._names(0):
            column = self._column(name)
            place = _best(column, _mode(name))
            found = [_shown(name, x) for x in (column[0], column[-1], column[place or 0])]
            rows.append((name, *found, "" if place is None else f"in epoch {place + 1}"))
        widths = [max(map(len, column)) for column in zip(*rows)]
        cells = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
        return "\n".join("  ".join(line).rstrip() for line in cells)

    def plot(self, path: AnyPath | None = None, title: str = "") -> None:
        """Draw the values over the epochs, with a panel for each last word, such as "loss".

        The picture goes to the file `path`, such as "curves.png".  Without a path a notebook shows
        it, and elsewhere ``plt.show()``.  Needs ``pip install matplotlib``.

        >>> History([{"loss": 2.0}, {"loss": 1.0}]).plot("curves.png")  # doctest: +SKIP
        """
        words = dict.fromkeys(map(_word, self._names(0) + self._names(1)))
        if not words:
            raise ValueError("History.plot: there are no numbers yet; append a dict for each epoch")
        with picture(path, (4.75 * max(len(words), 1.5), 4.2), "Training", title) as figure:
            for axes, word in zip(figure.subplots(1, len(words), squeeze=False)[0], words):
                self._draw(axes, word)

    def _names(self, rank: int) -> list[str]:
        """The names of numbers (rank 0) or of lists of numbers (rank 1)."""
        entries = (entry for epoch in self._epochs() for entry in epoch.items())
        found = [n for n, x in entries if isinstance(n, str) and _rank(x) == rank]
        return [n for n in dict.fromkeys(found) if n not in _ASIDE]

    def _epochs(self) -> list[dict[str, Any]]:
        for epoch in self:
            if not isinstance(epoch, dict):
                raise mistake("History", "each epoch", "a dict of numbers by name", epoch)
        return self

    def _column(self, name: str) -> np.ndarray:
        """The values of all epochs, NaN where there is no number."""
        return np.array([float(x) if _rank(x) == 0 else np.nan for x in self[name]])

    def _draw(self, axes: Any, word: str) -> None:
        """Draw the values whose names end in `word`."""
        lists, names = ([n for n in self._names(rank) if _word(n) == word] for rank in (1, 0))
        colours = cycle((BLUE, ORANGE, GREY, "#1b7837", "#762a83"))
        for name in lists:
            known = (np.nan if _rank(x) is None else x for x in self[name])
            steps = np.concatenate([np.atleast_1d(np.array(x, float)) for x in known])
            at = np.arange(1.0, len(steps) + 1) * len(self) / len(steps)
            window, colour = max(1, len(steps) // 60), next(colours)
            axes.plot(at, steps, color=colour, alpha=0.2, linewidth=0.7)
            label = f"training, mean of {window} steps" if window > 1 else "training, step by step"
            draw_mean(axes, at, steps, window, color=colour, label=label)
        for name in sorted(names, key=word.__ne__):
            if lists and name == word:
                continue  # the mean of the steps says the same
            column = self._column(name)
            which = name.removesuffix(word).replace("_", " ").strip()
            label = which or ("training" if len(names) > 1 else word)
            at = np.arange(1.0, len(column) + 1)
            label += f": {_shown(name, column[-1])}"
            axes.plot(at, column, "o-", color=next(colours), markersize=4, label=label)
        axes.set(title=word.capitalize(), xlabel="epoch", xlim=(0, len(self) * 1.03))
        axes.xaxis.get_major_locator().set_params(integer=True)
        drawn = np.concatenate([line.get_ydata() for line in axes.get_lines()])
        if word == "loss" and (drawn > 0).any() and not (drawn <= 0).any():
            axes.set_yscale("log")
        elif word == "accuracy":
            axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.4g} %")
        axes.grid(True)
        axes.legend()


def _rank(x: Any) -> int | None:
    """0 for a number, 1 for a list of numbers, None for anything else."""
    try:
        found = np.asarray(x)
    except ValueError:  # lists of several lengths
        return None
    return found.ndim if found.size and found.dtype.kind in "iuf" and found.ndim < 2 else None


def _word(name: str) -> str:
    return name.rpartition("_")[2]


def _mode(name: str) -> str:
    return "min" if name.endswith(("loss", "error")) else "max"


def _shown(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if _word(name) == "accuracy" else f"{value:#.4g}"


def _best(column: np.ndarray, mode: str) -> int | None:
    if np.isnan(column).all():
        return None
    return int(np.nanargmin(column) if mode == "min" else np.nanargmax(column))
