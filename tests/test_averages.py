"""Averaged weights: SWA and EMA by hand and as in PyTorch, buffers, batch norm, checkpoints."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn, training
from autograd_cnn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def moved(model: nn.Module, seed: int) -> dict[str, np.ndarray]:
    """Give a model other weights and statistics; returns its state."""
    rng = np.random.default_rng(seed)
    state = {n: np.asarray(rng.normal(size=x.shape)) for n, x in model.state_dict().items()}
    state["1.num_batches_tracked"] = np.array(seed)
    model.load_state_dict(state | {"1.num_batches_tracked": np.array(seed)})
    return model.state_dict()


KINDS: dict[str, Any] = {
    "swa": (lambda: {}, [1 / 3, 1 / 3, 1 / 3]),
    "ema": (lambda: {"multi_avg_fn": get_ema_multi_avg_fn(0.75)}, [0.5625, 0.1875, 0.25]),
}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_averages_are_weighted_sums(kind: str, use_buffers: bool) -> None:
    settings, shares = KINDS[kind]
    model = network()
    averaged = AveragedModel(model, use_buffers=use_buffers, **settings())
    states = []
    for seed in range(3):
        states.append(moved(model, seed))
        averaged.update_parameters(model)
    assert int(averaged.n_averaged) == 3
    for name, found in averaged.module.state_dict().items():
        parts = [state[name] for state in states]
        mean = sum(share * part for share, part in zip(shares, parts))
        copied = ("running" in name and not use_buffers) or "num" in name
        np.testing.assert_allclose(found, parts[-1] if copied else mean, rtol=1e-5, atol=1e-6)
    assert all(a is not b for a, b in zip(averaged.parameters(), model.parameters()))


def test_the_model_is_not_changed_and_the_copy_predicts() -> None:
    model = network().eval()
    averaged = AveragedModel(model)
    before = model.state_dict()
    averaged.update_parameters(model)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(averaged(x), model(x))
    for p in averaged.parameters():
        nn.init.zeros_(p)
    assert all(np.array_equal(before[n], x) for n, x in model.state_dict().items())
    assert averaged.eval().module.training is False


def test_a_shared_weight_is_averaged_once() -> None:
    layer = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(layer, layer)
    averaged = AveragedModel(model)
    for weight in (1.0, 2.0):
        nn.init.constant_(layer.weight, weight)
        averaged.update_parameters(model)
    assert averaged.module[1].weight.item() == 1.5


def test_a_function_of_ones_own_and_a_graph_that_is_stale() -> None:
    model = nn.Linear(1, 1)
    counts = []

    def latest(averages: list[ag.Tensor], weights: list[ag.Tensor], n: int) -> None:
        counts.append(n)
        for average, weight in zip(averages, weights):
            average.mul_(0.0).add_(weight)

    averaged = AveragedModel(model, multi_avg_fn=latest)
    averaged.update_parameters(model)
    loss = averaged(np.ones((1, 1), np.float32)).sum()
    loss = loss * loss
    nn.init.constant_(model.weight, 7.0)
    averaged.update_parameters(model)
    assert counts == [1]
    assert averaged.module.weight.item() == 7.0


def test_an_average_goes_on_from_a_checkpoint(tmp_path: Any) -> None:
    def run(seeds: range, model: Any, averaged: Any) -> None:
        for seed in seeds:
            moved(model, seed)
            averaged.update_parameters(model)

    def start() -> tuple[Any, Any]:
        model = network()
        return model, AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    straight, first, second = start(), start(), start()
    run(range(6), *straight)
    run(range(3), *first)
    training.save_checkpoint(tmp_path / "run.npz", model=first[0], averaged=first[1])
    training.load_checkpoint(tmp_path / "run.npz", model=second[0], averaged=second[1])
    run(range(3, 6), *second)
    expected, found = straight[1].state_dict(), second[1].state_dict()
    assert next(iter(found)) == "n_averaged"
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_goes_on_as_the_first(kind: str, copied: Any) -> None:
    model = network()
    averaged = AveragedModel(model, **KINDS[kind][0]())
    averaged.update_parameters(model)
    twin = copied(averaged)
    moved(model, 1)
    for each in (averaged, twin):
        each.update_parameters(model)
    for name, array in averaged.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)


@pytest.mark.parametrize("training_mode", [False, True])
def test_update_bn_takes_the_mean_over_the_batches(training_mode: bool) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(seed, 2.0, (8, 3)).astype(np.float32) for seed in range(4)]
    norm = nn.BatchNorm1d(3)
    model = nn.Sequential(norm, nn.Dropout(0.5)).train(training_mode)
    norm.running_mean[...] = np.nan
    update_bn([(x, None) for x in batches], model)
    means, variances = ([f(x, axis=0) for x in batches] for f in (np.mean, np.var))
    np.testing.assert_allclose(norm.running_mean, np.mean(means, axis=0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var, np.mean(variances, axis=0) * 8 / 7, rtol=1e-5)
    assert (norm.momentum, int(norm.num_batches_tracked)) == (0.1, 4)
    assert {m.training for m in model.modules()} == {training_mode}
    with pytest.raises(ValueError, match="BatchNorm1d"):
        update_bn([batches[0], np.ones((2, 9), np.float32)], model)
    assert norm.momentum == 0.1
    assert {m.training for m in model.modules()} == {training_mode}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_as_in_pytorch(kind: str, use_buffers: bool) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    swa_utils = torch.optim.swa_utils
    make = {"swa": dict, "ema": lambda: {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.75)}}
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2)
    )
    expected = swa_utils.AveragedModel(theirs, use_buffers=use_buffers, **make[kind]())
    model = network()
    averaged = AveragedModel(model, use_buffers=use_buffers, **KINDS[kind][0]())
    for seed in range(4):
        state = moved(model, seed)
        theirs.load_state_dict({n: torch.tensor(x) for n, x in state.items()})
        averaged.update_parameters(model)
        expected.update_parameters(theirs)
    x = np.random.default_rng(0).normal(size=(3, 8, 3)).astype(np.float32)
    for updated in (False, True):
        if updated:
            update_bn(list(x), averaged)
            swa_utils.update_bn([torch.tensor(part) for part in x], expected)
        state, found = expected.state_dict(), averaged.state_dict()
        assert list(found) == list(state)
        for name, array in found.items():
            if "num_batches" not in name or updated or not use_buffers:
                np.testing.assert_allclose(array, state[name].numpy(), rtol=1e-5, atol=1e-6)
