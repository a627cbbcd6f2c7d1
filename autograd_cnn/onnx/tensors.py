"""The arrays in ONNX files: numbers beside their dims, or in files beside the model."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from autograd_cnn.onnx.wire import Reader

_KINDS = {
    **{1: ("f4", "float_data"), 2: ("u1", "int32_data"), 3: ("i1", "int32_data")},
    **{4: ("u2", "int32_data"), 5: ("i2", "int32_data"), 6: ("i4", "int32_data")},
    **{7: ("i8", "int64_data"), 9: ("?", "int32_data"), 10: ("f2", "int32_data")},
    **{11: ("f8", "double_data"), 12: ("u4", "uint64_data"), 13: ("u8", "uint64_data")},
    16: ("u2", "int32_data"),
}
"""The dtype of each type of numbers, and the field that holds them unless they are raw."""
HALVES = (10, 16)
"""The types float16 and bfloat16, which are read as float32."""
_OTHERS = {8: "strings", 14: "complex numbers", 15: "complex numbers", 0: "no type"}


def dtype_of(number: int) -> np.dtype[Any] | None:
    """The dtype of a type's number, bfloat16 as float32; None if NumPy has none."""
    return np.dtype("f4" if number == 16 else _KINDS[number][0]) if number in _KINDS else None


class Tensors:
    """Reads the tensors of one file; `halves` tells whether some were of 16 bits."""

    def __init__(self, reader: Reader, folder: str) -> None:
        self.reader, self.folder, self.halves = reader, folder, False
        self._sizes: dict[str, int] = {}

    def read(self, tensor: dict[str, Any], where: str) -> np.ndarray:
        """The array of a tensor: a view of the file where it can be."""
        number, dims = tensor.get("data_type", 0), tuple(tensor.get("dims", ()))
        if number not in _KINDS:
            found = _OTHERS.get(number, f"numbers of the type {number}")
            raise self.reader.damage(f"{where} holds {found}, which have no form here")
        code, field = _KINDS[number]
        dtype = np.dtype(code).newbyteorder("<")
        size = math.prod(dims) * dtype.itemsize
        if any(n < 0 for n in dims) or size >= 1 << 60 or len(dims) > 32:
            raise self.reader.damage(f"{where} announces the shape {dims}")
        forms = [n for n in ("raw_data", field) if tensor.get(n)] + ["external"] * (
            tensor.get("location", 0) == 1
        )
        if len(forms) > 1:
            raise self.reader.damage(f"{where} has its values twice, as {' and '.join(forms)}")
        if forms == ["external"]:
            found = self._outside(tensor.get("external_data", []), size, where)
            array = np.frombuffer(found, dtype)
        elif forms == [field]:
            array = self._listed(tensor[field], dtype, where)
        else:
            array = np.frombuffer(self._fits(tensor.get("raw_data", b""), size, where), dtype)
        if array.size != math.prod(dims):
            raise self.reader.damage(f"{where} of shape {dims} holds {array.size:,} values")
        if number in HALVES:
            self.halves = True
            self.reader.charge(size)
            bits = array.astype(np.uint32) << np.uint32(16) if number == 16 else array
            array = bits.view(np.float32) if number == 16 else array.astype(np.float32)
        return array.reshape(dims)

    def _fits(self, data: Any, size: int, where: str) -> Any:
        if len(data) != size:
            raise self.reader.damage(f"{where}: expected {size:,} bytes, found {len(data):,}")
        return data

    def _listed(self, numbers: Any, dtype: np.dtype[Any], where: str) -> np.ndarray:
        """Numbers of a list, in a dtype that holds them; those of 16 bits are given as bits."""
        array = np.frombuffer(numbers, numbers.typecode)
        if dtype.kind != "f" or dtype.itemsize == 2:
            info = np.iinfo("u2" if dtype.kind == "f" else "u1" if dtype.kind == "b" else dtype)
            array = array.view(np.uint64) if info.max > 1 << 63 else array
            if array.size and not info.min <= array.min() <= array.max() <= info.max:
                raise self.reader.damage(f"{where} holds numbers beyond its type {dtype.name}")
            array = array.astype("u2").view("f2") if dtype.kind == "f" else array
        return array.astype(dtype)

    def _outside(self, entries: list[dict[str, str]], size: int, where: str) -> bytes:
        """`size` bytes of a file in the folder of the model, which it may not leave."""
        given = {entry.get("key"): entry.get("value", "") for entry in entries}
        location, folder = given.get("location", ""), os.path.realpath(self.folder)
        path = os.path.realpath(os.path.join(folder, location))
        leaves = os.path.isabs(location) or ".." in location.replace("\\", "/").split("/")
        if leaves or not location or "\0" in location or os.path.commonpath((folder, path)) != folder:
            raise self.reader.damage(
                f"{where} has its values in {location!r}; only files in the model's folder are read"
            )
        if not os.path.isfile(path):
            raise self.reader.damage(f"{where} has its values in {location!r}, which is no file")
        try:
            start, length = int(given.get("offset", 0)), int(given.get("length", size))
        except ValueError:
            raise self.reader.damage(f"{where}: offset or length is no number") from None
        there = os.path.getsize(path)
        if path not in self._sizes:
            self._sizes[path] = there
            self.reader.budget += 3 * there
        if length != size or start < 0 or start + size > there:
            raise self.reader.damage(
                f"{where} needs {size:,} bytes; {location!r} has {there:,}, of which it announces "
                f"{length:,} from {start:,} on"
            )
        self.reader.charge(size)
        with open(path, "rb") as file:
            file.seek(start)
            return self._fits(file.read(size), size, where)
