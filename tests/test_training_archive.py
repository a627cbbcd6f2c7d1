"""Files of checkpoints: data comes back with its types; damaged and foreign files are refused."""

from __future__ import annotations

import collections
import enum
import io
import json
import math
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import nn
from autograd_cnn.training import CheckpointError, load_checkpoint, save_checkpoint
from autograd_cnn.training.archive import HEAD, read_archive, write_archive
from tests.training_run import described

# ----------------------------------------------------------------------------------------- plain data

dtypes = st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_, np.complex128])
arrays = st.builds(
    lambda dtype, shape: (np.arange(math.prod(shape)) % 3).reshape(shape).astype(dtype),
    dtypes,
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
)
leaves = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), arrays),
    st.floats(width=32).map(np.float32),
    st.integers(0, 255).map(np.uint8),
)
keys = st.one_of(
    *(st.text(max_size=3), st.integers(), st.text("ab./\0'_", max_size=3)),
    st.sampled_from(["file", "kept", "checkpoint", "a.npy", "a", "tree", "long" * 20_000]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=8,
)


@given(trees)
def test_plain_data_comes_back_with_its_types(tree: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(f"{folder}/run.npz", kept=tree, none=None)
        assert described(load_checkpoint(f"{folder}/run.npz")) == described(
            {"kept": tree, "none": None}
        )


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["again"] = [CYCLE, CYCLE]


def test_the_deepest_data_loads_also_from_a_deep_call(tmp_path: Path) -> None:
    value: Any = 1
    for _ in range(98):
        value = {"a": value}
    save_checkpoint(tmp_path / "run.npz", kept=value)

    def load(calls: int) -> Any:
        return load(calls - 1) if calls else load_checkpoint(tmp_path / "run.npz")["kept"]

    assert load(300) == value


def test_names_that_collide_in_a_zip_file_stay_apart(tmp_path: Path) -> None:
    """Paths, names that np.savez keeps for itself, NULs where zip files cut, what np.load drops."""
    tree = {"a/b": np.ones(1), "a": {"b": np.zeros(1)}, "": {"": np.full(1, 2.0)}}
    parts = {"checkpoint": np.full(1, 3.0), "kept": tree, "file": np.full(1, 4.0)}
    parts |= {"\0": np.zeros(1), "\0b": np.ones(1), "a": np.zeros(2), "a.npy": np.ones(2)}
    save_checkpoint(tmp_path / "run.npz", **parts)
    assert described(load_checkpoint(tmp_path / "run.npz")) == described(parts)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {2}]}, r"kept/a/1 is a set; a part has state_dict"),
        (np.array([None]), "kept is an array of objects"),
        ({"a": {(1, 2): 3}}, r"kept/a has the key \(1, 2\); keys are strings and ints"),
        (ag.tensor([1.0]), "kept is a tensor; save its"),
        (1j, "kept is a complex"),
        (nested(101), r"kept/0/0/.*\.\.\. is nested over 100 deep, or holds itself"),
        (nested(10**5), "is nested over 100 deep"),
        (CYCLE, "is nested over 100 deep"),
        (np.ma.masked_array([1.0, -999.0], [0, 1]), "kept is a masked array, whose mask would"),
        ({"a": [np.ma.masked]}, "kept/a/0 is a masked array"),
        ({"a": 10**5000}, "kept/a is over 4,000 digits long; save a string of it"),
        ({-(10**5000): 1}, "the key of kept is over 4,000 digits long"),
    ],
)
def test_what_cannot_be_kept_is_named_and_nothing_is_written(
    value: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        save_checkpoint(tmp_path / "run.npz", kept=value)
    assert list(tmp_path.iterdir()) == []


Pair = collections.namedtuple("Pair", "a b")


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (collections.OrderedDict(b=1, a=2), dict),
        (collections.Counter("aab"), dict),
        (collections.defaultdict(list, a=[1]), dict),
        (Pair(1, [2.0]), tuple),
        (Level.HIGH, int),
        (10**3999, int),
    ],
)
def test_a_subclass_of_plain_data_loads_as_what_it_is_made_of(
    value: Any, plain: type, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "run.npz", kept=[value])
    (found,) = load_checkpoint(tmp_path / "run.npz")["kept"]
    assert type(found) is plain
    assert found == value
    assert str(list(found)) == str(list(value)) if plain is dict else True


# ---------------------------------------------------------------------------------------- damaged files


def content(**parts: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(f"{folder}/run.npz", **parts)
        return Path(folder, "run.npz").read_bytes()


PLAIN = {"history": [{"loss": 0.5}], "weights": {"w": np.arange(6.0), "b": np.float32(2)}}
WHOLE = content(**PLAIN)


def loaded(raw: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.npz")
        path.write_bytes(raw)
        return load_checkpoint(path)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(
        CheckpointError, match=r"run\.npz: expected a checkpoint, .*save_checkpoint"
    ):
        loaded(WHOLE[:length])


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def index(**changes: Any) -> bytes:
    """An archive whose text is that of an empty checkpoint, but for the changes."""
    text = {"format": "autograd_cnn checkpoint", "version": 1, "classes": {}, "tree": {"dict": []}}
    return npz(checkpoint=np.frombuffer(json.dumps(text | changes).encode(), np.uint8))


def saved_array(array: np.ndarray, **settings: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **settings)
    return file.getvalue()


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was run",)


DEEP = b', "classes": {}, "tree": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
FOREIGN = {
    "empty": (b"", "not an .npz file"),
    "text": (b"hello\n" * 100, "not an .npz file"),
    "pickle": (pickle.dumps(Hostile()), "not an .npz file"),
    "npy": (saved_array(np.ones(3)), "not an .npz file"),
    "pickled npy": (saved_array(np.array([Hostile()]), allow_pickle=True), "not an .npz file"),
    "weights": (npz(weight=np.ones(3)), "an .npz file with other content"),
    "pickled array": (npz(checkpoint=np.array([Hostile()])), "damaged: Object arrays"),
    "no json": (npz(checkpoint=np.zeros(3, np.uint8)), "it holds .*, not .*checkpoint"),
    "other json": (npz(checkpoint=np.frombuffer(b"[]", np.uint8)), "it holds .*, not .*checkpoint"),
    "newer": (index(version=2), 'it holds .*"version": 2.*, not .*checkpoint", "version": 1'),
    "other format": (index(format="else"), "it holds .*else"),
    "missing array": (index(tree={"dict": [["a", {"array": "a"}]]}), "damaged"),
    "unknown kind": (index(tree={"dict": [["a", {"code": "a"}]]}), "damaged"),
    "deep": (npz(checkpoint=np.frombuffer(HEAD.encode() + DEEP, np.uint8)), "damaged: maximum rec"),
}


HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }"
MORE = io.BytesIO()
with zipfile.ZipFile(MORE, "w") as archive:
    npy = b"\x93NUMPY\x01\x00" + len(HEADER).to_bytes(2, "little") + HEADER
    archive.writestr("checkpoint.npy", npy)
FOREIGN["announces more than it has"] = (MORE.getvalue(), "damaged")


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused_in_one_sentence(name: str) -> None:
    raw, reason = FOREIGN[name]
    with pytest.raises(CheckpointError, match=reason) as caught:
        loaded(raw)
    assert "run.npz: expected a checkpoint, but it " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_arrays_can_be_read_without_this_package(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    save_checkpoint(tmp_path / "run.npz", model=model)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        assert file["model/weight"].tolist() == model.weight.tolist()
    classes, tree = read_archive(tmp_path / "run.npz")
    assert classes == {"model": "Linear", "random": "Generator"}
    write_archive(tmp_path / "again.npz", classes, tree)
    assert described(read_archive(tmp_path / "again.npz")[1]) == described(tree)
