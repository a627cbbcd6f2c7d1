"""Small networks without the layers of `nn`, for the seeds and for the tutorial's pictures.

An error is half the squared difference of prediction and truth, so that its derivative by the
prediction is that difference.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import optim

INPUTS = np.array([8.5, 0.65, 1.2])  # toes, share of games won, fans
MATRIX = np.array([[0.1, 0.1, -0.3], [0.1, 0.2, 0.0], [0.0, 1.3, 0.1]])
TRUTHS = np.array([0.1, 1.0, 0.1])
LAMPS = np.array([[1.0, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1]])
WALK = np.array([[1.0], [1], [0], [0]])


def descend(
    predict: Callable[[Any], Any],
    weights: Any,
    truth: Any,
    rate: Any,
    steps: int,
    direction: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """The weights before each step against the gradient of the error: (steps, ...).

    `rate` is a number, or one for each weight; `direction` changes the gradient.

    >>> descend(lambda w: w, 0.0, truth=1, rate=0.5, steps=4)
    array([0.   , 0.5  , 0.75 , 0.875])
    """
    gradient = ag.func.grad(lambda w: ((predict(w) - truth) ** 2).sum() / 2)
    path = [np.asarray(weights, float)]
    for _ in range(steps - 1):
        path.append(path[-1] - rate * direction(gradient(path[-1])))
    return np.stack(path)


def learn_one_by_one(
    predict: Callable[[Any], Any],
    weights: list[ag.Tensor],
    examples: list[tuple[Any, Any]],
    rate: float,
    passes: int,
) -> list[float]:
    """A step after each example of every pass; the squared errors, summed over each pass."""
    optimizer = optim.SGD(weights, lr=rate)
    errors = []
    for _ in range(passes):
        errors.append(0.0)
        for x, truth in examples:
            error = ((predict(x) - truth) ** 2).sum()
            optimizer.zero_grad()
            (error / 2).backward()
            optimizer.step()
            errors[-1] += error.item()
    return errors


def two_layers(passes: int) -> tuple[list[float], np.ndarray]:
    """The errors of each pass over four streetlights, and the hidden layer at the end: (4, 4)."""
    random = np.random.RandomState(1)  # the numbers of numpy.random.seed(1)
    to_hidden, to_output = (
        ag.tensor(2 * random.random_sample(shape) - 1, requires_grad=True)
        for shape in [(3, 4), (4, 1)]
    )

    def predict(lamps: np.ndarray) -> ag.Tensor:
        return ag.relu(lamps @ to_hidden) @ to_output

    weights, examples = [to_hidden, to_output], list(zip(LAMPS, WALK))
    errors = learn_one_by_one(predict, weights, examples, rate=0.2, passes=passes)
    return errors, ag.relu(LAMPS @ to_hidden).numpy()


class ByHand:
    """8 filters of 3 x 3 without bias, max pooling, and 10 scores.

    `draw(*shape)` gives normally distributed numbers for the first weights.
    """

    def __init__(self, draw: Callable[..., np.ndarray]) -> None:
        self.filters = ag.tensor(draw(8, 1, 3, 3) / 9, requires_grad=True)
        self.weights = ag.tensor(draw(1352, 10) / 1352, requires_grad=True)
        self.bias = ag.tensor(np.zeros(10), requires_grad=True)

    def __call__(self, images: np.ndarray) -> Any:
        maps = F.max_pool2d(F.conv2d(images / 255 - 0.5, self.filters), 2)  # (N, 8, 13, 13)
        return maps.reshape(len(images), 1352) @ self.weights + self.bias

    def train(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray
    ) -> Iterator[tuple[float, bool]]:
        """One image at a time; yields the loss of each, and whether it was recognised."""
        optimizer = optim.SGD([self.filters, self.weights, self.bias], lr=0.005)
        for i in order:
            scores = self(images[i : i + 1])
            loss = F.cross_entropy(scores, labels[i : i + 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item(), scores.numpy().argmax() == labels[i]
