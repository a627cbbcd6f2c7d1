"""Download of the files of image sets from mirrors, checked before they are stored."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from importlib import import_module
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np

from autograd_cnn.data.errors import DataError, DataUnavailable
from autograd_cnn.data.file_kinds import DataFile
from autograd_cnn.data.files import replace_file
from autograd_cnn.data.sources import Source

_CHUNK = 1 << 16
_SLOWEST = 4000  # bytes a second, less than a telephone modem


def download(
    source: Source, files: Sequence[DataFile], folder: Path, looked: Sequence[str]
) -> dict[str, list[np.ndarray]]:
    """The arrays of `files` by name; each file is verified, then stored as it came in `folder`.

    `looked` lists the folders that were searched.  DataUnavailable is raised if no mirror has a
    file, or if it cannot be stored.
    """
    arrays = {}
    mirrors, failures = list(source.mirrors), list[str]()
    for file in files:
        fetched = _fetch_from_any(mirrors, file, source.timeout, failures)
        if fetched is None:
            places = "".join(f"\n  {place}" for place in looked)
            tried = "".join(f"\n  {failure}" for failure in failures)
            raise DataUnavailable(
                f"{source.name} is not on this machine and could not be downloaded.\nLooked in:"
                f"{places}\nTried to download {file.name}{file.ending}:{tried or ' no mirrors'}\n"
                "Pass root= with a folder that has the files, set $AUTOGRAD_CNN_DATA to one, or "
                "use data.digits(), which needs no download."
            )
        content, arrays[file.name] = fetched
        _store(source, folder / f"{file.name}{file.ending}", content)
    return arrays


def _fetch_from_any(
    mirrors: list[str], file: DataFile, timeout: float, failures: list[str]
) -> tuple[bytes, list[np.ndarray]] | None:
    """The file and the arrays in it, from the first mirror that has it.

    Failures are added to `failures`.  Mirrors without a connection are removed from `mirrors`.
    """
    for mirror in list(mirrors):
        url = f"{mirror}{file.name}{file.ending}"
        host = urlsplit(mirror).netloc
        try:
            content = _fetch(url, file.largest_download, timeout)
            return content, file.decode(io.BytesIO(content), url)
        except DataError as error:
            failures.append(str(error))
        except HTTPError as error:
            error.close()
            failures.append(f"{host}: {error.code} {error.reason}")
        except TimeoutError:
            mirrors.remove(mirror)
            failures.append(f"{host}: no answer within {timeout:g} s")
        except (OSError, HTTPException, ValueError) as error:  # a redirect may name no real host
            mirrors.remove(mirror)
            reason = error.reason if isinstance(error, URLError) else error
            failures.append(f"{host}: {getattr(reason, 'strerror', None) or reason}")
    return None


def _fetch(url: str, limit: int, timeout: float) -> bytes:
    """The content at `url`, at most `limit` bytes.

    After `timeout` seconds the mean speed must be at least `_SLOWEST`, so the size limits the time.
    """
    with _open(url, timeout) as response:
        start = time.monotonic()
        announced = response.length
        if announced is not None and announced > limit:
            raise DataError(f"{url}: expected at most {limit:,} bytes, found {announced:,}")
        content = bytearray()
        with _progress(url, announced) as advance:
            while chunk := response.read1(_CHUNK):
                content += chunk
                if len(content) > limit:
                    raise DataError(f"{url}: expected at most {limit:,} bytes, found more")
                if time.monotonic() - start > timeout + len(content) / _SLOWEST:
                    raise ConnectionError(f"slower than {_SLOWEST:,} bytes a second")
                advance(len(chunk))
    if announced is not None and len(content) < announced:
        raise ConnectionError(f"connection ended after {len(content):,} of {announced:,} bytes")
    return bytes(content)


def _open(url: str, timeout: float) -> HTTPResponse:
    """The response of the server at `url`, or TimeoutError after `timeout` seconds.

    A thread waits, because the timeout of `urlopen` covers neither name look-up nor hosts with many
    addresses.
    """
    outcome: list[HTTPResponse | BaseException] = []
    gave_up = threading.Event()

    def connect() -> None:
        try:
            response = urlopen(url, timeout=timeout)
        except BaseException as error:
            outcome.append(error)
        else:
            outcome.append(response)
            if gave_up.is_set():
                response.close()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    try:
        thread.join(timeout)
    finally:
        gave_up.set()
    if thread.is_alive():
        raise TimeoutError(f"no answer within {timeout:g} s")
    (found,) = outcome
    if isinstance(found, URLError) and isinstance(found.reason, TimeoutError):
        raise found.reason
    if isinstance(found, BaseException):
        raise found
    return found


@contextmanager
def _progress(url: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show progress on stderr; yields the function to call with the number of new bytes.

    A terminal gets a bar of tqdm, or a counting line if tqdm is missing.  Files get one line.
    """
    name = url.rpartition("/")[2]
    label = f"{name} ({total / 1e6:.1f} MB)" if total else name
    if sys.stderr is None or not sys.stderr.isatty():
        if sys.stderr is not None:
            print(f"Downloading {label} from {urlsplit(url).netloc}", file=sys.stderr, flush=True)
        yield lambda _: None
        return
    try:
        tqdm = import_module("tqdm").tqdm  # optional, and without types
    except ImportError:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            print(f"\r{label}: {done / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)

        try:
            yield advance
        finally:
            print(file=sys.stderr)
    else:
        with tqdm(total=total, desc=name, unit="B", unit_scale=True) as bar:
            yield bar.update


def _store(source: Source, path: Path, content: bytes) -> None:
    """Write the file in one step, and make its folder first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(content)
    except OSError as error:
        raise DataUnavailable(
            f"{source.name} was downloaded, but {path} cannot be written: "
            f"{error.strerror or error}. Make room or pass root= with a folder to write to."
        ) from error
