"""The kinds of files that image sets come in: how each is found, read and compared."""

from __future__ import annotations

import hashlib
import math
import tarfile
import zipfile
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

import numpy as np

from autograd_cnn.data.errors import DataError
from autograd_cnn.data.idx_format import decode_idx, idx_sha256, read_at_most
from autograd_cnn.data.npz_format import read_member

_BATCHES = "cifar-10-batches-bin"


@dataclass(frozen=True)
class DataFile:
    """A file of a set, with the shape of its bytes, or with the files in it.

    `checksum`, if it has one, is what its publisher states.  A mirror offers the file under its
    name and `ending`.
    """

    name: str
    shape: tuple[int, ...] = ()
    checksum: str = ""
    parts: tuple[DataFile, ...] = ()
    ending: ClassVar[str] = ""

    @property
    def largest_download(self) -> int:
        """An upper bound, in bytes, for the file on a mirror, which is compressed."""
        size = sum(math.prod(part.shape) for part in self.parts or (self,))
        return size + size // 1000 + (1 << 16)

    def spellings(self) -> tuple[str, ...]:
        """The names, relative to a folder, that the file may have."""
        return (self.name,)

    def find(self, folder: Path) -> Path | None:
        """The path of the file in `folder`, under any of its names."""
        paths = (folder / name for name in self.spellings())
        return next((path for path in paths if path.is_file()), None)

    def decode(self, stream: BinaryIO, origin: str) -> list[np.ndarray]:
        """The verified arrays in an open, seekable file, or DataError; `origin` is for messages."""
        raise NotImplementedError

    def compare(self, found: str, origin: str) -> None:
        """DataError for another checksum than the published one."""
        if found != self.checksum:
            kind = "MD5" if len(found) == 32 else "SHA-256"
            raise DataError(
                f"{origin}: expected {self.name} with {kind} {self.checksum}, found {found}: "
                "it was changed or is another data set; data.read_idx reads other sets"
            )


class IdxFile(DataFile):
    """One IDX file of uint8 values, plain or .gz.

    The checksum is the SHA-256 of the plain content, or the MD5 of the .gz file, with which a plain
    file cannot be compared.
    """

    ending = ".gz"

    def spellings(self) -> tuple[str, ...]:
        dotted = ".idx".join(self.name.rsplit("-idx", 1))
        return (self.name, f"{self.name}.gz", dotted, f"{dotted}.gz")

    def decode(self, stream: BinaryIO, origin: str) -> list[np.ndarray]:
        array = self.verified(decode_idx(stream, origin, shape=self.shape), origin)
        stream.seek(0)
        if len(self.checksum) == 32 and stream.read(2) == b"\x1f\x8b":
            self.compare(_md5(stream), origin)
        return [array]

    def verified(self, array: np.ndarray, origin: str) -> np.ndarray:
        """`array` if it is the content of this file, or DataError."""
        if array.dtype != np.uint8 or array.shape != self.shape:
            raise DataError(
                f"{origin}: expected {self.name} to be uint8 {self.shape}, found {array.dtype} "
                f"{array.shape}"
            )
        if array.ndim == 1:
            _check_labels(array, origin)
        if len(self.checksum) == 64:
            self.compare(idx_sha256(array), origin)
        return array


class NpzFile(DataFile):
    """Keras's npz file with the arrays of IDX files: integers of any dtype with values 0..255."""

    def decode(self, stream: BinaryIO, origin: str) -> list[np.ndarray]:
        names = ("x_train", "y_train", "x_test", "y_test")
        arrays = []
        try:
            with zipfile.ZipFile(stream) as archive:
                for name, part in zip(names, self.parts):
                    member, most = archive.getinfo(f"{name}.npy"), 8 * math.prod(part.shape)
                    if member.file_size > most + (1 << 20):  # it would unpack to too much
                        found = f"found {member.file_size:,}"
                        raise DataError(f"expected {name} of at most {most:,} bytes, {found}")
                    arrays.append(_as_uint8(read_member(archive, member), name))
        except Exception as error:  # a damaged archive can raise any error
            raise DataError(
                f"{origin}: expected an npz file with the arrays {', '.join(names)}; it is damaged "
                f"or a different file ({error})"
            ) from error
        files = cast(tuple[IdxFile, ...], self.parts)
        return [file.verified(array, origin) for array, file in zip(arrays, files)]


class BatchFile(DataFile):
    """Images of CIFAR-10: records (N, 3073) of a label and the 3 x 32 x 32 values, a byte each."""

    def spellings(self) -> tuple[str, ...]:
        return (self.name, f"{_BATCHES}/{self.name}")

    def decode(self, stream: BinaryIO, origin: str) -> list[np.ndarray]:
        size = math.prod(self.shape)
        content = read_at_most(stream, size + 1)
        if len(content) != size:
            found = f"{len(content):,}" if len(content) < size else "more"
            raise DataError(f"{origin}: expected {size:,} bytes of {self.shape}, found {found}")
        records = np.frombuffer(content, np.uint8).reshape(self.shape)
        _check_labels(records[:, 0], origin)
        return [records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]]


class BatchArchive(DataFile):
    """The .tar.gz file with the batches, by MD5.  It is read in memory: nothing is extracted."""

    def decode(self, stream: BinaryIO, origin: str) -> list[np.ndarray]:
        self.compare(_md5(stream), origin)  # first, so that only published bytes are parsed
        stream.seek(0)
        wanted = {f"{_BATCHES}/{batch.name}": batch for batch in self.parts}
        found = {}
        try:
            with tarfile.open(fileobj=stream, mode="r|gz") as archive:
                for member in archive:
                    if batch := wanted.get(member.name):
                        content = cast(BinaryIO, archive.extractfile(member) or BytesIO())
                        found[batch] = batch.decode(content, f"{origin}: {member.name}")
            return [array for batch in self.parts for array in found[batch]]
        except (tarfile.TarError, KeyError) as error:
            raise DataError(f"{origin}: expected {', '.join(wanted)} in it ({error})") from error


def _check_labels(labels: np.ndarray, origin: str) -> None:
    if labels.size and labels.max() > 9:
        raise DataError(f"{origin}: expected labels 0..9, found {labels.max()}")


def _md5(stream: BinaryIO) -> str:
    stream.seek(0)
    md5 = partial(hashlib.md5, usedforsecurity=False)
    return hashlib.file_digest(stream, md5).hexdigest()  # type: ignore[arg-type]


def _as_uint8(array: np.ndarray, name: str) -> np.ndarray:
    """An array of integers in 0..255 as uint8."""
    if array.dtype.kind not in "iu":
        raise DataError(f"expected integers in {name}, found {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(f"expected 0..255 in {name}, found {array.min()}..{array.max()}")
    return array.astype(np.uint8, copy=False)
