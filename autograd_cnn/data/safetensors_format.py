"""The safetensors format: the length of a header, the header, and the values of arrays.

The length is a little-endian u64.  The header is a JSON object that gives each name a dtype, a
shape and a place ``[begin, end]`` among the values.  The values are little-endian, in C order and
without gaps.  Source: README.md of github.com/safetensors/safetensors.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from autograd_cnn.data.stored import SPARE, Stored, affordable, memory_of_json

_CODES = {
    **{"U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8", "F32": "<f4", "U32": "<u4"},
    **{"I32": "<i4", "BF16": "<u2", "F16": "<f2", "U16": "<u2", "I16": "<i2", "I8": "i1"},
    **{"U8": "u1", "BOOL": "?"},
}
"""NumPy's names of the dtypes, in the order in which the safetensors library writes them.

BF16 is the upper half of a float32.
"""
_LONGEST, _METADATA = 100_000_000, "__metadata__"
_FIELDS = {"dtype": str, "shape": list, "data_offsets": list}


def write_safetensors(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, byte for byte as the safetensors library does."""
    codes = {np.dtype(code): (rank, kind) for rank, (kind, code) in enumerate(_CODES.items())}
    ranked, header, end = list[tuple[int, str, str]](), dict[str, Any](), 0
    for name, array in arrays.items():
        code = codes.get(array.dtype.newbyteorder("<"))
        if code is None or name == _METADATA:
            problem = f"the dtype {array.dtype}" if code is None else "a name of its own"
            raise ValueError(f"{name} has {problem} in this format; write an .npz file")
        ranked.append((code[0], name, code[1]))
    for _, name, kind in sorted(ranked):
        begin, end = end, end + arrays[name].nbytes
        header[name] = {"dtype": kind, "shape": arrays[name].shape, "data_offsets": (begin, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = affordable(text, end)
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in header:
        array = arrays[name]
        file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def read_safetensors(file: BinaryIO) -> dict[str, Stored]:
    """What a file says of its arrays, by name; a damaged one raises an error of any type."""
    size, _ = file.seek(0, os.SEEK_END), file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    values = size - 8 - length
    if values < 0 or length > _LONGEST:
        raise ValueError(f"it has {size:,} bytes and announces a header of {length:,}")
    text = file.read(length)
    # Text with other letters takes 4 bytes for each, and as many in a name.
    others = 0 if text.isascii() and b"\\u" not in text else 8 * length
    if memory_of_json(text) + others > 2 * size + SPARE:
        raise ValueError("its header would take too much memory for its size")
    header = json.loads(str(text, "utf-8"), object_pairs_hook=_unique)
    metadata = header.pop(_METADATA, {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or any(type(x) is not str for x in metadata.values()):
        raise ValueError(f"its header is no JSON object, or its {_METADATA} no object of text")
    found, ends = dict[str, Stored](), 0
    for (begin, end), name in sorted((_place(name, header[name]), name) for name in header):
        if begin != ends:
            raise ValueError(f"{name[:80]!r} begins at byte {begin:,}, and should at {ends:,}")
        code, shape, ends = header[name]["dtype"], tuple(header[name]["shape"]), end
        dtype = np.dtype(np.float32 if code == "BF16" else _CODES[code])
        found[name] = Stored(shape, dtype, partial(_read, file, size - values + begin, code, shape))
    if ends != values:
        raise ValueError(f"it has {values:,} bytes of values, and announces {ends:,}")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Where the values of an entry of the header begin and end."""
    if not isinstance(entry, dict) or {key: type(x) for key, x in entry.items()} != _FIELDS:
        raise ValueError(f"{name[:80]!r} has other fields than {', '.join(_FIELDS)}")
    code, shape, place = (entry[key] for key in _FIELDS)
    if len(place) != 2 or any(type(n) is not int or n < 0 for n in (*shape, *place)):
        raise ValueError(f"{name[:80]!r} has sizes that are none")
    if code not in _CODES:
        raise ValueError(f"{name[:80]!r} has the dtype {code[:20]!r}, which NumPy lacks")
    begin, end = place
    size = math.prod(shape) * np.dtype(_CODES[code]).itemsize
    if end - begin != size:
        raise ValueError(f"{name[:80]!r} has {end - begin:,} bytes for {size:,} of values")
    return begin, end


def _read(file: BinaryIO, start: int, code: str, shape: tuple[int, ...]) -> np.ndarray:
    file.seek(start)
    dtype = np.dtype(_CODES[code])
    array: np.ndarray = np.ndarray(shape, dtype, file.read(math.prod(shape) * dtype.itemsize))
    return array if code != "BF16" else np.left_shift(array, 16, dtype=np.uint32).view(np.float32)
