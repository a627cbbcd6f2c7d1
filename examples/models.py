"""Small networks that read images (N, 1, 28, 28) of digits, and how each is trained.

A network returns one score per digit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from autograd_cnn import nn
from autograd_cnn.data import augment


def cnn() -> nn.Sequential:
    """Two blocks of convolution, pooling, normalisation and relu, then a classifier."""
    return nn.Sequential(
        *block(1, 8, 5, pool=True),  # 24 x 24, then 12 x 12
        *block(8, 32, 5, pool=True),  # 8 x 8, then 4 x 4
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def best() -> nn.Sequential:
    """Five convolutions at 24, 12 and 6 pixels and a single linear layer, for the recipe `BEST`."""
    return nn.Sequential(
        *block(1, 24, 5, pool=True),  # 24 x 24, then 12 x 12
        *block(24, 48, 3, padding=1),  # 12 x 12
        *block(48, 48, 3, padding=1, pool=True),  # 12 x 12, then 6 x 6
        *block(48, 64, 3, padding=1),  # 6 x 6
        *block(64, 64, 3),  # 4 x 4
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 10),
    )


def block(
    channels: int, filters: int, size: int, padding: int = 0, pool: bool = False
) -> list[nn.Module]:
    """Convolution, pooling where wanted, normalisation and relu.

    Pooling comes first, so that normalisation and relu treat a quarter of the values.  The
    convolution needs no bias, because the normalisation has one.
    """
    return [
        nn.Conv2d(channels, filters, size, padding=padding, bias=False),
        *([nn.MaxPool2d(2)] if pool else []),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]


def lenet() -> nn.Sequential:
    """LeNet-5 (LeCun et al., 1998) with today's relu and max pooling."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),  # 28 x 28, then 14 x 14
        *(nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU()),  # 10 x 10, then 5 x 5
        *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def mlp() -> nn.Sequential:
    """One hidden layer and no convolution, for comparison."""
    hidden = nn.Linear(28 * 28, 128), nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 10))


MODELS: dict[str, Callable[[], nn.Sequential]] = {
    make.__name__: make for make in (cnn, best, lenet, mlp)
}


@dataclass(frozen=True)
class Recipe:
    """How to train a network.

    `epochs` and `digits_epochs` count the passes over MNIST and over the embedded digits; `lr` is
    the highest learning rate of the one-cycle schedule; `augment` changes training images at
    random.
    """

    epochs: int
    digits_epochs: int
    batch_size: int
    lr: float
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None


PLAIN = Recipe(epochs=3, digits_epochs=15, batch_size=64, lr=0.05)
BEST = Recipe(
    epochs=12,
    digits_epochs=30,
    batch_size=128,
    lr=0.1,
    augment=partial(augment.warp, degrees=10, shift=2, scale=0.1, elastic=0.5),
)


def recipe_for(model: str) -> Recipe:
    """The recipe of the network of this name in `MODELS`."""
    return BEST if model == "best" else PLAIN
