"""Weights go to PyTorch and come from there as they are, for every layer, in memory and in files."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import nn
from tests.layer_parts import normal, parts
from tests.test_safetensors import bits

# A layer, and the inputs of a call if its results are compared; x(...) is an input, t a tensor.
TABLE = """
nn.Linear(4, 3)  =>  x(2, 4)
nn.Linear(4, 3, bias=False)  =>  x(2, 4)
nn.Bilinear(3, 4, 2)  =>  x(5, 3), x(5, 4)
nn.Embedding(5, 3, padding_idx=1)  =>  t([[0, 1], [4, 2]])
nn.PReLU()  =>  x(2, 3)
nn.PReLU(3)  =>  x(2, 3, 4)
nn.Conv1d(4, 6, 3, groups=2)  =>  x(2, 4, 9)
nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=2, groups=2)  =>  x(2, 4, 9, 8)
nn.Conv2d(1, 2, 3, bias=False)  =>  x(2, 1, 5, 5)
nn.Conv3d(1, 2, 2)  =>  x(2, 1, 3, 4, 5)
nn.ConvTranspose1d(4, 6, 3, groups=2)  =>  x(2, 4, 5)
nn.ConvTranspose2d(4, 6, (3, 2), 2, 1, 1, groups=2)  =>  x(2, 4, 5, 6)
nn.ConvTranspose3d(1, 2, 2)  =>  x(2, 1, 3, 4, 5)
nn.BatchNorm1d(3)  =>  x(4, 3, 5)
nn.BatchNorm2d(3)  =>  x(4, 3, 5, 2)
nn.BatchNorm2d(3, affine=False)  =>  x(4, 3, 5, 2)
nn.BatchNorm2d(3, track_running_stats=False)  =>  x(4, 3, 5, 2)
nn.BatchNorm3d(3)  =>  x(4, 3, 2, 2, 2)
nn.InstanceNorm1d(3, affine=True)  =>  x(4, 3, 5)
nn.InstanceNorm2d(3)  =>  x(4, 3, 5, 2)
nn.InstanceNorm2d(3, affine=True, track_running_stats=True)  =>  x(4, 3, 5, 2)
nn.InstanceNorm3d(3, affine=True)  =>  x(4, 3, 2, 2, 2)
nn.GroupNorm(2, 4)  =>  x(3, 4, 5)
nn.LayerNorm((3, 4))  =>  x(2, 3, 4)
nn.LayerNorm(4, bias=False)  =>  x(2, 3, 4)
nn.RMSNorm(4)  =>  x(2, 3, 4)
nn.RNN(3, 4, 2, nonlinearity="relu", bidirectional=True)  =>  x(5, 2, 3)
nn.GRU(3, 4, 2, bidirectional=True)  =>  x(5, 2, 3)
nn.LSTM(3, 4, 2, batch_first=True)  =>  x(5, 2, 3)
nn.LSTM(3, 4, bias=False)  =>  x(5, 2, 3)
nn.RNNCell(3, 4)  =>  x(2, 3)
nn.GRUCell(3, 4)  =>  x(2, 3)
nn.LSTMCell(3, 4)  =>  x(2, 3)
nn.MultiheadAttention(4, 2)  =>  x(3, 2, 4), x(5, 2, 4), x(5, 2, 4)
nn.MultiheadAttention(4, 2, kdim=3, vdim=5)  =>  x(3, 2, 4), x(5, 2, 3), x(5, 2, 5)
nn.MultiheadAttention(4, 2, bias=False)  =>  x(3, 2, 4), x(5, 2, 4), x(5, 2, 4)
nn.TransformerEncoderLayer(4, 2, 8)  =>  x(3, 2, 4)
nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2, nn.LayerNorm(4))  =>  x(3, 2, 4)
nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.PReLU()))  =>  x(2, 1, 5, 5)
nn.ModuleList([nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)])
nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.PReLU()})
nn.ParameterList([nn.Parameter(t([1.0])), nn.Parameter(t([2.0, 3.0]))])
nn.CrossEntropyLoss(t([1.0, 2.0]))
nn.NLLLoss(t([1.0, 2.0]))
nn.BCELoss(t([1.0, 2.0]))
nn.BCEWithLogitsLoss(t([1.0]), pos_weight=t([2.0]))
nn.Unflatten(1, (2, 2))
nn.Threshold(1.0, 2.0)
nn.Fold((4, 4), 2)
nn.Unfold(2)
nn.Upsample(scale_factor=2)
nn.LocalResponseNorm(2)
nn.PixelShuffle(2)
nn.PixelUnshuffle(2)
"""
for axes in (1, 2, 3):
    for kind in ["AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool", "MaxUnpool"]:
        TABLE += f"nn.{kind}{axes}d(2)\n"
    for kind in ["CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad"]:
        TABLE += f"nn.{kind}{axes}d(1)\n"
    TABLE += f"nn.ConstantPad{axes}d(1, 0.5)\n"
PUBLIC = {name: getattr(nn, name) for name in nn.__all__}
LAYERS = {n for n, x in PUBLIC.items() if inspect.isclass(x) and issubclass(x, nn.Module)} - {
    "Module"
}
LISTED = set(re.findall(r"^nn\.(\w+)", TABLE, re.MULTILINE))
ROWS = [*TABLE.split("\n")[1:-1], *(f"nn.{name}()" for name in sorted(LAYERS - LISTED))]


def made(row: str, lib: Any, t: Any) -> tuple[Any, Any]:
    """The layer of a row, in evaluation mode, and its inputs, of PyTorch or ours."""

    def x(*shape: int) -> Any:
        return t(normal(*shape).astype(np.float32))

    layer, _, inputs = row.partition("  =>  ")
    names = {"nn": lib, "t": t, "x": x}
    return eval(layer, names).eval(), eval(f"({inputs},)", names) if inputs else ()


def new_values(state: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Other numbers; variances stay positive, and counts whole."""
    drawn = {name: 0.5 + normal(*x.shape, seed=seed) ** 2 for name, x in state.items()}
    return {name: np.asarray(drawn[name]).astype(x.dtype) for name, x in state.items()}


def test_every_layer_has_a_row() -> None:
    assert LISTED <= LAYERS
    assert len(LAYERS) > 100
    assert sum("=>" in row for row in ROWS) > 35


@pytest.mark.parametrize("row", ROWS)
def test_a_layer_comes_back_from_a_file(row: str, tmp_path: Path) -> None:
    for ending in ("npz", "safetensors"):
        (net, _), (twin, _) = made(row, nn, ag.tensor), made(row, nn, ag.tensor)
        net.load_state_dict(new_values(net.state_dict(), 1))
        nn.save_weights(net, tmp_path / f"net.{ending}")
        assert nn.load_weights(twin, tmp_path / f"net.{ending}") == ([], [])
        assert bits(twin.state_dict()) == bits(net.state_dict())


def same_results(ours: Any, inputs: Any, theirs: Any, their_inputs: Any) -> None:
    torch = pytest.importorskip("torch")
    with torch.no_grad(), ag.no_grad():
        found, expected = parts(ours(*inputs)), parts(theirs(*their_inputs))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), 1e-4, 1e-5)  # float32, in other orders


@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own settings
@pytest.mark.parametrize("row", ROWS)
def test_a_layer_is_pytorchs_both_ways(row: str, tmp_path: Path) -> None:
    """Names, shapes, order and layouts: the same numbers give the same results."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    files = pytest.importorskip("safetensors.torch", reason="the library is the oracle")
    ours, inputs = made(row, nn, ag.tensor)
    theirs, their_inputs = made(row, torch.nn, torch.tensor)
    state = theirs.state_dict()
    assert [(n, x.shape) for n, x in ours.state_dict().items()] == [
        (n, tuple(x.shape)) for n, x in state.items()
    ]

    assert ours.load_state_dict(state) == ([], [])  # tensors of PyTorch
    assert bits(ours.state_dict()) == bits({n: x.numpy() for n, x in state.items()})
    if inputs:
        same_results(ours, inputs, theirs, their_inputs)

    ours.load_state_dict(new_values(ours.state_dict(), 2))
    theirs.load_state_dict({n: torch.from_numpy(x) for n, x in ours.state_dict().items()})
    if inputs:
        same_results(ours, inputs, theirs, their_inputs)

    path = tmp_path / "net.safetensors"
    ours.load_state_dict(new_values(ours.state_dict(), 3))
    nn.save_weights(ours, path)
    theirs.load_state_dict(files.load_file(path))
    assert bits(ours.state_dict()) == bits({n: x.numpy() for n, x in theirs.state_dict().items()})

    files.save_file(theirs.state_dict(), path, {"format": "pt"})
    ours.load_state_dict(new_values(ours.state_dict(), 4))
    assert nn.load_weights(ours, path) == ([], [])
    assert bits(ours.state_dict()) == bits({n: x.numpy() for n, x in theirs.state_dict().items()})


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_half_precision_of_pytorch_is_read_as_float32(half: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    files = pytest.importorskip("safetensors.torch", reason="the library is the oracle")
    theirs = torch.nn.Linear(30, 20).to(getattr(torch, half))
    files.save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    expected = bits({n: x.float().numpy() for n, x in theirs.state_dict().items()})
    ours, twin = nn.Linear(30, 20), nn.Linear(30, 20)
    ours.load_state_dict(dict(theirs.named_parameters()))  # which require gradients
    nn.load_weights(twin, tmp_path / "net.safetensors")
    assert bits(ours.state_dict()) == bits(twin.state_dict()) == expected


def test_tied_weights_that_their_library_writes_once(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    files = pytest.importorskip("safetensors.torch", reason="the library is the oracle")

    def tied(lib: Any) -> Any:
        net = lib.Sequential(lib.Embedding(5, 3), lib.Linear(3, 5, bias=False))
        net[1].weight = net[0].weight
        return net

    ours, theirs, path = tied(nn), tied(torch.nn), tmp_path / "net.safetensors"
    files.save_model(theirs, path)
    assert nn.load_weights(ours, path) == ([], [])
    assert ours[1].weight.tolist() == theirs[1].weight.tolist()
    nn.save_weights(ours, path)
    assert theirs.load_state_dict(files.load_file(path)) == ([], [])
