"""Keras on TensorFlow: compile with train_on_batch, and a written step under tf.function."""

from collections.abc import Callable
from typing import Any

import keras
import nets
import numpy as np
import tensorflow as tf


def version() -> str:
    return f"{keras.__version__}, TensorFlow {tf.__version__}"


def set_threads(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def ways(mode: str) -> list[str]:
    """How users run a step; the second with XLA as well, which jit_compile=True asks for."""
    return ["on_batch", "tf.function", "tf.function+XLA"]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    """(N, 1, H, W) as (N, H, W, 1): with one channel the memory is the same."""
    n, _, h, w = images.shape
    return tf.constant(images.reshape(n, h, w, 1)), tf.constant(labels)


def make_layer(layer: nets.Layer) -> keras.Layer:
    match layer.kind:
        case "conv":
            same = "same" if layer.padding else "valid"
            sizes = layer.outputs, layer.kernel
            return keras.layers.Conv2D(*sizes, padding=same, use_bias=layer.bias)
        case "norm2d" | "norm1d":
            return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        case "relu":
            return keras.layers.ReLU()
        case "pool":
            return keras.layers.MaxPooling2D()
        case "flatten":
            return keras.layers.Flatten()
        case "linear":
            return keras.layers.Dense(layer.outputs)


def set_weights(model: keras.Model, weights: list[dict[str, np.ndarray]]) -> None:
    """Give each layer its first weights, in Keras' order of axes."""
    channels = 1
    for i, (layer, own) in enumerate(zip(model.layers, weights)):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(own["weight"])
            layer.beta.assign(own["bias"])
        elif own:
            w = own["weight"]
            if isinstance(layer, keras.layers.Conv2D):
                channels = len(w)
                w = w.transpose(2, 3, 1, 0)  # (KH, KW, C, F)
            else:
                if isinstance(model.layers[i - 1], keras.layers.Flatten):
                    side = round((w.shape[1] // channels) ** 0.5)
                    w = w.reshape(len(w), channels, side, side).transpose(0, 2, 3, 1)
                w = w.reshape(len(w), -1).T  # (inputs, outputs), inputs as H, W, C
            layer.set_weights([w, own["bias"]] if "bias" in own else [w])


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    model = keras.Sequential([keras.Input((net.size, net.size, 1)), *map(make_layer, net.layers)])
    set_weights(model, weights)
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    if way == "on_batch":
        model.compile(optimizer, measure)
        if mode == "infer":
            return lambda images, labels: model.predict_on_batch(images)
        return model.train_on_batch
    if mode == "infer":

        def infer(images: Any, labels: Any) -> Any:
            return model(images, training=False)

        return tf.function(infer, jit_compile=way.endswith("XLA"))

    def train(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = measure(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return tf.function(train, jit_compile=way.endswith("XLA"))
