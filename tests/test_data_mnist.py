"""MNIST from files and from servers: good, damaged, lying, slow and absent ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import data
from autograd_cnn.data.mnist_files import _load
from autograd_cnn.data.mnist_source import MNIST, _File, _Source

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


def source(*mirrors: str, timeout: float = 2.0) -> _Source:
    files = [_File(n, s, hashlib.sha256(PLAIN[n]).hexdigest()) for n, s in zip(NAMES, SHAPES)]
    return _Source(tuple(files), mirrors, timeout)  # type: ignore[arg-type]


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


# ------------------------------------------------------------------------------------- local forms


def test_plain_packed_and_dotted_files(tmp_path: Path) -> None:
    dotted = {n.replace("-idx", ".idx"): c for n, c in PLAIN.items()}
    mixed = {NAMES[0]: PLAIN[NAMES[0]], **{f"{n}.gz": PACKED[n] for n in NAMES[1:]}}
    forms = {
        "plain": PLAIN,
        "packed": {f"{n}.gz": c for n, c in PACKED.items()},
        "dotted": dotted,
        "mixed": mixed,
    }
    for name, files in forms.items():
        check(_load(source(), folder(tmp_path, files, name)))


def npz(**changed: Any) -> bytes:
    content = io.BytesIO()
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(content, **{**dict(zip(names, ARRAYS)), **changed})
    return content.getvalue()


def test_the_npz_of_keras(tmp_path: Path) -> None:
    check(_load(source(), folder(tmp_path, {"mnist.npz": npz()})))


def python2(array: np.ndarray) -> bytes:
    """The opcodes by which Python 2 and NumPy 1 pickle an array: its bytes are a plain string."""
    code = array.dtype.str[1:].encode()
    shape = b"(" + b"".join(b"J" + n.to_bytes(4, "little") for n in array.shape) + b"t"
    dtype = b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code + b"K\0K\1tR"
    dtype += b"(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    values = b"T" + array.nbytes.to_bytes(4, "little") + array.tobytes()
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
    return empty + b"(K\1" + shape + dtype + b"\x89" + values + b"tb"


def pickled(scale: float, protocol: int = 2) -> bytes:
    """What deeplearning.net's file holds: three pairs, of which the first two are for training."""
    images = np.concatenate([ARRAYS[0], ARRAYS[2]]).reshape(8, -1) / np.float32(scale)
    labels = np.concatenate([ARRAYS[1], ARRAYS[3]]).astype(np.int64)
    pairs = tuple((images[a:b], labels[a:b]) for a, b in ((0, 4), (4, 6), (6, 8)))
    if protocol == 2:
        opcodes = b"".join(b"(" + python2(x) + python2(y) + b"t" for x, y in pairs)
        return gzip.compress(b"\x80\2(" + opcodes + b"t.")
    return gzip.compress(pickle.dumps(pairs, protocol))


@pytest.mark.parametrize("scale", [256, 255, 1])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_pickle_of_deeplearning_net(tmp_path: Path, scale: float, protocol: int) -> None:
    check(_load(source(), folder(tmp_path, {"mnist.pkl.gz": pickled(scale, protocol)})))


def test_the_opcodes_here_are_a_pickle_of_the_array() -> None:
    values = pickle.loads(b"\x80\2" + python2(ARRAYS[0].astype("<f4")) + b".", encoding="latin1")
    assert np.array_equal(values, ARRAYS[0])


def test_pixels_that_are_no_256ths_or_255ths_are_refused(tmp_path: Path) -> None:
    for name, scale in (("a", 254.0), ("b", 0.5)):
        path = folder(tmp_path, {"mnist.pkl.gz": pickled(scale)}, name)
        with pytest.raises(data.DataError, match="expected images of k / 256 or k / 255"):
            _load(source(), path)


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.marker,)


def test_a_malicious_pickle_executes_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    content = gzip.compress(pickle.dumps(((Malicious(marker), 1), (2, 3), (4, 5))))
    with pytest.raises(
        data.DataError, match=r"mnist\.pkl\.gz: .*mkdir; nothing of it was executed"
    ):
        _load(source(), folder(tmp_path, {"mnist.pkl.gz": content}))
    assert not marker.exists()


HOSTILE = {
    "numpy.ndarray.dumps": b"\x80\4\x8c\5numpy\x8c\x0dndarray.dumps\x93.",
    "__setstate__": b"\x80\2cnumpy\ndtype\n}U\1xK\1sb.",
    "bytes as latin1 in a pickle, found 'hex'": b"\x80\2c_codecs\nencode\nU\1aU\3hex\x86R.",
    "arrays of numbers in a pickle, found dtype 'O8'": b"\x80\2cnumpy\ndtype\nU\2O8\x85R.",
    "a pickle of at most .* bytes, found more": b"X\xff\xff\xff\x7f.",
    "'list' object": b"]" * 50000 + b"a" * 49999 + b".",
    "Ran out of input": b"",
}


@pytest.mark.parametrize("message", HOSTILE)
def test_a_hostile_pickle_is_a_data_error(tmp_path: Path, message: str) -> None:
    path = folder(tmp_path, {"mnist.pkl.gz": gzip.compress(HOSTILE[message])})
    with pytest.raises(data.DataError, match=rf"(?s)mnist\.pkl\.gz: .*{message}.*Delete it"):
        _load(source(), path)


def test_objects_in_an_npz_are_refused(tmp_path: Path) -> None:
    objects = np.array([Malicious(tmp_path / "executed")] * 6, dtype=object)
    with pytest.raises(data.DataError, match=r"mnist\.npz"):
        _load(source(), folder(tmp_path, {"mnist.npz": npz(y_train=objects)}))
    assert not (tmp_path / "executed").exists()


def test_numbers_that_a_conversion_would_change_are_refused(tmp_path: Path) -> None:
    wrong = {
        "float": npz(x_train=ARRAYS[0] / 255.0),
        "large": npz(x_train=ARRAYS[0].astype(int) * 2),
    }
    for name, content in wrong.items():
        with pytest.raises(data.DataError, match="expected (integers|0..255)"):
            _load(source(), folder(tmp_path, {"mnist.npz": content}, name))


# ------------------------------------------------------------------------------------ damaged files


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


IMAGES, LABELS = NAMES[0], NAMES[1]
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
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_expected_found_and_fix(tmp_path: Path, damage: str) -> None:
    name, content, message = DAMAGES[damage]
    files = {n: c for n, c in PLAIN.items() if n != name.removesuffix(".gz")}
    path = folder(tmp_path, {**files, name: content})
    with pytest.raises(data.DataError, match=message) as caught:
        _load(source(), path)
    assert str(path / name) in str(caught.value)
    assert "Delete it" in str(caught.value)


# ------------------------------------------------------------------------------------------- places


def test_root_then_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = folder(tmp_path, PLAIN, "good")
    empty = folder(tmp_path, {}, "empty")
    bad = folder(tmp_path, {**PLAIN, IMAGES: b"bad"}, "bad")
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(bad))
    check(_load(source(), good))
    with pytest.raises(data.DataError, match="bad"):
        _load(source(), empty)
    monkeypatch.setenv("AUTOGRAD_CNN_DATA", str(good))
    check(_load(source(), None))


def test_nothing_found_says_where_it_looked_what_failed_and_what_to_do(tmp_path: Path) -> None:
    some = folder(tmp_path, {NAMES[0]: PLAIN[NAMES[0]], NAMES[1]: PLAIN[NAMES[1]]})
    with pytest.raises(data.DataUnavailable) as caught:
        _load(source("http://127.0.0.1:9/"), some)
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
        _load(source(), None)
    check(_load(source(), folder(tmp_path, PLAIN)))


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="root: expected a folder"):
        data.mnist(tmp_path / "absent")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(NotADirectoryError, match="root: expected a folder"):
        data.mnist(file)


def test_the_published_checksums_and_the_time_out() -> None:
    assert MNIST.timeout == 5.0
    assert [f.shape for f in MNIST.files] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert len({f.sha256 for f in MNIST.files}) == 4
    assert all(m.startswith("https://") and m.endswith("/") for m in MNIST.mirrors)
