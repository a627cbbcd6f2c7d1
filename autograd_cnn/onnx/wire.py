"""ONNX files as they are written: messages of Protocol Buffers, read as dicts of their fields.

The reader keeps values as views of the file and counts what it makes, so that hostile files take
little memory.
"""

from __future__ import annotations

import array
import struct
from typing import Any

from autograd_cnn.data.errors import DataError


def _schema(text: str) -> dict[str, dict[int, list[str]]]:
    """The fields of each message by number: a name, and a kind with a star if it may repeat."""
    rows = (line.split(": ") for line in text.strip().splitlines())
    split = {kind: [field.split() for field in fields.split(", ")] for kind, fields in rows}
    return {kind: {int(n): rest for n, *rest in fields} for kind, fields in split.items()}


_SCHEMA = _schema("""
Model: 7 graph Graph, 8 opset_import Opset*
Opset: 1 domain text, 2 version int
Graph: 1 node Node*, 5 initializer Tensor*, 11 input Value*, 12 output Value*, 15 sparse bytes*
Node: 1 input text*, 2 output text*, 3 name text, 4 op_type text, 5 attribute Attribute*, 7 domain text
Attribute: 1 name text, 2 f float, 3 i int, 4 s text, 5 t Tensor, 7 floats float*, 8 ints int*, 20 type int, 21 reference text
Tensor: 1 dims int*, 2 data_type int, 4 float_data float*, 5 int32_data int*, 7 int64_data int*, 8 name text, 9 raw_data bytes, 10 double_data double*, 11 uint64_data int*, 13 external_data Entry*, 14 location int
Entry: 1 key text, 2 value text
Value: 1 name text, 2 type Type
Type: 1 tensor TensorType
TensorType: 1 elem_type int
""")  # noqa: E501
_CODES = {"int": "q", "float": "f", "double": "d"}
_WIRES = {"int": 0, "float": 5, "double": 1}


class Reader:
    """Reads messages; `path` is for errors, and `budget` the bytes that they may take."""

    def __init__(self, path: str, budget: int) -> None:
        self.path, self.budget = path, budget

    def damage(self, problem: str) -> DataError:
        """The error for this file."""
        return DataError(f"{self.path}: {problem}")

    def charge(self, size: int) -> None:
        """Take `size` bytes from the budget."""
        self.budget -= size
        if self.budget < 0:
            raise self.damage("needs more memory than four times its size and 16 MB")

    def message(self, data: memoryview, kind: str) -> dict[str, Any]:
        """The fields of a message by name; those that repeat are lists or arrays."""
        found: dict[str, Any] = {}
        self.charge(1000 if kind == "Node" else 250)
        at = 0
        while at < len(data):
            key, at = self._varint(data, at)
            value, at = self._value(data, at, key & 7)
            name, form = _SCHEMA[kind].get(key >> 3, ("", ""))
            form, star, _ = form.partition("*")
            if star and form in _CODES:
                self._extend(
                    found.setdefault(name, array.array(_CODES[form])), value, key & 7, form
                )
            elif form:
                part = self._part(value, key & 7, form)
                if star:
                    found.setdefault(name, []).append(part)
                elif name in found and form in _SCHEMA:
                    raise self.damage(f"the {name} of a {kind} is there twice")
                else:
                    found[name] = part
        return found

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        """A number in groups of seven bits, and the place behind it."""
        found = 0
        for shift in range(0, 70, 7):
            if at == len(data):
                break
            byte = data[at]
            at += 1
            found |= (byte & 127) << shift
            if byte < 128:
                return found & (1 << 64) - 1, at
        raise self.damage("is no ONNX file, or is cut short or damaged")

    def _value(self, data: memoryview, at: int, wire: int) -> tuple[Any, int]:
        """A number or bytes, and the place behind it."""
        if wire == 0:
            return self._varint(data, at)
        size = {1: 8, 5: 4}.get(wire, 0)
        if wire == 2:
            size, at = self._varint(data, at)
        elif not size:
            raise self.damage("is no ONNX file, or is damaged")
        if size > len(data) - at:
            raise self.damage(f"a part of {size:,} bytes has only {len(data) - at:,}: cut short?")
        return data[at : at + size], at + size

    def _extend(self, numbers: array.array[Any], value: Any, wire: int, form: str) -> None:
        """Append one number, or many that are packed."""
        if wire not in (2, _WIRES[form]) or (form != "int" and len(value) % numbers.itemsize):
            raise self.damage("a list of numbers is damaged")
        self.charge(8 * len(value) if wire == 2 else 8)
        if form != "int":
            numbers.frombytes(value)
            return
        at = 0
        while wire == 2 and at < len(value):
            number, at = self._varint(value, at)
            numbers.append(_signed(number))
        if wire == 0:
            numbers.append(_signed(value))

    def _part(self, value: Any, wire: int, form: str) -> Any:
        if wire != _WIRES.get(form, 2):
            raise self.damage(f"a field of kind {form} is damaged")
        if form == "int":
            return _signed(value)
        if form == "float":
            return struct.unpack("<f", value)[0]
        if form in _SCHEMA:
            return self.message(value, form)
        self.charge(100 + (len(value) if form == "text" else 0))
        try:
            return str(value, "utf-8") if form == "text" else value
        except UnicodeDecodeError:
            raise self.damage("a name is not UTF-8") from None


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
