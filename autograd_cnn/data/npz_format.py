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

from autograd_cnn.data.limits import SPARE


def write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as `np.savez` does, under any names without a NUL."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def read_npz(file: BinaryIO, room: int) -> dict[str, np.ndarray]:
    """All arrays by name; see `open_archive`."""
    archive, _ = open_archive(file, room)
    members = archive.infolist()
    found = {m.filename.removesuffix(".npy"): read_member(archive, m) for m in members}
    if len(found) < len(members):
        raise ValueError("it has two arrays of one name")
    return found


def open_archive(file: BinaryIO, room: int) -> tuple[zipfile.ZipFile, int]:
    """The archive in an .npz file, and the bytes of memory left beside its arrays.

    Reading may take four times the size of the file, `SPARE` and `room`.  What needs more raises
    ValueError, and what is damaged an error of any type.
    """
    limit = 4 * file.seek(0, os.SEEK_END) + SPARE + room
    file.seek(0)
    blocks = iter(partial(file.read, 1 << 20), b"")
    if 1000 * sum(block.count(b"PK\1\2") for block in blocks) > limit:
        raise ValueError("it lists too many arrays for its size")
    archive = zipfile.ZipFile(file)
    limit -= 2 * sum(info.file_size for info in archive.infolist())
    if limit < 0:
        raise ValueError("its arrays would take too much memory for its size")
    return archive, limit


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The array in a member of an .npz file; a damaged one raises an error of any type.

    Memory is twice the size in the archive's directory, which the caller checks first.
    """
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in an unknown way")
    with archive.open(info) as member:
        stream = io.BytesIO(member.read(info.file_size))  # the last byte makes it compare the CRC
    first = npy.read_magic(stream) == (1, 0)
    header = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
    shape, _, dtype = header(stream)
    expected, found = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
    if expected != found and not dtype.hasobject:  # NumPy refuses objects
        raise ValueError(f"{info.filename}: expected {expected:,} bytes of values, found {found:,}")
    stream.seek(0)
    array: np.ndarray = npy.read_array(stream, allow_pickle=False)
    return array
