"""MNIST from servers on this machine: good, damaged, lying, slow and absent ones."""

from __future__ import annotations

import gzip
import http.server
import io
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograd_cnn import data
from autograd_cnn.data import mnist_download
from autograd_cnn.data.mnist_files import _load
from tests.test_data_mnist import (
    IMAGES,
    NAMES,
    PACKED,
    PLAIN,
    check,
    flipped,
    folder,
    no_other_places,
    source,
)

__all__ = ["no_other_places"]  # a fixture that every test here uses by itself


class Server:
    """A mirror on this machine.

    `serve[name]` is what it answers for a file: bytes, a status, or a function.
    """

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
    handler.send_header("Content-Length", str(len(PACKED[IMAGES])))
    handler.end_headers()
    handler.wfile.write(PACKED[IMAGES][:10])


def endless(handler: Any) -> None:
    """A large body whose size is not announced."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(bytes(10**5))


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
    "body shorter than announced": (short, r"connection ended after 10 of \d+ bytes"),
    "truncated gzip": (PACKED[IMAGES][:-9], "damaged gzip"),
    "flipped bit": (flipped(PACKED[IMAGES], 45), "gzip|SHA-256"),
    "another file": (PACKED[NAMES[2]], r"expected uint8 \(6, 4, 3\)"),
    "an HTML page": (b"<html>sign in</html>", "expected an IDX file"),
    "changed content": (gzip.compress(flipped(PLAIN[IMAGES], 30)), "SHA-256"),
    "a gzip bomb": (gzip.compress(PLAIN[IMAGES] + bytes(10**5)), r"expected 72 bytes .*found more"),
    "too large": (bytes(10**5), "expected at most .* found 100,000"),
    "too large in secret": (endless, "expected at most .* found more"),
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


def test_a_silent_mirror_is_waited_for_only_once(
    tmp_path: Path, server: Server, other: Server
) -> None:
    server.serve = dict.fromkeys(server.serve, silent)
    check(_load(source(server.url, other.url, timeout=0.3), None))
    assert server.asked == [f"{IMAGES}.gz"]
    assert len(other.asked) == 4


def test_a_look_up_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        ended.wait(20.0)
        raise OSError("no such host")

    monkeypatch.setattr(mnist_download, "urlopen", look_up)
    start = time.monotonic()
    with pytest.raises(data.DataUnavailable, match=r"example: no answer within 0\.1 s"):
        _load(source("http://example/", timeout=0.1), None)
    assert time.monotonic() - start < 10.0
    ended.set()


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


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["receiving", "storing"])
def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    if moment == "receiving":
        monkeypatch.setattr(mnist_download, "_progress", lambda *_: Interrupting())
    else:
        monkeypatch.setattr(mnist_download.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _load(source(server.url), None)
    assert left(tmp_path) == []


class Interrupting:
    """A progress bar during which the user gives up."""

    def __enter__(self) -> Any:
        return interrupt

    def __exit__(self, *_: object) -> None: ...


def test_loads_at_the_same_time_do_not_disturb_each_other(tmp_path: Path, server: Server) -> None:
    root = folder(tmp_path, {}, "root")
    failures = []

    def load() -> None:
        try:
            check(_load(source(server.url, timeout=5.0), root))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert left(root) == sorted(f"{n}.gz" for n in NAMES)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("bar", [True, False])
def test_a_terminal_shows_how_far_a_download_is(
    server: Server, monkeypatch: pytest.MonkeyPatch, bar: bool
) -> None:
    if bar:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)  # as if it were not installed
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    check(_load(source(server.url), None))
    shown = screen.getvalue()
    assert all(f"{name}.gz" in shown for name in NAMES)
    assert "\r" in shown
    assert shown.endswith("\n")


def test_no_stderr_at_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    check(_load(source(server.url), None))
