"""HIPS autograd: it has no layers, so these are written with its NumPy."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import nets
import numpy as np
from autograd import value_and_grad
from autograd.tracer import getval


def version() -> str:
    return importlib.metadata.version("autograd")


def set_threads(threads: int) -> None:
    """It has no threads of its own; NumPy's BLAS reads the worker's environment."""


def ways(mode: str) -> list[str]:
    return [""]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return images, labels


def to_numpy(answer: Any) -> np.ndarray:
    return np.asarray(answer)


def convolve(x: Any, w: Any, padding: int) -> Any:
    """A matrix product per kernel offset."""
    if padding:
        x = anp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), "constant")
    n, _, h, width = x.shape
    k = w.shape[2]
    h, width = h - k + 1, width - k + 1
    out = 0.0
    for i in range(k):
        for j in range(k):
            window = x[:, :, i : i + h, j : j + width].reshape(n, x.shape[1], h * width)
            out = out + anp.matmul(w[:, :, i, j], window)
    return out.reshape(n, len(w), h, width)


def apply(
    net: nets.Net, weights: Any, running: list[dict[str, np.ndarray]], x: Any, mode: str
) -> Any:
    """The scores.  In training the running statistics change in place."""
    for layer, w, statistics in zip(net.layers, weights, running):
        match layer:
            case nets.Conv(padding=padding):
                x = convolve(x, w["weight"], padding)
                if "bias" in w:
                    x = x + w["bias"][:, None, None]
            case nets.BatchNorm():
                axes, shape = ((0, 2, 3), (-1, 1, 1)) if x.ndim == 4 else ((0,), (-1,))
                mean, var = statistics["mean"], statistics["var"]
                if mode == "train":
                    mean = anp.mean(x, axes)
                    var = anp.mean((x - mean.reshape(shape)) ** 2, axes)
                    count = x.size // layer.features
                    nets.move_statistics(statistics, getval(mean), getval(var), count)
                scale = w["weight"] / anp.sqrt(var + np.float32(1e-5))
                shift = w["bias"] - mean * scale
                x = x * scale.reshape(shape) + shift.reshape(shape)
            case nets.Relu():
                x = anp.maximum(x, 0)
            case nets.Pool():
                n, c, h, width = x.shape
                x = anp.max(x.reshape(n, c, h // 2, 2, width // 2, 2), axis=(3, 5))
            case nets.Flatten():
                x = x.reshape(len(x), -1)
            case nets.Linear():
                x = anp.dot(x, w["weight"].T) + w["bias"]
    return x


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    running = nets.first_statistics(net)
    if mode == "infer":
        return lambda images, labels: apply(net, weights, running, images, mode)

    def loss(weights: Any, images: np.ndarray, labels: np.ndarray) -> Any:
        scores = apply(net, weights, running, images, mode)
        top = anp.max(scores, axis=1, keepdims=True)
        total = anp.log(anp.sum(anp.exp(scores - top), axis=1)) + top[:, 0]
        return anp.mean(total - scores[np.arange(len(labels)), labels])

    gradients = value_and_grad(loss)
    speeds = [{name: np.zeros_like(w) for name, w in own.items()} for own in weights]

    def train(images: np.ndarray, labels: np.ndarray) -> Any:
        value, found = gradients(weights, images, labels)
        for own, speed, g in zip(weights, speeds, found):
            for name, w in own.items():
                speed[name] *= 0.9
                speed[name] += g[name]
                w -= 0.01 * speed[name]
        return value

    return train
