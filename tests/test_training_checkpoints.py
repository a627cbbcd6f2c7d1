"""Checkpoints: a resumed run is the straight one, bit for bit; parts that do not fit change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import data, nn, optim, random
from autograd_cnn import functional as F
from autograd_cnn.data import augment
from autograd_cnn.training import (
    CheckpointError,
    EarlyStopping,
    load_checkpoint,
    save_checkpoint,
)
from tests.training_run import advance, build, states

Parts = dict[str, Any]

# ------------------------------------------------------------------------------------- the same numbers


def named(base: type) -> dict[str, Any]:
    """The public classes of optim that build on `base`, by name."""
    found = {name: getattr(optim, name) for name in optim.__all__}
    return {n: c for n, c in found.items() if issubclass(c, base) and c is not base}


SCHEDULES: dict[str, Callable[[optim.Optimizer], Any]] = {
    "StepLR": lambda o: optim.StepLR(o, 3),
    "MultiStepLR": lambda o: optim.MultiStepLR(o, [2, 7]),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.9),
    "InverseTimeLR": lambda o: optim.InverseTimeLR(o, 0.1),
    "LinearLR": lambda o: optim.LinearLR(o),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 12),
    "LambdaLR": lambda o: optim.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.1, total_steps=20),
    "ConstantLR": lambda o: optim.ConstantLR(o, 0.5, 6),
    "PolynomialLR": lambda o: optim.PolynomialLR(o, 12, 0.5),
    "CosineAnnealingWarmRestarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 3, 2),
    "SequentialLR": lambda o: optim.SequentialLR(
        o, [optim.LinearLR(o), optim.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: optim.ChainedScheduler(
        [optim.ConstantLR(o, 0.5, 6), optim.ExponentialLR(o, 0.9)]
    ),
    "ReduceLROnPlateau": lambda o: optim.ReduceLROnPlateau(o, patience=1, threshold=0.5),
}


OPTIMIZERS = {
    name: partial(made, lr=0.01, **({"momentum": 0.9} if made is optim.SGD else {}))
    for name, made in named(optim.Optimizer).items()
    if made is not optim.LBFGS  # test_lbfgs.py
}


def test_every_schedule_is_tried() -> None:
    assert SCHEDULES.keys() == named(optim.LRScheduler).keys()


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [*((name, "StepLR") for name in OPTIMIZERS), *(("SGD", name) for name in SCHEDULES)],
)
def test_a_resumed_run_is_the_straight_one(optimizer: str, schedule: str, tmp_path: Path) -> None:
    check_resume(tmp_path / "run.npz", OPTIMIZERS[optimizer], SCHEDULES[schedule])


def check_resume(path: Path, optimizer: Any, schedule: Any) -> None:
    straight, whole = build(optimizer, schedule, seed=1), []
    # In order, dropout and augmentation the run draws at random.
    assert straight["loader"].shuffle
    assert straight["loader"].augment.func is augment.warp
    assert any(isinstance(m, nn.Dropout) for m in straight["model"].modules())
    advance(straight, whole, 12)
    first, losses = build(optimizer, schedule, seed=1), []
    # Of 4 batches an epoch: the last checkpoint is one batch into the second.
    advance(first, losses, 5, lambda: save_checkpoint(path, losses=losses, **first))
    second = build(optimizer, schedule, seed=2)
    advance(second, [], 2)  # other weights and other states, which must all be replaced
    losses = load_checkpoint(path, **second)["losses"]
    assert len(losses) == 5
    advance(second, losses, 12)
    assert losses == whole
    assert states(second) == states(straight)


def test_a_learning_rate_set_by_hand_outlives_the_checkpoint(tmp_path: Path) -> None:
    """A schedule writes its rate when it is loaded; the optimizer's own must win."""
    run = build(partial(optim.SGD, lr=1.0), SCHEDULES["StepLR"], seed=0)
    run["optimizer"].param_groups[0]["lr"] = 0.375
    save_checkpoint(tmp_path / "run.npz", **run)
    for order in (list(run), list(reversed(run))):
        other = build(partial(optim.SGD, lr=1.0), SCHEDULES["StepLR"], seed=0)
        load_checkpoint(tmp_path / "run.npz", **{name: other[name] for name in order})
        assert other["optimizer"].param_groups[0]["lr"] == 0.375


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_generators_of_ones_own_go_on(kind: Any, tmp_path: Path) -> None:
    rng = np.random.Generator(kind(3))
    rng.random(7, np.float32)
    save_checkpoint(tmp_path / "run.npz", rng=rng)
    expected = rng.random(100).tolist()
    other = np.random.Generator(kind(4))
    load_checkpoint(tmp_path / "run.npz", rng=other)
    assert other.random(100).tolist() == expected


# ------------------------------------------------------------------------------------- version 0.1.0

OLD = Path(__file__).parent / "data" / "checkpoint-0.1.0.npz"


def old_parts(seed: int) -> Parts:
    ag.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.BatchNorm1d(1), nn.Dropout(0.5))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    points = np.arange(18, dtype=np.float32).reshape(9, 2) % 7
    return {
        "model": model,
        "optimizer": optimizer,
        "schedule": optim.StepLR(optimizer, 2),
        "loader": data.DataLoader(points, 3, shuffle=True, seed=4),
        "stopping": EarlyStopping(nn.Linear(1, 1, bias=False), patience=9),
    }


def steps(parts: Parts) -> Iterator[float]:
    """Trains step by step; yields the losses."""
    while True:
        for points in parts["loader"]:
            loss = F.mse_loss(parts["model"](points), points[:, :1])
            parts["optimizer"].zero_grad()
            loss.backward()
            parts["optimizer"].step()
            parts["schedule"].step()
            parts["stopping"].update(loss)
            yield loss.item()


def test_a_checkpoint_of_version_0_1_0_goes_on() -> None:
    """Version 0.1.0 wrote the file, with `old_parts` and `steps` as above, by these lines:

    parts, path = old_parts(1), "checkpoint-0.1.0.npz"
    run = steps(parts)
    next(run), next(run)
    save_checkpoint(path, **parts)
    losses = [next(run) for _ in range(4)]
    parts = old_parts(2)
    load_checkpoint(path, **parts)
    save_checkpoint(path, losses=losses, **parts)
    """
    parts = old_parts(3)
    losses = load_checkpoint(OLD, **parts)["losses"]
    assert parts["loader"].state_dict()["step"] == 2
    assert parts["schedule"].last_epoch == 2
    assert parts["stopping"].best is not None
    run = steps(parts)
    # Another order of float32 sums may change the last bits, of values around 10.
    np.testing.assert_allclose([next(run) for _ in losses], losses, rtol=1e-5)


def test_weights_of_version_0_1_0_load() -> None:
    """From an npz file with the names that `state_dict` gave, as in a weights.npz."""
    parts, model = old_parts(3), old_parts(4)["model"]
    load_checkpoint(OLD, **parts)
    with np.load(OLD, allow_pickle=False) as file:
        names = [name for name in file.files if name.startswith("model/")]
        model.load_state_dict({name.removeprefix("model/"): file[name] for name in names})
    assert states({"model": model}) == states({"model": parts["model"]})


# ---------------------------------------------------------------------------------------- other parts


def small(seed: int = 0) -> Parts:
    parts = old_parts(seed)
    next(steps(parts))
    return parts | {"rng": np.random.default_rng(seed)}


def without(parts: Parts, *names: str) -> Parts:
    return {name: part for name, part in parts.items() if name not in names}


MISFITS: dict[str, tuple[Callable[[Parts], Parts], str]] = {
    "shape": (
        lambda p: p | {"model": nn.Sequential(nn.Linear(2, 3, bias=False), *p["model"][1:])},
        r"model does not fit the saved one.*\n.*weight: expected shape \(3, 2\), got \(1, 2\)",
    ),
    "names": (lambda p: p | {"model": nn.Linear(2, 1)}, "missing: weight"),
    "optimizer": (
        lambda p: p | {"optimizer": optim.Adam(p["model"].parameters())},
        "the state of 'optimizer' is that of SGD, but optimizer is Adam",
    ),
    "groups": (
        lambda p: p | {"optimizer": optim.SGD(list(p["model"].parameters())[1:], lr=1.0)},
        r"optimizer does not fit the saved one.*expected groups of \[2\] .*got groups of \[3\]",
    ),
    "schedule": (
        lambda p: p | {"schedule": optim.ExponentialLR(p["optimizer"], 0.5)},
        "'schedule' is that of StepLR, but schedule is ExponentialLR",
    ),
    "loader": (
        lambda p: p | {"loader": data.DataLoader(np.zeros((9, 2)), 2, shuffle=True, seed=4)},
        "loader does not fit the saved one.*batch_size is 2, but 3",
    ),
    "generator": (
        lambda p: p | {"rng": np.random.Generator(np.random.Philox(1))},
        "rng does not fit the saved one",
    ),
    "missing": (
        lambda p: p | {"ema": nn.Linear(1, 1)},
        "no state of 'ema'; its states are: 'model', 'opt",
    ),
    "plain": (lambda p: p | {"history": nn.Linear(1, 1)}, "no state of 'history'"),
    "forgotten": (
        lambda p: without(p, "rng"),
        "also has the state of 'rng'; give that part too, or rng=None to leave it out",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_parts_that_do_not_fit_are_named_and_nothing_changes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    save_checkpoint(path, history=[1], **small())
    change, message = MISFITS[name]
    mine = small(1)
    mine["optimizer"].param_groups[0]["lr"] = 0.77  # set by hand
    parts = change(mine)
    before = states(parts)
    with pytest.raises(CheckpointError, match=f"(?s)run.npz: .*{message}"):
        load_checkpoint(path, **parts)
    assert states(parts) == before


def test_none_leaves_a_part_out_and_a_model_may_have_another_class(tmp_path: Path) -> None:
    class Renamed(nn.Sequential):
        pass

    path, saved, mine = tmp_path / "run.npz", small(0), small(1)
    mine["model"] = Renamed(*mine["model"])
    save_checkpoint(path, ema=None, **saved)
    rest = {n: part for n, part in mine.items() if n != "model"}
    before = states(rest)
    chosen = dict.fromkeys(saved) | {"model": mine["model"]}
    random_state = random.generator().bit_generator.state
    assert load_checkpoint(path, **chosen) == {"ema": None}
    random.generator().bit_generator.state = random_state
    assert states(rest) == before
    assert mine["model"][0].weight.tolist() == saved["model"][0].weight.tolist()


# ---------------------------------------------------------------------------------------- broken states


def with_broken(state: Any) -> Iterator[tuple[str, Any]]:
    """Every number in a state, and what the state is with each of some nonsense in its place."""
    for name, value in state.items():
        if isinstance(value, int | float):
            for wrong in ("x", math.nan, [1.0, 2.0], np.array("x"), np.zeros(77), object()):
                if name == "mu_product" and isinstance(wrong, list):
                    continue  # lists pass, for optimizers of the user's own
                yield f"{name} of {wrong}", {**state, name: wrong}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_broken_state_of_an_optimizer_is_refused(name: str) -> None:
    run = build(OPTIMIZERS[name], SCHEDULES["StepLR"], seed=0)
    advance(run, [], 1)
    optimizer = run["optimizer"]
    state, before = optimizer.state_dict(), states(run)
    for position, entry in state["state"].items():
        broken = list(with_broken(entry))
        broken += [(f"{key} of text", {**entry, key: np.full(3, "x")}) for key in entry]
        if "step" in entry:
            broken += [(f"step {n}", {**entry, "step": n}) for n in (-1, 2.5, math.inf, None, 1j)]
        for what, wrong in broken:
            with pytest.raises((ValueError, TypeError), match=rf"load_state_dict: .*{position}"):
                optimizer.load_state_dict({**state, "state": {**state["state"], position: wrong}})
            assert states(run) == before, what


@pytest.mark.parametrize("part", [*SCHEDULES, "loader", "stopping"])
def test_a_broken_state_of_another_part_is_refused(part: str) -> None:
    run = build(partial(optim.SGD, lr=0.01), SCHEDULES.get(part, SCHEDULES["StepLR"]), seed=0)
    advance(run, [], 2)
    target = run["schedule"] if part in SCHEDULES else run[part]
    before, broken = states(run), list(with_broken(target.state_dict()))
    assert len(broken) >= 6
    for what, wrong in broken:
        with pytest.raises((ValueError, TypeError), match="load_state_dict: "):
            target.load_state_dict(wrong)
        assert states(run) == before, what


def test_read_only_memory_is_named_before_anything_changes(tmp_path: Path) -> None:
    """Such as that of a model that was mapped from a file."""
    saved, mine = small(0), small(1)
    save_checkpoint(tmp_path / "run.npz", **saved)
    weight, mean = mine["model"][0].weight, mine["model"][1].running_mean
    for array, name in ((weight.array, "0.weight"), (mean, "1.running_mean")):
        array.flags.writeable = False
        before = states(mine)
        with pytest.raises(
            CheckpointError, match=rf"{name}: the memory in the module is read-only"
        ):
            load_checkpoint(tmp_path / "run.npz", **mine)
        assert states(mine) == before
        array.flags.writeable = True
    weight.array.flags.writeable = False
    with pytest.raises(ValueError, match="parameter 0 of shape .* has read-only memory; p.data ="):
        optim.SGD([weight])
    weight.data = weight.data.copy()
    optim.SGD([weight])
