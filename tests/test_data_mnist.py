"""MNIST from files: in every form, damaged, hostile and absent."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import data
from autograd_cnn.data.mnist_files import load
from autograd_cnn.data.mnist_source import MNIST, IdxFile, Source

NAMES = [file.name for file in MNIST.files]
SHAPES = [(6, 4, 3), (6,), (2, 4, 3), (2,)]


def idx(array: np.ndarray) -> bytes:
    """An IDX file of uint8 values, written here byte by byte."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256 if len(s) > 1 else 10, s).astype(np.uint8) for s in SHAPES]


ARRAYS = arrays()
PLAIN = dict(zip(NAMES, map(idx, ARRAYS)))
PACKED = {name: gzip.compress(content) for name, content in PLAIN.items()}


def source(*mirrors: str, timeout: float = 2.0) -> Source:
    files = [IdxFile(n, s, hashlib.sha256(PLAIN[n]).hexdigest()) for n, s in zip(NAMES, SHAPES)]
    return Source(tuple(files), mirrors, timeout)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_other_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at, or writes to, the user's own folders."""
    monkeypatch.delenv("AUTOGRAD_CNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def folder(tmp_path: Path, files: dict[str, bytes], name: str = "files") -> Path:
    path = tmp_path / name
    path.mkdir()
    for file, content in files.items():
        (path / file).write_bytes(content)
    return path


def check(dataset: data.Dataset) -> None:
    (x, y), (u, v) = dataset
    assert np.array_equal(x[:, 0], ARRAYS[0])
    assert np.array_equal(y, ARRAYS[1])
    assert np.array_equal(u[:, 0], ARRAYS[2])
    assert np.array_equal(v, ARRAYS[3])
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    assert x.shape == (6, 1, 4, 3)
    assert dataset.train.images is x


# ------------------------------------------------------------------------------------------- forms

KERAS = ("x_train", "y_train", "x_test", "y_test")


def npz(**changed: Any) -> bytes:
    content = io.BytesIO()
    np.savez(content, **{**dict(zip(KERAS, ARRAYS)), **changed})
    return content.getvalue()


FORMS = {
    "plain": PLAIN,
    "packed": {f"{n}.gz": c for n, c in PACKED.items()},
    "dotted": {n.replace("-idx", ".idx"): c for n, c in PLAIN.items()},
    "mixed": {NAMES[0]: PLAIN[NAMES[0]], **{f"{n}.gz": PACKED[n] for n in NAMES[1:]}},
    "npz of Keras": {"mnist.npz": npz()},
    "npz of wide integers": {"mnist.npz": npz(y_train=ARRAYS[1].astype(np.int64))},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(tmp_path: Path, form: str) -> None:
    check(load(source(), folder(tmp_path, FORMS[form])))


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = folder(tmp_path, {"mnist.pkl.gz": b"anything"})
    with pytest.raises(data.DataUnavailable, match="no MNIST files"):
        load(source(), path)


# ------------------------------------------------------------------------------------ damaged files


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


IMAGES, LABELS, NPZ = NAMES[0], NAMES[1], "mnist.npz"
BARE = io.BytesIO()
np.savez(BARE, x_train=ARRAYS[0])
DAMAGES = {
    "truncated": (IMAGES, PLAIN[IMAGES][:-5], r"expected 72 bytes .*found 67"),
    "too long": (IMAGES, PLAIN[IMAGES] + b"x", r"expected 72 bytes .*found more"),
    "cut in the header": (IMAGES, PLAIN[IMAGES][:9], "expected the sizes of 3 axes, found 5 bytes"),
    "empty": (IMAGES, b"", "expected an IDX file.*an empty file"),
    "not IDX": (IMAGES, b"<html>not found</html>", "expected an IDX file.*found the bytes 3c 68"),
    "images as labels": (LABELS, PLAIN[IMAGES], r"expected uint8 \(6,\), found uint8 \(6, 4, 3\)"),
    "label of 11": (LABELS, idx(np.full(6, 11, np.uint8)), r"expected labels 0\.\.9, found 11"),
    "a changed pixel": (IMAGES, flipped(PLAIN[IMAGES], 30), "SHA-256 [0-9a-f]{64}, found"),
    "broken gzip": (f"{IMAGES}.gz", PACKED[IMAGES][:-12], "damaged gzip file"),
    "flipped gzip": (f"{IMAGES}.gz", flipped(PACKED[IMAGES], 40), "gzip|SHA-256"),
    "floats in an npz": (NPZ, npz(x_train=ARRAYS[0] / 255.0), "expected integers in x_train"),
    "large numbers in an npz": (NPZ, npz(x_train=ARRAYS[0].astype(int) * 2), r"0\.\.255 in x_tr"),
    "a changed npz": (NPZ, npz(y_train=1 - ARRAYS[1] % 2), "SHA-256"),
    "half an npz": (NPZ, npz()[:-30], "expected an npz file with the arrays x_train"),
    "an npz without labels": (NPZ, BARE.getvalue(), "no item named 'y_train.npy'"),
    "an npz bomb": (NPZ, npz(x_test=np.zeros(1 << 18, int)), r"x_test of at most .* found 2,097,"),
}


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.marker,)


def test_objects_in_an_npz_are_not_unpickled(tmp_path: Path) -> None:
    objects = np.array([Malicious(tmp_path / "executed")] * 6, dtype=object)
    with pytest.raises(data.DataError, match=r"mnist\.npz"):
        load(source(), folder(tmp_path, {NPZ: npz(y_train=objects)}))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_expected_found_and_fix(tmp_path: Path, damage: str) -> None:
    name, content, message = DAMAGES[damage]
    others = {n: c for n, c in PLAIN.items() if n != name.removesuffix(".gz")}
    path = folder(tmp_path, {**(others if name != NPZ else {}), name: content})
    with pytest.raises(data.DataError, match=message) as caught:
        load(source(), path)
    assert str(path / name) in str(caught.value)
    assert "Delete the file" in str(caught.value)


# ------------------------------------------------------------------------------------------- places


def test_root_then_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = folder(tmp_path, PLAIN, "good")
    empty = folder(tmp_path, {}, "empty")
    bad = folder(tmp_path, {**PLAIN, IMAGES: b"bad"}, "bad")
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(bad))
    check(load(source(), good))
    with pytest.raises(data.DataError, match="bad"):
        load(source(), empty)
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(good))
    check(load(source(), None))


def test_nothing_found_says_where_it_looked_what_failed_and_what_to_do(tmp_path: Path) -> None:
    some = folder(tmp_path, {NAMES[0]: PLAIN[NAMES[0]], NAMES[1]: PLAIN[NAMES[1]]})
    with pytest.raises(data.DataUnavailable) as caught:
        load(source("http://127.0.0.1:9/"), some)
    text = str(caught.value)
    assert f"{some} (root): {NAMES[2]}, {NAMES[3]} missing" in text
    assert "127.0.0.1:9: " in text
    assert "AUTOGRAD_CNN_DATA" in text
    assert "data.digits()" in text
    assert isinstance(caught.value, OSError)


def test_a_user_without_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(data.DataUnavailable, match="no home folder.*AUTOGRAD_CNN_DATA"):
        load(source(), None)
    check(load(source(), folder(tmp_path, PLAIN)))


def test_a_root_that_is_not_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for root, kind in ((tmp_path / "absent", FileNotFoundError), (file, NotADirectoryError)):
        with pytest.raises(kind, match="root: expected a folder"):
            data.mnist(root)


def test_the_published_source_is_whole() -> None:
    assert [f.shape for f in MNIST.files] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert len({f.sha256 for f in MNIST.files}) == 4
    assert all(m.startswith("https://") and m.endswith("/") for m in MNIST.mirrors)
