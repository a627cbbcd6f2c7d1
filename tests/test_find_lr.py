"""The learning-rate range test: its rates, its suggestion, and that it leaves all as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import data, nn, optim, training
from autograd_cnn import functional as F
from tests.programs import check_png
from tests.training_run import described


def digits(count: int = 256, batch: int = 32) -> list[tuple[ag.Tensor, np.ndarray]]:
    images, labels = data.digits().train[:count]
    inputs = images.astype(np.float32) / 255 - 0.5
    return [
        (ag.tensor(inputs[k : k + batch]), labels[k : k + batch]) for k in range(0, count, batch)
    ]


def network() -> nn.Sequential:
    ag.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(676, 10)),
    )


def everything(model: nn.Module, optimizer: optim.Optimizer, loader: Any) -> Any:
    """All that must be as before, comparable."""
    grads = [p.grad if p.grad is None else p.grad.numpy() for p in model.parameters()]
    state = model.state_dict(), optimizer.state_dict(), loader.state_dict(), grads
    modes = [m.training for m in model.modules()]
    return described([*state, modes, ag.random.generator().bit_generator.state])


def parts(kind: Any = optim.Adam) -> tuple[nn.Module, optim.Optimizer, Any]:
    """A model in the middle of a training, with gradients and layers in both modes."""
    model = network()
    model[1].eval()
    optimizer = kind(model.parameters(), lr=0.01)
    images, labels = data.digits().train[:128]
    loader = data.DataLoader((images.astype(np.float32) / 255, labels), 16, shuffle=True, seed=3)
    for inputs, targets in loader:
        training.Step(model, F.cross_entropy, optimizer)(inputs, targets)
        break
    return model, optimizer, loader


def test_frozen_parameters_rest() -> None:
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.numpy().copy()
    assert training.find_lr(model, F.cross_entropy, digits()).suggestion > 0
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


@pytest.mark.parametrize("kind", [optim.Adam, optim.SGD])
def test_the_suggestion_trains(kind: Any) -> None:
    model, batches = network(), digits()
    optimizer = kind(model.parameters())
    found = training.find_lr(model, F.cross_entropy, batches, optimizer)
    step = training.Step(model, F.cross_entropy, kind(model.parameters(), lr=found.suggestion))
    losses = [step(*batch).item() for _ in range(6) for batch in batches]
    assert np.mean(losses[-8:]) < 0.4 * np.mean(losses[:2])
    assert repr(found).startswith(f"RateTest({len(found.rates)} rates from 1e-06 to ")


def test_it_stops_when_the_loss_climbs_and_the_rates_rise_evenly() -> None:
    found = training.find_lr(network(), F.cross_entropy, digits(), highest=1e4)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 100
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e10) / 99)
    assert found.smoothed[-1] > 4 * found.smoothed.min()
    assert 10 * found.suggestion == pytest.approx(found.rates[found.smoothed.argmin()])
    assert np.isfinite(found.losses).all()


def test_generators_end_and_lists_go_round() -> None:
    settings = {"steps": 20, "highest": 1e-3}
    batches = digits(96)
    assert len(training.find_lr(network(), F.cross_entropy, batches, **settings).rates) == 20
    assert len(training.find_lr(network(), F.cross_entropy, iter(batches), **settings).rates) == 3


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("source", ["seed", "generator", "manual_seed"])
def test_a_loader_gives_the_passes_that_it_would_have_given(source: str, begun: bool) -> None:
    inputs, labels = np.ones((32, 676), np.float32), np.arange(32) % 10
    passes = []
    for tested in (False, True):
        ag.manual_seed(0)
        own = {"seed": {"seed": 3}, "generator": {"generator": np.random.default_rng(3)}}
        loader = data.DataLoader((inputs, labels), 8, shuffle=True, **own.get(source, {}))
        if begun:
            next(iter(loader))
        if tested:
            training.find_lr(network()[-1:], F.cross_entropy, loader, steps=9)
        elif source == "manual_seed":
            network()  # draws weights
        passes.append([y.tolist() for _ in range(2) for _, y in loader])
    assert passes[0] == passes[1]


class Interrupted(list):
    """Batches, and then an error."""

    def __init__(self, error: Any) -> None:
        super().__init__(digits(128))
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        raise self.error


def diverging(scores: Any, labels: Any) -> Any:
    return F.cross_entropy(scores * 1e30, labels) * 1e30


@pytest.mark.parametrize("how", ["end", "interrupt", "error", "divergence"])
def test_all_is_as_it_was(how: str) -> None:
    model, optimizer, loader = parts()
    before = everything(model, optimizer, loader)
    if how == "end":
        training.find_lr(model, F.cross_entropy, loader, optimizer)
    elif how == "divergence":
        with pytest.raises(ValueError, match="find_lr: .* the loss of the first one is not finite"):
            training.find_lr(model, diverging, loader, optimizer)
    else:
        error = KeyboardInterrupt() if how == "interrupt" else ValueError("damaged")
        with pytest.raises(type(error)):
            training.find_lr(model, F.cross_entropy, Interrupted(error), optimizer)
    assert everything(model, optimizer, loader) == before


def test_what_the_optimizer_trains_beside_the_model_is_as_it_was_too() -> None:
    model, scale = network(), nn.Parameter([1.0])
    optimizer = optim.SGD([*model.parameters(), scale])
    training.find_lr(
        model, lambda scores, y: F.cross_entropy(scores * scale, y), digits(), optimizer
    )
    assert scale.tolist() == [1.0]
    assert scale.grad is None
    state = model.state_dict()
    head = optim.SGD(model[-1].parameters())
    training.find_lr(model, F.cross_entropy, digits(), head)
    assert all(np.array_equal(x, state[n]) for n, x in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_losses_below_0() -> None:
    model = nn.Linear(1, 1)
    x = np.ones((4, 1), np.float32)
    found = training.find_lr(model, lambda y, t: ((y - t) ** 2).mean() - 5.0, [(x, x)])
    assert np.isfinite(found.suggestion)
    assert found.losses.min() < -4


def test_drawing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    found = training.find_lr(network(), F.cross_entropy, digits())
    found.plot(tmp_path / "rates.png")
    check_png(tmp_path / "rates.png")
    assert copy.deepcopy(found).suggestion == found.suggestion
