"""Arrays in .npz files, read whole: the checksum is compared, and every byte must belong."""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
from numpy.lib import format as npy


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
