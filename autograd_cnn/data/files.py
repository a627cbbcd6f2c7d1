"""Replacing a file in one step, so that a crash leaves the old or the new one whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` in one step when the ``with`` block ends.

    `path` keeps its old content if the block raises, the disk fills up, or the process or the
    machine dies.  The new content is written to ``.NAME.*.part`` in the same folder.  Only a killed
    process leaves that file behind.  If `path` is a link, its target is replaced.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     with replace_file(path) as file:
    ...         _ = file.write(b"new")
    ...         path.exists()
    ...     path.read_bytes()
    False
    b'new'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        if not target.parent.is_dir():
            raise OSError(errno.ENOENT, "there is no such folder; make it first")
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(target.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, temporary, str(temporary)):
            raise
        named = OSError(error.errno, error.strerror, os.fspath(path))
        named.add_note("What was there before is unchanged.")
        raise named from error


def _sync(folder: Path) -> None:
    """Write the folder's new entry to the disk, where the system can.

    Some network file systems refuse, and some folders cannot be read.  The file itself is already
    in place, so errors are ignored.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
