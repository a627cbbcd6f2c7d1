"""HIPS autograd: it has no layers, so these are written with its NumPy."""

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


def convolve(x: Any, layer: nets.Layer, w: Any, *_: Any) -> Any:
    """A matrix product per kernel offset."""
    if layer.padding:
        border = (layer.padding, layer.padding)
        x = anp.pad(x, ((0, 0), (0, 0), border, border), "constant")
    n, channels, h, width = x.shape
    k = layer.kernel
    h, width = h - k + 1, width - k + 1
    out = 0.0
    for i in range(k):
        for j in range(k):
            window = x[:, :, i : i + h, j : j + width].reshape(n, channels, h * width)
            out = out + anp.matmul(w["weight"][:, :, i, j], window)
    out = out.reshape(n, layer.outputs, h, width)
    return out + w["bias"][:, None, None] if "bias" in w else out


def normalise(x: Any, layer: nets.Layer, w: Any, running: Any, training: bool) -> Any:
    axes, shape = ((0, 2, 3), (-1, 1, 1)) if x.ndim == 4 else ((0,), (-1,))
    mean, var = running["mean"], running["var"]
    if training:
        mean = anp.mean(x, axes)
        var = anp.mean((x - mean.reshape(shape)) ** 2, axes)
        nets.move_statistics(running, getval(mean), getval(var), x.size // layer.outputs)
    scale = w["weight"] / anp.sqrt(var + np.float32(1e-5))
    shift = w["bias"] - mean * scale
    return x * scale.reshape(shape) + shift.reshape(shape)


def pool(x: Any, *_: Any) -> Any:
    n, c, h, width = x.shape
    return anp.max(x.reshape(n, c, h // 2, 2, width // 2, 2), axis=(3, 5))


OPERATIONS = {
    "conv": convolve,
    "norm2d": normalise,
    "norm1d": normalise,
    "relu": lambda x, *_: anp.maximum(x, 0),
    "pool": pool,
    "flatten": lambda x, *_: x.reshape(len(x), -1),
    "linear": lambda x, layer, w, *_: anp.dot(x, w["weight"].T) + w["bias"],
}


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    running = nets.first_statistics(net)
    if mode == "infer":
        return lambda images, labels: nets.apply(OPERATIONS, net, weights, running, images, False)

    def loss(weights: Any, images: np.ndarray, labels: np.ndarray) -> Any:
        scores = nets.apply(OPERATIONS, net, weights, running, images, True)
        top = anp.max(scores, axis=1, keepdims=True)
        total = anp.log(anp.sum(anp.exp(scores - top), axis=1)) + top[:, 0]
        return anp.mean(total - scores[np.arange(len(labels)), labels])

    gradients, momentum = value_and_grad(loss), nets.Momentum()

    def train(images: np.ndarray, labels: np.ndarray) -> Any:
        value, found = gradients(weights, images, labels)
        for i, own in enumerate(weights):
            for name, w in own.items():
                momentum.update((i, name), w, found[i][name])
        return value

    return train
