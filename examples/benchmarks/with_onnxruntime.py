"""ONNX Runtime on the CPU, with all optimizations of graphs."""

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import onnx_file
import onnxruntime

options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


def version() -> str:
    return onnxruntime.__version__


def set_threads(threads: int) -> None:
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    def load(path: str) -> Any:
        return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def run(session: Any, images: np.ndarray) -> np.ndarray:
        return session.run(None, {"images": images})[0]

    return onnx_file.runner(net, weights, load, run)
