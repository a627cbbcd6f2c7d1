"""Write docs/onnx-operators.md: which node cases of the onnx package `ag.onnx.load` passes.

Run it after a change of autograd_cnn/onnx/operators*.py: python docs/make_onnx_table.py
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
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
LISTED = """
    Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization LayerNormalization
    GroupNormalization InstanceNormalization Gemm MatMul Add Sub Mul Div Pow Sqrt Exp Log Neg Abs
    Erf Relu LeakyRelu Elu Selu Gelu Sigmoid Tanh Softplus HardSwish HardSigmoid Clip Softmax
    LogSoftmax Reshape Flatten Transpose Squeeze Unsqueeze Concat Split Slice Gather Pad Resize
    Expand Where Cast Shape Constant ConstantOfShape Identity Dropout ReduceMean ReduceSum ReduceMax
    ArgMax LSTM GRU
"""
OPERATORS = LISTED.split()
SEVERAL = "several of these"
MISSING = {
    "dropout in training draws other random numbers": [
        "training_dropout", "training_dropout_default", "training_dropout_mask",
        "training_dropout_default_mask",
    ],
    "values are tensors, not sequences or optional values": ["identity_sequence", "identity_opt"],
}  # fmt: skip
"""Why cases fail, by name."""


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


def problem(case: Any, path: Path, prepare: Callable[[Any], Any] = plain) -> str:
    """What is wrong with what the loaded case computes; empty if nothing is."""
    path.write_bytes(case.model.SerializeToString())
    try:
        model: Any = ag.onnx.load(path)
        for inputs, expected in case.data_sets:
            found = model(*map(prepare, inputs))
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


def table() -> tuple[str, float]:
    """The page, and the share of cases that pass."""
    import onnx

    names: dict[str, list[str]] = {name: [] for name in (*OPERATORS, SEVERAL)}
    failed: dict[str, list[str]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in cases():
            names[name].append(case.name)
            if problem(case, Path(folder, "case.onnx")):
                failed[name].append(case.name.removeprefix("test_"))
    rows = []
    for name, found in names.items():
        texts = []
        for n in failed[name]:
            texts.append(
                n + next((f" ({why})" for why, those in MISSING.items() if n in those), "")
            )
        text = ", ".join(texts)
        rows.append(f"| {name} | {len(found) - len(failed[name])} | {len(found)} | {text} |")
    count, wrong = (sum(map(len, x.values())) for x in (names, failed))
    rows.append(f"| all | {count - wrong} | {count} | |")
    return INTRODUCTION.format(version=onnx.__version__) + "\n".join(rows) + "\n", 1 - wrong / count


if __name__ == "__main__":
    PAGE.write_text(table()[0], encoding="utf-8")
