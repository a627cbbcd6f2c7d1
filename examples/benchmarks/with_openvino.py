"""OpenVINO on the CPU, in float32, with its hint for the shortest time of one request."""

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import onnx_file
import openvino

settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def version() -> str:
    return openvino.__version__.split("-")[0]


def set_threads(threads: int) -> None:
    settings["INFERENCE_NUM_THREADS"] = str(threads)


def build(
    net: nets.Net, weights: list[dict[str, np.ndarray]], mode: str, way: str
) -> Callable[..., Any]:
    def load(path: str) -> Any:
        return openvino.Core().compile_model(path, "CPU", settings).create_infer_request()

    def run(request: Any, images: np.ndarray) -> np.ndarray:
        return request.infer({0: images}, share_inputs=True, share_outputs=True)[0]

    return onnx_file.runner(net, weights, load, run)
