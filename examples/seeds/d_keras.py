"""D1 to D5: networks in Keras' settings, LeNet-5, and linear regression."""

import numpy as np
from models import lenet

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim

from .keras import timed, train
from .registry import Figure, Measurements, Run, percent, system

# ----------------------------------------------------------------------------------------- networks


def perceptron() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)
    )


def convolutional() -> nn.Sequential:
    settings = {"momentum": 0.01, "eps": 1e-3}  # Keras: momentum 0.99, the weight of the old value

    def block(channels: int, filters: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, filters, 3, padding="same")
        return [convolution, nn.BatchNorm2d(filters, **settings), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(1, 16),  # 14 x 14
        *block(16, 32),  # 7 x 7
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        nn.BatchNorm1d(128, **settings),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def deep_perceptron() -> nn.Sequential:
    hidden = nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 10))


# -------------------------------------------------------------------------------------- the systems


@system("D1", {"best validation accuracy": Figure(98.06, 0.25, "%")}, mnist=True)
def keras_perceptron(run: Run) -> Measurements:
    """Keras: dense 128, dropout 0.2, dense 10, 100 epochs.

    Adam with rate 1e-4, batches of 32, pixels in 0..1.
    """
    found = timed(train(run, "D1", perceptron, rate=1e-4, epochs=100))
    return found | {"last validation accuracy": percent(found["last validation accuracy"])}


@system(
    "D2",
    {
        "best validation accuracy": Figure(99.23, 0.25, "%"),
        "last validation accuracy": Figure(98.96, 0.4, "%"),
    },
    mnist=True,
)
def keras_convolutional(run: Run) -> Measurements:
    """Keras: two blocks of convolution and batch normalisation, 100 epochs.

    Adam with rate 1e-4, batches of 32, pixels in 0..1.  The published best was reached in epoch 53.
    """
    return timed(train(run, "D2", convolutional, rate=1e-4, epochs=100))


@system("D3", {}, mnist=True)
def lenet_5(run: Run) -> Measurements:
    """LeNet-5 on 32 x 32, three epochs.

    Described without a figure.  The images grow to 32 x 32 by the padding of the first convolution.
    Adam with Keras' own rate of 1e-3.
    """
    history = train(run, "D3", lenet, rate=1e-3, epochs=3)
    return {"validation accuracy": percent(100 * history[-1]["test_accuracy"])}


@system("D4", {}, mnist=True)
def three_dense_layers(run: Run) -> Measurements:
    """784-512-256-10 with relu, three epochs.

    Described without a figure.  Adam with Keras' own rate of 1e-3.
    """
    history = train(run, "D4", deep_perceptron, rate=1e-3, epochs=3)
    return {"validation accuracy": percent(100 * history[-1]["test_accuracy"])}


@system("D5", {"largest difference": Figure(0, 1e-9, source="least squares")}, quick=True)
def linear_regression() -> Measurements:
    """Linear regression by gradient descent.

    100 points of y = 2 x + 1 with noise, 200 steps.  Least squares has the same slope and intercept
    in closed form.
    """
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, 100)
    y = 2 * x + 1 + 0.1 * random.standard_normal(100)
    slope, intercept = (ag.tensor(np.zeros(()), requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([slope, intercept], lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        F.mse_loss(slope * x + intercept, y).backward()
        optimizer.step()
    ours = [slope.item(), intercept.item()]
    exact, *_ = np.linalg.lstsq(np.stack([x, np.ones(100)], axis=1), y)
    return {"slope and intercept": ours, "largest difference": float(np.abs(exact - ours).max())}
