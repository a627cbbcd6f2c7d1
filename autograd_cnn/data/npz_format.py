"""Arrays in .npz files, read whole: the checksum is compared, and every byte must belong."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from autograd_cnn.data.stored import SPARE, Stored

_HEADER = 1 << 14  # bytes that have the header of an array; NumPy reads 10,000 characters of it


def write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as `np.savez` does, under any names but those that a zip file would cut."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            if "\0" in name:
                raise ValueError(f"the name {name!r} holds a NUL, where a zip file would cut it")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def open_archive(file: BinaryIO, room: int = 0) -> tuple[zipfile.ZipFile, int]:
    """The archive in a file, and four times its size, `SPARE` and `room`: its share of memory.

    A directory that would take more raises ValueError, and a damaged one an error of any type.
    """
    limit = 4 * file.seek(0, os.SEEK_END) + SPARE + room
    file.seek(0)
    blocks = iter(partial(file.read, 1 << 20), b"")
    if 1000 * sum(block.count(b"PK\1\2") for block in blocks) > limit:
        raise ValueError("it lists too many arrays for its size")
    return zipfile.ZipFile(file), limit


def read_npz(file: BinaryIO) -> dict[str, Stored]:
    """What a file says of its arrays, by name; a damaged one raises an error of any type."""
    archive, _ = open_archive(file)
    found: dict[str, Stored] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in found:
            raise ValueError(f"it has {name[:80]!r} twice, or not as an array")
        with _open(archive, info) as member:
            shape, dtype = _announced(io.BytesIO(member.read(_HEADER)), info)
        found[name] = Stored(shape, dtype, partial(read_member, archive, info))
    return found


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The array in a member of an .npz file; a damaged one raises an error of any type.

    Memory is twice the size in the archive's directory, which the caller checks first.
    """
    with _open(archive, info) as member:
        stream = io.BytesIO(member.read(info.file_size))  # the last byte makes it compare the CRC
    _announced(stream, info)
    stream.seek(0)
    array: np.ndarray = npy.read_array(stream, allow_pickle=False)
    return array


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in an unknown way")
    return archive.open(info)  # type: ignore[return-value]


def _announced(stream: io.BytesIO, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the dtype in the header of an array, which fit the size of its member."""
    first = npy.read_magic(stream) == (1, 0)
    header = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
    shape, _, dtype = header(stream)
    expected, found = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
    if expected != found and not dtype.hasobject:  # NumPy refuses objects
        raise ValueError(f"{info.filename}: expected {expected:,} bytes of values, found {found:,}")
    return shape, dtype
