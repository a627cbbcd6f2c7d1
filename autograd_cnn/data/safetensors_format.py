"""The safetensors format: the length of a header, the header in JSON, and the values of arrays.

The length is a u64.  The header gives each name a dtype, a shape and a place ``[begin, end]`` among
the values, which are little-endian, in C order and without gaps.
Source: README.md of github.com/safetensors/safetensors.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from autograd_cnn.checks import shown
from autograd_cnn.data.limits import SPARE, memory_of_json

_CODES = {
    **{"U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8", "F32": "<f4", "U32": "<u4"},
    **{"I32": "<i4", "BF16": "<u2", "F16": "<f2", "U16": "<u2", "I16": "<i2", "I8": "i1"},
    **{"U8": "u1", "BOOL": "?"},
}
"""NumPy's names of the dtypes, in the order in which the safetensors library writes them.

BF16 is the upper half of a float32.
"""
_LONGEST, _METADATA = 100_000_000, "__metadata__"


def write_safetensors(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, byte for byte as the safetensors library does."""
    known = {np.dtype(code): kind for kind, code in _CODES.items()}
    kinds = {name: known.get(x.dtype.newbyteorder("<"), "") for name, x in arrays.items()}
    for name, kind in kinds.items():
        if not kind or name == _METADATA:
            raise ValueError(f"save_weights: {name}, {arrays[name].dtype}, needs an .npz file")
    order, header, end = list(_CODES), dict[str, Any](), 0
    for name in sorted(arrays, key=lambda name: (order.index(kinds[name]), name)):
        begin, end, shape = end, end + arrays[name].nbytes, arrays[name].shape
        header[name] = {"dtype": kinds[name], "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in header:
        file.write(arrays[name].astype(_CODES[kinds[name]], copy=False).tobytes())


def read_safetensors(file: BinaryIO, room: int) -> dict[str, np.ndarray]:
    """All arrays by name; a damaged file raises an error of any type."""
    size, _ = file.seek(0, os.SEEK_END), file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, _LONGEST):
        raise ValueError(f"it has {size:,} bytes, and announces a header of {length:,}")
    text = file.read(length)
    # Other letters take 4 bytes each, and let all of the text, and of a name, take as much.
    letters = 0 if text.isascii() and b"\\u" not in text else 8 * length
    if memory_of_json(text) + letters > 2 * size + SPARE + room:
        raise ValueError("its header would take too much memory for its size")
    header = json.loads(str(text, "utf-8"), object_pairs_hook=_unique)
    header.pop(_METADATA, None)
    found, start, end = dict[str, np.ndarray](), 8 + length, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
        if kind not in _CODES:
            raise ValueError(f"{shown(name)} has the dtype {shown(kind)}, which NumPy lacks")
        begin, end = end, end + math.prod(shape) * np.dtype(_CODES[kind]).itemsize
        whole = {type(n) for n in (*shape, *place)} == {int}
        if place != [begin, end] or start + end > size or not whole:
            where = f"{shown(place)} of {size - start:,} bytes"
            raise ValueError(f"{shown(name)}, {kind} of shape {shown(shape)}, is not at {where}")
        array: np.ndarray = np.ndarray(shape, _CODES[kind], file.read(end - begin))
        if kind == "BF16":
            array = np.left_shift(array, 16, dtype=np.uint32).view(np.float32)
        found[name] = array
    if start + end != size:
        raise ValueError(f"it has {size - start - end:,} bytes left over")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("its header has a name twice")
    return found
