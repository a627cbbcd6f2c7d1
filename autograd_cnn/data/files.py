"""Replacing a file in one step, so that a crash leaves the old or the new one whole."""

from __future__ import annotations

import errno
import glob
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@contextmanager
def replace_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` in one step when the ``with`` block ends.

    `path` keeps its old content if the block raises, the disk fills up, or the process or the
    machine dies.  The new content is written to ``.NAME.*.part`` in the same folder.  Only a killed
    process leaves that file behind; the next call for `path` removes it.  If `path` is a link, its
    target is replaced.  The file keeps its mode.  What is not a regular file, or is
    write-protected, raises OSError.

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
    handled = sys.exc_info()[1]
    target = Path(os.path.realpath(os.fsdecode(path)))
    stem = f".{target.name[:50]}."  # so that a name of 255 bytes leaves room for the rest
    temporary = target.with_name(f"{stem}{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        if os.path.basename(os.fsdecode(path)) in ("", ".", ".."):
            raise OSError(errno.EISDIR, "the path names a folder; add the name of the file")
        mode = _mode(target)
        _clear(target.parent, stem)
        try:
            with _locked(temporary, mode) as file:
                yield file
                file.flush()
                if target.exists():
                    os.chmod(temporary, mode)
                os.fsync(file.fileno())
                if fcntl is not None:
                    os.replace(temporary, target)
            if fcntl is None:
                os.replace(temporary, target)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            while error.__context__ not in (None, handled):
                error = error.__context__
                if isinstance(error, KeyboardInterrupt):  # np.savez hid it when it closed
                    raise error from None
            raise
        _sync(target.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, temporary, str(temporary)):
            raise
        named = OSError(error.errno, error.strerror, os.fsdecode(path))
        named.add_note("What was there before is unchanged.")
        raise named from error


def _mode(target: Path) -> int:
    """The mode that the file to replace has, or that a new one gets; OSError if it must not be."""
    if not target.parent.is_dir():
        raise OSError(errno.ENOENT, "there is no such folder; make it first")
    if target.is_symlink():
        raise OSError(errno.ELOOP, "the link leads back to itself; remove it")
    if not target.exists():
        return 0o666
    if not target.is_file():
        raise OSError(errno.EINVAL, "only a regular file can be replaced; give another path")
    if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise OSError(errno.EACCES, "the file is write-protected; give another path")
    return stat.S_IMODE(target.stat().st_mode)


def _locked(path: Path, mode: int) -> BinaryIO:
    """A new temporary file, locked where the system can, so that `_clear` leaves it alone."""
    while True:
        file = os.fdopen(os.open(path, _NEW, mode), "wb")
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else `_clear` was faster
            return file
        file.close()


def _clear(folder: Path, stem: str) -> None:
    """Remove the temporary files of killed processes."""
    for path in folder.glob(f"{glob.escape(stem)}[0-9]*-{'[0-9a-f]' * 8}.part"):
        with suppress(OSError), open(path, "rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # else the name may be that of a newer file
                path.unlink()


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
