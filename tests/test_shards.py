"""Batches in shards: the gradients of the whole batch, a fraction of its memory, and fixed draws."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn, optim, training
from autograd_cnn.training import shards as parts

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.standard_normal((24, 1, 8, 8)), RNG.integers(0, 3, 24)


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    ag.set_default_dtype("float64")
    yield
    ag.set_default_dtype("float32")


def network(*inner: Any) -> Any:
    ag.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), *inner, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    return model


def stepped(
    model: Any, shards: int, steps: int = 3, count: int = 24, loss: Any = F.cross_entropy
) -> Any:
    """Losses, state and outputs after some steps on the first samples."""
    step = training.Step(model, loss, optim.SGD(model.parameters(), lr=0.1), shards=shards)
    losses = [step(IMAGES[:count], LABELS[:count]).item() for _ in range(steps)]
    return losses, model.state_dict(), step.outputs


@given(st.integers(1, 200), st.integers(1, 40), st.booleans())
def test_cuts_cover_the_batch_in_order_with_sizes_that_differ_by_one(
    count: int, shards: int, norm: bool
) -> None:
    found = parts.cuts(count, shards, nn.BatchNorm1d(1) if norm else nn.ReLU())
    assert [x for a, b in found for x in range(a, b)] == list(range(count))
    sizes = [b - a for a, b in found]
    assert max(sizes) - min(sizes) <= 1
    assert len(found) == max(1, min(shards, count // 2 if norm else count))


@pytest.mark.parametrize("shards", [2, 3, 5, 24, 100])
def test_without_batch_norm_it_is_the_whole_batch_to_rounding(shards: int) -> None:
    (losses, state, out), (others, other, whole) = stepped(network(), shards), stepped(network(), 1)
    np.testing.assert_allclose(losses, others, rtol=1e-12)
    np.testing.assert_allclose(out.numpy(), whole.numpy(), rtol=1e-9, atol=1e-12)
    for name in state:
        np.testing.assert_allclose(state[name], other[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shards", [2, 5, 100])
def test_running_statistics_are_those_of_the_whole_batch(
    shards: int, momentum: float | None
) -> None:
    """Of the first batch norm: what comes before is the same."""
    for count in (24, 7, 3):
        norms = [nn.BatchNorm2d(4, momentum=momentum) for _ in range(2)]
        found, whole = (
            stepped(network(norm), k, 1, count)[1] for norm, k in zip(norms, (shards, 1))
        )
        assert found["1.num_batches_tracked"] == 1
        for name in ("1.running_mean", "1.running_var"):
            np.testing.assert_allclose(found[name], whole[name], rtol=1e-12)


def test_batch_norm_normalises_each_shard() -> None:
    model = network(nn.BatchNorm2d(4, affine=False))
    step = training.Step(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0), shards=3)
    step(IMAGES, LABELS)
    each = [model(IMAGES[k : k + 8]).numpy() for k in (0, 8, 16)]
    np.testing.assert_array_equal(step.outputs.numpy(), np.concatenate(each))  # type: ignore[union-attr]


def test_draws_depend_on_seed_step_and_shard() -> None:
    found = [stepped(network(nn.Dropout(0.5)), 4)[0] for _ in range(2)]
    assert found[0] == found[1]
    model = nn.Sequential(nn.Linear(50, 50), nn.Dropout(0.5))
    nn.init.ones_(model[0].weight)
    drawn = training.Step(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.0), shards=4)
    ag.manual_seed(0)
    masks = []
    for _ in range(2):
        drawn(np.ones((8, 50)), np.zeros((8, 50)))
        masks += np.split(drawn.outputs.numpy(), 4)  # type: ignore[union-attr]
    assert len({m.tobytes() for m in masks}) == 8


class Pair(nn.Module):
    """A module that takes a tuple, counts its calls, and keeps a mean and a number of its own."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(np.ones(3))
        self.register_buffer("seen", np.zeros(()))
        self.register_buffer("calls", np.zeros((), np.int64))

    def forward(self, both: Any) -> Any:
        self.seen[()] += both[0].shape[0]
        self.calls[()] += 1
        return both[0] * self.weight + both[1]["b"]


def test_trees_of_arrays_and_buffers_of_the_user() -> None:
    model = Pair()
    step = training.Step(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1), shards=4)
    batch = RNG.standard_normal((8, 3)), {"b": RNG.standard_normal((8, 3))}
    step(batch, np.zeros((8, 3)))
    assert (model.seen, model.calls) == (2.0, 1)  # the mean over shards; that of the last shard
    assert step.outputs.shape == (8, 3)  # type: ignore[union-attr]


def test_a_parameter_that_only_some_shards_use() -> None:
    used, unused = nn.Parameter(np.ones(())), nn.Parameter(np.ones(()))

    def model(x: Any) -> Any:
        return x * used if x.max() > 6 else x * 2.0 + 0 * used + 0.0

    step = training.Step(
        model, lambda y, t: (y - t).mean(), optim.SGD([used, unused], lr=1.0), shards=2
    )
    step(np.arange(8.0), np.zeros(8))
    assert unused.grad is None
    assert used.grad is not None
    assert used.grad.item() == pytest.approx(np.mean([4, 5, 6, 7]) / 2)


def test_float16_adds_in_float32() -> None:
    weight = nn.Parameter(np.ones(1, np.float16))
    step = training.Step(
        lambda x: x * weight, lambda y, t: y.mean(), optim.SGD([weight], lr=0.0), shards=4
    )
    step(np.ones((8, 1), np.float16), np.zeros(8))
    assert weight.grad is not None
    assert weight.grad.dtype == np.float16
    assert weight.grad.item() == 1.0


def test_the_memory_is_a_fraction() -> None:
    def peak(shards: int) -> int:
        model = nn.Sequential(
            nn.Conv2d(1, 16, 5),
            nn.ReLU(),
            nn.Conv2d(16, 16, 5),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(6400, 10),
        )
        step = training.Step(
            model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1), shards=shards
        )
        x, y = np.ones((64, 1, 28, 28)), np.arange(64) % 10
        step(x, y)
        tracemalloc.start()
        step(x, y)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(8) < peak(1) / 4


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_every_step_of_a_program_is_audited(
    optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program and the ordinary step give the same bits, running statistics included."""
    monkeypatch.setenv("AUTOGRAD_CNN_AUDIT", "1")
    model = network(nn.BatchNorm2d(4), nn.Dropout(0.2))
    step = training.Step(model, F.cross_entropy, optimizer(model.parameters()), shards=3)
    for _ in range(2):
        step(IMAGES, LABELS)
    monkeypatch.delenv("AUTOGRAD_CNN_AUDIT")
    again = network(nn.BatchNorm2d(4), nn.Dropout(0.2))
    step = training.Step(again, F.cross_entropy, optimizer(again.parameters()), shards=3)
    for _ in range(2):
        step(IMAGES, LABELS)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, again.state_dict()[name])


def test_blas_has_one_thread_in_a_shard_and_as_many_as_before_after_it() -> None:
    get = [get for get, _ in kernels.threads._blas()]
    if not get:
        pytest.skip("NumPy's BLAS is not an OpenBLAS that can be told")
    before, seen = [f() for f in get], []

    def loss(y: Any, t: Any) -> Any:
        seen.append([f() for f in get])
        return F.cross_entropy(y, t)

    kernels.threads.set_blas_threads(2)
    try:
        stepped(network(), 2, 1, loss=loss)
        assert seen == [[1] * len(get)] * 2
        assert [f() for f in get] == [2] * len(get)
    finally:
        kernels.threads.set_blas_threads(before[0])


def test_mistakes() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    sgd = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="Step: shards must be at least 1, got 0"):
        training.Step(model, F.cross_entropy, sgd, shards=0)
    with pytest.raises(TypeError, match="Step: shards must be an integer, got 1.5"):
        training.Step(model, F.cross_entropy, sgd, shards=1.5)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"with shards, loss must be a mean, got CrossEntropyLoss\("
    ):
        training.Step(model, nn.CrossEntropyLoss(reduction="sum"), sgd, shards=2)
    step = training.Step(model, F.cross_entropy, sgd, shards=2)
    x = np.ones((4, 2, 2))
    for inputs, targets in (
        (x, np.zeros(3, int)),
        (x[:0], np.zeros(0, int)),
        (x, 3),
        (x, [0, 1, 0, 1]),
    ):
        with pytest.raises(
            ValueError, match="Step: with shards, inputs and targets must be arrays"
        ):
            step(inputs, targets)


class Sometimes(nn.Module):
    """A layer that only some shards run."""

    def __init__(self) -> None:
        self.norm, self.turn = nn.BatchNorm1d(3), 0

    def forward(self, x: Any) -> Any:
        self.turn += 1
        return self.norm(x) if self.turn % 2 else x


def test_statistics_follow_the_shards_that_ran_the_layer() -> None:
    x, y = np.random.default_rng(0).standard_normal((12, 3)), np.zeros(12, int)
    model = nn.Sequential(Sometimes(), nn.Linear(3, 2)).double()
    step = training.Step(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.0), shards=4)
    step(x, y)
    norm, ran = model[0].norm, np.concatenate([x[:3], x[6:9]])
    np.testing.assert_allclose(norm.running_mean, 0.1 * ran.mean(axis=0))
    assert int(norm.num_batches_tracked) == 1


@pytest.mark.parametrize(
    ("loss", "target", "words"),
    [
        (partial(F.cross_entropy, reduction="sum"), 0, "loss must be a mean"),
        (nn.CrossEntropyLoss(weight=np.ones(2)), 0, "all samples must count as much"),
        (partial(F.cross_entropy, weight=np.ones(2)), 0, "all samples must count as much"),
        (F.cross_entropy, -100, "all targets must count"),
    ],
)
def test_losses_that_are_no_mean_over_samples_are_refused(
    loss: Any, target: int, words: str
) -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=words):
        training.Step(model, loss, optim.SGD(model.parameters(), lr=0.1), shards=3)(
            np.ones((6, 3), np.float32), np.full(6, target)
        )
