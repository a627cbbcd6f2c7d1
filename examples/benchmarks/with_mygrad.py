"""MyGrad: its own layers, with momentum and running statistics in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad as mg
import nets
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

Running = list[dict[str, np.ndarray]]


def version() -> str:
    return mg.__version__


def set_threads(threads: int) -> None:
    """It has no threads of its own; NumPy's BLAS reads the worker's environment."""


def ways(mode: str) -> list[str]:
    return [""]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return mg.tensor(images, constant=True), labels


def to_numpy(answer: Any) -> np.ndarray:
    return np.asarray(answer)


class Small:
    """What small_ops.py needs."""

    library = mg

    @staticmethod
    def leaf(values: np.ndarray) -> Any:
        return mg.tensor(values)

    @staticmethod
    def constant(values: np.ndarray) -> Any:
        return values

    @staticmethod
    def clear(x: Any) -> None:
        x.null_grad()


def apply(net: nets.Net, weights: list[dict[str, Any]], running: Running, x: Any, mode: str) -> Any:
    """The scores.  In training the running statistics change in place."""
    for layer, w, statistics in zip(net.layers, weights, running):
        match layer:
            case nets.Conv(padding=padding):
                x = conv_nd(x, w["weight"], stride=1, padding=padding)
                if "bias" in w:
                    x = x + w["bias"].reshape(1, -1, 1, 1)
            case nets.BatchNorm() if mode == "train":
                axes = (0, 2, 3)[: x.ndim - 1]
                mean, var = x.data.mean(axes), x.data.var(axes)
                nets.move_statistics(statistics, mean, var, x.size // layer.features)
                x = batchnorm(x, gamma=w["weight"], beta=w["bias"], eps=1e-5)
            case nets.BatchNorm():
                shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
                scale = w["weight"] / np.sqrt(statistics["var"] + np.float32(1e-5))
                shift = w["bias"] - statistics["mean"] * scale
                x = x * scale.reshape(shape) + shift.reshape(shape)
            case nets.Relu():
                x = relu(x)
            case nets.Pool():
                x = max_pool(x, (2, 2), 2)
            case nets.Flatten():
                x = x.reshape(len(x), -1)
            case nets.Linear():
                x = mg.matmul(x, w["weight"].T) + w["bias"]
    return x


def build(
    net: nets.Net, first: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    weights = [{name: mg.tensor(w) for name, w in own.items()} for own in first]
    running = nets.first_statistics(net)
    if mode == "infer":

        def infer(images: Any, labels: Any) -> Any:
            with mg.no_autodiff:
                return apply(net, weights, running, images, mode)

        return infer
    parameters = [w for own in weights for w in own.values()]
    speeds = [np.zeros_like(p.data) for p in parameters]

    def train(images: Any, labels: Any) -> Any:
        loss = softmax_crossentropy(apply(net, weights, running, images, mode), labels)
        loss.backward()
        for p, v in zip(parameters, speeds):
            v *= 0.9
            v += p.grad
            p.data -= 0.01 * v
            p.null_grad()
        return loss

    return train
