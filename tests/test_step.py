"""A compiled step does what the ordinary step does, to the bit; so does a compiled model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from autograd_cnn.nn.recorded import Recorded
from autograd_cnn.training import Step


class Doubled(nn.Module):
    """A module of the user, which writes to its input."""

    def __init__(self) -> None:
        self.factor = nn.Parameter(np.full((), 2.0, np.float32))

    def forward(self, x: Any) -> Any:
        y = x * self.factor
        x += 1.0
        return y


class Detached(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.detach()


class Last(nn.Module):
    """The last output of a recurrent layer."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)[0][:, -1]


def shared() -> Any:
    layer = nn.Linear(6, 6)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 6), layer, nn.ReLU(), layer)


def frozen() -> Any:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
    model[0].requires_grad_(False)
    return model


S = nn.Sequential
MODELS: dict[str, Callable[[], Any]] = {
    "linear": lambda: S(nn.Flatten(), nn.Linear(36, 4)),
    "mlp": lambda: S(nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 4, bias=False)),
    "cnn": lambda: S(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)
    ),
    "norm": lambda: S(
        *(nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 5, 1), nn.MaxPool2d(2), nn.BatchNorm2d(5, momentum=None), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(5, 4)),
    ),
    "norm of vectors": lambda: S(nn.Flatten(), nn.Linear(36, 5), nn.BatchNorm1d(5), nn.ReLU()),
    "untracked norm": lambda: S(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten()),
    "nested": lambda: S(S(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)), S(nn.ReLU(), nn.Flatten())),
    "activations": lambda: S(
        *(nn.Flatten(), nn.Linear(36, 8), nn.GELU(), nn.SiLU(), nn.Tanh(), nn.Softplus()),
        *(nn.LayerNorm(8), nn.LeakyReLU(), nn.Sigmoid(), nn.ELU(), nn.Linear(8, 4)),
    ),
    "pools": lambda: S(
        *(nn.AvgPool2d(2), nn.ConvTranspose2d(1, 4, 2, stride=2), nn.GroupNorm(2, 4)),
        *(nn.AdaptiveAvgPool2d(2), nn.Upsample(scale_factor=2), nn.Flatten(), nn.Linear(64, 4)),
    ),
    "padded": lambda: S(
        *(nn.ReflectionPad2d(1), nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")),
        *(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Upsample(5, mode="bicubic")),
        *(nn.Conv2d(3, 2, 3, padding="same", padding_mode="replicate"), nn.ReLU()),
        *(nn.ConstantPad2d(-1, 0.5), nn.Flatten(), nn.RMSNorm(18), nn.Linear(18, 4)),
    ),
    "attention": lambda: S(
        *(nn.Flatten(), nn.Unflatten(1, (9, 4)), nn.Linear(4, 4)),
        nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", batch_first=True),
        *(nn.LayerNorm(4), nn.Flatten(), nn.Linear(36, 4)),
    ),
    "recurrent": lambda: S(
        *(nn.Flatten(), nn.Unflatten(1, (9, 4)), nn.Linear(4, 4), nn.Tanh()),
        *(Last(nn.LSTM(4, 3, 2, batch_first=True, dropout=0.2)), nn.Linear(3, 4)),
    ),
    "a recurrent cell": lambda: S(nn.Flatten(), nn.GRUCell(36, 5), nn.Linear(5, 4)),
    "dropout": lambda: S(nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 4), nn.Dropout(0.1)),
    "user's": lambda: S(nn.Flatten(), nn.Linear(36, 6), Doubled(), nn.ReLU(), nn.Linear(6, 4)),
    "cut off": lambda: S(nn.Flatten(), nn.Linear(36, 6), Detached(), nn.Linear(6, 4)),
    "softmax": lambda: S(nn.Flatten(), nn.Linear(36, 4), nn.LogSoftmax(-1)),
    "shared layer": shared,
    "frozen": frozen,
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01, betas=(0.9, 0.9)),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "a part": lambda p: optim.SGD(list(p)[:1], lr=0.1),
}
LOSSES: dict[str, Callable[[], Any]] = {
    "cross_entropy": lambda: F.cross_entropy,
    "CrossEntropyLoss": nn.CrossEntropyLoss,
    "weighted": lambda: nn.CrossEntropyLoss(weight=np.array([1.0, 2.0, 3.0, 4.0], np.float32)),
    "smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
    "ignoring": lambda: nn.CrossEntropyLoss(ignore_index=1),
    "sum": lambda: nn.CrossEntropyLoss(reduction="sum"),
    "user's": lambda: lambda out, target: (out * out).mean() - out[0, target[0]],
}


def batch(n: int, seed: int = 0, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 1, 6, 6)).astype(dtype), rng.integers(0, 4, n)


def ordinary(model: Any, loss: Any, optimizer: Any, x: Any, y: Any) -> Any:
    found = loss(model(x), y)
    optimizer.zero_grad()
    found.backward()
    optimizer.step()
    return found


def bits(model: Any, optimizer: Any) -> list[Any]:
    """All that a step changes."""
    state = [(k, v.shape, v.tobytes()) for k, v in model.state_dict().items()]
    grads = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    kept = optimizer.state_dict()["state"]
    return [state, grads, repr(kept), ag.random.generator().bit_generator.state]


def pair(make: Callable[[], Any], optimizer: str = "SGD") -> list[Any]:
    """The same model twice, with optimizers."""
    ag.manual_seed(3)
    one = make()
    two = copy.deepcopy(one)
    make_optimizer, found = OPTIMIZERS[optimizer], []
    for model in (one, two):
        found += [model, make_optimizer([p for p in model.parameters() if p.requires_grad])]
    return found


def check_steps(make: Any, loss: Any, optimizer: str, batches: Any) -> Step:
    one, first, two, second = pair(make, optimizer)
    step = Step(two, loss, second)
    for k, (x, y) in enumerate(batches):
        results = []
        for run, model, opt in ((ordinary, one, first), (None, two, second)):
            ag.manual_seed(k)
            found = run(model, loss, opt, x, y) if run else step(x, y)
            results.append([found.numpy().tobytes(), *bits(model, opt)])
        assert results[0] == results[1], f"step {k}"
    assert step._refused is False
    return step


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:cross_entropy. the input is the result")
def test_steps_of_every_model_and_optimizer(name: str, optimizer: str) -> None:
    batches = [batch(8, 0), batch(8, 1), batch(3, 2), batch(8, 3), batch(3, 4)]
    if name.startswith("cut") and optimizer == "a part":
        pytest.skip("the part has no gradient")
    check_steps(MODELS[name], F.cross_entropy, optimizer, batches)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_steps_of_every_loss(name: str, dtype: str) -> None:
    before = ag.get_default_dtype()
    ag.set_default_dtype(dtype)
    try:
        batches = [batch(5, seed, dtype) for seed in range(4)]
        check_steps(MODELS["cnn"], LOSSES[name](), "SGD", batches)
    finally:
        ag.set_default_dtype(before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_compiled_model_is_the_model_without_a_graph(name: str, training: bool) -> None:
    ag.manual_seed(1)
    model = MODELS[name]().train(training)
    with ag.no_grad():
        model.train()(batch(8)[0])  # running statistics other than 0 and 1
    twin = copy.deepcopy(model.train(training))
    compiled = model.compiled()
    for seed, n in enumerate((8, 8, 3, 8)):
        x = batch(n, seed)[0]
        ag.manual_seed(seed)
        with ag.no_grad():
            expected = twin(ag.tensor(x))
        for asked in (x, ag.tensor(x)):
            ag.manual_seed(seed)
            found = compiled(asked)
            assert type(found) is type(asked)
            assert np.asarray(found).tobytes() == expected.numpy().tobytes()
            assert not getattr(found, "requires_grad", False)


PARTS: list[Callable[[int], Any]] = [
    lambda c: nn.ReLU(),
    lambda c: nn.Tanh(),
    lambda c: nn.Conv2d(c, c, 3, padding=1),
    lambda c: nn.Conv2d(c, c, 1, groups=c, bias=False),
    lambda c: nn.BatchNorm2d(c),
    lambda c: nn.MaxPool2d(2, ceil_mode=True),
    lambda c: nn.AvgPool2d(2, ceil_mode=True),
    lambda c: nn.Dropout(0.2),
    lambda c: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
    lambda c: nn.GroupNorm(1, c),
]


@given(
    st.lists(st.sampled_from(range(len(PARTS))), max_size=7), st.integers(2, 5), st.integers(1, 3)
)
def test_steps_of_drawn_models(parts: list[int], n: int, channels: int) -> None:
    def make() -> Any:
        layers = [PARTS[k](channels) for k in parts]
        return S(nn.Conv2d(1, channels, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    loss: Any = nn.MSELoss()
    rng = np.random.default_rng(0)
    batches = [(batch(n, k)[0], rng.random((n, channels), np.float32)) for k in range(3)]
    check_steps(make, loss, "SGD", batches)


def test_a_program_is_what_runs() -> None:
    """Otherwise the tests above would compare the ordinary step with itself."""
    for name in ("mlp", "cnn", "norm", "nested", "pools", "norm of vectors", "dropout"):
        step = check_steps(MODELS[name], F.cross_entropy, "SGD", [batch(4, 0), batch(4, 1)])
        (program,) = step._programs.values()
        assert all(isinstance(part, Recorded) for part in program.parts), name


def test_wrong_labels_raise_and_change_nothing() -> None:
    model, opt, *_ = pair(MODELS["norm"])
    step = Step(model, F.cross_entropy, opt)
    x, y = batch(4)
    step(x, y)
    before = bits(model, opt)
    with pytest.raises(ValueError, match="cross_entropy: target 4 in row 1 is not a class"):
        step(x, np.array([0, 4, 1, 2]))
    assert bits(model, opt)[0] == before[0]


def test_a_wrong_batch_raises_what_the_model_raises() -> None:
    model, opt, *_ = pair(MODELS["mlp"])
    step = Step(model, F.cross_entropy, opt)
    with pytest.raises(ValueError, match="expects 36"):
        step(np.ones((2, 5), np.float32), np.array([0, 1]))
    with pytest.raises(ag.GraphError), ag.no_grad():
        step(*batch(2))


def test_reduce_sees_and_changes_the_gradients() -> None:
    one, first, two, second = pair(MODELS["cnn"])
    seen = []

    def double(gradients: list[np.ndarray]) -> None:
        seen.append([g.shape for g in gradients])
        for g in gradients:
            g *= 2

    step = Step(two, F.cross_entropy, second, reduce=double)
    x, y = batch(4)
    for _ in range(3):
        loss = F.cross_entropy(one(x), y)
        first.zero_grad()
        loss.backward()
        for p in one.parameters():
            p.grad.array[...] *= 2
        first.step()
        assert step(x, y).item() == loss.item()
        assert bits(one, first)[0] == bits(two, second)[0]
    assert seen == [[p.shape for p in two.parameters()]] * 3


def test_arguments() -> None:
    with pytest.raises(TypeError, match="Step: loss must be callable"):
        Step(nn.Linear(1, 1), None, None)  # type: ignore[arg-type]
