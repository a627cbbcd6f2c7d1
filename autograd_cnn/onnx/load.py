"""Read an ONNX file as a module that trains on."""

from __future__ import annotations

import inspect
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_cnn.engine.node import Node, values
from autograd_cnn.nn import Module, Parameter
from autograd_cnn.onnx.operators import OPERATORS, SETTINGS, WEIGHED
from autograd_cnn.onnx.tensors import HALVES, Tensors, dtype_of
from autograd_cnn.onnx.wire import Reader

OPSETS = range(7, 29)


@dataclass
class Step:
    """A node: an operator with the names of its inputs and outputs."""

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    settings: dict[str, Any]
    trains: bool = False
    last: list[str] = field(default_factory=list)
    """Values that no later step needs."""

    def __str__(self) -> str:
        return f"node {self.name or ', '.join(self.outputs)!r} ({self.operator})"


class OnnxModel(Module):
    """The graph of an ONNX file; see `load`."""

    def __init__(self, opset: int, inputs: dict[str, Any], outputs: list[str]) -> None:
        self.opset, self.inputs, self.outputs = opset, inputs, outputs
        self.steps: list[Step] = []
        self.constants: dict[str, np.ndarray] = {}
        self.places: dict[str, tuple[str, ...]] = {}
        """Where the parameters and buffers are, by their names in the file."""

    def forward(self, *given: Any) -> Any:
        """Compute the outputs, one or a tuple, from the inputs in the order of the file."""
        if len(given) != len(self.inputs):
            names = ", ".join(self.inputs)
            raise TypeError(f"expected {len(self.inputs)} inputs ({names}), got {len(given)}")
        known: dict[str, Any] = {"": None, **self.constants}
        for name, path in self.places.items():
            part: Any = self
            for attribute in path:
                part = getattr(part, attribute)
            known[name] = part
        for (name, dtype), x in zip(self.inputs.items(), given):
            known[name] = _input(name, dtype, x)
        for step in self.steps:
            mode = {"training": self.training} if step.trains else {}
            inputs = [known[name] for name in step.inputs]
            try:
                found = OPERATORS[step.operator](*inputs, **step.settings, **mode)
                found = found if isinstance(found, (tuple, list)) else (found,)
                for name, x in zip(step.outputs, found[: len(step.outputs)], strict=True):
                    if name:  # an empty name is an output that is not there
                        known[name] = x if isinstance(x, Node) else np.asarray(x)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise ValueError(f"{step}: {error}") from error
            for name in step.last:
                del known[name]
        held = {id(array) for array in self.constants.values()}
        found = (known[name] for name in self.outputs)
        results = tuple(x.copy() if id(x) in held else x for x in found)
        return results if len(results) > 1 else results[0]

    def extra_repr(self) -> str:
        """The settings shown between the parentheses of ``repr``."""
        names = f"inputs={[*self.inputs]}, outputs={self.outputs}"
        return f"opset={self.opset}, nodes={len(self.steps)}, {names}"


def _input(name: str, dtype: Any, x: Any) -> Any:
    """An input as a tensor or an array; integers in the dtype that the file announces."""
    array = np.asarray(values(x), None if hasattr(x, "dtype") else dtype)
    if dtype is None or array.dtype.kind == dtype.kind == "f":
        return x if isinstance(x, Node) and array.dtype.kind == "f" else array
    if dtype.kind != "f" and array.dtype.kind not in "biu":
        raise TypeError(f"input {name!r} must hold {dtype}, got {array.dtype}")
    found = array.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(found, array):
        raise ValueError(f"input {name!r} must hold {dtype}, which has no room for its values")
    return found


def load(path: str | os.PathLike[str]) -> Module:
    """The model in an ONNX file of opset 7 to 28, as a module that trains on.

    Floating initializers are its parameters, by the names of the file, in which other characters
    than letters, digits and dots become _.  Means and variances of BatchNormalization are buffers.
    Integers, single numbers, settings such as the bounds of Clip, and results of Constant are
    neither.  float16 and bfloat16 become float32.  The model is in evaluation mode.  After
    ``.train()`` batch normalisation and dropout act as in `nn.BatchNorm2d` and `nn.Dropout`.

    A damaged file, and operators or types that have no form here, raise `data.DataError`, which
    names all of them.  Files with values beside the model must be in its folder.  No file, however
    hostile, takes more memory than four times its size and 16 MB.

    >>> import tempfile
    >>> graph = b':\\x1e\\n\\x0c\\n\\x01x\\x12\\x01y"\\x04Relu'
    >>> graph += b'Z\\t\\n\\x01x\\x12\\x04\\n\\x02\\x08\\x01b\\x03\\n\\x01yB\\x02\\x10\\x11'
    >>> with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
    ...     _ = file.write(graph), file.flush()
    ...     ag.onnx.load(file.name)(np.array([-1.0, 2.0], np.float32))
    array([0., 2.], dtype=float32)
    """
    name = os.fsdecode(path)
    with open(path, "rb") as file:
        data = file.read()
    reader = Reader(name, 3 * len(data) + (12 << 20))
    file_model = reader.message(memoryview(data), "Model")
    if "graph" not in file_model:
        raise reader.damage("is no ONNX file, or is cut short: it holds no graph")
    graph = file_model["graph"]
    opset = _opset(reader, file_model)
    _supported(reader, graph)
    tensors = Tensors(reader, os.path.dirname(os.path.abspath(name)))
    initial: dict[str, np.ndarray] = {}
    for tensor in graph.get("initializer", []):
        own = tensor.get("name", "")
        if own in initial:
            raise reader.damage(f"two initializers are named {own!r}")
        initial[own] = tensors.read(tensor, f"initializer {own!r}")
    steps = [_step(reader, tensors, node, opset) for node in graph.get("node", [])]
    inputs = _inputs(reader, graph, initial)
    outputs = [value.get("name", "") for value in graph.get("output", [])]
    _check_names(reader, [*initial, *inputs], steps, outputs)
    if tensors.halves:  # all of 16 bits is float32 then
        for step in steps:
            if step.operator == "Cast" and step.settings.get("to") in HALVES:
                step.settings["to"] = 1
        inputs = {n: np.dtype("f4") if d == np.float16 else d for n, d in inputs.items()}
    model = OnnxModel(opset, inputs, outputs)
    model.steps = steps
    _place(reader, model, initial)
    return model.eval()


def _opset(reader: Reader, file_model: dict[str, Any]) -> int:
    """The version of ONNX's own operators."""
    imports = file_model.get("opset_import", [])
    found = {o.get("version", 0) for o in imports if o.get("domain", "") in ("", "ai.onnx")}
    if len(found) != 1:
        raise reader.damage(f"must import one version of ONNX's operators, got {sorted(found)}")
    (opset,) = found
    if opset not in OPSETS:
        raise reader.damage(f"has opset {opset}; opsets {OPSETS[0]} to {OPSETS[-1]} are read")
    return int(opset)


def _supported(reader: Reader, graph: dict[str, Any]) -> None:
    """Raise an error that lists all that has no form here."""
    missing: dict[str, list[str]] = {}
    for node in graph.get("node", []):
        domain, kind = node.get("domain", ""), node.get("op_type", "")
        if domain not in ("", "ai.onnx") or kind not in OPERATORS:
            whole = kind if domain in ("", "ai.onnx") else f"{domain}.{kind}"
            own = node.get("name") or ", ".join(node.get("output", []))
            missing.setdefault(whole, []).append(own)
    listed = [f"{kind} (node {names[0]!r}{', ...' * (len(names) > 1)})" for kind, names in
              sorted(missing.items())]  # fmt: skip
    listed += ["sparse initializers"] * ("sparse" in graph)
    if listed:
        raise reader.damage(f"holds what has no form here: {', '.join(listed)}")


def _step(reader: Reader, tensors: Tensors, node: dict[str, Any], opset: int) -> Step:
    """A node that fits the function of its operator."""
    outputs = node.get("output", [])
    while outputs and not outputs[-1]:
        outputs = outputs[:-1]
    kind, inputs = node["op_type"], node.get("input", [])
    step = Step(kind, node.get("name", ""), inputs, outputs, {})
    for attribute in node.get("attribute", []):
        name = attribute.get("name", "")
        if name in step.settings:
            raise reader.damage(f"{step}: attribute {name!r} is there twice")
        step.settings[name] = _attribute(reader, tensors, attribute, f"{step}: attribute {name!r}")
    signature = inspect.signature(OPERATORS[kind])
    step.trains = "training" in signature.parameters
    given = {"opset": opset, "outputs": len(outputs)}
    if step.settings.keys() & {*given, "training", "moving"}:
        raise reader.damage(f"{step}: attributes {[*step.settings]} are not all known")
    step.settings |= {n: x for n, x in given.items() if n in signature.parameters}
    try:
        signature.bind(*inputs, **step.settings, **({"training": False} if step.trains else {}))
    except TypeError as error:
        raise reader.damage(f"{step}: {error}") from None
    return step


_FIELDS = {1: ("f", 0.0), 2: ("i", 0), 3: ("s", ""), 4: ("t", None), 6: ("floats", ()),
           7: ("ints", ())}  # fmt: skip
"""The field of each type of attribute, and what an absent one means."""


def _attribute(reader: Reader, tensors: Tensors, attribute: dict[str, Any], where: str) -> Any:
    name, absent = _FIELDS.get(attribute.get("type", 0), ("", None))
    value = attribute.get(name, absent)
    if not name or attribute.get("reference") or value is None:
        raise reader.damage(f"{where} is of a type that has no form here")
    if name == "t":
        return np.array(tensors.read(value, where), order="C")
    if name in ("floats", "ints"):
        reader.charge(40 * len(value))
        return tuple(value)
    return value


def _inputs(
    reader: Reader, graph: dict[str, Any], initial: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The inputs that no initializer gives, with their dtypes."""
    found: dict[str, Any] = {}
    for value in graph.get("input", []):
        name, kind = value.get("name", ""), value.get("type", {}).get("tensor")
        if name in found or not name or kind is None:
            raise reader.damage(f"input {name!r} is there twice, has no name or is no tensor")
        found[name] = dtype_of(kind.get("elem_type", 0))
    return {name: dtype for name, dtype in found.items() if name not in initial}


def _check_names(reader: Reader, given: list[str], steps: list[Step], outputs: list[str]) -> None:
    """Every value is computed once, and before it is used; also note where it is used last."""
    makers = {name: step for step in steps for name in step.outputs if name}
    known, users = set(given), dict[str, Step]()
    for step in steps:
        for name in filter(None, step.inputs):
            if name not in known:
                wrong = f"is computed by {makers[name]}: a cycle, or a wrong order" if (
                    name in makers) else "is nowhere"  # fmt: skip
                raise reader.damage(f"{step}: its input {name!r} {wrong}")
            users[name] = step
        for name in filter(None, step.outputs):
            if name in known:
                raise reader.damage(f"{step}: its output {name!r} is there already")
            known.add(name)
            users[name] = step
    missing = [name for name in outputs if name not in known or not name]
    if missing or not outputs:
        raise reader.damage(f"outputs {missing} are nowhere" if outputs else "has no outputs")
    for name, step in users.items():
        if name in makers and name not in outputs:
            step.last.append(name)


def _place(reader: Reader, model: OnnxModel, initial: dict[str, np.ndarray]) -> None:
    """Make parameters, buffers and constants of the initializers."""
    statistics, settings = set[str](), set[str]()
    for step in model.steps:
        slots = [name for i, name in enumerate(step.inputs) if i in SETTINGS.get(step.operator, ())]
        (statistics if step.operator == "BatchNormalization" else settings).update(slots)
        small = [n for n in step.inputs if n in initial and initial[n].dtype.itemsize < 4]
        if step.operator in WEIGHED and small:
            raise reader.damage(
                f"{step}: its weight {small[0]!r} holds {initial[small[0]].dtype}; store floats"
            )
        if step.operator == "BatchNormalization":
            step.settings["moving"] = all(name in initial for name in step.inputs[3:5])
    taken: set[tuple[str, ...]] = set()
    for name, array in initial.items():
        array = array if array.flags.writeable else array.copy()
        if array.dtype.kind != "f" or name in settings - statistics or not array.ndim:
            model.constants[name] = array
            continue
        *path, leaf = model.places[name] = _path(name, taken)
        holder: Module = model
        for part in path:
            if part not in vars(holder):
                setattr(holder, part, Module())
            holder = getattr(holder, part)
        if name in statistics:
            holder.register_buffer(leaf, array)
        else:
            setattr(holder, leaf, Parameter(array[:0]))
            getattr(holder, leaf).array = array  # Parameter(array) would copy it


def _path(name: str, taken: set[tuple[str, ...]]) -> tuple[str, ...]:
    """A path of attributes of its own for an initializer: its name, as far as that can be."""
    parts = [re.sub(r"\W", "_", part, flags=re.ASCII) for part in name.split(".")]
    known = {*dir(OnnxModel), "opset", "inputs", "outputs", "steps", "constants", "places"}
    parts = [part + "_" * (part in known or not part) for part in parts]
    parts[-1] = "_" * parts[-1][0].isdigit() + parts[-1]
    while True:
        path = tuple(parts)
        inner = {path[:n] for n in range(1, len(path))}
        if (
            path not in taken
            and not inner & taken
            and not any(t[: len(path)] == path for t in taken)
        ):
            taken.add(path)
            return path
        parts = ["_".join(parts) + "_"]
