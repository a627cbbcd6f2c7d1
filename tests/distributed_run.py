"""What tests/test_distributed.py runs on MPI: small trainings, described by options as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data, distributed, nn, optim, training
from autograd_cnn import functional as F

IMAGES = np.random.default_rng(0).standard_normal((45, 1, 8, 8)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 45)


def build(mode: str, optimizer: str, plain: bool) -> tuple[Any, Any, Any]:
    """Model, optimizer and loader: convolution, batch norm and dropout, unless they are `plain`."""
    ag.manual_seed(1 + distributed.start().rank)  # rank 0 decides
    rest = [nn.BatchNorm2d(3), nn.Dropout(0.3), nn.BatchNorm1d(16)]
    norm, dropout, norm_1d = [nn.Identity()] * 3 if plain else rest
    model = nn.Sequential(
        *(nn.Conv2d(1, 3, 3), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), dropout),
        *(nn.Linear(27, 16), norm_1d, nn.ReLU(), nn.Linear(16, 3)),
    )
    made = optim.Adam(model.parameters(), lr=0.01)
    if optimizer == "SGD":
        made = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loader = {"exact": data.DataLoader, "fast": distributed.DataLoader}[mode]
    return model, made, loader((IMAGES, LABELS), 20, shuffle=True, seed=3)


def train(
    steps: int,
    mode: str = "exact",
    optimizer: str = "Adam",
    plain: bool = False,
    shards: int | None = None,
    synchronized: bool = False,
    path: str | None = None,
) -> dict[str, Any]:
    """So many steps, with a checkpoint after each if there is a path; what came out."""
    model, made, loader = build(mode, optimizer, plain)
    if synchronized:
        distributed.synchronize_batch_norm(model)
    parts = {"model": model, "optimizer": made, "loader": loader}
    losses: list[float] = []
    if path and os.path.exists(path):
        losses = training.load_checkpoint(path, **parts)["losses"]
    step = distributed.Step(model, F.cross_entropy, made, mode=mode, shards=shards)
    while len(losses) < steps:
        for images, labels in step.batches(loader):
            losses.append(step(images, labels).item())
            if path and step.world.rank == 0:
                training.save_checkpoint(path, losses=losses, **parts)
                print(len(losses), flush=True)
            if len(losses) == steps:
                break
    return {"losses": losses, "state": {k: v.tolist() for k, v in model.state_dict().items()}}


def main(out: str, every: list[dict[str, Any]]) -> None:
    """Write the results of all trainings, each rank to its file."""
    rank = distributed.start().rank
    with open(f"{out}.{rank}.pid", "w") as file:
        file.write(str(os.getpid()))
    found = [train(**options) for options in every]
    with open(f"{out}.{rank}", "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
