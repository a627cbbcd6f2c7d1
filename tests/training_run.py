"""A small run with everything that a checkpoint must keep, also as a program that gets killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data, nn, optim, random, training
from autograd_cnn import functional as F
from autograd_cnn.data import augment


def build(optimizer: Any, schedule: Any, seed: int) -> dict[str, Any]:
    """Parts of a run: convolution, batch norm and dropout; shuffled, augmented batches."""
    ag.manual_seed(seed)
    images = np.random.default_rng(0).integers(0, 256, (46, 1, 8, 8)).astype(np.uint8)
    warped = partial(augment.warp, degrees=10, shift=1, elastic=0.5)
    loader = data.DataLoader(
        (images, np.arange(46) % 3), 13, shuffle=True, seed=5, augment=warped
    )  # 4 batches
    model = nn.Sequential(
        *(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(108, 3)),
    )
    made = optimizer(model.parameters())
    return {
        "model": model,
        "optimizer": made,
        "schedule": schedule(made),
        "loader": loader,
        "stopping": training.EarlyStopping(model, patience=99),
    }


def advance(
    run: dict[str, Any],
    losses: list[float],
    until: int,
    after_step: Callable[[], Any] = lambda: None,
) -> None:
    """Train until there are so many losses, over as many passes as that takes."""
    while len(losses) < until:
        for images, labels in run["loader"]:
            loss = F.cross_entropy(run["model"](ag.tensor(images, dtype="float32") / 255), labels)
            run["optimizer"].zero_grad()
            loss.backward()
            run["optimizer"].step()
            losses.append(loss.item())
            run["stopping"].update(loss)
            if isinstance(run["schedule"], optim.ReduceLROnPlateau):
                run["schedule"].step(losses[-1])
            else:
                run["schedule"].step()
            after_step()
            if len(losses) == until:
                break


def described(value: Any) -> Any:
    """A value with its types, comparable: NaN equals NaN, and 1 differs from 1.0 and True."""
    if isinstance(value, dict):
        return {(type(k), k): described(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [described(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return type(value), value.dtype, value.shape, value.tobytes()
    return type(value), repr(value)


def states(parts: dict[str, Any]) -> Any:
    """The state of every part and of the generator behind dropout, comparable."""
    every = {**parts, "random": random.generator()}
    return described(
        {
            name: part.bit_generator.state
            if isinstance(part, np.random.Generator)
            else part.state_dict()
            for name, part in every.items()
        }
    )


def main(path: str, steps: int) -> None:
    """Train, with a checkpoint after every step; go on from one that is there."""
    run = build(partial(optim.Adam, lr=0.01), partial(optim.StepLR, step_size=3), seed=0)
    losses: list[float] = []
    if os.path.exists(path):
        losses = training.load_checkpoint(path, **run)["losses"]

    def keep() -> None:
        training.save_checkpoint(path, losses=losses, **run)
        print(len(losses), flush=True)

    advance(run, losses, steps, keep)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
