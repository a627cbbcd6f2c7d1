"""The IDX format of MNIST: a magic number, big-endian sizes, then the values in row-major order.

Bytes: 0, 0, type code, number of axes; one 4-byte size per axis; the values, big-endian.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from typing import BinaryIO, cast

import numpy as np

from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath

_DTYPES = {
    code: np.dtype(name)
    for code, name in {8: "u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}.items()
}
_CHUNK = 1 << 20
_MOST = 32  # times the size of a gzip file; MNIST unpacks to 5 times


def read_idx(path: AnyPath) -> np.ndarray:
    """The array in an IDX file, plain or gzip-compressed.

    The file's header gives the shape and the dtype: uint8, int8, int16, int32, float32 or float64.
    So it reads EMNIST and sets of your own.  A damaged file, one that is shorter or longer than its
    header says, and one that unpacks to over 32 times its size raise DataError.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    with open(os.fsdecode(path), "rb") as file:
        return decode_idx(file, os.fsdecode(path))


def decode_idx(file: BinaryIO, name: str, *, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The array in an open, seekable IDX file; `name` is for messages.

    With `shape`, the header must announce uint8 values of that shape; it is checked before they are
    read.  At most one byte more than the header announces is read.
    """
    start = file.read(2)
    most = _MOST * file.seek(0, os.SEEK_END) + (1 << 24)
    file.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if start == b"\x1f\x8b" else file
    try:
        dtype, found = read_header(stream, name)
        if shape is not None and (dtype != np.uint8 or found != shape):
            raise DataError(f"{name}: expected uint8 {shape}, found {dtype.name} {found}")
        expected = math.prod(found) * dtype.itemsize
        if stream is not file and shape is None and expected > most:
            raise DataError(
                f"{name}: it unpacks to {expected:,} bytes; if that is right, unpack it"
            )
        content = read_at_most(stream, expected + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: damaged gzip file ({error})") from error
    if len(content) != expected:
        size = f"{len(content):,}" if len(content) < expected else "more"
        raise DataError(
            f"{name}: expected {expected:,} bytes of {dtype.name} {found} after the header, "
            f"found {size}"
        )
    try:
        array: np.ndarray = np.ndarray(found, dtype, content)
    except ValueError as error:
        raise DataError(f"{name}: an array of shape {found} is not possible ({error})") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_header(stream: BinaryIO, name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """The dtype and the shape that an IDX header announces."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        found = f"the bytes {magic.hex(' ')}" if magic else "an empty file"
        raise DataError(
            f"{name}: expected an IDX file, which starts with 00 00, a type code "
            f"(08, 09, 0b, 0c, 0d, 0e) and the number of axes; found {found}"
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(
            f"{name}: expected the sizes of {magic[3]} axes, found {len(sizes)} bytes of them"
        )
    return _DTYPES[magic[2]], tuple(np.frombuffer(sizes, ">u4").tolist())


def read_at_most(stream: BinaryIO, limit: int) -> bytearray:
    """At most `limit` bytes of `stream`; memory grows with the bytes that arrive."""
    content = bytearray()
    while chunk := stream.read(min(_CHUNK, limit - len(content))):
        content += chunk
    return content


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256, in hex, of the plain IDX file that holds this uint8 array."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
