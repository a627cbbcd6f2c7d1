"""Exported models give in ONNX Runtime what they give here, for every batch; the rest is refused."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.onnx import ExportError, export, load
from autograd_cnn.onnx.export import difference, noise_of
from autograd_cnn.onnx.forms import FORMS
from autograd_cnn.tensor.tree import flatten
from tests.case_parts import examples
from tests.cases import CASES
from tests.layer_parts import normal
from tests.programs import EXAMPLES, run
from tests.test_nn import LAYERS
from tests.test_ops import FUNCTIONS

import mnist  # isort: skip

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime runs the files")


@pytest.fixture(autouse=True)
def _seed() -> None:
    ag.manual_seed(0)


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return normal(*shape, seed=seed).astype(np.float32)


def ints(*shape: int, below: int = 5) -> np.ndarray:
    return np.random.default_rng(1).permutation(int(np.prod(shape))).reshape(shape) % below


class Calls(nn.Module):
    """A model of a user: a function of its inputs and of some layers."""

    def __init__(self, function: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.function = nn.ModuleList(layers), function
        self.eval()

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs, *self.layers)


def session(file: Any) -> Any:
    quiet = runtime.SessionOptions()
    quiet.log_severity_level, quiet.intra_op_num_threads = 4, 1
    content = file.SerializeToString()
    return runtime.InferenceSession(content, quiet, providers=["CPUExecutionProvider"])


def reload(file: Any) -> Any:
    """The model that `load` reads from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(file.SerializeToString())
        return load(path)


def agrees(model: nn.Module, *inputs: np.ndarray, batch_axis: int = 0) -> Any:
    """The file of a model, which gives its results in ONNX Runtime and read again, for batches of 1
    and 7 too."""
    file = export(model.eval(), inputs, batch_axis=batch_axis)
    assert (file.opset_import[0].version, file.ir_version) == (17, 8)
    opened, twin = session(file), reload(file)
    for n in (len(inputs[0]), 1, 7):
        arrays = [np.take(x, np.arange(n) % x.shape[batch_axis], batch_axis) for x in inputs]
        with ag.no_grad():
            wanted = flatten(model(*map(ag.Tensor, arrays)))[0]
        found = opened.run(None, {e.name: x for e, x in zip(file.graph.input, arrays)})
        with ag.no_grad():
            again = twin(*arrays)
        again = again if isinstance(again, tuple) else (again,)
        for k, (x, y, z) in enumerate(zip(wanted, found, again, strict=True)):
            if difference(x.numpy(), y) or difference(x.numpy(), np.asarray(z)):
                noise = noise_of(model, arrays, x.numpy(), k)
                assert difference(x.numpy(), y, noise) == "", n
                assert difference(x.numpy(), np.asarray(z), noise) == "", n
    return file


# ----------------------------------------------------------------------------------- every layer

SHAPES = {"GLU": (3, 4, 2)}  # of which axis 0 is halved, where the batch is
MORE: list[tuple[Any, ...]] = [
    *(("RReLU", (), (3, 4)), ("Bilinear", (3, 4, 2), (3, 3), (3, 4))),
    *(("BCELoss", (), "chances", "chances"), ("CosineSimilarity", (), (3, 4), (3, 4))),
    *((f"{name}Loss", (), (3, 4), (3, 4)) for name in ("Huber", "L1", "MSE", "SmoothL1")),
    *(("GaussianNLLLoss", (), (3, 4), (3, 4), "chances"), ("PoissonNLLLoss", (), (3, 4), (3, 4))),
    *(("MarginRankingLoss", (), (3,), (3,), "signs"), ("PairwiseDistance", (), (3, 4), (3, 4))),
    *(("SoftMarginLoss", (), (3,), "signs"), ("TripletMarginLoss", (), *[(3, 4)] * 3)),
    *(("Embedding", (5, 3), "ints"), ("Embedding", (5, 3, 1), "ints")),
    ("TransformerEncoderLayer", (8, 2, 16, 0.1, "relu", 1e-5, True), (2, 3, 8)),
    *((name, (3, 4, 2, *more), (2, 5, 3)) for name, more in (("GRU", ()), ("LSTM", ()))),
    *(("RNN", (3, 4, 2, "relu"), (2, 5, 3)), ("RNNCell", (3, 4), (2, 3))),
    *(("GRUCell", (3, 4), (2, 3)), ("LSTMCell", (3, 4), (2, 3))),
]
INPUTS: dict[str, Any] = {
    "ints": ints(3, 4),
    "chances": np.abs(floats(3, 4)) / 9,
    "signs": np.array([1, -1, 1]),
}
SCORES = floats(3, 4)
REFUSED: dict[str, tuple[str, tuple[np.ndarray, ...]]] = {
    "BCEWithLogitsLoss": ("no form", (SCORES, INPUTS["chances"])),
    "CosineEmbeddingLoss": ("a constant", (SCORES, floats(3, 4, seed=1), INPUTS["signs"])),
    "CrossEntropyLoss": ("no form", (SCORES, np.array([0, 1, 3]))),
    "HingeEmbeddingLoss": ("a constant", (floats(3), INPUTS["signs"])),
    "KLDivLoss": ("a constant", (SCORES, np.abs(SCORES))),
    "NLLLoss": ("a constant", (SCORES, np.array([0, 1, 3]))),
    **{f"MaxUnpool{k}d": ("a constant", (floats(2, 1, *[4] * k),)) for k in (1, 2, 3)},
}
"""Layers that are refused: losses read their targets as constants, unpooling reads positions."""
ELSEWHERE = {"MultiheadAttention", "TransformerEncoder", "GLU"}
NO_LAYER = {
    *("Module", "ModuleDict", "ModuleList", "ParameterList", "Sequential", "Parameter"),
    *("IncompatibleKeys", "init", "load_weights", "save_weights", "utils"),
}


def test_every_layer_is_exported_or_refused() -> None:
    rows = {name for name, *_ in [*LAYERS, *MORE]}
    assert rows | REFUSED.keys() | NO_LAYER | ELSEWHERE == set(nn.__all__)
    assert rows.isdisjoint(REFUSED)


@pytest.mark.parametrize(
    ("name", "given", "shapes"),
    [(n, g, [s]) for n, g, s, _ in LAYERS if n != "GLU"] + [(n, g, s) for n, g, *s in MORE],
)
def test_a_layer_runs_in_onnx_runtime(name: str, given: Any, shapes: Any) -> None:
    layer = getattr(nn, name)(*given)
    inputs = [INPUTS[s] if isinstance(s, str) else floats(*s, seed=k) for k, s in enumerate(shapes)]
    recurrent = name in ("GRU", "LSTM", "RNN")  # whose batch is the second axis
    file = agrees(layer, *inputs, batch_axis=1 if recurrent else 0)
    state = layer.state_dict()
    for entry in file.graph.initializer:
        array = onnx.numpy_helper.to_array(entry)
        known = entry.name in state and np.array_equal(array, state[entry.name])
        assert known or entry.name.startswith("constant"), entry.name
    used = {entry.name for entry in file.graph.initializer}
    assert used >= state.keys() - {"num_batches_tracked"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_needs_values_is_refused(name: str) -> None:
    words, inputs = REFUSED[name]
    model = getattr(nn, name)(*[2] * name.startswith("MaxUnpool"))
    if name.startswith("MaxUnpool"):
        pool = getattr(nn, name.replace("Unp", "P"))(2, return_indices=True)
        model = Calls(lambda x, pool, unpool: unpool(*pool(x)), pool, model)
    with pytest.raises(ExportError, match=words):
        export(model.eval(), inputs)


def test_attention() -> None:
    many = nn.MultiheadAttention(8, 2, batch_first=True)
    agrees(Calls(lambda x, layer: layer(x, x, x), many), floats(2, 3, 8))
    hidden = np.array([[0, 0, 1], [0, 1, 1]], bool)
    agrees(Calls(lambda x, m, a: a(x, x, x, key_padding_mask=m)[0], many), floats(2, 3, 8), hidden)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    file = agrees(nn.TransformerEncoder(layer, 2), floats(2, 3, 8))
    assert {node.name.split(".")[1] for node in file.graph.node if node.name[0] == "l"} == {
        "0",
        "1",
    }
    agrees(Calls(lambda x: F.glu(x, 1)), floats(3, 4, 2))
    agrees(
        Calls(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)), floats(2, 3, 4)
    )


# -------------------------------------------------------------------------------------- every op

NO_FORM = {
    *("cholesky", "inv", "pinv", "solve_columns", "conv_weight_grad", "relu_grad", "sum_to"),
    *("sigmoid_cross_entropy", "softmax_cross_entropy", "window_gather", "window_scatter"),
}
"""Ops of losses, of gradients and of linear algebra, for which ONNX has no nodes."""
SOMETIMES = {
    "avg_pool_grad": "reach into padding",
    "conv": "leave out a position",
    "put": "names a place twice",
    "unfold": "leave out a position",
}


def test_every_op_has_a_form_or_is_known_to_have_none() -> None:
    inner = {"same", "statistics", *filter(lambda name: name not in ag.OPS, FORMS)}
    assert FORMS.keys() - inner | NO_FORM == set(CASES)
    assert NO_FORM.isdisjoint(FORMS)


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_op_runs_in_onnx_runtime_or_is_refused(name: str) -> None:
    for case in examples(CASES[name], 4):
        given = [as_float32(x) for x in case.inputs]

        def compute(z: Any) -> Any:
            nothing = z.sum() * 0  # so that the inputs depend on the model's
            xs = [x + nothing if is_float(x) else x for x in given]  # noqa: B023
            return FUNCTIONS[name](*xs, **case.params)  # noqa: B023

        model, empty = Calls(compute), name == "row_norm" and 0 in given[0].shape
        file = problem = None
        try:
            file = export(model, floats(2, 1))
        except ExportError as error:
            problem = str(error)
        if problem is not None:
            words = "no nodes of ONNX" if name in NO_FORM else SOMETIMES.get(name, "refuses")
            assert words in problem
            assert name in NO_FORM or name in SOMETIMES or empty, problem
        elif all(0 not in np.shape(x) for x in given):
            found = session(file).run(None, {"input_0": floats(3, 1)})
            assert difference(model(ag.Tensor(floats(3, 1))).numpy(), found[0]) == ""
            assert difference(np.asarray(reload(file)(floats(3, 1))), found[0]) == ""
            assert name not in NO_FORM


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def as_float32(x: Any) -> Any:
    return x.astype(np.float32) if is_float(x) else x


# -------------------------------------------------------------------------------- users' programs


def residual(x: Any, conv: Any) -> Any:
    out = conv(x)
    out += x
    return F.relu(out)


def assigned(x: Any) -> Any:
    out = ag.zeros((len(x), 3))
    out[:, 0] = x[:, 1]
    first = out[:, 0]
    first *= 2.0
    out[:, 1:3] += x[:, :2]
    return out


def under_no_grad(x: Any) -> Any:
    with ag.no_grad():
        middle = x.mean(axis=1, keepdims=True)
    return x - middle


RUN: dict[str, tuple[Any, ...]] = {
    "in place": (residual, [floats(2, 2, 4, 4)], nn.Conv2d(2, 2, 3, padding=1)),
    "assigned": (assigned, [floats(2, 4)]),
    "no_grad": (under_no_grad, [floats(2, 4)]),
    "detached": (lambda x: x - x.detach().mean() + x.data, [floats(2, 4)]),
    "flat": (lambda x: x.reshape(len(x), -1) + x.reshape(x.shape[0], 12), [floats(2, 3, 4)]),
    "joined": (lambda x: x.reshape(x.shape[0] * 3, 4) + x.reshape(-1, 4), [floats(2, 3, 4)]),
    "pairs": (lambda x: x.reshape(len(x), 1, 4) * x.reshape(1, len(x), 4), [floats(2, 4)]),
    "expanded": (lambda x: ag.broadcast_to(x[:, None], (len(x), 5, 4)), [floats(2, 4)]),
    "means": (lambda x: x - x.mean(axis=0) - x.sum(axis=0) / len(x), [floats(2, 4)]),
    "slices": (lambda x: x[:, 1:3] + x[:, :2] + x[..., -2:] + x[:, ::2], [floats(2, 4)]),
    "of the batch": (lambda x: x[: len(x) - 1] - x[0] + x[len(x) - 1] * x[-1], [floats(2, 4)]),
    "arrays": (lambda x: x[:, [0, 1], [1, 2]] + x[:, 0, [1, 2]] + x[:, 1, :2], [floats(2, 3, 4)]),
    "reversed": (lambda x: ag.flip(x, axis=1) - x[:, ::-1] * x[::-1], [floats(2, 4)]),
    "joined parts": (
        lambda x: ag.concatenate([x, ag.zeros((len(x), 1)), x], axis=1),
        [floats(2, 4)],
    ),
    "stacked": (lambda x: ag.stack([x, -x], axis=1)[:, None, :, None], [floats(2, 4)]),
    "branches": (lambda x: ag.where((x > 0) & (x < 1) | ~(x > -1), x, 0.1), [floats(2, 4)]),
    "masked": (lambda x: x * (x >= 0) + np.where(x != 0, np.maximum(x, 1), 2.0), [floats(2, 4)]),
    "powers": (lambda x: x**2 + abs(x) ** 0.5 + 2**x + x // 2 + x % 3, [floats(2, 4)]),
    "lengths": (lambda x: F.normalize(x) + x.std(axis=1, keepdims=True), [floats(2, 4)]),
    "lengths of zero": (F.normalize, [np.array([[0, 0], [3, 4]], np.float32)]),
    "grown": (lambda x: F.interpolate(x, scale_factor=2), [floats(2, 1, 3, 3)]),
    "contracted": (lambda x: ag.einsum("nij,nkj->nik", x, x), [floats(2, 3, 4)]),
    "two inputs": (lambda x, y: x @ y.mT, [floats(2, 3, 4), floats(2, 5, 4)]),
    "a dict": (lambda x: {"twice": x * 2, "total": x.sum(axis=1)}, [floats(2, 4)]),
    "nested": (lambda x: (x * 2, [x + 1, x]), [floats(2, 4)]),
    "one result twice": (lambda x: (x.sum(axis=1),) * 2, [floats(2, 4)]),
    "a layer twice": (lambda x, f: f(ag.tanh(f(x))), [floats(2, 4)], nn.Linear(4, 4)),
    "tied weights": (lambda x, f: f(x) @ f.weight, [floats(2, 4)], nn.Linear(4, 4)),
    "a parameter": (lambda x, f: (f(x), f.weight), [floats(2, 4)], nn.Linear(4, 2)),
    "unused": (lambda x, f, g: f(x), [floats(2, 4)], nn.Linear(4, 2), nn.Linear(4, 2)),
    "positions": (
        lambda i, e, p: e(i[:, 1:]) + e(i[:, :-1]) + p(np.arange(3)),
        [ints(3, 4)],
        *(nn.Embedding(5, 3, padding_idx=2), nn.Embedding(3, 3)),
    ),
    "bytes": (lambda x, f: f(x / 255.0), [ints(2, 1, 4, 4).astype(np.uint8)], nn.Conv2d(1, 2, 3)),
    "integers": (lambda i, x: (x * i, i + 1), [ints(2, 3), floats(2, 3)]),
    "doubles": (lambda x, f: f(x), [normal(2, 4)], nn.Linear(4, 2).to("float64")),
    "small variances": (
        lambda x, y, v: F.gaussian_nll_loss(x, y, v * 1e-7),
        [floats(3, 4), floats(3, 4, seed=1), np.abs(floats(3, 4))],
    ),
    "zeros": (lambda x: F.hardswish(x) + F.elu(x), [np.zeros((2, 30), np.float32)]),
}


@pytest.mark.parametrize("name", RUN)
def test_a_program_runs_in_onnx_runtime(name: str) -> None:
    function, inputs, *layers = RUN[name]
    agrees(Calls(function, *layers), *inputs)


def by_value(x: Any) -> Any:
    return x if x.sum() > 0 else -x


class Counter(nn.Module):
    """A model with a state."""

    def __init__(self) -> None:
        self.register_buffer("count", np.zeros(()))

    def forward(self, x: Any) -> Any:
        self.count += 1.0
        return x * self.count


def by_batch(x: Any) -> Any:
    return x if len(x) > 2 else -x


ERRORS: dict[str, tuple[Any, str]] = {
    "a branch": (by_value, r"__bool__\(\) takes values .* in by_value: return x if x.sum"),
    "float": (lambda x: x * float(x.max()), r"__float__\(\) takes values"),
    "item": (lambda x: x * x[0, 0].item(), r"item\(\) takes values"),
    "numpy": (lambda x: x * x.numpy(), r"numpy\(\) takes values"),
    "asarray": (lambda x: x * np.asarray(x), r"__array__\(\) takes values"),
    "argmax": (lambda x: x * x.argmax(axis=1)[:, None], r"argmax\(\) takes values"),
    "np.argmax": (lambda x: x * np.argmax(x), r"np.argmax takes values"),
    "np.isnan": (lambda x: x * np.isnan(x), r"np.isnan takes values"),
    "a branch on the batch": (by_batch, r"otherwise for a batch of 3 .* in by_batch"),
    "rows one by one": (lambda x: sum(row for row in x), "otherwise for a batch of 3"),
    "a share of the batch": (lambda x: x * (1 / len(x)), r"a constant \(0.5\)"),
    "places in the batch": (lambda x: x[np.arange(len(x)), 0], r"a constant \(an array"),
    "sorted": (lambda x: ag.sort(x, axis=1), "a constant"),
    "many in the batch": (lambda x: x[: min(len(x), 8)], "compute another|differ|output"),
    "a factor of the batch": (lambda x: x * (1.0 + len(x) // 8), "output"),
    "a state": (Counter(), "when it is called again"),
    "dropout for ever": (lambda x: F.dropout(x, 0.5, True), "a constant .* F.dropout"),
    "noise": (lambda x: x + ag.randn(4), "compute another output"),
    "squeezed": (
        lambda x: ag.squeeze(x[:, :1]),
        r"float32 \(1,\) in place of float32 \(\).*squeeze",
    ),
    "a square": (lambda x: (x[:, None] * x).reshape(-1), r"a constant \(16\)"),
    "inverse": (lambda x: ag.inv(x.T @ x), r"inv: no nodes of ONNX"),
    "no tensor": (lambda x: (x, 3), "must return tensors, got Tensor, int"),
    "nothing": (lambda x: None, "must return tensors, got nothing"),
    "batch moved": (lambda x: x[:, None, None][:, [0], :, [0]], "moves the batch"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_file_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    function, words = ERRORS[name]
    with pytest.raises(ExportError, match=f"(?s){words}"):
        export(Calls(function), floats(2, 4), tmp_path / "net.onnx")
    assert not [*tmp_path.iterdir()]


def test_all_calls_without_a_form_are_named_with_their_layers() -> None:
    inner = nn.Sequential(Calls(lambda x: ag.inv(x)), Calls(lambda x: ag.cholesky(x)))
    with pytest.raises(
        ExportError, match=r"(?s)inv: .*\(layer Calls.layers.0.0 \(Calls\)\)\n  chol"
    ):
        export(Calls(lambda x, f: f(ag.eye(2) * x[:, :1, None]), inner), floats(2, 4))


def test_wrong_arguments() -> None:
    net = nn.Linear(4, 2)
    with pytest.raises(ExportError, match=r"training mode.*call model.eval\(\)"):
        export(net, floats(2, 4))
    with pytest.raises(TypeError, match="export: model must be a module, got"):
        export(F.relu, floats(2, 4))  # type: ignore[arg-type]
    for example in ("text", np.float32(1), np.zeros((0, 4)), [1j * floats(2)]):
        with pytest.raises(TypeError, match="export: example must be an array of numbers"):
            export(net.eval(), example)
    with pytest.raises(ValueError, match=r"share the batch on axis 0, got \(2, 3\), \(3, 3\)"):
        export(net, (floats(2, 3), floats(3, 3)))
    with pytest.raises(ValueError, match=r"must differ in example"):
        export(nn.Embedding(3, 2).eval(), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match=r"share the batch .* no inputs"):
        export(net, ())


def test_a_wrong_form_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, wrong in (("tanh", lambda v, x: x("Sigmoid")), ("relu", lambda v, x: x)):
        monkeypatch.setitem(FORMS, name, wrong)
        with pytest.raises(
            ExportError, match="compute another output than the model: values differ"
        ):
            export(Calls(getattr(ag, name)), floats(2, 4))
    monkeypatch.setitem(FORMS, "relu", lambda v, x: x("Concat", axis=9))
    with pytest.raises(ExportError, match="onnx refuses the file"):
        export(Calls(ag.relu), floats(2, 4))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (np.array([1, 2.0001], np.float32), "differ by"),
        (np.array([1, 2.0]), "float64"),
        (np.ones(3, np.float32), r"\(3,\)"),
        (np.array([1, np.nan], np.float32), "nan"),
        (np.array([1, 2.00001], np.float32), "^$"),
    ],
)
def test_differences_are_told(found: np.ndarray, words: str) -> None:
    assert re.search(words, difference(np.array([1, 2], np.float32), found))


# ------------------------------------------------------------------------------------- the file


def test_names_metadata_and_symbolic_sizes() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()).eval()
    file = agrees(net, floats(2, 1, 5, 5))
    assert (file.producer_name, file.producer_version) == ("autograd_cnn", ag.__version__)
    assert {p.key: p.value for p in file.metadata_props} == {
        "model": "Sequential",
        "batch_axis": "0",
    }
    assert [node.name for node in file.graph.node[:2]] == ["0.Conv", "1.BatchNormalization"]
    sizes = [d.dim_param or d.dim_value for d in file.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 1, 5, 5]
    both = agrees(Calls(lambda x: {"a": x.reshape(-1), "b": x[1:]}), floats(2, 4))
    shapes = {e.name: e.type.tensor_type.shape.dim[0].dim_param for e in both.graph.output}
    assert shapes == {"a": "4*batch", "b": "batch-1"}


def test_a_buffer_of_the_user_keeps_its_name() -> None:
    model = Calls(lambda x: x * model.scale)
    model.register_buffer("scale", floats(4))
    assert [entry.name for entry in agrees(model, floats(2, 4)).graph.initializer] == ["scale"]


def test_names_that_are_taken_get_a_number() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x, self.output = nn.Parameter(floats(4)), nn.Parameter(floats(4))

        def forward(self, x: Any) -> Any:
            return x * self.x + self.output

    file = agrees(Same(), floats(2, 4))
    assert [e.name for e in (*file.graph.input, *file.graph.output)] == ["x_1", "output_1"]


def test_export_changes_nothing() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.register_buffer("calls", np.zeros(1))

        def forward(self, x: Any) -> Any:
            self.calls += 1
            F.dropout(x, 0.5, True)  # draws
            self.kept = self.linear(x)
            return self.kept

    model = Counting().eval()
    before, drawn = model.state_dict(), ag.random.generator().bit_generator.state
    export(model, floats(2, 3))
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())
    assert ag.random.generator().bit_generator.state == drawn
    assert all(p.grad is None for p in model.parameters())
    assert type(model.kept) is ag.Tensor
    assert model.kept.numpy().shape == (4, 2)


def test_where_the_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nn.Linear(4, 2).eval(), floats(2, 4)
    content = export(net, x).SerializeToString()
    memory = io.BytesIO()
    export(net, x, memory)
    monkeypatch.chdir(tmp_path)
    export(net, x, "net.onnx")
    export(net, x, tmp_path / "other.onnx")
    assert {memory.getvalue(), *(p.read_bytes() for p in tmp_path.iterdir())} == {content}
    with pytest.raises(OSError, match="no such folder"):
        export(net, x, tmp_path / "missing" / "net.onnx")
    (tmp_path / "net.onnx").chmod(0o400)
    with pytest.raises(ExportError):
        export(Calls(by_value), x, "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == content


def test_without_the_library_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\nimport autograd_cnn as ag, numpy as np\n"
        "ag.onnx.export(ag.nn.ReLU().eval(), np.ones((1, 2)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install 'autograd-cnn[onnx]'" in done.stderr.splitlines()[-1]


# -------------------------------------------------------------------------------- drawn networks

ACTIVATIONS = ("ReLU", "GELU", "SiLU", "ELU", "Tanh", "Hardswish", "LeakyReLU", "Softplus")


@st.composite
def blocks(draw: Any, channels: int) -> nn.Module:
    """Layers from images of so many channels to images of as many, of the same size."""
    kernel, groups = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, channels]))
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups)
    norms = [nn.BatchNorm2d(channels), nn.GroupNorm(2, channels), nn.Identity()]
    norms += [nn.InstanceNorm2d(channels, affine=True), nn.Dropout(0.5)]
    parts = [conv, draw(st.sampled_from(norms)), getattr(nn, draw(st.sampled_from(ACTIVATIONS)))()]
    return nn.Sequential(*draw(st.permutations(parts)))


class Drawn(nn.Module):
    """Blocks that are added, joined or cut, then pooled, and a linear layer."""

    def __init__(self, parts: Any, ways: Any, pool: nn.Module, size: int) -> None:
        super().__init__()
        self.parts, self.ways, self.pool = nn.ModuleList(parts), ways, pool
        self.last = nn.Linear(size, 3)

    def forward(self, x: Any) -> Any:
        for part, way in zip(self.parts, self.ways):
            y = part(x)
            if way == "add":
                x = x + y
            elif way == "join":
                x = ag.concatenate([x[:, :2], y[:, 2:]], axis=1)
            elif way == "scale":
                x = y * y.mean(axis=(2, 3), keepdims=True)
            else:
                x = ag.where(y > x, y, x * 0.5)
        return self.last(self.pool(x).reshape(len(x), -1))


@st.composite
def networks(draw: Any) -> tuple[nn.Module, np.ndarray]:
    side = draw(st.integers(4, 6))
    parts = draw(st.lists(blocks(4), min_size=1, max_size=3))
    ways = [draw(st.sampled_from(["add", "join", "scale", "choose"])) for _ in parts]
    pools = {
        nn.MaxPool2d(2, ceil_mode=True): -(-side // 2),
        nn.AvgPool2d(3, 2, 1): (side + 1) // 2,
        nn.AdaptiveAvgPool2d(2): 2,
    }
    pool = draw(st.sampled_from([*pools]))
    return Drawn(parts, ways, pool, 4 * pools[pool] ** 2), floats(2, 4, side, side)


def trained_a_little(model: nn.Module, x: np.ndarray) -> None:
    """Statistics that are not those of a new layer."""
    with ag.no_grad():
        model.train()(x)


@given(networks())
@settings(deadline=None, derandomize=True)
def test_drawn_networks_run_in_onnx_runtime(drawn: tuple[nn.Module, np.ndarray]) -> None:
    model, x = drawn
    trained_a_little(model, x)
    agrees(model, x)


def test_drawn_networks_run_in_openvino() -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    core = openvino.Core()

    @given(networks())
    @settings(deadline=None, max_examples=15)  # it takes 0.1 s to compile a network
    def check(drawn: tuple[nn.Module, np.ndarray]) -> None:
        model, x = drawn
        trained_a_little(model, x)
        content = export(model.eval(), x).SerializeToString()
        compiled = openvino.compile_model(core.read_model(content), "CPU")
        for n in (1, 5):
            images = np.resize(x, (n, *x.shape[1:]))
            assert difference(model(images).numpy(), compiled(images)[0]) == ""

    check()


# ------------------------------------------------------------------------- the example's network


def test_the_command_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = mnist.MODELS["cnn"]()
    trained_a_little(net, floats(8, 1, 28, 28))
    np.savez(tmp_path / "weights.npz", **net.state_dict())
    done = run(str(EXAMPLES / "export.py"), "--data", "digits", "--out", ".", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "\nONNX Runtime: 360 of 360 images of embedded digits (UCI) read the same\n" in done.stdout
    )
    done = run(str(EXAMPLES / "export.py"), "--data", "digits", "--out", "no", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
