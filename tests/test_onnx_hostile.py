"""Damaged and hostile ONNX files: a clear error, no partial model, a bounded memory."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn.data import DataError
from tests.test_onnx_load import DATA, made, normal, onnx

helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
MB = 1 << 20


def refused(folder: Path, model: Any, match: str = "") -> str:
    """The message with which a model, or the bytes of a file, is refused."""
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(DataError, match=match) as error:
        ag.onnx.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 400
    return message


def node(op: str = "Relu", inputs: str = "x", outputs: str = "y", **settings: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"{op}_1", **settings)


def changed(change: Callable[[Any], Any], *nodes: Any, **initial: np.ndarray) -> Any:
    """A model of a Mul by w and of `nodes`, after a change."""
    first = node("Mul", "x w", "y" if not nodes else "z")
    model = made([first, *nodes], {"x": 1}, {"w": normal(3), **initial})
    change(model)
    return model


def tensor(**fields: Any) -> Callable[[Any], None]:
    """Make these the fields of the weight w; None clears one."""

    def change(model: Any) -> None:
        w = model.graph.initializer[0]
        for name, value in fields.items():
            if value is None:
                w.ClearField(name)
            elif isinstance(value, list):
                w.ClearField(name)
                getattr(w, name).extend(value)
            else:
                setattr(w, name, value)

    return change


def kept(model: Any) -> None:
    """No change."""


def imports(*pairs: tuple[str, int]) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*pair) for pair in pairs)

    return change


def branch() -> Any:
    return made([node("Relu", "w", "y")], {}).graph


def sparse(model: Any) -> None:
    values = helper.make_tensor("s", 1, (1,), [1.0])
    places = helper.make_tensor("i", 7, (1,), [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3]))


HOSTILE: dict[str, tuple[Any, str]] = {
    # sizes
    "fewer bytes than the shape": (changed(tensor(dims=[4])), r"initializer 'w' of shape \(4,\)"),
    "more bytes than the shape": (changed(tensor(dims=[2])), r"needs 2 values, has 3"),
    "part of a number": (changed(tensor(raw_data=b"12345", dims=[1])), "needs 1 values, has 1.25"),
    "a negative size": (changed(tensor(dims=[-3])), r"announces the shape \(-3,\)"),
    "two negative sizes": (changed(tensor(dims=[-3, -1])), "announces the shape"),
    "sizes that overflow": (changed(tensor(dims=[1 << 32, 1 << 32])), "announces the shape"),
    "sizes that overflow to 0": (changed(tensor(dims=[1 << 62, 4, 16])), "announces the shape"),
    "a huge shape without values": (
        changed(tensor(dims=[1 << 40], raw_data=None)), "needs 1,099,511,627,776 values, has 0"),
    "a hundred axes": (changed(tensor(dims=[1] * 100, raw_data=b"1234")), "announces the shape"),
    "values twice": (changed(tensor(float_data=[1.0, 2.0, 3.0])), "values twice"),
    "the wrong list": (
        changed(tensor(raw_data=None, double_data=[1.0, 2.0, 3.0])), "needs 3 values, has 0"),
    "numbers beyond their type": (
        changed(tensor(raw_data=None, data_type=3, int32_data=[1, 2, 300])), "beyond its type int8"),
    # types
    "strings": (changed(tensor(raw_data=None, data_type=8, string_data=[b"a"] * 3)), "of the type 8"),
    "complex numbers": (changed(tensor(data_type=14, raw_data=bytes(24))), "of the type 14"),
    "4 bits": (changed(tensor(data_type=22)), "of the type 22"),
    "no type": (changed(tensor(data_type=0)), "of the type 0"),
    "sparse": (changed(sparse), "no form here: sparse initializers"),
    "int8 weights": (
        changed(kept, node("MatMul", "z q"), q=np.ones((3, 2), np.int8)),
        r"node 'MatMul_1' \(MatMul\): its weight 'q' holds int8"),
    "an input that is a sequence": (
        changed(lambda m: m.graph.input[0].CopyFrom(
            helper.make_tensor_sequence_value_info("x", 1, None))), "'x' .* is no tensor"),
    # names
    "two initializers of one name": (
        changed(lambda m: m.graph.initializer.append(numpy_helper.from_array(normal(3), "w"))),
        "two initializers are named 'w'"),
    "two inputs of one name": (
        changed(lambda m: m.graph.input.append(m.graph.input[0])), "input 'x' is there twice"),
    "two values of one name": (
        changed(kept, node("Relu", "z", "z"), node("Relu", "z", "y")),
        r"node 'Relu_1' \(Relu\): its output 'z' is there already"),
    "a value of the name of a weight": (
        changed(kept, node("Relu", "z", "w"), node("Relu", "w", "y")), "output 'w' is there already"),
    "a name that is nowhere": (
        changed(kept, node("Add", "z missing")), r"\(Add\): its input 'missing' is nowhere"),
    "a cycle": (
        changed(kept, node("Add", "z b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")),
        r"node 'Add_1' \(Add\): its input 'b' is computed by node 'Relu_1' \(Relu\): a cycle"),
    "a node that feeds itself": (changed(kept, node("Add", "z y")), "a cycle, or a wrong order"),
    "a wrong order": (
        changed(kept, node("Relu", "a", "y"), node("Relu", "z", "a")), "a wrong order"),
    "an output that is nowhere": (
        changed(lambda m: setattr(m.graph.output[0], "name", "q")), r"outputs \['q'\] are nowhere"),
    "no outputs": (changed(lambda m: m.graph.ClearField("output")), "has no outputs"),
    # versions and operators
    "no opset": (changed(imports()), r"must import one version of ONNX's operators, got \[\]"),
    "opset of another domain": (changed(imports(("ai.onnx.ml", 3))), "must import one version"),
    "two opsets": (changed(imports(("", 13), ("ai.onnx", 14))), r"got \[13, 14\]"),
    "opset 6": (changed(imports(("", 6))), "has opset 6; opsets 7 to 28 are read"),
    "opset 29": (changed(imports(("", 29))), "has opset 29"),
    "a negative opset": (changed(imports(("", -1))), "has opset -1"),
    "operators without form, all at once": (
        changed(kept, node("NonZero", "z", "a"), node("If", "a", "b", then_branch=branch(),
                else_branch=branch()), node("NonZero", "b", "c"),
                helper.make_node("Add", ["c"], ["y"], domain="com.acme")),
        r"no form here: If \(node 'If_1'\), NonZero \(node 'NonZero_1', ...\), com.acme.Add \(node 'y'\)"),
    "a loop": (changed(kept, node("Loop", "z", "y", body=branch())), r"Loop \(node 'Loop_1'\)"),
    "an unknown attribute": (
        changed(kept, node("Relu", "z", slope=1.0)), r"node 'Relu_1' \(Relu\): .*slope"),
    "attributes that are no attributes": (
        changed(kept, node("Softmax", "z", opset=7)), "attributes .*opset.* are not all known"),
    "an attribute twice": (
        changed(lambda m: m.graph.node[1].attribute.append(m.graph.node[1].attribute[0]),
                node("Elu", "z", alpha=1.0)), "attribute 'alpha' is there twice"),
    "an attribute of a graph": (
        changed(kept, node("Elu", "z", alpha=branch())), "attribute 'alpha' is of a type"),
    "too few inputs": (changed(kept, node("Add", "z")), r"node 'Add_1' \(Add\): missing"),
    "too many inputs": (changed(kept, node("Relu", "z z z")), r"node 'Relu_1' \(Relu\): too many"),
    "a missing attribute": (changed(kept, node("Concat", "z z")), r"\(Concat\): missing.*'axis'"),
    # bytes
    "an empty file": (b"", "holds no graph"),
    "text": (b"Not an ONNX file, but a letter to a friend.", "is no ONNX file|cut short"),
    "zeros": (bytes(1000), "no ONNX file|holds no graph"),
    "an endless number": (b"\x80" * 50, "is no ONNX file, or is cut short"),
    "a part beyond the file": (b"\x3a\xff\xff\xff\xff\x0f", "has only 0: cut short"),
    "two graphs": (changed(kept).SerializeToString() * 2, "the graph of a Model is there twice"),
    "a number as a graph": (b"\x38\x01", "a field of kind Graph is damaged"),
    "a name of no text": (b"\x3a\x06\x0a\x04\x0a\x02\xff\xfe", "a name is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    refused(tmp_path, *HOSTILE[name])


def test_the_model_that_is_changed_is_good(tmp_path: Path) -> None:
    """The refusals above come from the changes."""
    path = tmp_path / "model.onnx"
    path.write_bytes(changed(kept, node("Relu", "z")).SerializeToString())
    assert ag.onnx.load(path)(np.ones(3, np.float32)).shape == (3,)


def test_every_beginning_of_a_file_is_refused_or_whole(tmp_path: Path) -> None:
    data = changed(kept, node("Relu", "z")).SerializeToString()
    path, whole = tmp_path / "model.onnx", 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        try:
            ag.onnx.load(path)
            whole += 1
        except DataError:
            pass
    assert whole == 0


def test_errors_while_it_runs_name_the_node(tmp_path: Path) -> None:
    model = changed(kept, node("Conv", "z k"), k=normal(2, 3, 3, 3))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"node 'Conv_1' \(Conv\): .*channels"):
        ag.onnx.load(path)(np.ones((1, 2, 5, 3), np.float32))


# --------------------------------------------------------------------------------- files beside


def outside(location: str, **numbers: Any) -> Any:
    """A model whose weight of three floats lies in another file."""
    model = changed(tensor(raw_data=None, data_location=1))
    for key, value in {"location": location, **numbers}.items():
        model.graph.initializer[0].external_data.add(key=key, value=str(value))
    return model


def test_external_data_stays_in_the_folder_of_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    (folder / "sub").mkdir(parents=True)
    w = normal(3)
    for place in (tmp_path, folder, folder / "sub"):
        (place / "w.bin").write_bytes(b"1234" + w.tobytes())
    os.symlink(tmp_path / "w.bin", folder / "link.bin")
    os.symlink(tmp_path, folder / "up")
    os.symlink(folder / "w.bin", folder / "own.bin")
    os.mkfifo(folder / "fifo")
    path = folder / "model.onnx"
    for location in ("w.bin", "sub/w.bin", "./w.bin", "own.bin"):
        path.write_bytes(outside(location, offset=4, length=12).SerializeToString())
        model: Any = ag.onnx.load(path)
        assert (model.w.numpy() == w).all()
    absolute, above = str(tmp_path / "w.bin"), "../w.bin"
    hidden = ("sub/../../w.bin", "..\\w.bin", "sub/../w.bin", "link.bin", "up/w.bin")
    for location in (
        absolute,
        str(folder / "w.bin"),
        above,
        *hidden,
        "",
        ".",
        "sub",
        "fifo",
        "no.bin",
    ):
        refused(
            folder,
            outside(location, offset=4),
            "initializer 'w' has its values in .*no file in the model's",
        )


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ({"offset": 8}, r"needs 12 bytes; the file says 12 from 8 on in 'w.bin', which has 16"),
        ({"offset": 1 << 62}, "which has 16"),
        ({"offset": -4}, "from -1 on"),
        ({"offset": "four"}, "from -1 on"),
        ({"offset": "9" * 5000}, "from -1 on"),
        ({"length": 13}, "the file says 13"),
        ({"length": "²"}, "the file says -1"),
    ],
)
def test_external_data_of_wrong_sizes(numbers: Any, problem: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    refused(tmp_path, outside("w.bin", **numbers), problem)


# --------------------------------------------------------------------------------- memory


def peak(path: Path) -> int:
    """The memory that loading takes at most."""
    tracemalloc.start()
    try:
        ag.onnx.load(path)
    except DataError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


def field(number: int, content: bytes) -> bytes:
    """A field of bytes as Protocol Buffers write it."""
    size, head = len(content), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head) + bytes([size]) + content


def graph(content: bytes) -> bytes:
    return field(7, content) + field(8, b"\x10\x11")


COUNT = 100_000
BOMBS = {
    "empty nodes": graph(field(1, b"") * COUNT),
    "empty initializers": graph(field(5, b"") * COUNT),
    "empty names": graph(field(1, field(1, b"") * COUNT)),
    "empty attributes": graph(field(1, field(4, b"Relu") + field(5, b"") * COUNT)),
    "long lists of ints": graph(
        field(1, field(4, b"Relu") + field(5, b"\xa0\x01\x07" + field(8, b"\x80\x02" * COUNT)))
    ),
    "int64 of one byte": graph(
        field(5, b"\x08" + b"\x80\xb5\x18" + b"\x10\x07" + field(7, b"\x01" * 400_000))
    ),
    "many dims": graph(field(5, b"\x08\x01" * COUNT)),
    "imports": field(8, b"") * COUNT,
    "nodes of small names": graph(
        b"".join(field(1, field(1, b"n%d" % k) + field(2, b"n%d" % (k + 1)) + field(4, b"Relu"))
                 for k in range(40_000))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_file_takes_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(BOMBS[name])
    assert peak(path) <= 4 * len(BOMBS[name]) + 16 * MB


def test_what_is_not_counted_takes_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the test before would be missed without the reader's count."""
    monkeypatch.setattr("autograd_cnn.onnx.wire.Reader.charge", lambda reader, size: None)
    path, content = tmp_path / "model.onnx", BOMBS["nodes of small names"]
    path.write_bytes(content)
    assert peak(path) > 4 * len(content) + 16 * MB


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int8", "float64"])
@pytest.mark.parametrize("form", ["raw", "list", "outside"])
def test_a_large_model_loads_within_the_same_memory(kind: str, form: str, tmp_path: Path) -> None:
    count = 2 * MB if form != "list" else MB // 8
    number = getattr(TensorProto, {"float64": "DOUBLE", "float32": "FLOAT"}.get(kind, kind.upper()))
    size = {"float32": 4, "float64": 8, "int8": 1}.get(kind, 2)
    values = np.zeros(count * size, np.uint8) if form != "list" else np.zeros(count)
    w = helper.make_tensor("w", number, (count,), values.tobytes() if form != "list" else values,
                           raw=form != "list")  # fmt: skip
    model = made([node("Identity", "w")], {})
    model.graph.initializer.append(w)
    path = tmp_path / "model.onnx"
    outer = {"save_as_external_data": True, "location": "w.bin"} if form == "outside" else {}
    onnx.save_model(model, path, **outer)
    total = sum(p.stat().st_size for p in tmp_path.iterdir())
    assert total > (count // 2 if form == "list" else count * size)
    assert peak(path) <= 4 * total + (16 * MB if form == "list" else MB)
    loaded: Any = ag.onnx.load(path)
    assert loaded().shape == (count,)


def test_a_file_that_many_weights_read_is_not_multiplied(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(4 * MB))
    model = made([node("Identity", "w0")], {})
    for k in range(100):
        model.graph.initializer.add(name=f"w{k}", data_type=1, dims=[MB], data_location=1)
        model.graph.initializer[k].external_data.add(key="location", value="w.bin")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert peak(path) <= 4 * 4 * MB + 17 * MB
    refused(tmp_path, model, "needs more memory")


# --------------------------------------------------------------------------------- mutations

VALID = {name: (DATA / f"pytorch-{name}.onnx").read_bytes() for name in ("torchscript", "dynamo")}
VALID["small"] = changed(
    kept,
    node("LSTM", "z w1 r1", "l", hidden_size=2),
    node("Relu", "l", "p"),
    node("Slice", "p st en", "y"),
    **{"w1": normal(1, 8, 3), "r1": normal(1, 8, 2), "st": np.array([0]), "en": np.array([1])},
).SerializeToString()


@given(data=st.data(), name=st.sampled_from([*VALID]))
def test_a_changed_file_is_a_model_or_a_clear_error(
    data: st.DataObject, name: str, tmp_path_factory: Any
) -> None:
    """Bytes that change, vanish or repeat; forty files at a time."""
    path = tmp_path_factory.getbasetemp() / "mutated.onnx"
    shape = (2, 3, 3) if name == "small" else (2, 1, 12, 12)
    draws = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    for _ in range(40):
        content = bytearray(VALID[name])
        for _ in range(draws.integers(1, 4)):
            at, kind = int(draws.integers(len(content))), draws.integers(4)
            if kind == 0:
                content[at] ^= 1 << int(draws.integers(8))
            elif kind == 1:
                content[at] = int(draws.choice([0, 1, 127, 128, 255]))
            elif kind == 2:
                del content[at : at + int(draws.integers(1, 9))]
            else:
                content[at:at] = content[at : at + int(draws.integers(1, 9))]
        path.write_bytes(content)
        text = outcome(path, normal(*shape))
        assert not text or text.startswith((f"DataError: {path}: ", "ValueError: node ")), text


def outcome(path: Path, x: np.ndarray) -> str:
    """The error of loading a file and running it in both modes; empty if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # weights become huge
        try:
            model: Any = ag.onnx.load(path)
            for training in (False, True):
                model.train(training)(*[x] * len(model.inputs))
        except MemoryError:  # a size became huge, which the op says
            return ""
        except Exception as error:
            known = str(error).startswith("input ")  # which became one of integers
            return "" if known else f"{type(error).__name__}: {error}"
    return ""
