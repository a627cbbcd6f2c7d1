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
    """A layer: "conv", "norm2d", "norm1d", "relu", "pool", "average", "flatten", "linear" or
    "residual".

    Convolutions have square kernels, and padding on every side.  Batch norm has eps 1e-5 and
    momentum 0.1 (PyTorch's).  Pooling is over 2 x 2 without overlap, "average" over all pixels.
    "residual" adds the results of its two `branches` of layers, and relu follows.
    """

    kind: str
    inputs: int = 0
    outputs: int = 0
    kernel: int = 0
    padding: int = 0
    bias: bool = True
    stride: int = 1
    groups: int = 1
    branches: tuple[tuple["Layer", ...], ...] = ()


conv, linear = partial(Layer, "conv"), partial(Layer, "linear")
RELU, POOL, FLATTEN = Layer("relu"), Layer("pool"), Layer("flatten")
AVERAGE = Layer("average")


def norm(features: int, axes: int = 2) -> Layer:
    return Layer(f"norm{axes}d", features, features)


@dataclass(frozen=True)
class Net:
    """Layers in their order, the size and the channels of the images that they read, and whether
    Adam trains them (or SGD with momentum).
    """

    layers: tuple[Layer, ...]
    size: int = 28
    channels: int = 1
    adam: bool = False


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


def block(inputs: int, outputs: int, kernel: int = 3, **how: int) -> tuple[Layer, ...]:
    """Convolution, batch norm, relu; the same size but for the stride."""
    first = conv(inputs, outputs, kernel, padding=kernel // 2, bias=False, **how)
    return first, norm(outputs), RELU


def vgg() -> Net:
    """Two blocks of two convolutions, for colour images of 32 x 32."""
    first, second = (*block(3, 32), *block(32, 32), POOL), (*block(32, 64), *block(64, 64), POOL)
    classifier = (FLATTEN, linear(64 * 8 * 8, 128), RELU, linear(128, CLASSES))
    return Net((*first, *second, *classifier), size=32, channels=3)


def resnet() -> Net:
    """Three residual blocks; the second and the third have stride 2."""

    def residual(inputs: int, outputs: int, stride: int) -> Layer:
        short = block(inputs, outputs, 1, stride=stride)[:2] if stride > 1 else ()
        main = (*block(inputs, outputs, stride=stride), *block(outputs, outputs)[:2])
        return Layer("residual", branches=(main, short))

    blocks = residual(16, 16, 1), residual(16, 32, 2), residual(32, 64, 2)
    layers = (*block(3, 16), *blocks, AVERAGE, FLATTEN, linear(64, CLASSES))
    return Net(layers, size=32, channels=3, adam=True)


def separable() -> Net:
    """Depthwise convolutions, each followed by one of 1 x 1."""

    def pair(inputs: int, outputs: int, stride: int) -> tuple[Layer, ...]:
        return *block(inputs, inputs, groups=inputs, stride=stride), *block(inputs, outputs, 1)

    pairs = (*pair(32, 64, 1), *pair(64, 128, 2), *pair(128, 128, 1))
    layers = (*block(3, 32, stride=2), *pairs, AVERAGE, FLATTEN, linear(128, CLASSES))
    return Net(layers, size=32, channels=3)


NETS = {"A1": a1, "B1": b1, "S4": s4, "LeNet": lenet, "MLP": mlp}
COLOUR_NETS = {"VGG-like": vgg, "ResNet-like": resnet, "separable": separable}
"""Networks of 32 x 32 colour images, for --breadth and --deploy; of these only VGG-like is a plain
sequence of layers that every framework here can build."""


def make(name: str, **shape: int) -> Net:
    return (NETS | COLOUR_NETS)[name](**shape)


def first_weights(net: Net, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Weights of each layer by name, float32, uniform in +-1/sqrt(fan in), in PyTorch's shapes.

    Batch norm starts near 1 and 0, not at them, so that a framework that swaps the two is noticed.
    """
    random = np.random.default_rng(seed)

    def draw(low: float, high: float, shape: Any) -> np.ndarray:
        return random.uniform(low, high, shape).astype("f4")

    def draw_all(layers: tuple[Layer, ...]) -> list[dict[str, np.ndarray]]:
        return [draw_layer(layer) for layer in layers]

    def draw_layer(layer: Layer) -> dict[str, np.ndarray]:
        own = {}
        if layer.kind.startswith("norm"):
            own["weight"] = draw(0.8, 1.2, layer.outputs)
            own["bias"] = draw(-0.1, 0.1, layer.outputs)
        elif layer.outputs:
            kernel = (layer.kernel, layer.kernel) * bool(layer.kernel)
            shape = (layer.outputs, layer.inputs // layer.groups, *kernel)
            bound = 1 / np.sqrt(np.prod(shape[1:]))
            own["weight"] = draw(-bound, bound, shape)
            if layer.bias:
                own["bias"] = draw(-bound, bound, layer.outputs)
        for branch, layers in zip(("main", "short"), layer.branches):
            for i, inner in enumerate(draw_all(layers)):
                own |= {f"{branch}.{i}.{name}": w for name, w in inner.items()}
        return own

    return draw_all(net.layers)


def trained_weights(net: Net) -> list[dict[str, np.ndarray]]:
    """The first weights, with running statistics that are not those before training."""
    weights = first_weights(net)
    for layer, own in zip(net.layers, weights):
        if layer.kind.startswith("norm"):
            own["running_mean"] = np.linspace(-0.2, 0.3, layer.outputs, dtype="f4")
            own["running_var"] = np.linspace(0.5, 1.5, layer.outputs, dtype="f4")
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
    batch: int, size: int, channels: int = 1, count: int = 8, seed: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of images float32 (N, C, H, W), C-contiguous, and labels int64 (N,).

    A fifth of the pixels is above zero, as in handwritten digits.
    """
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        shape = (batch, channels, size, size)
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
