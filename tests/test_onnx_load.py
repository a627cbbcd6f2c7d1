"""ONNX files as modules: the onnx package's node cases, ONNX Runtime and PyTorch as oracles."""

from __future__ import annotations

import copy
import functools
import pickle
import runpy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim

onnx = pytest.importorskip("onnx", reason="onnx comes with the onnx extra")
helper, TensorProto = onnx.helper, onnx.TensorProto
DATA = Path(__file__).parent / "data"
DOCS = Path(__file__).parent.parent / "docs"


@functools.cache
def generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_onnx_table.py"))


def made(
    nodes: list[Any],
    inputs: dict[str, Any],
    initial: dict[str, np.ndarray] | None = None,
    outputs: tuple[str, ...] = ("y",),
    opset: int = 17,
) -> Any:
    """A model of these nodes; `inputs` are arrays, or types of elements, by name."""
    kinds = {
        name: x if isinstance(x, int) else helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype)
        for name, x in inputs.items()
    }
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(x, name) for name, x in (initial or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def loaded(tmp_path: Path, model: Any) -> Any:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return ag.onnx.load(path)


def runtime(model: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What ONNX Runtime computes."""
    ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the oracle")
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return list(session.run(None, inputs))


def compare(tmp_path: Path, model: Any, inputs: dict[str, np.ndarray], tol: float = 1e-5) -> None:
    """The loaded model gives what ONNX Runtime gives, for arrays and for tensors."""
    expected = runtime(model, inputs)
    own = loaded(tmp_path, model)
    floats = {n: ag.tensor(x) if x.dtype.kind == "f" else x for n, x in inputs.items()}
    for given_inputs in (inputs, floats):
        found = own(*given_inputs.values())
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) == len(expected)
        for x, y in zip(found, expected):
            x = np.asarray(x)
            assert x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=tol, atol=tol)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------------------ the package's cases


def test_the_table_of_operators_is_current_and_nearly_all_cases_pass() -> None:
    page, share = generator()["table"]()
    assert share >= 0.95
    assert (DOCS / "onnx-operators.md").read_text("utf-8") == page, "run docs/make_onnx_table.py"


def test_a_wrong_operator_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of the table fails where a value or a dtype is another."""
    relu = next(c for op, c in generator()["cases"]() if op == "Relu")
    problem, path = generator()["problem"], tmp_path / "case.onnx"
    assert problem(relu, path) == ""
    operators = "autograd_cnn.onnx.load.OPERATORS"
    monkeypatch.setitem(_named(operators), "Relu", lambda x: np.maximum(x, 0.01))
    assert "Not equal" in problem(relu, path)
    monkeypatch.setitem(_named(operators), "Relu", lambda x: np.maximum(x, 0).astype("f8"))
    assert "dtype float64" in problem(relu, path)


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)


def test_tensors_give_what_arrays_give(tmp_path: Path) -> None:
    """All cases again with floating inputs as tensors; a gradient reaches each where one can."""

    def tensor(x: Any) -> Any:
        x = generator()["plain"](x)
        plain = not isinstance(x, np.ndarray) or x.dtype not in (np.float32, np.float64)
        return x if plain else ag.tensor(x, requires_grad=True)

    failed, count = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in generator()["cases"]():
            if name != "Cast":  # a cast to 8 bits or fewer passes no gradient, and says so
                count += 1
                wrong = generator()["problem"](case, tmp_path / "case.onnx", tensor)
                failed += [case.name] if wrong else []
    known = [n for names in generator()["MISSING"].values() for n in names]
    assert [n for n in failed if n.removeprefix("test_") not in known] == []
    assert count > 450


# ------------------------------------------------------------------------------ ONNX Runtime


ends = st.integers(0, 2)


@given(data=st.data())
def test_convolution_as_in_onnx_runtime(data: st.DataObject, tmp_path_factory: Any) -> None:
    axes, group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    kernel = data.draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    steps = data.draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    holes = data.draw(st.lists(st.integers(1, 2), min_size=axes, max_size=axes))
    sides = data.draw(st.lists(st.integers(5, 7), min_size=axes, max_size=axes))
    op = data.draw(st.sampled_from(["Conv", "ConvTranspose"]))
    settings: dict[str, Any] = {"strides": steps, "dilations": holes, "group": group}
    kind = data.draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID", "nothing"]))
    if kind == "pads":
        settings["pads"] = data.draw(st.lists(ends, min_size=2 * axes, max_size=2 * axes))
    elif kind != "nothing":
        settings["auto_pad"] = kind
        if kind != "VALID":  # ONNX Runtime takes no dilation here
            settings["dilations"] = [1] * axes
        if op == "ConvTranspose" and kind != "VALID":
            steps[:] = map(min, steps, kernel)  # else ONNX Runtime misses the announced size
    if op == "ConvTranspose" and kind in ("pads", "nothing"):
        settings["output_padding"] = [data.draw(st.integers(0, s - 1)) for s in steps]
    weight = normal(4, 4 // group, *kernel, seed=1)
    bias = normal(weight.shape[1] * group if op == "ConvTranspose" else 4, seed=2)
    x = normal(2, 4, *sides)
    model = made([helper.make_node(op, ["x", "w", "b"], ["y"], **settings)], {"x": x},
                 {"w": weight, "b": bias})  # fmt: skip
    compare(tmp_path_factory.mktemp("m"), model, {"x": x}, 1e-4)


@given(data=st.data())
def test_pooling_as_in_onnx_runtime(data: st.DataObject, tmp_path_factory: Any) -> None:
    axes = data.draw(st.integers(1, 3))
    kernel = data.draw(st.lists(st.integers(2, 3), min_size=axes, max_size=axes))
    steps = data.draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    sides = data.draw(st.lists(st.integers(5, 8), min_size=axes, max_size=axes))
    op = data.draw(st.sampled_from(["MaxPool", "AveragePool"]))
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": steps}
    kind = data.draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID", "nothing"]))
    if kind == "pads":
        settings["pads"] = [min(data.draw(ends), k - 1) for k in kernel * 2]
    elif kind != "nothing":
        settings["auto_pad"] = kind
        steps[:] = map(min, steps, kernel)  # else ONNX Runtime computes negative padding
    if op == "MaxPool" and kind in ("pads", "nothing"):
        settings["dilations"] = data.draw(st.lists(st.integers(1, 2), min_size=axes, max_size=axes))
    if op == "AveragePool":
        settings["count_include_pad"] = data.draw(st.integers(0, 1))
    outputs = ["y", "i"] if op == "MaxPool" and data.draw(st.booleans()) else ["y"]
    x = normal(2, 3, *sides)
    model = made([helper.make_node(op, ["x"], outputs, **settings)], {"x": x})
    if len(outputs) == 2:
        info = helper.make_tensor_value_info("i", TensorProto.INT64, None)
        model.graph.output.append(info)
    compare(tmp_path_factory.mktemp("m"), model, {"x": x})


@given(data=st.data())
def test_resize_as_in_onnx_runtime(data: st.DataObject, tmp_path_factory: Any) -> None:
    mode = data.draw(st.sampled_from(["nearest", "linear", "cubic"]))
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    settings = {"mode": mode, "coordinate_transformation_mode": data.draw(st.sampled_from(places))}
    if mode == "nearest":
        rounds = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
        settings["nearest_mode"] = data.draw(st.sampled_from(rounds))
    x = normal(2, 3, *data.draw(st.tuples(st.integers(2, 6), st.integers(2, 6))))
    sizes = np.array([2, 3, *data.draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))])
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **settings)
    compare(tmp_path_factory.mktemp("m"), made([node], {"x": x}, {"sizes": sizes}), {"x": x}, 1e-4)


F32 = np.float32
OLD_FORMS: list[tuple[int, str, list[Any], dict[str, Any]]] = [
    (7, "Squeeze", [normal(1, 3, 1)], {"axes": [0]}),
    (7, "Unsqueeze", [normal(3)], {"axes": [0, 2]}),
    (7, "Clip", [normal(3, 4)], {"min": -0.5, "max": 0.25}),
    (7, "Softmax", [normal(2, 3, 4)], {}),
    (11, "LogSoftmax", [normal(2, 3, 4)], {"axis": 2}),
    (12, "Softmax", [normal(2, 3, 4)], {"axis": 0}),
    (7, "Dropout", [normal(2, 3)], {"ratio": 0.25}),
    (7, "Pad", [normal(2, 3)], {"pads": [0, 1, 2, 0], "value": 1.5}),
    (9, "Slice", [normal(4, 5)], {"starts": [1, -3], "ends": [3, 100], "axes": [0, 1]}),
    (7, "Upsample", [normal(1, 1, 2, 3)], {"scales": [1.0, 1.0, 2.0, 3.0], "mode": "nearest"}),
    (9, "Upsample", [normal(1, 1, 2, 3), np.array([1, 1, 2, 2], F32)], {"mode": "linear"}),
    (10, "Resize", [normal(1, 1, 4, 6), np.array([1, 1, 0.5, 2], F32)], {"mode": "nearest"}),
    (7, "ReduceSum", [normal(2, 3, 4)], {"axes": [0, 2], "keepdims": 0}),
    (13, "ReduceSum", [normal(2, 3, 4), np.array([1])], {}),
    (11, "ReduceMean", [normal(2, 3, 4)], {"axes": [-1]}),
    (18, "ReduceMean", [normal(2, 3, 4), np.array([-1])], {"keepdims": 0}),
    (7, "ReduceMax", [normal(2, 3, 4)], {}),
    (7, "BatchNormalization", [normal(2, 3, 4), *(abs(normal(3, seed=k)) for k in range(4))], {}),
    (7, "Gemm", [normal(2, 3), normal(3, 4), normal(4)], {"alpha": 0.5, "beta": 2.0}),
    (7, "AveragePool", [normal(1, 2, 5, 5)], {"kernel_shape": [2, 2], "pads": [1, 0, 1, 0]}),
    (7, "Conv", [normal(1, 2, 5), normal(3, 2, 3)], {}),
    (18, "GroupNormalization", [normal(2, 4, 3), normal(2), normal(2)], {"num_groups": 2}),
    (21, "GroupNormalization", [normal(2, 4, 3), normal(4), normal(4)], {"num_groups": 2}),
    (17, "LayerNormalization", [normal(2, 4, 3), normal(4, 3)], {"axis": 1}),
    (7, "PRelu", [normal(2, 3, 4), normal(3, 1)], {}),
    (8, "Max", [normal(2, 3), normal(3), normal(1)], {}),
    (8, "Sum", [normal(2, 3), normal(3), normal(1)], {}),
    (7, "Selu", [normal(9)], {"alpha": 1.5, "gamma": 2.0}),
    (13, "Tile", [normal(2, 3), np.array([2, 1])], {}),
    (12, "Einsum", [normal(2, 3), normal(3, 4)], {"equation": "ij,jk->ki"}),
    (7, "GlobalMaxPool", [normal(2, 3, 4, 5)], {}),
    (12, "Where", [normal(2, 3) > 0, normal(2, 3), normal(3)], {}),
    (11, "Gather", [normal(4, 3), np.array([[0, -1], [2, 1]])], {"axis": 0}),
    (7, "LSTM", [normal(3, 2, 4), normal(1, 20, 4), normal(1, 20, 5)], {"hidden_size": 5}),
    (7, "GRU", [normal(3, 2, 4), normal(2, 15, 4), normal(2, 15, 5), normal(2, 30)],
     {"hidden_size": 5, "direction": "bidirectional", "linear_before_reset": 1}),
    (14, "GRU", [normal(3, 2, 4), normal(1, 15, 4), normal(1, 15, 5), normal(1, 30),
                 np.array([1, 3], np.int32), normal(1, 2, 5)],
     {"hidden_size": 5, "direction": "reverse"}),
    (14, "LSTM", [normal(3, 2, 4), normal(2, 20, 4), normal(2, 20, 5), normal(2, 40),
                  np.array([3, 2], np.int32), normal(2, 2, 5), normal(2, 2, 5)],
     {"hidden_size": 5, "direction": "bidirectional"}),
]  # fmt: skip


@pytest.mark.parametrize("form", OLD_FORMS, ids=lambda f: f"{f[1]}-{f[0]}")
def test_forms_of_several_opsets(form: tuple[int, str, list[Any], Any], tmp_path: Path) -> None:
    """Once with all inputs given in the call, once with all but the first in the file."""
    opset, op, arrays, settings = form
    names = [f"x{k}" for k in range(len(arrays))]
    inputs = dict(zip(names, arrays))
    node = helper.make_node(op, names, ["y"], **settings)
    compare(tmp_path, made([node], inputs, opset=opset), inputs)
    first = {"x0": arrays[0]}
    rest = {name: x for name, x in inputs.items() if name != "x0"}
    compare(tmp_path, made([node], first, rest, opset=opset), first)


def test_integers_divide_towards_zero(tmp_path: Path) -> None:
    a, b = np.array([7, -7, 7, -7, 6]), np.array([2, 2, -2, -2, 3])
    model = made([helper.make_node("Div", ["a", "b"], ["y"])], {"a": a, "b": b})
    assert loaded(tmp_path, model)(a, b).tolist() == [3, -3, -3, 3, 2]


def test_shapes_stay_whole_numbers_while_values_have_gradients(tmp_path: Path) -> None:
    """The chain of Shape, Gather and Concat by which exporters flatten a batch."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["z"]),
        helper.make_node("Shape", ["z"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["z", "shape"], ["y"]),
    ]
    whole = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    model = loaded(tmp_path, made(nodes, {"x": 1}, {"w": normal(2, 3), **whole}))
    for n in (1, 4):
        y = model(normal(n, 2, 3))
        assert y.shape == (n, 6)
        y.sum().backward()
    assert list(model.state_dict()) == ["w"]
    assert model.w.grad.shape == (2, 3)


# ------------------------------------------------------------------------------ from PyTorch


def recorded() -> tuple[np.ndarray, np.ndarray]:
    with np.load(DATA / "pytorch-onnx.npz") as file:
        return file["x"], file["y"]


@pytest.mark.parametrize("name", ["pytorch-torchscript", "pytorch-dynamo"])
def test_a_file_of_pytorch_s_exporter_gives_its_outputs_and_trains_on(name: str) -> None:
    """tests/data/README.md says how the files and the outputs were made."""
    path = DATA / f"{name}.onnx"
    assert path.stat().st_size < 20_000
    model: Any = ag.onnx.load(path)
    x, y = recorded()
    np.testing.assert_allclose(model(x).numpy(), y, rtol=1e-5, atol=1e-6)
    assert {"conv1.weight", "conv1.bias", "fc.weight"} <= set(model.state_dict())

    labels = np.arange(32) % 3
    images = normal(32, 1, 12, 12, seed=3) + labels.astype(F32)[:, None, None, None]
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    model.train()
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(np.abs(p.grad.numpy()).max() > 0 for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    model.eval()
    assert not np.allclose(model(x).numpy(), y)


def test_batch_norm_of_a_file_trains_as_the_layer_does() -> None:
    """Outputs, gradients and running statistics are those of the same layers, step by step."""
    model: Any = ag.onnx.load(DATA / "pytorch-torchscript.onnx")
    state = model.state_dict()
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, stride=2, bias=False), nn.GELU(),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))  # fmt: skip
    names = [*state]
    own = [n for n in net.state_dict() if "num_batches" not in n]
    net.load_state_dict({o: state[n] for o, n in zip(own, names)}, strict=False)
    images, labels = normal(16, 1, 12, 12, seed=3), np.arange(16) % 3
    nets: list[Any] = [model.train(), net]
    for step in range(3):
        for m in nets:
            m.zero_grad()
            F.cross_entropy(m(images), labels).backward()
            for p in m.parameters():
                p.data = p.data - 0.1 * p.grad
        for o, n in zip(own, names):
            np.testing.assert_allclose(
                model.state_dict()[n],
                net.state_dict()[o],
                rtol=1e-4,
                atol=1e-5,
                err_msg=f"{step} {n}",
            )
    moved = model.bn.running_mean
    assert not np.allclose(moved, state["bn.running_mean"])
    before = moved.copy()
    model.eval()(images)
    assert (model.bn.running_mean == before).all()


# ------------------------------------------------------------------------------ the module


def test_dropout_acts_in_training(tmp_path: Path) -> None:
    node = helper.make_node("Dropout", ["x", "p"], ["y"])
    model = loaded(tmp_path, made([node], {"x": 1}, {"p": np.array(0.25, F32)}))
    x = np.ones((100, 100), F32)
    assert not model.training
    assert (model(x) == x).all()
    ag.manual_seed(0)
    y = model.train()(x)
    assert 0.2 < (y == 0).mean() < 0.3
    assert np.allclose(y[y != 0], 1 / 0.75)
    assert not model.state_dict()


def test_statistics_that_are_no_initializers_do_not_move(tmp_path: Path) -> None:
    names = ["x", "s", "b", "m", "v"]
    node = helper.make_node("BatchNormalization", names, ["y"])
    inputs = {"x": normal(5, 3), **{n: abs(normal(3)) for n in names[1:]}}
    model = loaded(tmp_path, made([node], inputs)).train()
    mean = inputs["m"].copy()
    y = model(*inputs.values())
    assert (inputs["m"] == mean).all()
    expected = F.batch_norm(inputs["x"], None, None, inputs["s"], inputs["b"], True)
    assert np.allclose(y, expected)


def test_names_become_paths(tmp_path: Path) -> None:
    names = ["a.weight", "a", "/b/c::d", "3", "x.3", "train", "x.training.y", "", "a..b", "é", "a.weight.q",
             "_b_c__d", "steps", "forward.x"]  # fmt: skip
    nodes, last = [], "x0"
    for k, name in enumerate(names):
        nodes.append(helper.make_node("Add", [last, name or "empty"], [f"y{k}"]))
        last = f"y{k}"
    initial = {name or "empty": np.full(2, 10.0**-k, F32) for k, name in enumerate(names)}
    model = loaded(tmp_path, made(nodes, {"x0": 1}, initial, (last,)))
    state = model.state_dict()
    assert sorted(x[0] for x in state.values()) == sorted(x[0] for x in initial.values())
    assert {"a.weight", "_b_c__d", "_3", "x._3", "train_"} <= set(state)
    assert np.allclose(model(np.zeros(2, F32)).numpy(), sum(x[0] for x in initial.values()))
    assert model.train().training
    model.load_state_dict({name: 0 * x for name, x in state.items()})
    assert (model(np.zeros(2, F32)).numpy() == 0).all()


def test_copies_and_pickles_compute_the_same() -> None:
    model: Any = ag.onnx.load(DATA / "pytorch-torchscript.onnx")
    x, y = recorded()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.allclose(twin(x).numpy(), y, atol=1e-6)
        twin.fc.bias.data = twin.fc.bias.data + 1
    assert np.allclose(model(x).numpy(), y, atol=1e-6)
    assert "nodes=15, inputs=['image'], outputs=['logits']" in repr(model)


def test_a_model_in_float64(tmp_path: Path) -> None:
    """Gradients by finite differences, through the parameters of the file."""
    model: Any = ag.onnx.load(DATA / "pytorch-dynamo.onnx").to("float64")
    x = normal(2, 1, 12, 12).astype(np.float64)
    for name, p in model.named_parameters():
        ag.grad(model(x).sum(), [p])
        where = tuple(s // 2 for s in p.shape)
        start, values = p.numpy().copy(), []
        for step in (1e-5, -1e-5):
            moved = start.copy()
            moved[where] += step
            p.data = ag.tensor(moved)
            values.append((model(x) ** 2).sum().item())
        p.data = ag.tensor(start)
        model.zero_grad()
        (model(x) ** 2).sum().backward()
        found = (values[0] - values[1]) / 2e-5
        assert found == pytest.approx(p.grad.numpy()[where], rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_float32_here(kind: str, tmp_path: Path) -> None:
    number = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[kind]
    w = np.array([1.0, -2.5, 0.125, 3.0], F32)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=number),
        helper.make_node("Mul", ["h", "w"], ["y"]),
    ]
    model = made(nodes, {"x": 1})
    bits = (w.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else w.astype("f2")
    raw = helper.make_tensor("w", number, (4,), bits.tobytes(), raw=True)
    listed = helper.make_tensor("w", number, (4,), w.tolist())
    for tensor in (raw, listed):
        del model.graph.initializer[:]
        model.graph.initializer.append(tensor)
        own = loaded(tmp_path, model)
        assert own.w.dtype == np.float32
        y = own(np.full(4, 1.001, F32))
        assert y.dtype == np.float32
        assert np.allclose(y.numpy(), 1.001 * w)


def test_half_inputs_of_a_model_with_half_weights(tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    x = normal(4).astype(np.float16)
    model = loaded(tmp_path, made([node], {"x": x}, {"w": x}))
    assert model(x).dtype == np.float32


KINDS = "float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool"


@pytest.mark.parametrize("kind", KINDS.split())
@pytest.mark.parametrize("raw", [True, False])
def test_constants_of_every_type(kind: str, raw: bool, tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 100]]).astype(kind)
    if kind[0] in "iu":
        values[0] = np.iinfo(kind).min, np.iinfo(kind).max
    number = helper.np_dtype_to_tensor_dtype(values.dtype)
    data = values.tobytes() if raw else values.ravel().tolist()
    tensor = helper.make_tensor("c", number, values.shape, data, raw=raw)
    model = made([helper.make_node("Constant", [], ["y"], value=tensor)], {})
    found = loaded(tmp_path, model)()
    assert found.dtype == values.dtype
    assert (found == values).all()


def test_inputs_are_checked(tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["w", "i"], ["y"])
    model = loaded(tmp_path, made([node], {"i": TensorProto.INT64}, {"w": normal(4, 2)}))
    assert model([1, 2]).shape == model(np.array([1, 2], np.int8)).shape == (2, 2)
    assert model(ag.tensor([1, 2])).shape == (2, 2)
    with pytest.raises(TypeError, match=r"expected 1 inputs \(i\), got 2"):
        model(1, 2)
    for floats in (np.ones(2), ag.tensor(np.ones(2, F32))):
        with pytest.raises(TypeError, match="input 'i' must hold int64, got float"):
            model(floats)
    with pytest.raises(ValueError, match=r"node 'y' \(Gather\): .*4"):
        model(np.array([4]))


def test_inputs_with_initializers_are_weights(tmp_path: Path) -> None:
    """Before IR version 4 every initializer is an input too."""
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    model = loaded(tmp_path, made([node], {"x": 1, "w": 1}, {"w": normal(3)}, opset=7))
    assert model(np.ones(3, F32)).tolist() == normal(3).tolist()


def test_values_in_files_beside_the_model(tmp_path: Path) -> None:
    w = normal(30, 40)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = made([node], {"x": 1}, {"w": w, "v": normal(3)})
    path = tmp_path / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="w.bin", size_threshold=100)
    assert path.stat().st_size < 1000
    assert (ag.onnx.load(path).state_dict()["w"] == w).all()
