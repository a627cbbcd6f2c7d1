"""Keras' habits, for the systems that were trained with it: weights, Adam, and the training run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data, nn, optim
from autograd_cnn.training import load_checkpoint, replace_file, save_checkpoint

from ..training import History, fit
from .registry import Run


def unit(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 1, H, W) as float32 in 0..1, in memory with the batch innermost."""
    innermost = images.transpose(1, 2, 3, 0).astype(np.float32, order="C")
    innermost /= 255
    return innermost.transpose(3, 0, 1, 2)


def initialise(model: nn.Module) -> nn.Module:
    """Weights from Glorot's uniform distribution and biases 0, as Keras does without being told."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return model


def train(
    run: Run,
    name: str,
    make_model: Callable[[], nn.Module],
    *,
    rate: float,
    epochs: int,
    prepare: Callable[[np.ndarray], np.ndarray] = unit,
) -> History:
    """Adam on batches of 32, shuffled, with the test images for validation after every epoch.

    The folder `name` in `run.out` gets a checkpoint after every epoch, the history as JSON, and the
    curves.
    """
    ag.manual_seed(0)
    model = initialise(make_model())
    batches = data.DataLoader(run.mnist.train, 32, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters(), lr=rate, eps=1e-7)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "batches": batches}
    folder = run.out / name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.npz"
    history: History = []
    if run.resume and checkpoint.exists():
        history = load_checkpoint(checkpoint, **parts)["history"]
        print(f"{checkpoint} has epochs 1 to {len(history)}", flush=True)

    def save(history: History) -> None:
        save_checkpoint(checkpoint, history=history, **parts)
        _write_history(folder / "history.json", history)

    fit(
        model,
        optimizer,
        None,
        batches,
        run.mnist.test,
        run.epochs or epochs,
        prepare=prepare,
        history=history,
        after_epoch=save,
    )
    _draw(folder / "curves.png", name, history)
    print(f"Checkpoint, history and curves are in {folder}\n")
    return history


def best_epoch(history: History) -> dict[str, Any]:
    """The epoch with the highest validation accuracy; of several the first."""
    return max(history, key=lambda epoch: epoch["test_accuracy"])


def _write_history(path: Path, history: History) -> None:
    """A line per epoch, without the losses of its steps."""
    epochs = [{k: v for k, v in epoch.items() if k != "step_losses"} for epoch in history]
    with replace_file(path) as file:
        file.write(("[\n" + ",\n".join(map(json.dumps, epochs)) + "\n]\n").encode())


def _draw(path: Path, name: str, history: History) -> None:
    from .. import figures  # here, as matplotlib takes longer to load than C1 to C9 take to run

    if not figures.available():
        print("Curves skipped: they need matplotlib (python -m pip install matplotlib).")
        return
    steps = [loss for epoch in history for loss in epoch["step_losses"]]
    figures.draw_curves(path, f"{name}, MNIST, validation on the test images", steps, history)
