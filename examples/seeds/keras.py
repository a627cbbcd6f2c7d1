"""Training as Keras does it by default: first weights, Adam, batches of 32."""

from collections.abc import Callable
from typing import Any

import numpy as np
from training import Record, batch_innermost, fit

import autograd_cnn as ag
from autograd_cnn import data, nn, optim
from autograd_cnn.training import History

from .registry import Run


def unit(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, 1, H, W) as float32 in 0..1."""
    return (batch_innermost(images) / 255).transpose(3, 0, 1, 2)


def initialise(model: nn.Module) -> nn.Module:
    """Weights from Glorot's uniform distribution and biases 0, as in Keras."""
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
    """Adam on shuffled batches of 32, with the test images for validation after every epoch.

    The folder `name` in `run.out` gets weights and a checkpoint after every epoch, and the curves.
    """
    ag.manual_seed(0)
    model = initialise(make_model())
    batches = data.DataLoader(run.mnist.train, 32, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters(), lr=rate, eps=1e-7)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "batches": batches}
    folder = run.out / name
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(folder, {"name": name})
    if run.resume and record.checkpoint.exists():
        record.resume(parts)
        print(f"{record.checkpoint} has epochs 1 to {len(record.history)}", flush=True)
    fit(
        **parts,
        schedule=None,
        held_out=run.mnist.test,
        epochs=run.epochs or epochs,
        prepare=prepare,
        history=record.history,
        after_epoch=lambda _: record.save(parts),
    )
    import figures  # here, because matplotlib loads more slowly than C1 to C9 run

    if figures.available():
        title = f"{name}, MNIST, validation on the test images"
        record.history.plot(folder / "curves.png", title)
    else:
        print(f"Curves skipped: they {figures.NEED}.")
    print(f"Checkpoint, weights and curves are in {folder}\n")
    return record.history


def timed(history: History) -> dict[str, Any]:
    """Measurements of a long run that D1 and D2 share."""
    best = history.best("test_accuracy")
    return {
        "best validation accuracy": 100 * best["test_accuracy"],
        "reached in epoch": best["epoch"],
        "last validation accuracy": 100 * history[-1]["test_accuracy"],
        "seconds per epoch": f"{np.median(history['seconds']):.1f}",
    }
