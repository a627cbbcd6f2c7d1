"""Weights in files: the model's bits come back, or nothing changes and the message says why."""

from __future__ import annotations

import errno
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.data import DataError, npz_format
from tests.test_files_damage import BIG, chosen, directory_of, each_flipped, header, npy, peak_of
from tests.test_files_interrupts import interrupted
from tests.test_module import small_cnn
from tests.test_safetensors import bits
from tests.test_training_crashes import UNIX, without_rights

ENDINGS = (".npz", ".safetensors")
BOTH = pytest.mark.parametrize("ending", ENDINGS)


def file(tmp_path: Path, ending: str, model: nn.Module) -> Path:
    path = tmp_path / f"net{ending}"
    nn.save_weights(model, path)
    return path


def filled(value: float, model: Any = None) -> Any:
    """A model, a small CNN by default, all of whose numbers are `value`."""
    model = small_cnn() if model is None else model
    state = {name: np.full_like(x, value) for name, x in model.state_dict().items()}
    model.load_state_dict(state)
    return model


class Holder(nn.Module):
    """A module with such parameters."""

    def __init__(self, **arrays: Any) -> None:
        for name, x in arrays.items():
            setattr(self, name, nn.Parameter(x))


# ------------------------------------------------------------------------------------- there and back


@BOTH
def test_a_model_comes_back_bit_for_bit(ending: str, tmp_path: Path) -> None:
    net, twin = small_cnn(), filled(7)
    net(np.random.default_rng(0).normal(size=(4, 1, 14, 14)).astype(np.float32))
    path, arrays = file(tmp_path, ending, net), [p.array for p in twin.parameters()]
    assert nn.load_weights(twin, path) == nn.IncompatibleKeys([], [])
    assert bits(twin.state_dict()) == bits(net.state_dict())
    assert all(p.array is x for p, x in zip(twin.parameters(), arrays))  # in place
    assert os.listdir(tmp_path) == [path.name]


FLOATS = st.sampled_from(["f2", "f4", "f8"])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
PARTS = FLOATS.flatmap(lambda kind: hnp.arrays(kind, SHAPES))


@given(st.dictionaries(NAMES, PARTS, max_size=4), st.sampled_from(ENDINGS), st.randoms())
def test_any_names_shapes_and_orders_in_memory(
    tmp_path_factory: pytest.TempPathFactory, arrays: Any, ending: str, random: Any
) -> None:
    """Empty arrays, arrays without axes, not contiguous ones; NaN keeps its bits."""
    path = tmp_path_factory.mktemp("weights") / f"net{ending}"
    net, twin = nn.Module(), nn.Module()
    net.parts = {name: nn.Parameter(x) for name, x in arrays.items()}
    twin.parts = {name: nn.Parameter(np.zeros_like(x)) for name, x in arrays.items()}
    for p in (*net.parameters(), *twin.parameters()):  # as convolutions leave them in memory
        order = random.sample(range(p.ndim), p.ndim)
        p.array = p.array.transpose(order).copy().transpose(np.argsort(order))
    nn.save_weights(net, path)
    nn.load_weights(twin, path)
    assert bits(twin.state_dict()) == bits(net.state_dict())


@BOTH
def test_buffers_of_every_kind(ending: str, tmp_path: Path) -> None:
    net, twin = nn.Module(), nn.Module()
    for kind in ("?", "u1", "i8", "f2", "c8"):
        net.register_buffer(f"x{kind.strip('?')}", np.array([[1, 0, 1]]).astype(kind))
        twin.register_buffer(f"x{kind.strip('?')}", np.zeros((1, 3), kind))
    nn.load_weights(twin, file(tmp_path, ending, net))
    assert bits(twin.state_dict()) == bits(net.state_dict())


def test_dtypes_that_only_numpy_has_need_an_npz_file(tmp_path: Path) -> None:
    net = Holder(x=np.ones(2, np.longdouble))
    if net.x.dtype.itemsize == 8:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(ValueError, match=r"save_weights: x, .* needs an \.npz file"):
        nn.save_weights(net, tmp_path / "net.safetensors")
    assert os.listdir(tmp_path) == []
    twin = Holder(x=np.zeros(2, np.longdouble))
    nn.load_weights(twin, file(tmp_path, ".npz", net))
    assert bits(twin.state_dict()) == bits(net.state_dict())


@BOTH
def test_a_shared_parameter_has_every_name_and_needs_one(ending: str, tmp_path: Path) -> None:
    def tied() -> Any:
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2, bias=False))
        net[2].weight = net[0].weight
        return net

    net, twin = tied(), filled(0, tied())
    path = file(tmp_path, ending, net)
    assert nn.load_weights(twin, path) == nn.IncompatibleKeys([], [])
    assert bits(twin.state_dict()) == bits(net.state_dict())
    single = nn.Sequential(nn.Linear(2, 2))
    nn.save_weights(filled(3, single), path)
    assert nn.load_weights(twin, path) == nn.IncompatibleKeys([], [])
    assert twin[2].weight is twin[0].weight
    assert (twin[2].weight.array == 3).all()
    untied = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2, bias=False))
    with pytest.raises(DataError, match=r"missing: 2\.weight"):
        nn.load_weights(untied, path)


def test_paths_of_every_kind(tmp_path: Path) -> None:
    net, twin = filled(1), filled(2)
    for path in (
        str(tmp_path / "A.NPZ"),
        os.fsencode(tmp_path / "b.SafeTensors"),
        tmp_path / "c.npz",
    ):
        nn.save_weights(net, path)
        nn.load_weights(filled(2, twin), path)
        assert bits(twin.state_dict()) == bits(net.state_dict())


def test_npz_files_are_numpys(tmp_path: Path) -> None:
    """Also with names that np.savez keeps for its own arguments."""
    net, path = Holder(file=np.ones(2), allow_pickle=np.zeros((2, 3))), tmp_path / "net.npz"
    nn.save_weights(net, path)
    with np.load(path, allow_pickle=False) as found:
        assert bits(dict(found)) == bits(net.state_dict())
    big = {name: x.astype(x.dtype.newbyteorder(">")) for name, x in filled(1).state_dict().items()}
    for save in (np.savez, np.savez_compressed):
        save(path, **{name: np.asfortranarray(x).reshape(x.shape) for name, x in big.items()})
        twin = filled(0)
        nn.load_weights(twin, path)
        assert bits(twin.state_dict()) == bits(filled(1).state_dict())


# ----------------------------------------------------------------------------------------- what fits


@BOTH
def test_all_that_does_not_fit_is_in_one_message(ending: str, tmp_path: Path) -> None:
    net, mine = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3))
    mine.register_buffer("steps", np.array(0))
    net.steps = nn.Parameter(np.array(0.5, np.float32))
    path, before = file(tmp_path, ending, net), bits(mine.state_dict())
    misshapen = {
        "  0.weight: expected shape (3, 2), got (2, 2)",
        "  0.bias: expected shape (3,), got (2,)",
        "  steps: expected dtype int64, got float32",
    }
    for strict, extra in (
        (True, {"  unexpected: 1.bias", "  unexpected: 1.weight"}),
        (False, set()),
    ):
        with pytest.raises(DataError) as caught:
            nn.load_weights(mine, path, strict)
        first, *lines = str(caught.value).split("\n")
        assert first == f"{path}: Sequential.load_state_dict: nothing was loaded"
        assert len(lines) == len({*lines})
        assert {*lines} == misshapen | extra
    assert bits(mine.state_dict()) == before
    more = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3), nn.Linear(1, 1))
    with pytest.raises(
        DataError, match=r"missing: 2\.weight\n  missing: 2\.bias\n  unexp.*: steps$"
    ):
        nn.load_weights(more, path)
    keys = nn.load_weights(more, path, strict=False)
    assert keys == nn.IncompatibleKeys(["2.weight", "2.bias"], ["steps"])
    assert bits(more[1].state_dict()) == bits(net[1].state_dict())


@BOTH
@pytest.mark.parametrize("stored", ["f2", "f4", "f8", "i1", "u1", "i8", "?"])
@pytest.mark.parametrize("kept", ["f2", "f4", "f8"])
def test_an_array_keeps_the_dtype_of_the_model(
    ending: str, stored: str, kept: str, tmp_path: Path
) -> None:
    source, mine = nn.Module(), Holder(x=np.zeros(3, kept))
    source.register_buffer("x", np.array([0, 1, 1]).astype(stored))
    nn.load_weights(mine, file(tmp_path, ending, source))
    assert mine.x.dtype == kept
    assert mine.x.tolist() == [0, 1, 1]


@BOTH
def test_complex_numbers_are_no_weights(ending: str, tmp_path: Path) -> None:
    source = nn.Module()
    source.register_buffer("x", np.ones(3, np.complex64))
    path = file(tmp_path, ending, source)
    with pytest.raises(DataError, match="x: expected dtype float32, got complex64"):
        nn.load_weights(Holder(x=np.zeros(3, np.float32)), path)


def test_graphs_from_before_refuse(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    loss = layer(ag.tensor([[1.0, 2.0]], requires_grad=True)).sum()
    nn.load_weights(layer, file(tmp_path, ".npz", layer))
    with pytest.raises(ag.GraphError, match="changed in place"):
        loss.backward()


# ------------------------------------------------------------------------------------ damaged archives


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was run",)


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Hostile()]), allow_pickle=True)
    return stream.getvalue()


def archive(*members: tuple[str, bytes], method: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return stream.getvalue()


def encrypted() -> bytes:
    raw = bytearray(archive(("weight.npy", npy(np.ones((1, 2), "f4")))))
    for sign in (b"PK\1\2", b"PK\3\4"):
        raw[raw.index(sign) + (8 if sign[2] == 1 else 6)] |= 1
    return bytes(raw)


PART = ("weight.npy", npy(np.ones((1, 2), np.float32)))
ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not a zip file"),
    "text": (lambda: b"hello\n" * 100, "not a zip file"),
    "a pickle": (lambda: pickle.dumps(Hostile()), "not a zip file"),
    "an array": (lambda: npy(np.ones(3)), "not a zip file"),
    "a pickled array": (lambda: archive(("weight.npy", pickled())), "Object arrays cannot"),
    "a pickle for an array": (
        lambda: archive(("weight.npy", pickle.dumps(Hostile()))),
        "magic string",
    ),
    "two arrays of one name": (
        lambda: archive(PART, ("weighs.npy", PART[1])).replace(b"weighs", b"weight"),
        "two arrays of one name",
    ),
    "a member that is no array": (lambda: archive(("weight.npy", b"hello there")), "magic string"),
    "a bomb": (lambda: archive((PART[0], npy(np.zeros(BIG // 8))), method=8), "too much memory"),
    "a bomb beside": (
        lambda: archive(PART, ("bias.npy", npy(np.zeros(1))), ("c.npy", bytes(BIG)), method=8),
        "too much memory",
    ),
    "a bomb in bzip2": (lambda: archive(PART, method=12), "compressed in an unknown way"),
    "announces more": (
        lambda: archive((PART[0], header((BIG // 8,)))),
        "expected 150,000,000 bytes",
    ),
    "announces less": (
        lambda: archive((PART[0], PART[1] + bytes(4))),
        "expected 8 bytes .* found 12",
    ),
    "announces a wide type": (lambda: archive((PART[0], header((1,), f"|V{BIG}"))), "found 0"),
    "announces a negative shape": (
        lambda: archive((PART[0], header((-3, -2)) + bytes(48))),
        "unknown dimension",
    ),
    "a deep header": (lambda: archive((PART[0], header(0, text=b"(" * 9000))), "."),
    "a long directory": (lambda: directory_of(80_000), "too many arrays for its size"),
    "a locked archive": (encrypted, "encrypted, password required"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    make, reason = ARCHIVES[name]
    path, net = tmp_path / "net.npz", nn.Linear(2, 1)
    path.write_bytes(make())
    before = bits(net.state_dict())
    with pytest.raises(DataError, match=rf"net\.npz: expected weights, but .*{reason}") as caught:
        peak_of(lambda: nn.load_weights(net, path), path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    assert bits(net.state_dict()) == before


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    path, net = tmp_path / "net.npz", nn.Linear(2, 1)
    for array, found in (
        (np.array([["a", "b"]]), "<U1"),
        (np.zeros((1, 2), "M8[s]"), "datetime64"),
    ):
        np.savez(path, weight=array, bias=np.zeros(1))
        with pytest.raises(DataError, match=rf"weight: expected dtype float32, got {found}"):
            nn.load_weights(net, path)


def test_a_compressed_file_loads_up_to_the_size_of_the_model(tmp_path: Path) -> None:
    path, net = tmp_path / "net.npz", filled(1, nn.Linear(1_000_000, 4))
    np.savez_compressed(path, weight=np.zeros((4, 1_000_000)), bias=np.zeros(4))
    nn.load_weights(net, path)
    assert not net.weight.array.any()
    with pytest.raises(DataError, match="too much memory for its size"):
        nn.load_weights(nn.Linear(1, 4), path)


def test_a_bit_that_is_flipped_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    net, twin = filled(3, nn.Linear(5, 2)), nn.Linear(5, 2)
    path, expected = file(tmp_path, ".npz", net), bits(net.state_dict())
    noticed = 0
    for _ in each_flipped(path, chosen(8 * path.stat().st_size, 500, 4000)):
        before = bits(filled(0, twin).state_dict())
        try:
            nn.load_weights(twin, path)
        except DataError:
            noticed += 1
            assert bits(twin.state_dict()) == before
        else:
            assert bits(twin.state_dict()) == expected
    assert noticed > 300


# ------------------------------------------------------------------------------ files that are replaced


@BOTH
def test_an_interrupted_save_leaves_the_old_or_the_new_file(ending: str, tmp_path: Path) -> None:
    old, new = filled(0, nn.Linear(3, 2)), filled(1, nn.Linear(3, 2))
    path = file(tmp_path, ending, new)
    contents = {path.read_bytes()}
    nn.save_weights(old, path)
    contents.add(path.read_bytes())
    for _ in interrupted(lambda: nn.save_weights(new, path), 60):
        assert path.read_bytes() in contents
        nn.save_weights(old, path)
    assert os.listdir(tmp_path) == [path.name]


@BOTH
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_while_values_are_written_leaves_the_old_file(
    ending: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, ending, filled(1))
    content, net = path.read_bytes(), filled(2)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(npz_format.npy, "write_array", fail)
        patch.setattr(os, "fsync", fail)
        with pytest.raises(type(error)):
            nn.save_weights(net, path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]


FULL_DISK = """
import resource, signal, sys
from autograd_cnn import nn
path, size = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    nn.save_weights(nn.Linear(size, 1), path)
except OSError as error:
    print(error, error.__notes__)
"""


@UNIX
@BOTH
def test_a_full_disk_leaves_the_old_file(ending: str, tmp_path: Path) -> None:
    path = file(tmp_path, ending, filled(1))
    content = path.read_bytes()
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(path), "30000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"[Errno {errno.EFBIG}] ")
    assert done.stdout.endswith(f"'{path}' ['What was there before is unchanged.']\n")
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]


@UNIX
@BOTH
def test_a_folder_that_cannot_be_written_to(ending: str, tmp_path: Path) -> None:
    path = file(tmp_path, ending, filled(1))
    content = path.read_bytes()
    for part in (tmp_path, *tmp_path.parents[:2]):
        part.chmod(0o755)
    tmp_path.chmod(0o555)
    try:
        with without_rights(), pytest.raises(PermissionError, match=r"\[Errno 13\] "):
            nn.save_weights(filled(2), path)
    finally:
        tmp_path.chmod(0o755)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]
