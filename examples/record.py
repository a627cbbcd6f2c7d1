"""The files of a training run, all of them whole after every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn.training import CheckpointError, load_checkpoint, replace_file, save_checkpoint


class Record:
    """What a run has shown so far, and its files: weights and a checkpoint after every epoch."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.history: list[dict[str, Any]] = []

    def save(self, parts: dict[str, Any], settings: dict[str, Any]) -> None:
        """Write the weights, also as the best if they are, and a checkpoint of all parts."""
        weights = parts["model"].state_dict()
        save_weights(self.out / "weights.npz", weights)
        *earlier, last = (epoch["test_accuracy"] for epoch in self.history)
        if last > max(earlier, default=-1.0):
            save_weights(self.out / "best.npz", weights)
        save_checkpoint(
            self.out / "checkpoint.npz", settings=settings, history=self.history, **parts
        )

    def resume(self, parts: dict[str, Any], settings: dict[str, Any]) -> None:
        """Go on after the last epoch of the run in the folder, which must have these settings."""
        path = self.out / "checkpoint.npz"
        if not path.exists():
            raise CheckpointError(f"{path}: there is no such file; start without --resume")
        kept = load_checkpoint(path, **dict.fromkeys(parts))  # the plain data only
        if set(kept.get("settings", ())) != set(settings):
            raise CheckpointError(f"{path}: another program wrote it; start without --resume")
        for name, value in settings.items():
            there = kept["settings"][name]
            if there != value:
                raise CheckpointError(f"{path}: its run had {name} {there}, not {value}")
        self.history += load_checkpoint(path, **parts)["history"]

    def kept(self) -> str:
        """Which weights there are, for a run that ends early."""
        if not self.history:
            return "No epoch was completed, so no weights were saved."
        return (
            f"{self.out / 'weights.npz'} holds the weights after epoch {len(self.history)} "
            f"({self.history[-1]['test_accuracy']:.2%} on held-out images)."
        )


def save_weights(path: Path, weights: dict[str, np.ndarray]) -> None:
    with replace_file(path) as file:
        np.savez(file, **weights)
