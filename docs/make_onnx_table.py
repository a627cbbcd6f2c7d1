"""Write docs/onnx-operators.md: which node cases of the onnx package `autograd_cnn.onnx.load` passes.

Run it after a change of autograd_cnn/onnx/operators*.py: python docs/make_onnx_table.py
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import autograd_cnn as ag

PAGE = Path(__file__).with_name("onnx-operators.md")
INTRODUCTION = """# Operators of ONNX files

`ag.onnx.load` reads these operators, in opsets 7 to 28. The onnx package has node cases for
them: small models with inputs and the outputs that they must give. The table says how many of the
cases of each operator pass, and what the others need. A case passes if its file loads, and each
output has the dtype, the shape and, within the case's tolerance, the values. The last row counts
the cases that are made of several of these operators.

Written by `docs/make_onnx_table.py` with onnx {version}.

| operator | cases passed | of | what is missing |
|---|---|---|---|
"""
OPERATORS = """
    Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization LayerNormalization
    GroupNormalization InstanceNormalization Gemm MatMul Add Sub Mul Div Pow Sqrt Exp Log Neg Abs
    Erf Relu LeakyRelu Elu Selu Gelu Sigmoid Tanh Softplus HardSwish HardSigmoid Clip Softmax
    LogSoftmax Reshape Flatten Transpose Squeeze Unsqueeze Concat Split Slice Gather Pad Resize
    Expand Where Cast Shape Constant ConstantOfShape Identity Dropout ReduceMean ReduceSum ReduceMax
    ArgMax LSTM GRU
""".split()
SEVERAL = "several of these"


def cases() -> Iterator[tuple[str, Any]]:
    """The node cases made of these operators alone, each with its operator or `SEVERAL`."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():  # some of the package's own formulas warn
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for case in found:
        used = {node.op_type for node in case.model.graph.node}
        own = {i.version for i in case.model.opset_import if i.domain in ("", "ai.onnx")}
        if used <= {*OPERATORS} and own and max(own) in range(7, 29):
            alone = len(case.model.graph.node) == 1
            yield (next(iter(used)) if alone else SEVERAL), case


def plain(x: Any) -> Any:
    """A value of a case as an array; those of types that NumPy lacks are messages."""
    from onnx import TensorProto, numpy_helper

    return numpy_helper.to_array(x) if isinstance(x, TensorProto) else x


def problem(case: Any, folder: Path) -> str:
    """What is wrong with what the loaded case computes; empty if nothing is."""
    path = folder / "case.onnx"
    path.write_bytes(case.model.SerializeToString())
    try:
        model: Any = ag.onnx.load(path)
        for inputs, expected in case.data_sets:
            found = model(*map(plain, inputs))
            found = found if isinstance(found, tuple) else (found,)
            for x, y in zip(found, map(plain, expected), strict=True):
                array = getattr(x, "array", x)
                if array.dtype != y.dtype:
                    return f"dtype {array.dtype} instead of {y.dtype}"
                wide = [np.asarray(a, np.float64) for a in (array, y)]
                np.testing.assert_allclose(*wide, rtol=case.rtol, atol=case.atol)
    except Exception as error:  # each is a case that fails
        return f"{type(error).__name__}: {error}"
    return ""


def outcomes() -> dict[str, list[tuple[str, str]]]:
    """Name and problem of each case, by operator."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in (*OPERATORS, SEVERAL)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in cases():
            found[name].append((case.name.removeprefix("test_"), problem(case, Path(folder))))
    return found


if __name__ == "__main__":
    for op, res in outcomes().items():
        bad = [(n, p) for n, p in res if p]
        print(op, len(res) - len(bad), len(res))
        for n, p in bad:
            print("    ", n, p[:300])
