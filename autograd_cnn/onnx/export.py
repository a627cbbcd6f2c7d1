"""Models as ONNX files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import integer, mistake, shown
from autograd_cnn.config import __version__
from autograd_cnn.data.files import AnyPath, replace_file
from autograd_cnn.engine import modes
from autograd_cnn.engine.node import values
from autograd_cnn.nn.module import Module
from autograd_cnn.onnx.forms import FORMS, OWN_DTYPES, SYMBOLIC
from autograd_cnn.onnx.nodes import Nodes, NoFormError, Term, library, number_of
from autograd_cnn.onnx.recording import (
    SIZES,
    ExportError,
    Recording,
    Size,
    Unified,
    Value,
    undisturbed,
)
from autograd_cnn.onnx.reference import conv_transpose
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import flatten

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR = 17, 8


def export(
    model: Module, example: Any, path: AnyPath | BinaryIO | None = None, *, batch_axis: int = 0
) -> ModelProto:
    """Write `model` in evaluation mode as an ONNX file (opset 17, IR 8), and return what it holds.

    `example` is an input of the model, or a tuple of them: arrays or tensors with the batch on
    `batch_axis`.  The file takes any batch.  `path` may also be a file that takes bytes; without it
    nothing is written.  Inputs have the names of the arguments of `forward`, parameters and buffers
    those of `state_dict`; the names of nodes begin with the path of their layer.

    Before anything is written, `onnx.checker` checks the file, and `onnx.reference` must compute
    from it what the model does.  What cannot be written raises ExportError: ops without a form in
    ONNX, values that leave the graph, a branch or a constant that depends on the batch.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    >>> file = ag.onnx.export(net, np.ones((1, 3), np.float32))
    >>> [node.name for node in file.graph.node], [entry.name for entry in file.graph.initializer]
    (['0.Gemm', '1.Relu'], ['0.weight', '0.bias'])
    """
    inputs, rng = _checked(model, example, batch_axis), np.random.default_rng(0)

    def batch(n: int, wild: float = 0.0) -> list[np.ndarray]:
        return [_entries(x, n, batch_axis, wild, rng) for x in inputs]

    try:
        runs = [Recording(model, batch(n, wild=n)) for n in SIZES]
    except ExportError:
        raise
    except Exception:  # the model does not take wild values
        runs = [Recording(model, batch(n)) for n in SIZES]
    file = _written(model, Unified(model, runs), _input_names(model, len(inputs)), batch_axis)
    _compare(model, file, [*map(batch, CHECKED), batch(SIZES[-1], wild=3.0)])
    content = file.SerializeToString()
    if isinstance(path, (str, bytes, os.PathLike)):
        with replace_file(path) as out:
            out.write(content)
    elif path is not None:
        path.write(content)
    return file


CHECKED = (1, SIZES[-1], 67)
"""Batches for which a file is compared: a number of the batch may be frozen beyond `SIZES`."""


def _checked(model: Any, example: Any, batch_axis: int) -> list[np.ndarray]:
    """The arrays of the example, after all arguments were checked."""
    if not isinstance(model, Module):
        raise mistake("export", "model", "a module", model)
    if any(module.training for module in model.modules()):
        raise ExportError(
            "export: the model is in training mode, in which dropout and batch norm compute "
            "otherwise; call model.eval() first"
        )
    axis = integer("export", "batch_axis", batch_axis, 0)
    given = example if isinstance(example, (tuple, list)) else (example,)
    arrays = [np.asarray(values(x)) for x in given]
    for x, array in zip(given, arrays):
        if array.dtype.kind not in "biuf" or array.ndim <= axis or not array.size:
            wanted = f"an array of numbers with the batch on axis {axis}, or a tuple of them"
            raise mistake("export", "example", wanted, x)
        if array.dtype.kind != "f" and (array == array.flat[0]).all():
            raise ValueError(
                "export: the integers or bools of an input must differ in example, so that they "
                f"can be told from constants; got {shown(x)}"
            )
    if len({array.shape[axis] for array in arrays}) != 1:
        shapes = ", ".join(str(array.shape) for array in arrays) or "no inputs"
        raise ValueError(
            f"export: the inputs of example must share the batch on axis {axis}, got {shapes}"
        )
    return arrays


def _entries(x: np.ndarray, n: int, axis: int, wild: float, rng: Any) -> np.ndarray:
    """n entries of an input; floats vary, so that no two calls agree.

    `wild` floats have any sign and up to some times the size, to take each side of conditions.
    """
    found = np.take(x, rng.permutation(n) % x.shape[axis], axis)
    if x.dtype.kind != "f":
        return found
    noise, size = rng.standard_normal(found.shape), np.abs(x).max() or 1.0
    near = found * rng.uniform(0.5, 1.5, found.shape) if np.ptp(x) else noise
    return (noise * wild * size if wild else near).astype(x.dtype)


def _input_names(model: Module, count: int) -> list[str]:
    """The names of the arguments of `forward`."""
    parameters = inspect.signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][:count]
    return names + [f"input_{k}" for k in range(len(names), count)]


def _output_names(result: Any) -> list[str]:
    """The keys of a dict of outputs, or output, or output_0 and so on."""
    count = len(flatten(result)[0])
    if isinstance(result, dict) and count == len(result):
        return [str(key) for key in result]
    return ["output"] if count == 1 else [f"output_{k}" for k in range(count)]


# -------------------------------------------------------------------------------------- the graph


def _written(model: Module, graph: Unified, given: Sequence[str], axis: int) -> ModelProto:
    """The file of a model, or ExportError with all calls that have no form."""
    order = {name: place for place, name in enumerate(model.state_dict())}
    nodes = Nodes(graph.named, {*order})
    names = [nodes.unique(name) for name in given]
    nodes.batch = names[0], axis
    outputs = [nodes.unique(name) for name in _output_names(graph.runs[0].result)]
    paths = {id(module): path for path, module in model.named_modules()}
    for name, value in zip(names, graph.inputs):
        nodes.terms[value] = Term(nodes, name, value.dtype)
    problems: list[str] = []
    for value in graph.values:
        layers = value.origin.layers if value.origin else ()
        nodes.path = next((paths[id(m)] for m in layers[::-1] if id(m) in paths), "")
        try:
            if value.op != "input":
                nodes.terms[value] = _formed(nodes, value)
        except NoFormError as error:
            problems.append(f"{value.op}: {error}: {value}")
            nodes.terms[value] = Term(nodes, "", value.dtype)
    if problems:
        raise ExportError("export: these calls have no form in ONNX\n  " + "\n  ".join(problems))
    _name_outputs(nodes, [nodes.terms[value] for value in graph.outputs], outputs)
    helper = library().helper
    made = helper.make_graph(
        nodes.all,
        type(model).__name__,
        [_info(name, value) for name, value in zip(names, graph.inputs)],
        [_info(name, value) for name, value in zip(outputs, graph.outputs)],
        sorted(nodes.initializers.values(), key=lambda x: order.get(x.name, len(order))),
    )
    opset = [helper.make_opsetid("", OPSET)]
    file = helper.make_model(made, opset_imports=opset, ir_version=IR)
    file.producer_name, file.producer_version = "autograd_cnn", __version__
    helper.set_model_props(file, {"model": type(model).__qualname__, "batch_axis": str(axis)})
    return file


def _formed(nodes: Nodes, value: Value) -> Term:
    """The term of a value: its initializer, or the nodes of its form."""
    node = value.nodes[0]
    if not value.op:
        return nodes.initializer(nodes.named[id(node)], node.array)
    form = FORMS.get(value.op)
    if form is None:
        raise NoFormError("no nodes of ONNX compute it, or nobody wrote them down")
    if value.op not in SYMBOLIC and _follows_batch(value.params):
        raise NoFormError("a setting depends on the batch")
    beside = (x.dtype for x in value.inputs if isinstance(x, (Value, np.ndarray)))
    number = next((dtype for dtype in beside if dtype.kind == "f"), None)
    terms = [nodes.term(x, number) for x in value.inputs]
    if value.op not in OWN_DTYPES:
        terms = [x if x is None else x.cast(node.dtype) for x in terms]
    return form(value, *terms, **value.params)


def _follows_batch(x: Any) -> bool:
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, tuple) else ()
    return isinstance(x, (Size, Value)) or any(map(_follows_batch, parts))


def _name_outputs(nodes: Nodes, terms: Sequence[Term], names: Sequence[str]) -> None:
    """Give the outputs their names; one that is an input, a parameter or given twice is copied."""
    nodes.path, renamed = "", dict[str, str]()
    for term, name in zip(terms, names):
        old = term.name
        if old in renamed or not any(old in node.output for node in nodes.all):
            old = Term(nodes, renamed.get(old, old), term.dtype)("Identity").name
        renamed[old] = name
        for node in nodes.all:
            for part in (node.input, node.output):
                part[:] = [name if known == old else known for known in part]


def _info(name: str, value: Value) -> Any:
    shape = [str(n) if isinstance(n, Size) else n for n in value.shape]
    return library().helper.make_tensor_value_info(name, number_of(value.dtype), shape)


# -------------------------------------------------------------------------------------- the proof


def _compare(model: Module, file: ModelProto, batches: Sequence[list[np.ndarray]]) -> None:
    """Raise ExportError unless `onnx.reference` computes from the file what the model does."""
    members = {"op_domain": "", "_run": conv_transpose}
    own = type("ConvTranspose", (library().reference.op_run.OpRun,), members)
    try:
        library().checker.check_model(file, full_check=True)
        reference = library().reference.ReferenceEvaluator(file, new_ops=[own])
    except Exception as error:
        raise ExportError(f"export: onnx refuses the file: {error}") from error
    names = [entry.name for entry in file.graph.input]
    for arrays in batches:
        try:
            wanted, again = _results(model, arrays, arrays)
        except Exception:
            continue  # it takes no batch of 1, as batch norm without statistics, or no wild one
        if not all(map(partial(np.array_equal, equal_nan=True), wanted, again)):
            raise ExportError(
                "export: the model gives other values when it is called again, so the file would "
                "compute another output; it keeps a state, or draws random numbers"
            )
        with undisturbed(model):  # and in silence
            found = reference.run(None, dict(zip(names, arrays)))
        for k, (entry, x, y) in enumerate(zip(file.graph.output, wanted, map(np.asarray, found))):
            if not difference(x, y):
                continue
            if problem := difference(x, y, noise_of(model, arrays, x, k)):
                raise ExportError(
                    f"export: for inputs of shape {', '.join(str(a.shape) for a in arrays)} the "
                    f"file would compute another {entry.name} than the model: {problem}; nothing "
                    "was written (does the model treat a batch of 1 otherwise, as squeeze does?)"
                )


def _results(model: Module, *calls: list[np.ndarray]) -> list[list[np.ndarray]]:
    """What the model gives in calls one after the other, as arrays."""
    with modes.no_grad(), undisturbed(model):
        random.generator().random()  # so that what the model draws is not what it drew before
        results = [flatten(model(*map(Tensor, arrays)))[0] for arrays in calls]
        return [[np.array(values(x)) for x in found] for found in results]


def noise_of(model: Module, arrays: list[np.ndarray], result: np.ndarray, place: int) -> float:
    """How far a result moves if all inputs are one rounding larger or smaller, in turn."""

    def moved(x: np.ndarray) -> np.ndarray:
        signs = np.where(np.arange(x.size) % 2, 1, -1).reshape(x.shape)
        return np.nextafter(x, (x + signs).astype(x.dtype)) if x.dtype.kind == "f" else x

    nearby = _results(model, list(map(moved, arrays)))[0][place]
    gaps = np.abs(nearby - result)
    return float(gaps[np.isfinite(gaps)].max(initial=0.0))


def difference(wanted: np.ndarray, found: np.ndarray, noise: float = 0.0) -> str:
    """What is wrong with a result, or "".

    Sums in another order differ by some 80 roundings relative to the largest value, which counts as
    0.1 at least, because results may cancel.  Settings such as eps are float32 in a file.  `noise`
    is how far a rounding of every input moves the result; a network makes some roundings more.
    """
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return f"{found.dtype} {found.shape} in place of {wanted.dtype} {wanted.shape}"
    if wanted.dtype.kind != "f":
        return "" if np.array_equal(wanted, found) else "other values"
    finite = np.isfinite(wanted)  # beyond their domains functions may differ
    wanted, found = wanted[finite], found[finite]
    gap = np.abs(wanted - found).max(initial=0.0)
    room = max(84 * np.finfo(wanted.dtype).eps, 1e-7) * np.abs(wanted).max(initial=0.1)
    room = max(room, 16 * noise)
    return "" if gap <= room else f"values differ by {gap:.3g}, at most {room:.3g} is rounding"
