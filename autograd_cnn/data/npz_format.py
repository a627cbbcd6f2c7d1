"""Arrays in .npz files, read whole: every checksum is compared, and every byte must belong."""

from __future__ import annotations

import ast
import math
import zipfile

import numpy as np

_MAGIC, _LONGEST_HEADER = b"\x93NUMPY", 10_000  # NumPy's own limit, for the sake of the parser


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The array in a member of an .npz file; a damaged one raises an error of any type.

    Memory follows the size in the archive's directory, which the caller checks first.
    """
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in an unknown way")
    content, at = bytearray(info.file_size), 0
    with archive.open(info) as member:  # the last byte makes zipfile compare the CRC
        while block := member.read(1 << 20):
            content[at : at + len(block)] = block
            at += len(block)
    if content[:6] != _MAGIC or at != info.file_size:
        raise ValueError(f"{info.filename} is not a whole array")
    version = content[6]
    start = 10 if version == 1 else 12
    end = start + int.from_bytes(content[8:start], "little")
    if end > _LONGEST_HEADER:
        raise ValueError(f"{info.filename} has a header of {end:,} bytes")
    header = ast.literal_eval(content[start:end].decode("latin1" if version < 3 else "utf8"))
    dtype, shape = np.lib.format.descr_to_dtype(header["descr"]), header["shape"]
    if dtype.hasobject:
        raise ValueError("Object arrays are never loaded")
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - end
    if expected != found:
        raise ValueError(
            f"{info.filename}: expected {expected:,} bytes of {dtype} {shape}, found {found:,}"
        )
    array: np.ndarray = np.ndarray(
        shape, dtype, content, end, order="F" if header["fortran_order"] else "C"
    )
    return np.require(array, requirements=["ALIGNED"])
