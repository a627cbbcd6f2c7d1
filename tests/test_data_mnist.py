"""MNIST from files and from servers: good, damaged, lying, slow and absent ones."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import data
from autograd_cnn.data import mnist_download
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


class Python2Array:
    """Pickles an array as Python 2 and NumPy 1 did: names of numpy.core, bytes as latin1 text."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        function, arguments, state = np.ascontiguousarray(self.array).__reduce__()
        return function, arguments, state


def pickled(scale: float, protocol: int = 2) -> bytes:
    flat = [
        (ARRAYS[0][:4].reshape(4, -1) / scale).astype(np.float32),
        ARRAYS[1][:4].astype(np.int64),
        (ARRAYS[0][4:].reshape(2, -1) / scale).astype(np.float32),
        ARRAYS[1][4:].astype(np.int64),
        (ARRAYS[2].reshape(2, -1) / scale).astype(np.float32),
        ARRAYS[3].astype(np.int64),
    ]
    wrapped = [Python2Array(a) for a in flat]
    pairs = tuple((wrapped[k], wrapped[k + 1]) for k in (0, 2, 4))
    content = pickle.dumps(pairs, protocol)
    return gzip.compress(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


@pytest.mark.parametrize("scale", [256, 255, 1])
def test_the_pickle_of_deeplearning_net(tmp_path: Path, scale: float) -> None:
    check(_load(source(), folder(tmp_path, {"mnist.pkl.gz": pickled(scale)})))


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


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="root: expected a folder"):
        data.mnist(tmp_path / "absent")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(NotADirectoryError, match="root: expected a folder"):
        data.mnist(file)


# ----------------------------------------------------------------------------------------- download


class Server:
    """A mirror on this machine.  `serve[name]` is what it answers for a file: bytes, a status, or a function."""

    def __init__(self) -> None:
        self.serve: dict[str, Any] = {f"{n}.gz": c for n, c in PACKED.items()}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                outer.asked.append(name)
                answer = outer.serve.get(name, 404)
                if isinstance(answer, int):
                    self.send_error(answer)
                elif callable(answer):
                    answer(self)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/mnist/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def other() -> Iterator[Server]:
    found = Server()
    yield found
    found.server.shutdown()
    found.server.server_close()


def left(path: Path) -> list[str]:
    return sorted(p.name for p in path.rglob("*") if p.is_file())


def test_a_download_is_stored_and_the_second_call_needs_no_network(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    check(_load(source(server.url), None))
    cache = tmp_path / "cache"
    assert left(cache) == sorted(f"{n}.gz" for n in NAMES)
    lines = capsys.readouterr().err.splitlines()  # not a terminal: one plain line a file
    assert [line.split()[1] for line in lines] == [f"{n}.gz" for n in NAMES]
    server.asked.clear()
    check(_load(source(server.url), None))
    assert server.asked == []


def test_only_what_is_missing_is_downloaded_into_root(tmp_path: Path, server: Server) -> None:
    root = folder(tmp_path, {n: PLAIN[n] for n in NAMES[:3]})
    check(_load(source(server.url), root))
    assert server.asked == [f"{NAMES[3]}.gz"]
    assert left(root) == sorted([*NAMES[:3], f"{NAMES[3]}.gz"])


def short(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(PACKED[IMAGES][:10])


def stalled(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PACKED[IMAGES])))
    handler.end_headers()
    handler.wfile.write(PACKED[IMAGES][:10])
    handler.wfile.flush()
    time.sleep(1.0)


def silent(handler: Any) -> None:
    time.sleep(1.0)


BAD_ANSWERS = {
    "404": (404, "404 Not Found"),
    "500": (500, "500"),
    "body shorter than announced": (short, "expected at most|connection ended"),
    "truncated gzip": (PACKED[IMAGES][:-9], "damaged gzip"),
    "flipped bit": (flipped(PACKED[IMAGES], 45), "gzip|SHA-256"),
    "another file": (PACKED[NAMES[2]], r"expected uint8 \(6, 4, 3\)"),
    "an HTML page": (b"<html>sign in</html>", "expected an IDX file"),
    "changed content": (gzip.compress(flipped(PLAIN[IMAGES], 30)), "SHA-256"),
    "a gzip bomb": (gzip.compress(PLAIN[IMAGES] + bytes(10**7)), "found more|expected at most"),
    "stalls in the middle": (stalled, "no answer|timed out"),
    "no answer": (silent, "no answer"),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_a_bad_answer_leaves_nothing_and_the_next_mirror_is_asked(
    tmp_path: Path, server: Server, other: Server, answer: str
) -> None:
    server.serve[f"{IMAGES}.gz"], message = BAD_ANSWERS[answer]
    with pytest.raises(data.DataUnavailable, match=message):
        _load(source(server.url, timeout=0.3), None)
    assert left(tmp_path) == []
    check(_load(source(server.url, other.url, timeout=0.3), None))
    assert f"{IMAGES}.gz" in other.asked
    assert left(tmp_path) == sorted(f"{n}.gz" for n in NAMES)


def test_a_refused_connection_moves_on_and_is_tried_only_once(
    tmp_path: Path, server: Server
) -> None:
    check(_load(source("http://127.0.0.1:9/", server.url), None))
    assert server.asked == [f"{n}.gz" for n in NAMES]


@pytest.mark.parametrize("failing", ["write", "replace"])
def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    if failing == "replace":
        monkeypatch.setattr(mnist_download.os, "replace", full)
    else:

        def half(path: Path, content: bytes) -> int:
            with open(path, "wb") as file:
                file.write(content[:5])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(
        data.DataUnavailable, match="No space left on device.*Make room or pass root"
    ):
        _load(source(server.url), None)
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(data.DataUnavailable, match="cannot be written"):
        _load(source(server.url), None)


def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist_download.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _load(source(server.url), None)
    assert left(tmp_path) == []


def test_the_published_checksums_and_the_time_out() -> None:
    assert MNIST.timeout == 5.0
    assert [f.shape for f in MNIST.files] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert len({f.sha256 for f in MNIST.files}) == 4
    assert all(m.startswith("https://") and m.endswith("/") for m in MNIST.mirrors)
