"""Cross entropy and the updates of optimizers in NumPy."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

__all__ = ["adam", "cross_entropy", "cross_entropy_grad", "first_outside", "sgd"]

# ------------------------------------------------------------------------------------ cross entropy


def first_outside(classes: np.ndarray, k: int, /) -> int | None:
    """The position in ``classes.ravel()`` of the first number outside of 0 ... k - 1, or None."""
    wrong = ((classes < 0) | (classes >= k)).ravel()
    return int(wrong.argmax()) if wrong.any() else None


def cross_entropy(logits: np.ndarray, target: np.ndarray, /) -> tuple[np.ndarray, np.ndarray]:
    """-log(softmax(logits)) of the target classes (N, ...), and softmax(logits) (N, K, ...).

    The maximum is subtracted before exponentials; all is NaN where it is infinite.
    """
    place = np.expand_dims(target, 1).copy()  # other threads may write to the target
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        shifted = logits - np.max(logits, axis=1, keepdims=True, initial=-np.inf)
        probabilities = np.exp(shifted)
        total = probabilities.sum(axis=1, keepdims=True)  # (N, 1, ...)
        probabilities /= total
        losses = np.log(total) - np.take_along_axis(shifted, place, axis=1)
    return losses[:, 0], probabilities


def cross_entropy_grad(
    g: np.ndarray, probabilities: np.ndarray, target: np.ndarray, /
) -> np.ndarray:
    """The gradient of cross_entropy in the logits: g (N, ...) times the probabilities (N, K, ...),
    less 1 for the target class.
    """
    off = probabilities.copy(order="K")
    place = np.expand_dims(target, 1).copy()
    np.put_along_axis(off, place, np.take_along_axis(off, place, 1) - 1, 1)
    off *= np.expand_dims(g, 1)
    return off


# ------------------------------------------------------------------------------ optimizers' updates

_kept = threading.local()  # work arrays by dtype


def with_decay(
    p: np.ndarray, g: np.ndarray, decay: float, maximize: bool, kept: dict[Any, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``g + decay * p``, or ``-g + decay * p`` to maximize, and two work arrays shaped like `p`.

    The first may be `g` itself, or the first work array.  `kept` keeps large ones for later.
    """
    if p.size < 4096:
        out, work = np.empty_like(p), np.empty_like(p)
    else:
        flat = kept.get(p.dtype)
        if flat is None or flat.shape[1] < p.size:
            kept[p.dtype] = flat = np.empty((2, p.size), p.dtype)
        out, work = flat[:, : p.size].reshape(2, *p.shape)
    if decay:
        np.multiply(p, decay, out=out)
        return (np.subtract if maximize else np.add)(out, g, out=out), out, work
    return (np.negative(g, out=out) if maximize else g), out, work


def move_mean(mean: np.ndarray, keep: float, new: np.ndarray, work: np.ndarray) -> None:
    """``mean = keep * mean + (1 - keep) * new`` in place; overwrites `work`, which may be `new`."""
    mean *= keep
    mean += np.multiply(new, 1 - keep, out=work)


def sgd(
    updates: list[Any],
    numbers: tuple[float, float, float, float],
    nesterov: bool,
    maximize: bool,
    /,
) -> None:
    """A step of gradient descent.  Each update is (p, g, buffer): parameters p and the buffer of
    momentum or None change in place.

    `numbers` are the learning rate, the momentum, the weight of the new gradient in the buffer, and
    the weight decay.
    """
    lr, momentum, fresh, decay = numbers
    for p, g, buffer in updates:
        step, out, work = with_decay(p, g, decay, maximize, _kept.__dict__)
        if buffer is not None:
            buffer *= momentum
            buffer += step if fresh == 1 else np.multiply(step, fresh, out=work)
            if nesterov:
                np.multiply(buffer, momentum, out=work)
            step = np.add(step, work, out=out) if nesterov else buffer
        p -= np.multiply(step, lr, out=out)


def adam(
    updates: list[Any], numbers: tuple[float, float, float, float, float, float], maximize: bool, /
) -> None:
    """A step of Adam.  Each update is (p, g, m, v, largest): parameters p, moments m and v, and the
    largest v or None change in place.

    `numbers` are the rate and the epsilon, both with bias correction, the two betas, the weight
    decay added to the gradient, and the factor that first shrinks p.
    """
    rate, eps, beta1, beta2, decay, shrink = numbers
    for p, g, m, v, largest in updates:
        if shrink != 1:
            p *= shrink
        step, out, work = with_decay(p, g, decay, maximize, _kept.__dict__)
        move_mean(m, beta1, step, work)
        move_mean(v, beta2, np.multiply(step, step, out=work), work)
        root = np.sqrt(v if largest is None else np.maximum(largest, v, out=largest), out=out)
        root += eps
        p -= np.multiply(np.divide(m, root, out=out), rate, out=out)
