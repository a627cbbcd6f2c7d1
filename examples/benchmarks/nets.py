"""The networks that every framework builds, as plain values: layers, first weights, work, inputs.

It imports only NumPy, so that a worker can read it in the environment of any framework.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

CLASSES = 10


@dataclass(frozen=True)
class Layer:
    """A layer: "conv", "norm2d", "norm1d", "relu", "pool", "flatten" or "linear".

    Convolutions have square kernels, and padding on every side.  Batch norm has eps 1e-5 and
    momentum 0.1 (PyTorch's).  Pooling is over 2 x 2 without overlap.
    """

    kind: str
    inputs: int = 0
    outputs: int = 0
    kernel: int = 0
    padding: int = 0
    bias: bool = True


conv, linear = partial(Layer, "conv"), partial(Layer, "linear")
RELU, POOL, FLATTEN = Layer("relu"), Layer("pool"), Layer("flatten")


def norm(features: int, axes: int = 2) -> Layer:
    return Layer(f"norm{axes}d", features, features)


@dataclass(frozen=True)
class Net:
    """Layers in their order, and the height and width of the images that they read."""

    layers: tuple[Layer, ...]
    size: int = 28


def a1() -> Net:
    return Net((conv(1, 8, 3, bias=False), POOL, FLATTEN, linear(8 * 13 * 13, CLASSES)))


def b1() -> Net:
    classifier = (linear(13 * 13, 64), RELU, linear(64, CLASSES))
    return Net((conv(1, 1, 3), RELU, POOL, FLATTEN, *classifier))


def s4(size: int = 28, channels: int = 16) -> Net:
    wide, last = 2 * channels, size // 4
    layers = (
        *(conv(1, channels, 3, padding=1), norm(channels), RELU, POOL),
        *(conv(channels, wide, 3, padding=1), norm(wide), RELU, POOL, FLATTEN),
        *(linear(wide * last * last, 128), norm(128, axes=1), RELU, linear(128, CLASSES)),
    )
    return Net(layers, size)


def lenet() -> Net:
    """LeNet-5 with relu and max pooling; padding 2 makes 32 x 32 of 28 x 28."""
    layers = (
        *(conv(1, 6, 5, padding=2), RELU, POOL, conv(6, 16, 5), RELU, POOL, FLATTEN),
        *(linear(16 * 5 * 5, 120), RELU, linear(120, 84), RELU, linear(84, CLASSES)),
    )
    return Net(layers)


def mlp() -> Net:
    return Net((FLATTEN, linear(28 * 28, 128), RELU, linear(128, CLASSES)))


NETS = {"A1": a1, "B1": b1, "S4": s4, "LeNet": lenet, "MLP": mlp}


def first_weights(net: Net, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Weights of each layer by name, float32, uniform in +-1/sqrt(fan in), in PyTorch's shapes.

    Batch norm starts near 1 and 0, not at them, so that a framework that swaps the two is noticed.
    """
    random = np.random.default_rng(seed)

    def draw(low: float, high: float, shape: Any) -> np.ndarray:
        return random.uniform(low, high, shape).astype("f4")

    weights = []
    for layer in net.layers:
        own = {}
        if layer.kind.startswith("norm"):
            own["weight"] = draw(0.8, 1.2, layer.outputs)
            own["bias"] = draw(-0.1, 0.1, layer.outputs)
        elif layer.outputs:
            shape = (layer.outputs, layer.inputs) + (layer.kernel, layer.kernel) * bool(
                layer.kernel
            )
            bound = 1 / np.sqrt(np.prod(shape[1:]))
            own["weight"] = draw(-bound, bound, shape)
            if layer.bias:
                own["bias"] = draw(-bound, bound, layer.outputs)
        weights.append(own)
    return weights


def first_statistics(net: Net) -> list[dict[str, np.ndarray]]:
    """Running mean and variance of each layer before training, empty where there are none."""
    return [
        {"mean": np.zeros(layer.outputs, "f4"), "var": np.ones(layer.outputs, "f4")}
        if layer.kind.startswith("norm")
        else {}
        for layer in net.layers
    ]


def move_statistics(running: dict[str, Any], mean: Any, var: Any, count: int) -> None:
    """Take a batch of `count` values per channel into the running statistics."""
    for name, new in (("mean", mean), ("var", var * (count / (count - 1)))):
        running[name] = running[name] + np.float32(0.1) * (new - running[name])


class Momentum:
    """Gradient descent on arrays with rate 0.01 and momentum 0.9."""

    def __init__(self) -> None:
        self.speeds: dict[Any, np.ndarray] = {}

    def update(self, key: Any, w: np.ndarray, g: np.ndarray) -> None:
        """Change the weights `w` in place."""
        speed = self.speeds.setdefault(key, np.zeros_like(w))
        speed *= 0.9
        speed += g
        w -= 0.01 * speed


def apply(
    operations: dict[str, Any], net: Net, weights: Any, running: Any, x: Any, training: bool
) -> Any:
    """The scores, by the operation of each layer; it changes the dicts in `running` in training."""
    for layer, own, statistics in zip(net.layers, weights, running):
        x = operations[layer.kind](x, layer, own, statistics, training)
    return x


def make_batches(
    batch: int, size: int, count: int = 8, seed: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of images float32 (N, 1, H, W), C-contiguous, and labels int64 (N,).

    A fifth of the pixels is above zero, as in handwritten digits.
    """
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        shape = (batch, 1, size, size)
        images = random.random(shape, "f4") * (random.random(shape, "f4") < 0.2)
        pairs.append((images.astype("f4"), random.integers(0, CLASSES, batch)))
    return pairs


def flop_per_image(net: Net, mode: str) -> int:
    """Floating-point operations of the convolutions and linear layers, 2 per multiply-add.

    Training does each layer's work three times (forward, gradient of the weights, gradient of the
    input), but the first layer's twice, because the gradient of the images is not needed.
    """
    total, first, size = 0, True, net.size
    for layer in net.layers:
        if layer.kind == "pool":
            size //= 2
        elif layer.kind in ("conv", "linear"):
            work = 2 * layer.outputs * layer.inputs
            if layer.kind == "conv":
                size += 2 * layer.padding - layer.kernel + 1
                work *= layer.kernel**2 * size**2
            total += work * (1 if mode == "infer" else 2 if first else 3)
            first = False
    return total
