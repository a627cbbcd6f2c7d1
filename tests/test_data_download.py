"""Image sets from servers on this machine: good, damaged, lying, slow and absent ones."""

from __future__ import annotations

import errno
import gc
import gzip
import http.server
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from autograd_cnn import data
from autograd_cnn.data import download
from autograd_cnn.data.image_sets import load
from tests.test_data_sets import (
    ARCHIVE,
    IMAGES,
    MADE,
    NAMES,
    PACKED,
    PACKED_FILES,
    PLAIN,
    TAR,
    check,
    flipped,
    folder,
    no_other_places,
    source,
)

__all__ = ["no_other_places"]  # a fixture that every test here uses by itself
STORED = sorted(PACKED_FILES)


class Server:
    """A mirror on this machine.

    `serve[name]` is what it answers for a file: bytes, a status, or a function.
    """

    def __init__(self) -> None:
        self.serve: dict[str, Any] = {**PACKED_FILES, TAR: ARCHIVE}
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
                    send(self, answer, len(answer))

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/mnist/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def send(handler: Any, body: bytes, length: int | None) -> None:
    """A successful answer that announces `length` bytes, or nothing."""
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


@pytest.fixture
def new_server() -> Iterator[Callable[[], Server]]:
    with ExitStack() as stack:

        def made() -> Server:
            server = Server()
            stack.callback(server.close)
            return server

        yield made


@pytest.fixture
def server(new_server: Callable[[], Server]) -> Server:
    return new_server()


@pytest.fixture
def other(new_server: Callable[[], Server]) -> Server:
    return new_server()


def left(path: Path) -> list[str]:
    return sorted(p.name for p in path.rglob("*") if p.is_file())


@pytest.mark.parametrize("made", MADE)
def test_a_download_is_stored_and_the_second_call_needs_no_network(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str], made: str
) -> None:
    source, names = MADE[made].source(server.url), list(MADE[made].offered)
    check(load(source, None), made)
    assert left(tmp_path / "cache" / "autograd_cnn" / source.folder) == sorted(names)
    assert left(tmp_path) == sorted(names)
    lines = capsys.readouterr().err.splitlines()  # not a terminal: one plain line a file
    assert [line.split()[1] for line in lines] == names
    server.asked.clear()
    check(load(source, None), made)
    assert server.asked == []


def test_only_what_is_missing_is_downloaded_into_root(tmp_path: Path, server: Server) -> None:
    root = folder(tmp_path, {n: PLAIN[n] for n in NAMES[:3]})
    check(load(source(server.url), root))
    assert server.asked == [f"{NAMES[3]}.gz"]
    assert left(root) == sorted([*NAMES[:3], f"{NAMES[3]}.gz"])


# ------------------------------------------------------------------------------------- bad mirrors


def short(handler: Any) -> None:
    send(handler, PACKED[IMAGES][:10], len(PACKED[IMAGES]))


def endless(handler: Any) -> None:
    """A large body whose size is not announced."""
    send(handler, bytes(10**5), None)


def stalled(handler: Any) -> None:
    short(handler)
    time.sleep(1.0)


def silent(handler: Any) -> None:
    time.sleep(1.0)


def dripping(handler: Any) -> None:
    """A byte every 0.1 s, so that there is never a pause of a timeout."""
    with suppress(OSError):
        send(handler, b"", 1000)
        for _ in range(60):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)


def dripping_headers(handler: Any) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(20):
            handler.wfile.write(b"X: y\r\n")
            handler.wfile.flush()
            time.sleep(0.1)


def answered(*lines: str) -> Callable[[Any], None]:
    return lambda handler: handler.wfile.write("\r\n".join([*lines, "", ""]).encode())


REDIRECTS = {
    "half an address": "http://[::1/x",
    "an address of letters": "http://[zz]/x",
    "no host": "http:///x",
    "a port of letters": "http://127.0.0.1:port/x",
    "a port too high": "http://127.0.0.1:999999/x",
    "a space": "http://a b/x",
    "a long label": f"http://{'a' * 70}.example/x",
    "an empty label": "http://a..example/x",
    "a file": "file:///etc/hostname",
    "another scheme": "gopher://127.0.0.1/x",
    "nothing": "",
    "itself": f"/mnist/{IMAGES}.gz",
    "not ASCII": "http://\u00e9\u2100.example/x",
}

BAD_ANSWERS = {
    **{
        f"a redirect to {name}": (answered("HTTP/1.1 302 Found", f"Location: {url}"), "127.0.0.1")
        for name, url in REDIRECTS.items()
    },
    "drips": (dripping, "slower than 4,000 bytes a second"),
    "drips headers": (dripping_headers, "no answer"),
    "no status": (answered("nonsense"), "nonsense"),
    "a status of letters": (answered("HTTP/1.1 abc"), "abc"),
    "a size of letters": (answered("HTTP/1.1 200 OK", "Content-Length: x", "", "y"), "IDX"),
    "a negative size": (answered("HTTP/1.1 200 OK", "Content-Length: -5", "", "y"), "IDX"),
    "pieces of letters": (
        answered("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "zz"),
        "IncompleteRead",
    ),
    "404": (404, "404 Not Found"),
    "500": (500, "500"),
    "body shorter than announced": (short, r"connection ended after 10 of \d+ bytes"),
    "truncated gzip": (PACKED[IMAGES][:-9], "damaged gzip"),
    "flipped bit": (flipped(PACKED[IMAGES], 45), "gzip|SHA-256|MD5"),
    "another file": (PACKED[NAMES[2]], r"expected uint8 \(6, 4, 3\)"),
    "an HTML page": (b"<html>sign in</html>", "expected an IDX file"),
    "changed content": (gzip.compress(flipped(PLAIN[IMAGES], 30)), "SHA-256|MD5"),
    "a gzip bomb": (gzip.compress(PLAIN[IMAGES] + bytes(10**5)), r"expected 72 bytes .*found more"),
    "too large": (bytes(10**5), "expected at most .* found 100,000"),
    "too large in secret": (endless, "expected at most .* found more"),
    "stalls in the middle": (stalled, "no answer|timed out"),
    "no answer": (silent, "no answer"),
}


CHANGED = {  # for the archive, of which only the checksum is compared
    "404": (404, "404 Not Found"),
    "body shorter than announced": (
        lambda handler: send(handler, ARCHIVE[:10], len(ARCHIVE)),
        "connection ended after 10",
    ),
    "truncated gzip": (ARCHIVE[:-9], "MD5"),
    "flipped bit": (flipped(ARCHIVE, 45), "MD5"),
    "an HTML page": (b"<html>sign in</html>", "MD5"),
    "too large": (bytes(10**6), "expected at most .* found 1,000,000"),
}
CONTENTS = ("flipped bit", "another file", "changed content", "a gzip bomb", "too large")
EVERY_ANSWER = [
    *(("mnist", answer) for answer in BAD_ANSWERS),
    *(("fashion", answer) for answer in CONTENTS),
    *(("cifar10", answer) for answer in CHANGED),
]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # urllib's, after such redirects
@pytest.mark.parametrize(("made", "answer"), EVERY_ANSWER)
def test_a_bad_answer_leaves_nothing_and_the_next_mirror_is_asked(
    tmp_path: Path, server: Server, other: Server, made: str, answer: str
) -> None:
    source, first = MADE[made].source, next(iter(MADE[made].offered))
    server.serve[first], message = (CHANGED if made == "cifar10" else BAD_ANSWERS)[answer]
    with pytest.raises(data.DataUnavailable, match=message):
        load(source(server.url, timeout=0.3), None)
    assert left(tmp_path) == []
    check(load(source(server.url, other.url, timeout=0.3), None), made)
    assert first in other.asked
    assert left(tmp_path) == sorted(MADE[made].offered)
    gc.collect()


@pytest.mark.parametrize("first", ["refusing", "silent"])
def test_a_mirror_without_a_connection_is_tried_only_once(
    server: Server, other: Server, first: str
) -> None:
    server.serve = dict.fromkeys(server.serve, silent)
    url = server.url if first == "silent" else "http://127.0.0.1:9/"
    check(load(source(url, other.url, timeout=0.3), None))
    assert server.asked == ([f"{IMAGES}.gz"] if first == "silent" else [])
    assert other.asked == [f"{n}.gz" for n in NAMES]


def test_a_look_up_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        ended.wait(20.0)
        raise OSError("no such host")

    monkeypatch.setattr(download, "urlopen", look_up)
    start = time.monotonic()
    with pytest.raises(data.DataUnavailable, match=r"example: no answer within 0\.1 s"):
        load(source("http://example/", timeout=0.1), None)
    assert time.monotonic() - start < 10.0
    ended.set()


# ----------------------------------------------------------------------------------------- storing


@pytest.mark.parametrize("call", ["fsync", "replace"])  # after writing, and at the very end
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_while_storing_leaves_nothing_half_written(
    tmp_path: Path, server: Server, monkeypatch: Any, call: str, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    full = isinstance(error, OSError)
    expected = data.DataUnavailable if full else KeyboardInterrupt
    with pytest.raises(expected, match="No space left.*Make room or pass root" if full else None):
        load(source(server.url), None)
    assert left(tmp_path) == []


def test_a_download_interrupted_while_receiving_leaves_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_progress", lambda *_: nullcontext(advance))
    with pytest.raises(KeyboardInterrupt):
        load(source(server.url), None)
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(data.DataUnavailable, match="cannot be written"):
        load(source(server.url), None)


def test_loads_at_the_same_time_do_not_disturb_each_other(tmp_path: Path, server: Server) -> None:
    root = folder(tmp_path, {}, "root")
    failures = []

    def load_once() -> None:
        try:
            check(load(source(server.url, timeout=5.0), root))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load_once) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert left(root) == STORED


# ---------------------------------------------------------------------------------------- progress


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
    check(load(source(server.url), None))
    shown = screen.getvalue()
    assert all(f"{name}.gz" in shown for name in NAMES)
    assert "\r" in shown
    assert shown.endswith("\n")


def test_no_stderr_at_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    check(load(source(server.url), None))
