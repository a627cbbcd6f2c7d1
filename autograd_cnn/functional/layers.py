"""Layers without windows: fully connected, flatten, dropout, embedding."""

from __future__ import annotations

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import misfit, number
from autograd_cnn.config import in_dtype_of_weights
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, Node, values, wrap
from autograd_cnn.ops import product
from autograd_cnn.ops.arithmetic import where
from autograd_cnn.ops.pick import positions
from autograd_cnn.ops.places import gather
from autograd_cnn.ops.shape import flatten, floating, unflatten
from autograd_cnn.ops.signatures import array_function

__all__ = [
    "bilinear", "dropout", "dropout2d", "embedding", "flatten", "gather", "linear", "one_hot",
    "prelu", "unflatten",
]  # fmt: skip


@array_function
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """``input @ weight.T + bias``: input (..., in), weight (out, in), bias (out,) -> (..., out).

    >>> F.linear(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    array([[3., 7.]])
    """
    return product.linear(input, weight, bias)


@array_function
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """input1 (..., m), weight (out, m, n) and input2 (..., n) multiplied, plus bias: (..., out).

    >>> F.bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.ones((1, 2, 1)))
    array([9.])
    """
    name, lead, sizes = "bilinear", input1.shape[:-1], (*input1.shape[-1:], *input2.shape[-1:])
    if lead != input2.shape[:-1] or weight.shape[1:] != sizes:
        raise misfit(name, "shapes must be (..., m), (..., n), (out, m, n)", input1, input2, weight)
    xs = (in_dtype_of_weights(name, x, weight, bias)[0] for x in (input1, input2))
    out = product.einsum("...i,...j,oij->...o", *xs, weight)
    return out if bias is None else out + bias


@array_function
def prelu(input: Array, weight: Array) -> Array:
    """`leaky_relu` with learnt slopes: one, or one per channel of (N, C, ...).

    He and others, "Delving deep into rectifiers" (2015).

    >>> F.prelu(np.array([[-1.0, -2.0]]), np.array([0.5, 0.25]))
    array([[-0.5, -0.5]])
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.shape not in ((1,), (channels,), ()):
        raise misfit("prelu", f"weight must have 1 value or {channels}", weight, input)
    x = in_dtype_of_weights("prelu", input, weight)[0]
    slopes = weight.reshape((-1, *(1,) * max(input.ndim - 2, 0)) if input.ndim else ())
    return where(x > 0, x, x * slopes)


def drop_mask(x: np.ndarray, p: float, channels: bool) -> np.ndarray:
    """A random mask for the values or the channels of x (N, C, ...) that keeps their mean."""
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2)) if channels else x.shape
    kept = random.generator().random(shape, np.float32) >= p
    factor = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return np.asarray(kept * x.dtype.type(factor))


def _dropped(name: str, input: Array, p: float, training: bool, channels: bool) -> Array:
    """`input` times a random mask that keeps its mean."""
    if not 0.0 <= p <= 1.0:
        number(name, "p", p, 0, 1)
    if not training or p == 0.0:
        return input
    input = floating(input)
    mask = drop_mask(values(input), p, channels)
    return input * (wrap(mask) if isinstance(input, Node) else mask)  # a graph would copy an array


@array_function
def dropout(input: Array, p: float = 0.5, training: bool = True) -> Array:
    """In training, zero each value with probability `p` and scale the others by 1 / (1 - p).

    Draws from the generator that `manual_seed` seeds.  Srivastava et al., "Dropout" (2014).

    >>> F.dropout(np.ones(3), p=0.5, training=False)
    array([1., 1., 1.])
    """
    return _dropped("dropout", input, p, training, False)


@array_function
def dropout2d(input: Array, p: float = 0.5, training: bool = True) -> Array:
    """`dropout` of whole channels of input (N, C, ...).

    Tompson et al., "Efficient object localization using convolutional networks" (2015).

    >>> F.dropout2d(np.ones((1, 2, 3)), p=1.0)
    array([[[0., 0., 0.],
            [0., 0., 0.]]])
    """
    if input.ndim < 2:
        raise ValueError(f"dropout2d: input must have shape (N, C, ...), got {input.shape}")
    return _dropped("dropout2d", input, p, training, True)


@array_function
def embedding(input: Array, weight: Array, padding_idx: int | None = None) -> Array:
    """The rows of weight (K, D) at the integers `input` (...): (..., D).

    Gradients of repeated rows add up; row `padding_idx` gets none.

    >>> F.embedding([2, 0], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[5., 6.],
           [1., 2.]])
    """
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight must have shape (K, D), got {weight.shape}")
    rows = weight.shape[0]
    index = positions("embedding", "input", input, rows, f"the weight has {rows} rows")
    out = weight[index]
    if padding_idx is None:
        return out
    if not -rows <= padding_idx < rows:
        raise ValueError(f"embedding: padding_idx {padding_idx} is not among the {rows} rows")
    return where((index == padding_idx % rows)[..., None], values(out), out)


@checked
def one_hot(target: Array, num_classes: int = -1) -> np.ndarray:
    """Integer classes (...,) as rows of 0 and 1 (..., num_classes), a plain integer array.

    `num_classes` defaults to the largest class plus one.

    >>> F.one_hot([2, 0])
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    known = f"there are {num_classes} classes" if num_classes >= 0 else "the first class is 0"
    classes = positions("one_hot", "target", target, num_classes, known)
    k = num_classes if num_classes >= 0 else int(classes.max()) + 1 if classes.size else 0
    rows = np.zeros((*classes.shape, k), np.int64)
    np.put_along_axis(rows, classes[..., None], 1, axis=-1)
    return rows
