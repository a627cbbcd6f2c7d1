"""Models as ONNX files."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from autograd_cnn.checks import integer, mistake, shown
from autograd_cnn.config import __version__
from autograd_cnn.data.files import AnyPath, replace_file
from autograd_cnn.engine import modes
from autograd_cnn.engine.node import values
from autograd_cnn.nn.module import Module
from autograd_cnn.onnx.forms import FORMS, SYMBOLIC, by_statistics, has_statistics
from autograd_cnn.onnx.nodes import (
    ModelProto,
    NoFormError,
    Nodes,
    ReferenceEvaluator,
    Term,
    checker,
    helper,
)
from autograd_cnn.onnx.recording import SIZES, ExportError, Recording, Size, Unified, Value
from autograd_cnn.onnx.reference import ConvTranspose
from autograd_cnn.tensor.tree import flatten

OPSET, IR = 17, 8


def export(
    model: Module, example: Any, path: AnyPath | BinaryIO | None = None, *, batch_axis: int = 0
) -> ModelProto:
    """Write `model` in evaluation mode as an ONNX file (opset 17, IR 8) and return what it holds.

    `example` is an input, or a tuple of them: arrays or tensors with the batch on `batch_axis`, and
    values such as the model gets.  The file takes any batch.  `path` may also be a file open for
    writing bytes; without it nothing is written.  Inputs have the names of the arguments of
    `forward`, parameters and buffers those of `state_dict`, nodes the path of their layer.

    Before it is written, `onnx.checker` checks the model, and `onnx.reference` must compute what
    the model does for two batch sizes.  What cannot be written raises ExportError: ops without a
    form in ONNX, values that leave the graph, a branch or constant that depends on the batch.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    >>> file = ag.onnx.export(net, np.ones((1, 3), np.float32))
    >>> [node.name for node in file.graph.node], [entry.name for entry in file.graph.initializer]
    (['0.Gemm', '1.Relu'], ['0.weight', '0.bias'])
    """
    inputs = _checked(model, example, batch_axis)
    rng = np.random.default_rng(0)
    runs = [Recording(model, _batch(inputs, n, batch_axis, rng)) for n in SIZES]
    names = _input_names(model, len(inputs))
    file = _written(model, Unified(model, runs), names, batch_axis)
    batches = [_batch(inputs, n, batch_axis, rng) for n in (1, SIZES[-1])]
    try:
        _compare(model, file, batches)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"export: the file cannot be checked: {error}") from error
    content = file.SerializeToString()
    if hasattr(path, "write"):
        path.write(content)
    elif path is not None:
        with replace_file(path) as out:
            out.write(content)
    return file


def _checked(model: Any, example: Any, batch_axis: int) -> list[np.ndarray]:
    """The arrays of the example, after all arguments were checked."""
    if not isinstance(model, Module):
        raise mistake("export", "model", "a module", model)
    if any(module.training for module in model.modules()):
        raise ExportError(
            "export: the model is in training mode, in which dropout and batch norm compute "
            "otherwise; call model.eval() first"
        )
    for name, p in model.named_parameters():
        if p.dtype not in (np.float32, np.float64):
            raise ExportError(
                f"export: parameter {name} has dtype {p.dtype}; convert the model with "
                "model.to('float32')"
            )
    integer("export", "batch_axis", batch_axis, 0)
    given = example if isinstance(example, (tuple, list)) else (example,)
    arrays = [np.asarray(values(x)) for x in given]
    for x, array in zip(given, arrays):
        if array.dtype.kind not in "biuf" or array.ndim <= batch_axis:
            raise mistake(
                "export", "example", f"an array with the batch on axis {batch_axis}, or a tuple", x
            )
        if not array.size:
            raise ValueError(f"export: example must hold values, got {shown(x)}")
    counts = {array.shape[batch_axis] for array in arrays}
    if len(counts) > 1:
        raise ValueError(
            f"export: the inputs of example must share the batch on axis {batch_axis}, got shapes "
            f"{', '.join(str(array.shape) for array in arrays)}"
        )
    return arrays


def _batch(
    inputs: Sequence[np.ndarray], n: int, axis: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Inputs with n entries of the example each, whose floats vary, so that no two runs agree."""
    found = []
    for x in inputs:
        array = np.take(x, rng.permutation(n) % x.shape[axis], axis)
        if array.dtype.kind == "f":
            noise = rng.standard_normal(array.shape)
            factor = rng.uniform(0.5, 1.5, array.shape)  # keeps signs and zeros
            array = (array * factor if np.ptp(x) else noise).astype(x.dtype)
        found.append(array)
    return found


def _input_names(model: Module, count: int) -> list[str]:
    """The names of the arguments of `forward`."""
    parameters = inspect.signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.KEYWORD_ONLY)]
    names = names[:count]
    return [*names, *("input" if count == 1 else f"input_{k}" for k in range(len(names), count))]


def _output_names(result: Any) -> list[str]:
    """The keys of a dict of outputs, or output, or output_0 and so on."""
    count = len(flatten(result)[0])
    if isinstance(result, dict) and count == len(result):
        return [str(key) for key in result]
    return ["output"] if count == 1 else [f"output_{k}" for k in range(count)]


# ------------------------------------------------------------------------------------- the graph


def _written(model: Module, graph: Unified, names: Sequence[str], axis: int) -> ModelProto:
    """The file of a model, or ExportError with all calls that have no form."""
    nodes = Nodes((names[0], axis), graph.named)
    paths = {id(module): path for path, module in reversed([*model.named_modules()])}
    for name, value in zip(names, graph.inputs):
        nodes.terms[value.nodes[0].serial] = Term(nodes, nodes.unique(name), value.dtype)
    problems: list[str] = []
    for value in graph.values:
        if value.op == "input":
            continue
        layers = [m for m in (value.origin.layers if value.origin else ()) if id(m) in paths]
        nodes.path = paths[id(layers[-1])] if layers else ""
        fused = graph.runs[0].together.get(id(layers[-1]), ()) if layers else ()
        kinds = (("MaxPool" if "Pool" in type(m).__name__ else "Relu", m) for m in fused[1:])
        nodes.others = {kind: paths[id(m)] for kind, m in kinds if id(m) in paths}
        try:
            term = _formed(nodes, value)
        except NoFormError as error:
            problems.append(f"{error}: {value.place}")
            term = Term(nodes, "", value.dtype)
        nodes.terms[value.nodes[0].serial] = term
    if problems:
        raise ExportError("export: these calls have no form in ONNX\n  " + "\n  ".join(problems))
    nodes.path, outputs = "", _output_names(graph.runs[0].result)
    _name_outputs(nodes, graph.outputs, outputs)
    _drop_unused(nodes, outputs)
    made = helper.make_graph(
        nodes.all,
        type(model).__name__,
        [_info(name, value) for name, value in zip(names, graph.inputs)],
        [_info(name, value) for name, value in zip(outputs, graph.outputs)],
        [*nodes.initializers.values()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    file = helper.make_model(made, opset_imports=opset, ir_version=IR)
    file.producer_name, file.producer_version = "autograd_cnn", __version__
    helper.set_model_props(file, {"model": type(model).__qualname__, "batch_axis": str(axis)})
    return file


def _formed(nodes: Nodes, value: Value) -> Term:
    """The term of a value: its initializer, or the nodes of its form."""
    if not value.op:
        return nodes.initializer(value.name, value.nodes[0].array)
    form = FORMS.get(value.op)
    if form is None:
        raise NoFormError(value.op)
    layer = has_statistics(value)
    if layer is not None:
        return by_statistics(value, nodes.path, layer, nodes.term(value.inputs[0]))
    if value.op not in SYMBOLIC and _follows_batch(value.params):
        raise NoFormError(f"{value.op}: a setting depends on the batch")
    number = value.dtype if value.dtype.kind == "f" else None
    try:
        return form(value, *[nodes.term(x, number) for x in value.inputs], **value.params)
    except NoFormError as error:
        raise NoFormError(f"{value.op}: {error}") from None


def _follows_batch(x: Any) -> bool:
    if isinstance(x, dict):
        return any(map(_follows_batch, x.values()))
    if isinstance(x, tuple) and not isinstance(x, Size):
        return any(map(_follows_batch, x))
    return isinstance(x, (Size, Value))


def _name_outputs(nodes: Nodes, outputs: Sequence[Value], names: Sequence[str]) -> None:
    """Give the outputs their names; one that is an input, a parameter or given twice is copied."""
    taken: set[str] = set()
    for value, name in zip(outputs, names):
        old = nodes.terms[value.nodes[0].serial].name
        if old in taken or not any(old in node.output for node in nodes.all):
            nodes.all.append(helper.make_node("Identity", [old], [name], f"{name}.Identity"))
            continue
        for node in nodes.all:
            for part in (node.input, node.output):
                part[:] = [name if known == old else known for known in part]
        nodes.terms[value.nodes[0].serial] = Term(nodes, name, value.dtype)
        taken.add(name)


def _drop_unused(nodes: Nodes, outputs: Sequence[str]) -> None:
    """Leave out nodes and initializers on which no output depends."""
    needed, kept = set(outputs), []
    for node in reversed(nodes.all):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    nodes.all = kept[::-1]
    nodes.initializers = {k: v for k, v in nodes.initializers.items() if k in needed}


def _info(name: str, value: Value) -> Any:
    shape = [str(n) if isinstance(n, Size) else n for n in value.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)


# ------------------------------------------------------------------------------------- the proof


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of NumPy and of the reference about values outside of a domain."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _compare(model: Module, file: ModelProto, batches: Sequence[list[np.ndarray]]) -> None:
    """Raise ExportError unless `onnx.reference` computes from the file what the model does."""
    checker.check_model(file, full_check=True)
    reference = ReferenceEvaluator(file, new_ops=[ConvTranspose])
    names = [entry.name for entry in file.graph.input]
    for arrays in batches:
        with modes.no_grad(), _quiet():
            wanted = [np.asarray(values(x)) for x in flatten(model(*arrays))[0]]
            found = reference.run(None, dict(zip(names, arrays)))
        for entry, x, y in zip(file.graph.output, wanted, map(np.asarray, found)):
            problem = difference(x, y)
            if problem:
                raise ExportError(
                    f"export: for inputs of shape {', '.join(str(a.shape) for a in arrays)} the "
                    f"file would compute another {entry.name} than the model: {problem}; nothing "
                    "was written (does the model treat a batch of 1 otherwise, as squeeze does?)"
                )


def difference(wanted: np.ndarray, found: np.ndarray) -> str:
    """What is wrong with a result, or "".

    Sums in another order differ by some 100 roundings of their terms, relative to the largest
    value, which counts as 0.1 at least, because results may cancel.
    """
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return f"{found.dtype} {found.shape} in place of {wanted.dtype} {wanted.shape}"
    if wanted.dtype.kind != "f":
        return "" if np.array_equal(wanted, found) else "other values"
    finite = np.isfinite(wanted)
    if not np.array_equal(wanted[~finite], found[~finite], equal_nan=True):
        return "NaN or infinity in other places"
    step = 1e-5 if wanted.dtype == np.float32 else 1e-7  # settings such as eps are float32
    gap = np.abs(wanted - found, where=finite, out=np.zeros_like(wanted)).max(initial=0.0)
    room = step * np.abs(wanted, where=finite, out=np.zeros_like(wanted)).max(initial=0.1)
    return "" if gap <= room else f"values differ by {gap:.3g}, of at most {room:.3g}"
