"""examples/seeds: the quick systems reach their published figures; the others start and resume."""

import numpy as np
import pytest

from autograd_cnn import data
from autograd_cnn.training import load_checkpoint
from examples.seeds import SYSTEMS, Figure, Run, System, c_digits, report

import figures  # isort: skip

NAMES = ["A1", "A2", "A3", "B1", *(f"C{n}" for n in range(1, 15)), *(f"D{n}" for n in range(1, 6))]
QUICK = [pytest.param(s, id=name) for name, s in SYSTEMS.items() if s.quick]


@pytest.fixture(scope="module")
def mnist():
    """MNIST, if it is on this machine; see `data.mnist` for where it is looked for."""
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_):
            raise data.DataUnavailable("the tests download nothing")

        patch.setattr("autograd_cnn.data.download.download", refuse)
        try:
            return data.mnist()
        except data.DataUnavailable:
            pytest.skip("MNIST is not on this machine; set AUTOGRAD_CNN_DATA to a folder with it")


@pytest.fixture
def digits_run(tmp_path):
    """The small digits in place of MNIST, and one epoch."""
    run = Run(out=tmp_path, epochs=1)
    run.mnist = data.digits()
    return run


# -------------------------------------------------------------------------------------- the figures


def test_every_system_is_there():
    assert list(SYSTEMS) == NAMES
    for system in SYSTEMS.values():
        assert system.title
        assert system.explanation


@pytest.mark.parametrize("system", QUICK)
def test_quick_systems_reach_their_published_figures(system, tmp_path, request):
    run = Run(out=tmp_path)
    if system.mnist:
        run.mnist = request.getfixturevalue("mnist")
    measured = system.measure(run)
    for name, figure in system.figures.items():
        assert figure.agrees(measured[name]), report.figures(system, {name: measured[name]})


@pytest.mark.parametrize("measured", [0.897, 0.903, np.nan])
def test_a_figure_that_is_off_is_noticed(measured):
    figure = Figure(0.9, within=0.002)
    assert not figure.agrees(measured)
    assert figure.agrees(0.9015)
    system = System("Z1", {"one": figure}, True, False, lambda: {"one": measured})
    assert not system.agrees(system.measure(Run()))
    assert report.verdict(system, {"one": measured}) == "not as published: one"
    assert not Figure([1, 2, 3], within=0.1).agrees([1, 2, 3.2])
    assert not Figure([1, 2, 3], within=[0.1, 0.1, 0]).agrees([1, 2, 3.05])


# ------------------------------------------------------------------------ the book's own derivatives


def book_pass(images, truth, weights, random, rate, batch_size, hidden, slope, outputs):
    """One pass as the book writes it: gradients by hand, with its slips."""
    first, second = weights
    for start in range(0, len(images) - batch_size + 1, batch_size):
        x, t = images[start : start + batch_size], truth[start : start + batch_size]
        layer = hidden(x @ first)
        mask = random.randint(2, size=layer.shape)
        layer = layer * (mask * 2)
        delta = (t - outputs(layer @ second)) / batch_size
        back = delta @ second.T * slope(layer) * mask
        second += rate * layer.T @ delta
        first += rate * x.T @ back


def softmax(x):
    x = np.exp(x)
    return x / x.sum(axis=1, keepdims=True)


BOOK = {
    "relu": (
        *(c_digits.careless_relu, c_digits.half_squared_error),
        *(lambda x: (x >= 0) * x, lambda out: out >= 0, lambda x: x),
    ),
    "tanh": (
        *(c_digits.careless_tanh, c_digits.F.cross_entropy),
        *(np.tanh, lambda out: 1 - out**2, softmax),
    ),
}


@pytest.mark.parametrize("name", BOOK)
def test_the_careless_activations_are_the_books(digits_run, name):
    activation, loss, hidden, slope, outputs = BOOK[name]
    images = digits_run.mnist.train.images[:1000].reshape(1000, -1) / 255
    truth = np.eye(10)[digits_run.mnist.train.labels[:1000]]
    net = c_digits.Network(activation, hidden=20, dropout=True)
    weights = [net.first.numpy().copy(), net.second.numpy().copy()]
    random = np.random.RandomState(1)
    random.random_sample(sum(w.size for w in weights))
    c_digits.train(net, loss, 0.1, digits_run, passes=2, batch_size=100)
    for _ in range(2):
        book_pass(images, truth, weights, random, 0.1, 100, hidden, slope, outputs)
    # 20 steps in float64, of which each may round a few times differently
    np.testing.assert_allclose(net.first.numpy(), weights[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.second.numpy(), weights[1], rtol=0, atol=1e-12)


def test_the_filters_see_25_by_25_positions_in_the_books_order(digits_run):
    net = c_digits.ConvolutionalNetwork(c_digits.tanh)
    images = digits_run.mnist.train.images[:2] / 255
    sections = [
        images[:, 0, row : row + 3, column : column + 3].reshape(2, 9)
        for row in range(25)
        for column in range(25)
    ]
    expected = np.stack(sections, axis=1) @ net.first.numpy()  # (N, 625, 16)
    # sums of nine products of numbers below 1
    np.testing.assert_allclose(
        net.sums(images).numpy(), expected.reshape(2, -1), rtol=0, atol=1e-14
    )


# ----------------------------------------------------------------------------- the longer trainings


def history(folder):
    """What each epoch measured, without its seconds."""
    epochs = load_checkpoint(folder / "checkpoint.npz", model=None, optimizer=None, batches=None)
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs["history"]]


@pytest.mark.parametrize("name", ["A2", "D1", "D2", "D3", "D4"])
def test_longer_trainings_start_and_leave_their_record(digits_run, capsys, name):
    system = SYSTEMS[name]
    for _ in range(2):  # without `resume` the second starts again
        measured = system.measure(digits_run)
        assert "epoch 1/1" in capsys.readouterr().out
    assert set(system.figures) <= set(measured)
    (epoch,) = history(digits_run.out / name)
    assert epoch["epoch"] == 1
    assert 0 <= epoch["test_accuracy"] <= 1


@pytest.mark.parametrize("name", ["D1", "D2"])
def test_a_resumed_training_is_the_straight_one(tmp_path, name):
    """D1 has dropout and D2 batch normalisation: the state of both is kept."""
    for folder, stages in (("straight", [2]), ("resumed", [1, 2])):
        for epochs in stages:
            run = Run(out=tmp_path / folder, epochs=epochs, resume=True)
            run.mnist = data.digits()
            SYSTEMS[name].measure(run)
    straight, resumed = (history(tmp_path / folder / name) for folder in ("straight", "resumed"))
    assert len(straight) == 2
    assert straight == resumed


@pytest.mark.parametrize("name", ["A3", "D1"])
def test_without_matplotlib_only_the_pictures_are_missing(digits_run, capsys, monkeypatch, name):
    monkeypatch.setattr(figures, "Figure", None)
    measured = SYSTEMS[name].measure(digits_run)
    assert "need matplotlib" in capsys.readouterr().out + str(measured.get("pictures"))
    assert not list(digits_run.out.rglob("*.png"))
