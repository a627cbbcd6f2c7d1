"""What a convolutional network does with an image, in numbers.

Edges found by a fixed filter, what a max pool keeps and where its gradient goes, the maps between
the layers, the probabilities at the end, and which pixels a prediction hangs on.  `pictures.py`
draws all of it.
"""

from typing import Any, NamedTuple

import numpy as np

import autograd_cnn as ag
from autograd_cnn import functional as F

SOBEL = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
"""Answers to what changes from left to right; its transpose to what changes from top to bottom."""


def edges(image: np.ndarray, padding: str = "same") -> np.ndarray:
    """Vertical and horizontal edges of an image (H, W): two float64 maps, (2, OH, OW).

    A convolution with the Sobel filter and its transpose.  A map is positive where the values grow
    to the right (downwards for the second), negative where they fall, and 0 where nothing changes.
    Sobel and Feldman, "A 3x3 isotropic gradient operator" (1968).

    >>> step = np.array([[0, 0, 1, 1]] * 3)
    >>> edges(step, padding="valid")
    array([[[4., 4.]],
    <BLANKLINE>
           [[0., 0.]]])
    """
    filters = np.stack([SOBEL, SOBEL.T])[:, None]  # (2, 1, 3, 3)
    return F.conv2d(image[None, None].astype(np.float64), filters, padding=padding)[0]


class Pooling(NamedTuple):
    """A 2 x 2 max pool of an image: what it keeps, and the gradient of the sum of what it keeps."""

    kept: np.ndarray
    gradient: np.ndarray


def pool(image: np.ndarray) -> Pooling:
    """Max pool an image (H, W) in windows of 2 x 2: `kept` (H // 2, W // 2), `gradient` (H, W).

    The gradient is 1 at the winner of each window and 0 at the others.  A tie, as in an empty
    corner, goes to the first in reading order.

    >>> pool(np.array([[1, 3], [2, 0]])).gradient
    array([[0., 1.],
           [0., 0.]])
    """
    x = ag.tensor(image[None, None], dtype="float64", requires_grad=True)
    kept = F.max_pool2d(x, 2)
    (gradient,) = ag.grad(kept.sum(), x)
    return Pooling(kept.numpy()[0, 0], gradient.numpy()[0, 0])


def detail(image: np.ndarray, size: int) -> tuple[slice, slice]:
    """Where the `size` x `size` pixels lie that have the most different values: rows and columns.

    Corners on even rows and columns are compared, so that windows of 2 x 2 stay whole; a smaller
    image is its own detail, and of equals the first in reading order is taken.

    >>> detail(np.diag([0, 0, 0, 0, 9, 1]), 2)
    (slice(4, 6, None), slice(4, 6, None))
    """
    rows, columns = (max(1, length - size + 1) for length in image.shape)
    corners = [(r, c) for r in range(0, rows, 2) for c in range(0, columns, 2)]
    parts = [(slice(r, r + size), slice(c, c + size)) for r, c in corners]
    return max(parts, key=lambda part: len(np.unique(image[part])))


def feature_maps(model: Any, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """What each layer of a Sequential makes of an image (1, H, W), while that is still an image.

    Pairs of the layer's kind and its maps (F, OH, OW), in order.  The model is left in eval mode,
    in which batch norm and dropout treat an image as they do after training.
    """
    model.eval()
    found, x = [], ag.tensor(image[None])
    with ag.no_grad():
        for layer in model:
            x = layer(x)
            if x.ndim == 4:
                found.append((type(layer).__name__, x.numpy()[0]))
    return found


def probabilities(model: Any, images: np.ndarray) -> np.ndarray:
    """How probable each class is to the model for each of the images (N, C, H, W): (N, K).

    Rows add up to 1.  The model is left in eval mode.
    """
    model.eval()
    with ag.no_grad():
        return F.softmax(model(ag.tensor(images)), dim=1).numpy()


def saliency(model: Any, images: np.ndarray) -> np.ndarray:
    """How much each pixel of images (N, C, H, W) raises the score of its winning class: (N, C, H,
    W).

    The gradient of the largest logit to the pixels, of each image by itself; gradients of the
    weights are left alone, and the model is left in eval mode.  Simonyan et al., "Deep inside
    convolutional networks" (2013).
    """
    model.eval()
    x = ag.tensor(images, requires_grad=True)
    (gradient,) = ag.grad(model(x).max(axis=1).sum(), x)
    return gradient.numpy()
