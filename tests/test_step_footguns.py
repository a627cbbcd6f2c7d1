"""What silently goes stale in systems that compile training steps, tried on `Step` and `compiled`.

Each change between two calls must show in the next one, as in the ordinary step.
"""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from autograd_cnn.nn import program
from autograd_cnn.training import Step
from tests.test_nn import every_layer
from tests.test_nn_replaced import replace
from tests.test_step import bits, ordinary


class Branch(nn.Module):
    """A module of the user with a constant and a branch."""

    def __init__(self) -> None:
        self.factor, self.calls = 2.0, 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * self.factor if self.factor > 0 else -x


def model() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16, 6), nn.LeakyReLU(), Branch(), nn.Dropout(0.2)),
        nn.Linear(6, 4),
    )


def batch(seed: int, n: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 1, 6, 6)).astype(np.float32), rng.integers(0, 4, n)


def sgd(net: Any) -> Any:
    return optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda net, opt: None,
    "the learning rate": lambda net, opt: opt.param_groups[0].update(lr=0.01),
    "the momentum": lambda net, opt: opt.param_groups[0].update(momentum=0.0),
    "nesterov": lambda net, opt: opt.param_groups[0].update(nesterov=True),
    "state of the optimizer": lambda net, opt: opt.load_state_dict(sgd(net).state_dict()),
    "lost state of the optimizer": lambda net, opt: opt.state.clear(),
    "the mode": lambda net, opt: net.eval(),
    "the mode of one layer": lambda net, opt: net[1].eval(),
    "momentum of statistics": lambda net, opt: setattr(net[1], "momentum", 0.5),
    "eps": lambda net, opt: setattr(net[1], "eps", 0.1),
    "statistics that no longer move": lambda net, opt: setattr(
        net[1], "track_running_stats", False
    ),
    "statistics written to": lambda net, opt: net[1].running_mean.fill(3.0),
    "statistics that are another array": lambda net, opt: setattr(
        net[1], "running_var", np.full(4, 3.0, np.float32)
    ),
    "the window": lambda net, opt: setattr(net[3], "kernel_size", 1),
    "a setting behind the back of setattr": lambda net, opt: vars(net[3]).update(kernel_size=1),
    "the slope": lambda net, opt: setattr(net[6], "negative_slope", 0.5),
    "the user's constant": lambda net, opt: setattr(net[7], "factor", 3.0),
    "the user's branch": lambda net, opt: setattr(net[7], "factor", -1.0),
    "the drop rate": lambda net, opt: setattr(net[8], "p", 0.7),
    "a module": lambda net, opt: net.__setitem__(2, nn.Tanh()),
    "a module appended": lambda net, opt: net.append(nn.Tanh()),
    "a module removed": lambda net, opt: delattr(net, "6"),
    "a weight assigned": lambda net, opt: setattr(
        net[5], "weight", nn.Parameter(net[5].weight.numpy() * 2)
    ),
    "a weight's data": lambda net, opt: setattr(net[5].weight, "data", net[5].weight.data * 2),
    "a weight written to": lambda net, opt: net[5].weight.data.__imul__(2.0),
    "a bias removed": lambda net, opt: setattr(net[9], "bias", None),
    "loaded weights": lambda net, opt: net.load_state_dict(
        {k: v + 1 for k, v in net.state_dict().items()}
    ),
    "a frozen layer": lambda net, opt: net[0].requires_grad_(False),
    "a frozen weight": lambda net, opt: net[5].weight.requires_grad_(False),
    "a gradient": lambda net, opt: setattr(net[5].weight, "grad", net[5].weight.detach()),
    "a hook": lambda net, opt: net[2].register_forward_hook(lambda m, a, out: out * 0.5),
    "a hook on an inner module": lambda net, opt: net[9].register_forward_pre_hook(
        lambda m, args: args[0] * 2.0
    ),
    "a hook on the model": lambda net, opt: net.register_forward_hook(lambda m, a, out: out * 0.5),
    "a hook on gradients of a module": lambda net, opt: net[5].register_full_backward_hook(
        lambda m, into, out: (into[0] * 3.0,)
    ),
    "a hook on a weight": lambda net, opt: net[5].weight.register_hook(lambda g: g * 2.0),
    "a forward of one layer": lambda net, opt: setattr(net[2], "forward", lambda x: x * 0.5),
    "a function of one layer": lambda net, opt: setattr(net[2], "function", F.tanh),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_steps_shows_in_the_next(change: str) -> None:
    ag.manual_seed(0)
    one = model()
    two = copy.deepcopy(one)
    nets, opts = (one, two), (sgd(one), sgd(two))
    step = Step(two, F.cross_entropy, opts[1])
    for k in range(6):
        x, y = batch(k)
        if k == 3:
            for net, opt in zip(nets, opts):
                CHANGES[change](net, opt)
        ag.manual_seed(k)
        expected = ordinary(one, F.cross_entropy, opts[0], x, y)
        state = bits(one, opts[0])
        ag.manual_seed(k)
        found = step(x, y)
        assert found.numpy().tobytes() == expected.numpy().tobytes(), k
        assert bits(two, opts[1]) == state, k
    assert vars(one)["7"].calls == vars(two)["7"].calls  # the user's Python ran as often


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows_in_the_compiled_model(change: str) -> None:
    ag.manual_seed(0)
    net = model().eval()
    opt, compiled = sgd(net), net.compiled()
    for k in range(4):
        x = batch(k)[0]
        if k == 2:
            CHANGES[change](net, opt)
            net.train(net.training and change.startswith("the mode"))
        ag.manual_seed(k)
        found = compiled(x)
        ag.manual_seed(k)
        with ag.no_grad():
            expected = net(x)
        assert found.tobytes() == np.asarray(expected).tobytes(), k


@every_layer
@pytest.mark.parametrize("how", ["instance", "class", "subclass", "call", "hook"])
def test_a_replaced_forward_is_called_by_the_next_call(
    name: str, given: Any, shape: Any, settings: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, called = getattr(nn, name)(*given), []
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    compiled = nn.Sequential(nn.Identity(), layer, nn.ReLU()).compiled()
    if how != "subclass" and name != "Embedding":
        compiled(x)  # now there is a program
    replace(layer, how, called, monkeypatch)
    compiled(x)
    assert called == [layer]


@every_layer
def test_any_layer_steps_as_without_a_program(
    name: str, given: Any, shape: Any, settings: Any
) -> None:
    if name == "Embedding":
        pytest.skip("takes integers, which are no program's input")
    ag.manual_seed(0)
    one = nn.Sequential(nn.Linear(shape[-1], shape[-1]), getattr(nn, name)(*given))
    two = copy.deepcopy(one)
    opts = [sgd(net) for net in (one, two)]

    def loss(out: Any, target: Any) -> Any:
        return ((out - target) * out).mean()

    step = Step(two, loss, opts[1])
    rng = np.random.default_rng(0)
    for k in range(3):
        x = rng.standard_normal(shape).astype(np.float32)
        ag.manual_seed(k)
        expected = ordinary(one, loss, opts[0], x, 0.5)
        state = bits(one, opts[0])
        ag.manual_seed(k)
        assert step(x, 0.5).numpy().tobytes() == expected.numpy().tobytes()
        assert bits(two, opts[1]) == state


def test_nothing_that_is_handed_out_changes_later() -> None:
    ag.manual_seed(0)
    net = model()
    step, compiled = Step(net, F.cross_entropy, sgd(net)), net.compiled()
    kept, copies = [], []
    for k in range(4):
        loss = step(*batch(k))
        results = [loss, step.outputs, *[p.grad for p in net.parameters()], compiled(batch(k)[0])]
        assert not any(getattr(t, "requires_grad", False) for t in results)
        kept += results
        copies += [np.array(t) for t in results]
        loss.array[...] = 0  # the user may write to it
        copies[-len(results)] = np.zeros((), np.float32)
    for t, expected in zip(kept, copies):
        assert np.asarray(t).tobytes() == expected.tobytes()


def test_inputs_may_be_used_again_and_lie_anywhere() -> None:
    """A buffer that is filled anew, one memory for images and labels, a view of a weight."""
    ag.manual_seed(0)
    one = model().eval()
    two = copy.deepcopy(one)
    opts = [sgd(one), sgd(two)]
    step = Step(two, F.cross_entropy, opts[1])
    buffer, labels = np.empty((4, 1, 6, 6), np.float32), np.empty(4, int)
    for k in range(5):
        buffer[...], labels[...] = batch(k)
        x = buffer if k % 2 else np.asfortranarray(buffer)
        expected = ordinary(one, F.cross_entropy, opts[0], x, labels)
        assert step(x, labels).item() == expected.item()
    weights = [net[5].weight.array[:4].reshape(4, 1, 4, 4) for net in (one, two)]
    padded = [np.pad(w, ((0, 0), (0, 0), (1, 1), (1, 1))) for w in weights]
    expected = ordinary(one, F.cross_entropy, opts[0], padded[0], labels)
    assert step(padded[1], labels).item() == expected.item()


def test_two_steps_share_a_model() -> None:
    ag.manual_seed(0)
    one = model().eval()
    two = copy.deepcopy(one)
    first, second = [sgd(one), sgd(one)], [sgd(two), sgd(two)]
    steps = [Step(two, F.cross_entropy, opt) for opt in second]
    for k in range(6):
        x, y = batch(k)
        expected = ordinary(one, F.cross_entropy, first[k % 2], x, y)
        assert steps[k % 2](x, y).item() == expected.item()
        with ag.no_grad():
            assert two.compiled()(x).tobytes() == np.asarray(one(x)).tobytes()


def test_threads_use_one_compiled_model() -> None:
    net = model().eval()
    compiled, failed = net.compiled(), []

    def work(seed: int) -> None:
        for k in range(30):
            x = batch(seed * 100 + k, 2 + k % 3)[0]
            with ag.no_grad():
                if compiled(x).tobytes() != np.asarray(net(x)).tobytes():
                    failed.append(k)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


def test_dropout_draws_anew_in_every_step_and_thread() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.Dropout(0.5), nn.Linear(36, 4))
    step = Step(net, F.cross_entropy, optim.SGD(net.parameters(), lr=0.0))
    x, y = batch(0)
    losses = [step(x, y).item() for _ in range(5)]

    def work() -> None:
        losses.append(step(x, y).item())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(set(losses)) == 6


def test_watchers_and_modes_are_respected() -> None:
    ag.manual_seed(0)
    net = model()
    step = Step(net, F.cross_entropy, sgd(net))
    step(*batch(0))
    with ag.profile() as seen:
        step(*batch(1))
    assert "conv" in str(seen)
    with ag.no_grad(), pytest.raises(ag.GraphError):
        step(*batch(2))
    with ag.detect_anomaly(), pytest.raises(Exception, match=r"(?i)nan"):
        step(batch(3)[0] * np.nan, batch(3)[1])


def test_threads_of_kernels_and_the_default_dtype_may_change() -> None:
    ag.manual_seed(0)
    one = model().eval()
    two = copy.deepcopy(one)
    opts = [sgd(one), sgd(two)]
    step = Step(two, F.cross_entropy, opts[1])
    before = ag.get_num_threads()
    try:
        for k in range(4):
            ag.set_num_threads(1 + k % 2)
            ag.set_default_dtype("float64" if k > 1 else "float32")
            x, y = batch(k)
            assert step(x, y).item() == ordinary(one, F.cross_entropy, opts[0], x, y).item()
    finally:
        ag.set_num_threads(before)
        ag.set_default_dtype("float32")


def test_an_error_half_way_leaves_the_parameters() -> None:
    class Fails(nn.Module):
        def forward(self, x: Any) -> Any:
            if step.outputs is not None:
                raise RuntimeError("half way")
            return x

    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), Fails(), nn.Linear(6, 4))
    step = Step(net, F.cross_entropy, sgd(net))
    step(*batch(0))
    before = net.state_dict()
    with pytest.raises(RuntimeError, match="half way"):
        step(*batch(1))
    assert all((before[k] == v).all() for k, v in net.state_dict().items())


def test_an_audit_compares_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    step = Step(net, F.cross_entropy, sgd(net))
    step(*batch(0))
    (program,) = step._programs.values()
    scope = program.parts[0].scope
    linear = scope["linear"]
    scope["linear"] = lambda *args: linear(*args) * 1.0001
    step(*batch(1))  # unnoticed
    monkeypatch.setenv("AUTOGRAD_CNN_AUDIT", "1")
    audited = Step(net, F.cross_entropy, step.optimizer)
    audited._programs = step._programs
    with pytest.raises(AssertionError, match="different results"):
        audited(*batch(2))


def test_every_new_program_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that lies where an earlier one has lain in memory."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.BatchNorm1d(4))
    step, checked = Step(net, F.cross_entropy, sgd(net)), []
    compare = Step._compare
    monkeypatch.setattr(Step, "_compare", lambda *args: checked.append(1) or compare(*args))
    for k in range(20):
        net[2].eps = 0.1 * k
        step(*batch(k))
        step(*batch(k + 1))
    assert len(checked) == 20


def test_a_refused_model_is_looked_at_again_when_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, tried = nn.Sequential(nn.Flatten(), nn.Linear(36, 4)), []
    step, compiled = Step(net, F.cross_entropy, sgd(net)), net.compiled()
    make = program.Program
    monkeypatch.setattr(program, "Program", lambda *args: tried.append(1) or make(*args))
    handle = net[0].register_forward_hook(lambda m, a, out: out * 2.0)
    for k in range(3):
        step(*batch(k))
        compiled(batch(k)[0])
    assert len(tried) == 2
    handle.remove()
    net[0]._hooks = None
    for k in range(3):
        step(*batch(k))
        compiled(batch(k)[0])
    assert len(tried) == 4


def test_an_empty_batch_moves_no_statistics() -> None:
    one = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), Branch(), nn.Linear(36, 4))
    two = copy.deepcopy(one)
    opts = [sgd(one), sgd(two)]

    def loss(out: Any, target: Any) -> Any:
        return out.sum()

    step = Step(two, loss, opts[1])
    for k, n in enumerate((3, 0, 0, 3)):
        x = batch(k, n)[0]
        ordinary(one, loss, opts[0], x, None)
        step(x, None)
        assert bits(one, opts[0]) == bits(two, opts[1]), k


def test_statistics_may_be_removed() -> None:
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        one = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(36, 4))
        two = copy.deepcopy(one)
        opts = [sgd(one), sgd(two)]
        step = Step(two, F.cross_entropy, opts[1])
        for k in range(4):
            if k == 2:
                setattr(one[0], name, None)
                setattr(two[0], name, None)
            x, y = batch(k)
            assert step(x, y).item() == ordinary(one, F.cross_entropy, opts[0], x, y).item()
            assert bits(one, opts[0]) == bits(two, opts[1]), (name, k)


def test_old_gradients_are_gone_before_new_ones_are_made() -> None:
    """As in the ordinary step, so that a step needs no more memory."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    step, seen = Step(net, F.cross_entropy, sgd(net)), []
    for k in range(2):
        step(*batch(k))
    (program,) = step._programs.values()
    backward = program.backward

    def watched(*args: Any) -> Any:
        seen.extend(p.grad for p in net.parameters())
        return backward(*args)

    program.backward = watched
    step(*batch(2))
    assert len(seen) == 2
    assert all(grad is None for grad in seen)


def test_a_program_that_is_wrong_at_first_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    twin = copy.deepcopy(net)
    opts = [sgd(net), sgd(twin)]
    step = Step(net, F.cross_entropy, opts[0])
    forward = program.Program.forward

    def wrong(self: Any, x: Any) -> Any:
        out, kept = forward(self, x)
        return out + 1, kept

    monkeypatch.setattr(program.Program, "forward", wrong)
    with pytest.warns(UserWarning, match="the ordinary step serves"):
        losses = [step(*batch(0))]
    losses += [step(*batch(k)) for k in (1, 2)]
    assert [t.item() for t in losses] == [
        ordinary(twin, F.cross_entropy, opts[1], *batch(k)).item() for k in range(3)
    ]


class Using(nn.Module):
    """A module of the user: `function` of its input and another layer."""

    def __init__(self, layer: Any, function: Callable[[Any, Any], Any]) -> None:
        self.layer, self.function, self.recording = layer, function, []
        self.kept: Any = None

    def forward(self, x: Any) -> Any:
        self.recording.append(ag.is_grad_enabled())
        self.kept = (x * x).mean()
        return self.function(x, self.layer)


def around(use: Callable[[Any, Any], Any], *more: Any) -> Callable[[], Any]:
    """A model in which a module of the user uses the first layer."""

    def make() -> Any:
        layer = nn.Linear(4, 4)
        return nn.Sequential(layer, nn.PReLU(), nn.Linear(4, 4), Using(layer, use), *more)

    return make


def repeated(*parts: Any) -> Callable[[], Any]:
    """A model with one layer several times, between copies of others."""

    def make() -> Any:
        layers = [nn.Linear(4, 4), nn.PReLU(), nn.Tanh(), nn.LeakyReLU()]
        return nn.Sequential(*[layers[k] for k in parts])

    return make


def hooked(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        net = make()
        net[0].weight.register_hook(lambda g: g.clip(-0.01, 0.01))
        return net

    return made


def cross(net: Any) -> Any:
    return F.cross_entropy


def decaying(net: Any) -> Any:
    weight = net[0].weight
    return lambda out, y: F.cross_entropy(out, y) + 0.1 * (weight * weight).sum()


def counting(net: Any) -> Any:
    calls: list[Any] = []
    return lambda out, y: F.cross_entropy(out, y) * (len(calls) + (calls.append(1) or 1))


def writing(net: Any) -> Any:
    def loss(out: Any, y: Any) -> Any:
        out /= 2.0
        return F.cross_entropy(out, y)

    return loss


def plain() -> Any:
    return nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4))


def mixed(x: Any, layer: Any) -> Any:
    return x @ layer.weight + layer(x) * layer.bias


# name: a model, a loss for it
GRADIENTS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "a bias in two places": (around(lambda x, layer: x * layer.bias.sum()), cross),
    "a weight in two places": (around(lambda x, layer: x @ layer.weight, nn.Tanh()), cross),
    "a weight in many places": (around(mixed), decaying),
    "a layer twice": (repeated(0, 2, 0), cross),
    "a layer three times, and in the loss": (repeated(0, 2, 0, 2, 0), decaying),
    "a layer twice around another": (repeated(0, 3, 0), cross),
    "a layer often around others, and in the loss": (repeated(0, 0, 3, 0, 1, 1, 0, 3), decaying),
    "a layer twice with a hook": (hooked(repeated(0, 2, 0)), cross),
    "a hooked layer in the loss": (hooked(repeated(0, 3)), decaying),
    "a hooked weight in two places": (hooked(around(mixed)), decaying),
    "a tuple": (
        around(lambda x, layer: (layer(x), x)),
        lambda net: lambda out, y: F.cross_entropy(out[0], y) + (out[1] * out[1]).mean(),
    ),
    "a dictionary": (
        around(lambda x, layer: {"logits": x}),
        lambda net: lambda out, y: F.cross_entropy(out["logits"], y),
    ),
    "a loss that reads a weight": (plain, decaying),
    "a loss with state": (plain, counting),
    "a loss that writes to the result": (plain, writing),
    "a loss that writes to the user's result": (around(lambda x, layer: x * 1.0), writing),
    "a loss without the result": (
        plain,
        lambda net: lambda out, y: (net[0].weight ** 2).sum() + net[0].bias.sum(),
    ),
    "a loss with a zero derivative": (
        plain,
        lambda net: lambda out, y: (out > 0).astype("float32").sum() + net[0].bias.sum(),
    ),
    "a zero derivative around another": (
        repeated(0, 3, 0, 1, 0),
        lambda net: lambda out, y: (out > 0).astype("float32").sum() + net[0].bias.sum(),
    ),
    "a loss by what a module keeps": (
        around(mixed),
        lambda net: lambda out, y: F.cross_entropy(out, y) + net[3].kept,
    ),
    "a loss that draws": (
        repeated(0, 2, 0),
        lambda net: lambda out, y: (F.dropout(out, 0.5) ** 2).mean(),
    ),
}


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("name", GRADIENTS)
def test_all_gradients_of_a_parameter_add_up(name: str, part: bool) -> None:
    """What is the user's gives some of them, and runs once; others have older gradients."""
    make, make_loss = GRADIENTS[name]
    rng, states, called = np.random.default_rng(0), [], []
    batches = [(rng.standard_normal((6, 4)).astype("f"), rng.integers(0, 3, 6)) for _ in range(3)]
    for way in (ordinary, None):
        ag.manual_seed(0)
        net, calls = make(), []
        for p in net.parameters():
            if p.attached:
                p.register_hook(lambda g, calls=calls: calls.append(g.numpy().tobytes()))
        loss, opt = make_loss(net), optim.SGD([net[0].bias] if part else net.parameters(), lr=0.1)
        step = way or Step(net, loss, opt)
        found = [
            (step(x, y) if way is None else ordinary(net, loss, opt, x, y)).numpy().tobytes()
            for x, y in batches
        ]
        states.append([found, *bits(net, opt)])
        called.append(calls)
    assert states[0] == states[1]
    assert called[0] == called[1]
    assert isinstance(step, Step)
    assert not step._refused
    out = step.outputs
    assert type(out) is {"a tuple": tuple, "a dictionary": dict}.get(name, ag.Tensor)


def test_a_step_follows_its_model_loss_and_optimizer() -> None:
    x, y = np.ones((3, 4), np.float32), np.array([0, 1, 2])
    nets = [plain() for _ in range(2)]
    both = optim.SGD([*nets[0].parameters(), *nets[1].parameters()], lr=0.1)
    step = Step(nets[0], F.cross_entropy, both)
    for k in (0, 0, 1, 1, 0):
        step.model = nets[k]
        expected = F.cross_entropy(nets[k](x), y).item()
        assert step(x, y).item() == expected
        assert [p.grad is None for p in nets[1 - k].parameters()] == [True] * 4
    step.loss = lambda out, y: out.sum()
    assert step(x, y).item() == step.outputs.numpy().sum()
    step.optimizer = optim.SGD(nets[0][0].parameters(), lr=0.1)
    before = [p.numpy().copy() for p in nets[0].parameters()]
    step(x, y)
    same = [(p.numpy() == old).all() for p, old in zip(nets[0].parameters(), before)]
    assert same == [False, False, True, True]


def test_a_loss_that_asks_for_more_than_the_result_is_told() -> None:
    net = plain()

    def loss(out: Any, y: Any) -> Any:
        (g,) = ag.grad(F.cross_entropy(out, y), net[0].weight, create_graph=True)
        return (g * g).sum()

    with pytest.raises(ag.GraphError) as caught:
        Step(net, loss, sgd(net))(np.ones((2, 4), np.float32), np.array([0, 1]))
    assert caught.value.__notes__ == [
        "the loss of a Step sees the model's result only; use the ordinary three lines"
    ]


def test_a_compiled_model_records_nothing() -> None:
    for use in (mixed, lambda x, layer: (x, layer(x))):
        net = around(use)()
        compiled, x = net.compiled(), np.ones((2, 4), np.float32)
        for given in (x, ag.tensor(x), x):
            found = compiled(given)
            with ag.no_grad():
                expected = net(given)
            assert type(found) is tuple or not getattr(found, "requires_grad", False)
            for one, two in zip(found, expected):
                assert np.asarray(one).tobytes() == np.asarray(two).tobytes()
                assert not getattr(one, "requires_grad", False)
        assert not any(net[3].recording)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_step_or_compiled_model_has_its_own_model(how: Any) -> None:
    x, y = np.ones((3, 4), np.float32), np.array([0, 1, 2])
    net = plain()
    step, compiled = Step(net, F.cross_entropy, sgd(net)), net.compiled()
    step(x, y)
    before = compiled(x)
    other, second = how((step, compiled))
    assert other(x, y).item() == F.cross_entropy(before, y).item()
    assert compiled(x).tobytes() == before.tobytes() != second(x).tobytes()
    assert second(x).tobytes() == np.asarray(other.model(x)).tobytes()
    assert step(x, y).item() == F.cross_entropy(before, y).item()
