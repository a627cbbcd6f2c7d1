"""A network as an ONNX file, written with onnx.helper from its weights, for a fixed batch."""

import os
import tempfile
from collections.abc import Callable
from typing import Any

import nets
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

OPSET, IR = 17, 9
"""Versions that all runtimes read."""


def runner(
    net: nets.Net,
    weights: list[dict[str, np.ndarray]],
    load: Callable[[str], Any],
    run: Callable[[Any, np.ndarray], np.ndarray],
) -> Callable[..., Any]:
    """A step of inference: `run` on what `load` makes of the file for a batch of this size."""
    loaded: dict[int, Any] = {}

    def infer(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if len(images) not in loaded:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "network.onnx")
                write(net, weights, len(images), path)
                loaded[len(images)] = load(path)
        return run(loaded[len(images)], images)

    return infer


def write(net: nets.Net, weights: list[dict[str, np.ndarray]], batch: int, path: str) -> None:
    nodes, numbers, at = [], [], "images"
    for i, (layer, own) in enumerate(zip(net.layers, weights)):
        name, settings = node_of(layer)
        keys = [key for key in ("weight", "bias", "running_mean", "running_var") if key in own]
        numbers += [numpy_helper.from_array(own[key], f"{i}.{key}") for key in keys]
        inputs, at = [at, *(f"{i}.{key}" for key in keys)], f"out{i}"
        nodes.append(helper.make_node(name, inputs, [at], **settings))
    shape = (batch, net.channels, net.size, net.size)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    scores = helper.make_tensor_value_info(at, TensorProto.FLOAT, (batch, nets.CLASSES))
    graph = helper.make_graph(nodes, "network", [images], [scores], numbers)
    opset = helper.make_opsetid("", OPSET)
    save(helper.make_model(graph, opset_imports=[opset], ir_version=IR), path)


def node_of(layer: nets.Layer) -> tuple[str, dict[str, object]]:
    """The operator of a layer, and its attributes."""
    match layer.kind:
        case "conv":
            how = {"strides": [layer.stride] * 2, "group": layer.groups}
            return "Conv", {"kernel_shape": [layer.kernel] * 2, "pads": [layer.padding] * 4, **how}
        case "norm2d" | "norm1d":
            return "BatchNormalization", {"epsilon": 1e-5}
        case "relu":
            return "Relu", {}
        case "pool":
            return "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}
        case "flatten":
            return "Flatten", {}
        case "linear":
            return "Gemm", {"transB": 1}
    raise ValueError(f"ONNX files here have no layer {layer.kind!r}")
