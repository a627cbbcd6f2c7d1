"""MyGrad: its own layers, with momentum and running statistics in NumPy."""

from collections.abc import Callable
from typing import Any

import mygrad as mg
import nets
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy


def version() -> str:
    return mg.__version__


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return mg.tensor(images, constant=True), labels


class Small:
    """What small_ops.py needs."""

    library = mg
    leaf = staticmethod(mg.tensor)
    constant = staticmethod(np.asarray)
    clear = staticmethod(mg.Tensor.null_grad)


def convolve(x: Any, layer: nets.Layer, w: Any, *_: Any) -> Any:
    x = conv_nd(x, w["weight"], stride=1, padding=layer.padding)
    return x + w["bias"].reshape(1, -1, 1, 1) if "bias" in w else x


def normalise(x: Any, layer: nets.Layer, w: Any, running: Any, training: bool) -> Any:
    if training:
        axes = (0, 2, 3)[: x.ndim - 1]
        mean, var = x.data.mean(axes), x.data.var(axes)
        nets.move_statistics(running, mean, var, x.size // layer.outputs)
        return batchnorm(x, gamma=w["weight"], beta=w["bias"], eps=1e-5)
    shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
    scale = w["weight"] / np.sqrt(running["var"] + np.float32(1e-5))
    shift = w["bias"] - running["mean"] * scale
    return x * scale.reshape(shape) + shift.reshape(shape)


OPERATIONS = {
    "conv": convolve,
    "norm2d": normalise,
    "norm1d": normalise,
    "relu": lambda x, *_: relu(x),
    "pool": lambda x, *_: max_pool(x, (2, 2), 2),
    "flatten": lambda x, *_: x.reshape(len(x), -1),
    "linear": lambda x, layer, w, *_: mg.matmul(x, w["weight"].T) + w["bias"],
}


def build(
    net: nets.Net, first: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    weights = [{name: mg.tensor(w) for name, w in own.items()} for own in first]
    running = nets.first_statistics(net)

    def infer(images: Any, labels: Any) -> Any:
        with mg.no_autodiff:
            return nets.apply(OPERATIONS, net, weights, running, images, False)

    parameters = [w for own in weights for w in own.values()]
    momentum = nets.Momentum()

    def train(images: Any, labels: Any) -> Any:
        scores = nets.apply(OPERATIONS, net, weights, running, images, True)
        loss = softmax_crossentropy(scores, labels)
        loss.backward()
        for i, p in enumerate(parameters):
            momentum.update(i, p.data, p.grad)
            p.null_grad()
        return loss

    return infer if mode == "infer" else train
