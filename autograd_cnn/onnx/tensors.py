"""The arrays in ONNX files: numbers beside their dims, or in files beside the model."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from autograd_cnn.onnx.wire import Reader

_CODES = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2",
          11: "f8", 12: "u4", 13: "u8", 16: "u2"}  # fmt: skip
"""The dtype of each type of numbers; bfloat16, which NumPy lacks, as bits."""
_FIELDS = {
    1: "float_data",
    7: "int64_data",
    11: "double_data",
    12: "uint64_data",
    13: "uint64_data",
}
"""The field of numbers that are not raw, for most types int32_data."""
HALVES = (10, 16)
"""The types float16 and bfloat16, which are read as float32."""


def dtype_of(number: int) -> np.dtype[Any] | None:
    """The dtype of a type's number, float32 for bfloat16; None if NumPy has none."""
    return np.dtype("f4" if number == 16 else _CODES[number]) if number in _CODES else None


class Tensors:
    """Reads the tensors of one file; `halves` tells whether some were of 16 bits."""

    def __init__(self, reader: Reader, folder: str) -> None:
        self.reader, self.folder, self.halves = reader, os.path.realpath(folder), False
        self._known: set[str] = set()

    def read(self, tensor: dict[str, Any], where: str) -> np.ndarray:
        """The array of a tensor: a read-only view of the file, or one of its own."""
        number, dims = tensor.get("data_type", 0), tuple(tensor.get("dims", ()))
        if number not in _CODES:
            raise self.reader.damage(f"{where} has values of the type {number}, not real numbers")
        dtype = np.dtype(_CODES[number]).newbyteorder("<")
        count, field = math.prod(dims), _FIELDS.get(number, "int32_data")
        size = count * dtype.itemsize
        if any(n < 0 for n in dims) or size >= 1 << 60 or len(dims) > 32:
            raise self.reader.damage(f"{where} announces the shape {dims}")
        forms = [n for n in ("raw_data", field, "location") if tensor.get(n)]
        if len(forms) > 1:
            raise self.reader.damage(f"{where} has its values twice, as {' and '.join(forms)}")
        if forms == ["location"]:
            data = self._outside(tensor.get("external_data", []), size, where)
        else:
            data = tensor.get(forms[0] if forms else "raw_data", b"")
        found = len(data) if forms == [field] else len(data) / dtype.itemsize
        if found != count:
            raise self.reader.damage(
                f"{where} of shape {dims} needs {count:,} values, has {found:,}"
            )
        self.reader.charge(size * (2 if number in HALVES else 1))
        array = self._listed(data, dtype, where) if forms == [field] else np.frombuffer(data, dtype)
        if number == 16:
            array = array.astype(np.uint32)
            array <<= np.uint32(16)
            array = array.view(np.float32)
        if number in HALVES:
            self.halves = True
            array = array.astype(np.float32, copy=False)
        return (array.view("u1") != 0 if number == 9 else array).reshape(dims)

    def _listed(self, numbers: Any, dtype: np.dtype[Any], where: str) -> np.ndarray:
        """Numbers of a list, in a dtype that must hold them; float16 is given as bits."""
        array = np.frombuffer(numbers, numbers.typecode)
        if numbers.typecode != "q":
            return array.astype(dtype)
        whole = np.dtype("u2" if dtype.kind == "f" else "u1" if dtype.kind == "b" else dtype)
        array = array.view(np.uint64) if whole == np.uint64 else array
        exact = array.astype(whole)
        if not np.array_equal(exact, array):
            raise self.reader.damage(f"{where} has numbers beyond its type {dtype.name}")
        return exact.view(dtype)

    def _outside(self, entries: list[dict[str, str]], size: int, where: str) -> bytes:
        """`size` bytes of a file in the folder of the model, which it may not leave."""
        given = {entry.get("key"): entry.get("value", "") for entry in entries}
        location = given.get("location", "")
        parts = location.replace("\\", "/").split("/")
        path = os.path.realpath(os.path.join(self.folder, location.replace("\0", "")))
        inside = os.path.commonpath((self.folder, path)) == self.folder
        if ".." in parts or os.path.isabs(location) or not inside or not os.path.isfile(path):
            raise self.reader.damage(
                f"{where} has its values in {location!r}, which is no file in the model's folder"
            )
        there = os.path.getsize(path)
        if path not in self._known:
            self._known.add(path)
            self.reader.budget += 3 * there
        numbers = [given.get("offset", "0"), given.get("length", str(size))]
        start, length = (int(n) if n.isdecimal() and len(n) < 20 else -1 for n in numbers)
        if length != size or not 0 <= start <= there - size:
            raise self.reader.damage(
                f"{where} needs {size:,} bytes; the file says {length:,} from {start:,} on in "
                f"{location!r}, which has {there:,}"
            )
        self.reader.charge(size)
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)
