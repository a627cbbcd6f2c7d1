"""JAX: the whole step under jit, its old state donated; images as N, C, H, W or N, H, W, C."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import nets
import numpy as np
from jax import lax

State = list[dict[str, jax.Array]]


def version() -> str:
    return jax.__version__


def ways(mode: str) -> list[str]:
    return ["NCHW", "NHWC"]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    images = images if way == "NCHW" else images.transpose(0, 2, 3, 1)
    return jnp.asarray(images), jnp.asarray(labels)


def operations(way: str) -> dict[str, Callable[..., Any]]:
    first = way == "NCHW"  # the channels come first

    def along_channels(values: jax.Array, x: jax.Array) -> jax.Array:
        return values[:, None, None] if x.ndim == 4 and first else values

    def convolve(x: jax.Array, layer: nets.Layer, w: Any, *_: Any) -> jax.Array:
        padding, axes = [(layer.padding, layer.padding)] * 2, (way, "OIHW", way)
        x = lax.conv_general_dilated(x, w["weight"], (1, 1), padding, dimension_numbers=axes)
        return x + along_channels(w["bias"], x) if "bias" in w else x

    def normalise(x: jax.Array, layer: Any, w: Any, running: Any, training: bool) -> jax.Array:
        mean, var = running["mean"], running["var"]
        if training:
            axes = (0,) if x.ndim == 2 else (0, 2, 3) if first else (0, 1, 2)
            mean, var = x.mean(axes), x.var(axes)
            nets.move_statistics(running, mean, var, x.size // layer.outputs)
        scale = w["weight"] * lax.rsqrt(var + 1e-5)
        shift = w["bias"] - mean * scale
        return x * along_channels(scale, x) + along_channels(shift, x)

    def pool(x: jax.Array, *_: Any) -> jax.Array:
        window = (1, 1, 2, 2) if first else (1, 2, 2, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")

    def flatten(x: jax.Array, *_: Any) -> jax.Array:
        return (x if first else x.transpose(0, 3, 1, 2)).reshape(len(x), -1)

    return {
        "conv": convolve,
        "norm2d": normalise,
        "norm1d": normalise,
        "relu": lambda x, *_: jax.nn.relu(x),
        "pool": pool,
        "flatten": flatten,
        "linear": lambda x, layer, w, *_: x @ w["weight"].T + w["bias"],
    }


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    apply = functools.partial(nets.apply, operations(way), net)
    state = jax.tree.map(jnp.asarray, weights)
    running = jax.tree.map(jnp.asarray, nets.first_statistics(net))
    if mode == "infer":
        scores = jax.jit(lambda images: apply(state, running, images, False))
        return lambda images, labels: scores(images)

    def loss(weights: State, running: State, images: Any, labels: Any) -> tuple[Any, State]:
        running = [dict(statistics) for statistics in running]
        logits = apply(weights, running, images, True)
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
        return -picked.mean(), running

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(weights: State, speed: State, running: State, images: Any, labels: Any) -> Any:
        gradients = jax.value_and_grad(loss, has_aux=True)
        (value, running), g = gradients(weights, running, images, labels)
        speed = jax.tree.map(lambda v, g: 0.9 * v + g, speed, g)
        weights = jax.tree.map(lambda w, v: w - 0.01 * v, weights, speed)
        return value, (weights, speed, running)

    kept = (state, jax.tree.map(jnp.zeros_like, state), running)

    def train(images: Any, labels: Any) -> Any:
        nonlocal kept
        value, kept = step(*kept, images, labels)
        return value

    return train
