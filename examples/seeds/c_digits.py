"""C10 to C14: digits after a book, with its slips.

The book derives every gradient by hand and makes three mistakes.  Its figures depend on them to
the last digit.  Relu's slope is 1 everywhere, because the book asks whether the *output* is >= 0.
Tanh's slope is that of the output after dropout has doubled it.  Backward leaves out dropout's
factor 2.  `careless_relu` and `careless_tanh` have those slopes.  Every system also reports what
the same network reaches with true gradients.

The first 1,000 training images in their order; tested on all 10,000 test images; float64.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import optim
from autograd_cnn.training import Progress, accuracy

from .registry import Figure, Measurements, Run, percent, system

# --------------------------------------------------------- the hidden layer, with dropout's factors


def relu(x: Any, *, factors: Any) -> Any:
    return ag.relu(x) * factors


def tanh(x: Any, *, factors: Any) -> Any:
    return ag.tanh(x) * factors


careless_relu = ag.custom_gradient(lambda g, out, x, *, factors: g * np.sign(factors))(relu)
careless_tanh = ag.custom_gradient(
    lambda g, out, x, *, factors: g * np.sign(factors) * (1 - out**2)
)(tanh)

# --------------------------------------------------------------------------------------- the loss


def half_squared_error(scores: Any, labels: np.ndarray) -> Any:
    """Summed over the classes, averaged over the images."""
    return ((scores - np.eye(10)[labels]) ** 2).sum() / (2 * len(labels))


# ------------------------------------------------------------------------------------- the networks


class Network:
    """Weighted sums of pixels, an activation, weighted sums of that.

    Weights are uniform in +-`most`, from the numbers of numpy.random.seed(1), and so are the coins
    of dropout, which is used if `dropout` is set.
    """

    first_climbs = False

    def __init__(
        self, activation: Callable[..., Any], hidden: int, most: float = 0.1, dropout: bool = False
    ) -> None:
        self.random = np.random.RandomState(1)
        self.activation, self.dropout = activation, dropout
        self.first = self.draw((784, hidden), most)
        self.second = self.draw((hidden, 10), most)

    def draw(self, shape: tuple[int, ...], most: float) -> ag.Tensor:
        values = 2 * most * self.random.random_sample(shape) - most
        return ag.tensor(values, requires_grad=True)

    def sums(self, images: np.ndarray) -> Any:
        return images.reshape(len(images), 784) @ self.first

    def __call__(self, images: np.ndarray, training: bool = False) -> Any:
        sums = self.sums(images)
        factors = 1.0
        if training and self.dropout:
            factors = 2.0 * self.random.randint(2, size=sums.shape)
        return self.activation(sums, factors=factors) @ self.second


class ConvolutionalNetwork(Network):
    """16 filters of 3 x 3 in place of the first weights.

    The book's loops over positions stop one short, at 25 x 25; so do these, on images of 27 x 27.
    """

    def __init__(self, activation: Callable[..., Any], climb: bool = False) -> None:
        self.random = np.random.RandomState(1)
        self.activation, self.dropout, self.first_climbs = activation, True, climb
        self.first = self.draw((9, 16), 0.01)
        self.second = self.draw((25 * 25 * 16, 10), 0.1)

    def sums(self, images: np.ndarray) -> Any:
        filters = self.first.T.reshape(16, 1, 3, 3)
        maps = F.conv2d(images[:, :, :27, :27], filters)  # (N, 16, 25, 25)
        return maps.transpose(0, 2, 3, 1).reshape(len(images), 25 * 25 * 16)


# ----------------------------------------------------------------------------- training and testing


def train(
    net: Network,
    loss: Callable[[Any, np.ndarray], Any],
    rate: float,
    run: Run,
    passes: int,
    batch_size: int = 1,
) -> float:
    """Passes over the first 1,000 images, in order, in whole batches.

    Returns the accuracy of the last pass in percent, counted while it learned.
    """
    first = {"params": net.first, "maximize": net.first_climbs}
    optimizer = optim.SGD([first, {"params": net.second}], lr=rate)
    images, labels = run.mnist.train.images[:1000] / 255, run.mnist.train.labels[:1000]
    images.flags.writeable = False  # so that the graph need not copy them
    with Progress("pass", passes) as progress:
        for _ in range(passes):
            correct = 0
            for start in range(0, 1000 - batch_size + 1, batch_size):
                batch = slice(start, start + batch_size)
                scores = net(images[batch], training=True)
                optimizer.zero_grad()
                loss(scores, labels[batch]).backward()
                optimizer.step()
                correct += np.count_nonzero(scores.numpy().argmax(axis=1) == labels[batch])
            progress.update(1000, accuracy=correct / 1000)
    return correct / 10


def scores_of(net: Network, images: np.ndarray) -> np.ndarray:
    with ag.no_grad():
        parts = [net(images[i : i + 500] / 255).numpy() for i in range(0, len(images), 500)]
    return np.concatenate(parts)


def reached(run: Run, net: Network, loss: Any, rate: float, **amount: int) -> float:
    """Train, and return the test accuracy in percent."""
    train(net, loss, rate, run, **amount)
    return 100 * accuracy(scores_of(net, run.mnist.test.images), run.mnist.test.labels)


# -------------------------------------------------------------------------------------- the systems

TRUE = "test accuracy, true gradient"


@system(
    "C10",
    {
        "training accuracy": Figure(100, 0.2, "%"),
        "test error": Figure(0.653, 0.01),
        "test accuracy": Figure(70.73, 1, "%"),
    },
    mnist=True,
)
def overfitting(run: Run) -> Measurements:
    """MNIST, 784-40-10, one image at a time: it overfits.

    350 passes, rate 0.005, half the squared error.  The published figure needs the book's slip: its
    relu has slope 1 everywhere.  With relu's true gradient the same network, which also knows its
    1,000 images by heart, reads 12 points more of the test images.
    """
    net, settings = Network(careless_relu, hidden=40), (half_squared_error, 0.005)
    seen = train(net, *settings, run, passes=350)
    true = reached(run, Network(relu, hidden=40), *settings, passes=350)
    scores, labels = scores_of(net, run.mnist.test.images), run.mnist.test.labels
    return {
        "training accuracy": seen,
        "test error": 2 * half_squared_error(scores, labels),
        "test accuracy": 100 * accuracy(scores, labels),
        TRUE: percent(true),
    }


@system("C11", {"test accuracy": Figure(80.27, 1, "%")}, mnist=True)
def dropout(run: Run) -> Measurements:
    """The same with dropout.

    300 passes.  A coin per hidden value and image; what is kept is doubled, or the test accuracy is
    81.2 %.  The way back has the book's slips: slope 1, and no factor 2.
    """

    def trained(activation: Callable[..., Any]) -> float:
        net = Network(activation, hidden=40, dropout=True)
        return reached(run, net, half_squared_error, 0.005, passes=300)

    return {"test accuracy": trained(careless_relu), TRUE: percent(trained(relu))}


@system("C12", {"test accuracy": Figure(77.98, 1, "%")}, quick=True, mnist=True)
def batches(run: Run) -> Measurements:
    """Batches of 100, hidden 100, dropout.

    Rate 0.01 on the mean gradient.  The book prints every tenth pass of 300, last after pass 291.
    """

    def trained(activation: Callable[..., Any]) -> float:
        net = Network(activation, hidden=100, dropout=True)
        return reached(run, net, half_squared_error, 0.01, passes=291, batch_size=100)

    return {"test accuracy": trained(careless_relu), TRUE: percent(trained(relu))}


@system(
    "C13",
    {
        "test accuracy": Figure(87.06, 1, "%"),
        "test accuracy, weights in +-0.01": Figure(85.92, 1, "%"),
    },
    quick=True,
    mnist=True,
)
def tanh_and_softmax(run: Run) -> Measurements:
    """Tanh, softmax and cross entropy.

    Rate 0.02 on the mean gradient, 291 passes, batches of 100, hidden 100, dropout.  The published
    85.92 % is that of both weights in +-0.01; with the first alone it is 87.01 %.  True gradients
    make little difference here: 86.82 % in place of 87.06 %.
    """

    def trained(activation: Callable[..., Any], most: float) -> float:
        net = Network(activation, hidden=100, most=most, dropout=True)
        return reached(run, net, F.cross_entropy, 0.02, passes=291, batch_size=100)

    return {
        "test accuracy": trained(careless_tanh, 0.1),
        "test accuracy, weights in +-0.01": trained(careless_tanh, 0.01),
    }


@system("C14", {"test accuracy": Figure(40.23, 1, "%")}, quick=True, mnist=True)
def convolution(run: Run) -> Measurements:
    """A convolution of 16 filters, 12 passes.

    Rate 2 on a gradient divided by the batch size of 128 twice.  A fourth slip: the filters are
    moved up their gradient (-= where the sign of the other updates asks for +=).
    """

    nets = (
        ConvolutionalNetwork(careless_tanh, climb=True),
        ConvolutionalNetwork(tanh, climb=False),
    )
    book, true = (
        reached(run, net, F.cross_entropy, 2 / 128, passes=12, batch_size=128) for net in nets
    )
    return {"test accuracy": book, TRUE: percent(true)}
