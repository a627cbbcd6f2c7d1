"""JAX: the whole step under jit, its old state donated; images as N, C, H, W or N, H, W, C."""

from __future__ import annotations

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


def set_threads(threads: int) -> None:
    """JAX has no call for it: the worker's environment (NPROC) has set it."""


def ways(mode: str) -> list[str]:
    return ["NCHW", "NHWC"]


def convert(images: np.ndarray, labels: np.ndarray, way: str) -> tuple[Any, Any]:
    return jnp.asarray(images if way == "NCHW" else images.transpose(0, 2, 3, 1)), jnp.asarray(
        labels
    )


def to_numpy(answer: Any) -> np.ndarray:
    return np.asarray(answer)


def apply(
    net: nets.Net, weights: State, running: State, x: jax.Array, training: bool, way: str
) -> tuple[jax.Array, State]:
    """The scores, and the running statistics after this batch."""
    after = []
    for layer, w, statistics in zip(net.layers, weights, running):
        match layer:
            case nets.Conv(padding=padding):
                numbers = (way, "OIHW", way)
                x = lax.conv_general_dilated(
                    x, w["weight"], (1, 1), [(padding, padding)] * 2, dimension_numbers=numbers
                )
                if "bias" in w:
                    x = x + along_channels(w["bias"], x, way)
            case nets.BatchNorm():
                x, statistics = batch_norm(x, w, statistics, training, way)
            case nets.Relu():
                x = jax.nn.relu(x)
            case nets.Pool():
                window = (1, 1, 2, 2) if way == "NCHW" else (1, 2, 2, 1)
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
            case nets.Flatten():
                x = (x if way == "NCHW" else x.transpose(0, 3, 1, 2)).reshape(len(x), -1)
            case nets.Linear():
                x = x @ w["weight"].T + w["bias"]
        after.append(statistics)
    return x, after


def along_channels(values: jax.Array, x: jax.Array, way: str) -> jax.Array:
    return values[:, None, None] if x.ndim == 4 and way == "NCHW" else values


def batch_norm(
    x: jax.Array, w: dict[str, jax.Array], running: dict[str, jax.Array], training: bool, way: str
) -> tuple[jax.Array, dict[str, jax.Array]]:
    mean, var = running["mean"], running["var"]
    if training:
        axes = (0,) if x.ndim == 2 else (0, 2, 3) if way == "NCHW" else (0, 1, 2)
        mean, var = x.mean(axes), x.var(axes)
        count = x.size // len(mean)
        running = {
            "mean": 0.9 * running["mean"] + 0.1 * mean,
            "var": 0.9 * running["var"] + 0.1 * var * (count / (count - 1)),
        }
    scale = w["weight"] * lax.rsqrt(var + 1e-5)
    shift = w["bias"] - mean * scale
    return x * along_channels(scale, x, way) + along_channels(shift, x, way), running


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    state = jax.tree.map(jnp.asarray, weights)
    running = jax.tree.map(jnp.asarray, nets.first_statistics(net))
    if mode == "infer":
        scores = jax.jit(lambda images: apply(net, state, running, images, False, way)[0])
        return lambda images, labels: scores(images)

    def loss(weights: State, running: State, images: Any, labels: Any) -> tuple[Any, State]:
        logits, running = apply(net, weights, running, images, True, way)
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
