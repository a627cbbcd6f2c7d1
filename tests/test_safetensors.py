"""The safetensors format: byte for byte the library's, and no file is believed unless it tiles."""

from __future__ import annotations

import io
import json
import math
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_cnn import nn
from autograd_cnn.data import DataError
from autograd_cnn.data.safetensors_format import read_safetensors, write_safetensors
from tests.test_files_damage import BIG, chosen, each_flipped, peak_of

library = pytest.importorskip("safetensors", reason="the library is the oracle: the extra 'test'")
oracle = pytest.importorskip("safetensors.numpy", reason="the library is the oracle")

KINDS = ("u8", "i8", "f8", "c8", "f4", "u4", "i4", "f2", "u2", "i2", "i1", "u1", "?")
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
ARRAYS = st.sampled_from(KINDS).flatmap(lambda kind: hnp.arrays(kind, SHAPES))
LETTERS = st.characters(exclude_categories=["Cs"])  # lone halves of letters have no UTF-8
NAMES = st.text(LETTERS, max_size=6).filter(lambda name: name != "__metadata__")
STATES = st.dictionaries(
    NAMES | st.sampled_from(["a", "a.b", '"', "\\", "\n\x7f", "é", "😀"]), ARRAYS
)


def written(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    write_safetensors(file, arrays)
    return file.getvalue()


def read(raw: bytes) -> dict[str, np.ndarray]:
    return read_safetensors(io.BytesIO(raw), 0)


def bits(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """All that there is to an array but its strides."""
    return {k: (x.shape, x.dtype.newbyteorder("="), x.tobytes()) for k, x in arrays.items()}


@given(STATES, st.sampled_from(["C", "F", "turned"]), st.booleans())
@example({}, "C", False)
def test_a_file_is_byte_for_byte_the_library_s(
    arrays: dict[str, np.ndarray], order: Any, swapped: bool
) -> None:
    """Whatever the strides and the byte order in memory; and it is read back bit for bit."""
    if order == "turned":
        held = {name: np.flip(np.flip(x).copy()) for name, x in arrays.items()}
    else:
        held = {name: np.array(x, order=order) for name, x in arrays.items()}
    if swapped:
        held = {name: x.astype(x.dtype.newbyteorder(">")) for name, x in held.items()}
    raw = written(held)
    assert raw == oracle.save(arrays)
    assert bits(read(raw)) == bits(arrays)


@given(STATES, st.dictionaries(st.text(LETTERS), st.text(LETTERS)))
def test_what_the_library_writes_is_read(
    arrays: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    assume(arrays or metadata)  # the library cannot read what it writes of neither
    assert bits(read(oracle.save(arrays, metadata))) == bits(arrays)


@given(hnp.arrays("u2", SHAPES))
def test_bfloat16_is_the_upper_half_of_a_float32(upper: np.ndarray) -> None:
    half = upper.astype("<u2").tobytes()
    spec = {"dtype": "BF16", "shape": upper.shape, "data_offsets": (0, len(half))}
    raw = whole({"x": spec}, half)
    library.deserialize(raw)  # it is a file
    found = read(raw)["x"]
    assert (found.dtype, found.shape) == (np.float32, upper.shape)
    exact = [struct.unpack("<f", b"\0\0" + half[k : k + 2])[0] for k in range(0, len(half), 2)]
    np.testing.assert_array_equal(found.ravel(), np.array(exact, np.float32))


# ------------------------------------------------------------------------------------- damaged headers


def whole(header: Any, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(begin: Any, end: Any, shape: Any = (2,), dtype: Any = "F32", **more: Any) -> Any:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


VALUES = st.sampled_from(
    [
        0,
        1,
        -1,
        2,
        4,
        8,
        2**32,
        2**63,
        2**64,
        10**30,
        1.0,
        0.5,
        True,
        None,
        "F32",
        "F64",
        "x",
        [],
        {},
    ]
) | st.sampled_from(["F8_E4M3", "BF16", "BOOL", [2], [2, 2], [0, 0], [0, 8], [8, 8], [8, 16], [-1]])


EIGHT = bytes(8)


@st.composite
def headers(draw: Any) -> tuple[Any, int]:
    """A header with one to three arrays, up to two wrong places, and the size of the values."""
    found, end = {}, 0
    for name in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        shape, kind = draw(st.lists(st.integers(0, 3), max_size=2)), draw(st.sampled_from(KINDS))
        size = math.prod(shape) * np.dtype(kind).itemsize
        code = "BOOL" if kind == "?" else f"{kind[0].upper()}{int(kind[-1]) * 8}"
        found[name] = entry(end, end + size, shape, code)
        end += size
    for _ in range(draw(st.integers(0, 2))):
        spec = found[draw(st.sampled_from(sorted(found)))]
        key = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        if key != "dtype" and spec.get(key) and draw(st.booleans()) and isinstance(spec[key], list):
            spec[key][draw(st.integers(0, len(spec[key]) - 1))] = draw(VALUES)
        elif draw(st.integers(0, 4)):
            spec[key] = draw(VALUES)
        else:
            spec.pop(key, None)
    return found, max(0, end + draw(st.sampled_from([0, 0, 0, -1, 1, 8])))


def agrees_with_the_library(raw: bytes) -> bool:
    """Whether a file is read: then the library reads the same arrays in it."""
    try:
        found = read(raw)
    except Exception:
        return False
    expected = dict(library.deserialize(raw))
    assert set(found) == set(expected)
    for name, x in found.items():
        spec = expected[name]
        assert list(x.shape) == list(spec["shape"])
        if spec["dtype"] != "BF16":
            assert x.tobytes() == bytes(spec["data"])
    return True


def test_the_check_finds_a_reader_that_believes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    right, gap = whole({"a": entry(0, 8)}, EIGHT), whole({"a": entry(4, 12)}, bytes(12))
    monkeypatch.setitem(globals(), "read", lambda raw: {"a": np.zeros(2, np.float32)})
    assert agrees_with_the_library(right)
    with pytest.raises(library.SafetensorError):
        agrees_with_the_library(gap)
    with pytest.raises(AssertionError):
        agrees_with_the_library(right[:-1] + b"x")


@given(headers())
@settings(derandomize=True)
def test_a_header_with_wrong_values_is_refused_or_means_the_same_to_the_library(case: Any) -> None:
    header, size = case
    agrees_with_the_library(whole(header, bytes(size)))


SMALL = written({"a": np.arange(3.0, dtype="f4"), "b.c": np.ones((2, 0), "i8"), "é": np.array(5)})
HEADER = 8 + int.from_bytes(SMALL[:8], "little")


@given(
    st.lists(st.tuples(st.integers(0, HEADER - 1), st.binary(max_size=2), st.integers(0, 2))),
)
def test_a_header_with_changed_bytes_is_refused_or_means_the_same_to_the_library(
    edits: list[tuple[int, bytes, int]],
) -> None:
    raw = bytearray(SMALL)
    for place, new, removed in edits:
        raw[place : place + removed] = new
    raw[:8] = SMALL[:8] if len(raw) == len(SMALL) else raw[:8]
    agrees_with_the_library(bytes(raw))


def test_a_file_that_is_cut_anywhere_is_refused() -> None:
    assert agrees_with_the_library(SMALL)
    for length in range(len(SMALL)):
        with pytest.raises(ValueError, match="announces|Expecting|left over|is not at"):
            read(SMALL[:length])


def test_every_bit_of_the_header(tmp_path: Path) -> None:
    """An error, or the arrays that the library finds: a name may be another one."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(SMALL)
    refused = 0
    for _ in each_flipped(path, chosen(8 * HEADER, 300, 8 * HEADER)):
        refused += not agrees_with_the_library(path.read_bytes())
    assert refused > 200


# ------------------------------------------------------------------------------------- hostile files

EMPTY = b'{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "has 0 bytes"),
    "seven bytes": (lambda: bytes(7), "has 7 bytes"),
    "eight bytes": (lambda: bytes(8), "Expecting value"),
    "a length beyond the file": (lambda: (2**63).to_bytes(8, "little") + b"{}", "announces a h"),
    "the largest length": (lambda: b"\xff" * 8 + b"{}", "announces a header of 18,446,744"),
    "a length of one more": (lambda: (3).to_bytes(8, "little") + b"{}", "has 10 bytes"),
    "a list": (lambda: whole([]), "."),
    "a number": (lambda: whole(3), "."),
    "no JSON": (lambda: whole(b"{'a': 1}"), "Expecting property name"),
    "two objects": (lambda: whole(b"{}{}"), "Extra data"),
    "UTF-16": (lambda: whole("{}".encode("utf-16")), "codec can't decode"),
    "no UTF-8": (lambda: whole(b'{"\xff": 1}'), "codec can't decode"),
    "a name twice": (
        lambda: whole(b'{"a":%b,"a":%b}' % ((json.dumps(entry(0, 8)).encode(),) * 2), EIGHT),
        "a name twice",
    ),
    "a field twice": (
        lambda: whole(
            b'{"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]}}', EIGHT
        ),
        "a name twice",
    ),
    "no fields": (lambda: whole({"a": {}}), "data_offsets"),
    "text for fields": (lambda: whole({"a": "F32"}), "."),
    "an unknown dtype": (
        lambda: whole({"a": entry(0, 2, dtype="F8_E4M3")}, b"12"),
        "'a' has the dtype 'F8_E4M3', which NumPy lacks",
    ),
    "a list for a dtype": (lambda: whole({"a": entry(0, 8, dtype=["F32"])}, EIGHT), "unhashable"),
    "a size that the shape has not": (
        lambda: whole({"a": entry(0, 8, [3])}, EIGHT),
        r"'a', F32 of shape \[3\], is not at \[0, 8\] of 8 bytes",
    ),
    "a larger dtype": (lambda: whole({"a": entry(0, 8, dtype="F64")}, EIGHT), "is not at"),
    "beyond the end": (lambda: whole({"a": entry(0, 8)}, bytes(4)), "of 4 bytes"),
    "far beyond the end": (lambda: whole({"a": entry(0, 4 * BIG, [BIG])}, EIGHT), "of 8 bytes"),
    "negative places": (lambda: whole({"a": entry(-8, 0)}, EIGHT), "is not at"),
    "a negative shape": (lambda: whole({"a": entry(0, 8, [-1, -2])}, EIGHT), "negative dim"),
    "a negative size": (lambda: whole({"a": entry(0, -4, [-1])}), "must be non-negative"),
    "a shape beyond 64 bits": (
        lambda: whole({"a": entry(0, 0, [2**62, 2**62, 0])}),
        "too big|too large|maximum",
    ),
    "a shape that wraps to what is there": (
        lambda: whole({"a": entry(0, 8, [2**62 + 1, 8], "U8")}, EIGHT),
        "is not at",
    ),
    "a number of 5,000 digits": (lambda: whole(b'{"a":%b}' % (b"1" * 5000)), "Exceeds the limit"),
    "places that are no integers": (lambda: whole({"a": entry(0.0, 8.0)}, EIGHT), "is not at"),
    "a shape of bools": (lambda: whole({"a": entry(0, 4, [True])}, bytes(4)), "is not at"),
    "three places": (
        lambda: whole({"a": {**entry(0, 8), "data_offsets": [0, 8, 8]}}, EIGHT),
        "is not at",
    ),
    "65 axes": (lambda: whole({"a": entry(0, 4, [1] * 65)}, bytes(4)), "maximum supported dim"),
    "NaN": (lambda: whole(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'), "."),
    "one place for two": (lambda: whole({"a": entry(0, 8), "b": entry(0, 8)}, EIGHT), "is not at"),
    "overlapping": (lambda: whole({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)), "is not at"),
    "a gap": (lambda: whole({"a": entry(0, 8), "b": entry(12, 20)}, bytes(20)), "is not at"),
    "a gap in front": (lambda: whole({"a": entry(4, 12)}, bytes(12)), "is not at"),
    "bytes left over": (lambda: whole({"a": entry(0, 8)}, bytes(9)), "1 bytes left over"),
    "values and no arrays": (lambda: whole({}, EIGHT), "8 bytes left over"),
    "deep": (lambda: whole(b'{"a":' + b"[" * 10**5), "recursion|depth"),
    "deep objects": (lambda: whole(b'{"a":' * 10**5), "recursion|depth|memory"),
    "many empty arrays": (
        lambda: whole(b"{%b}" % b",".join(b'"%d":%b' % (k, EMPTY) for k in range(400_000))),
        "too much memory",
    ),
    "many lists": (lambda: whole(b'{"a":[' + b"[]," * 4_000_000 + b"[]]}"), "too much memory"),
    "many numbers": (lambda: whole(b'{"a":[' + b"1," * 8_000_000 + b"1]}"), "too much memory"),
    "one long name": (lambda: whole(b'{"%b":1}' % (b"a" * 20_000_000)), "."),
    "one long name in another script": (
        lambda: whole(f'{{"😀{"a" * 20_000_000}":1}}'.encode()),
        "too much memory",
    ),
    "one long name with an escape": (
        lambda: whole(b'{"\\ud83d\\ude00%b":1}' % (b"a" * 20_000_000)),
        "too much memory",
    ),
    "a header of 101 MB": (lambda: whole(b"{" + b" " * 101_000_000 + b"}"), "announces a header"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    make, reason = HOSTILE[name]
    path, net = tmp_path / "net.safetensors", nn.Linear(2, 1)
    path.write_bytes(make())
    before = bits(net.state_dict())
    with pytest.raises(
        DataError, match=rf"net\.safetensors: expected weights, but .*{reason}"
    ) as caught:
        peak_of(lambda: nn.load_weights(net, path), path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    assert bits(net.state_dict()) == before


def test_legitimate_files_take_little_memory(tmp_path: Path) -> None:
    """Two million numbers of two bytes, for a model of four; and thousands of small arrays."""
    path, net, size = tmp_path / "net.safetensors", nn.Module(), 2_000_000
    net.x = nn.Parameter(np.ones(size, np.float32))
    for kind in ("BF16", "F16"):
        path.write_bytes(whole({"x": entry(0, 2 * size, [size], kind)}, bytes(2 * size)))
        peak_of(lambda: nn.load_weights(net, path), path)
        assert not net.x.array.any()
    net = nn.Module()
    net.parts = {str(k): nn.Parameter(np.ones((1, 1), np.float32)) for k in range(3000)}
    nn.save_weights(net, path)
    peak_of(lambda: nn.load_weights(net, path), path)


@pytest.mark.skipif(sys.byteorder != "little", reason="the file's bytes are compared with memory's")
def test_a_header_of_the_library_is_a_multiple_of_eight_bytes() -> None:
    for length in range(9):
        raw = written({"a" * length: np.ones(1, "f4")})
        assert int.from_bytes(raw[:8], "little") % 8 == 0


def test_what_the_format_has_no_place_for() -> None:
    for name, array in (
        ("x", np.ones(2, np.complex128)),
        ("x", np.array(["a"])),
        ("x", np.ones(2, object)),
        ("__metadata__", np.ones(2, np.float32)),
    ):
        with pytest.raises(ValueError, match=rf"save_weights: {name}, .* needs an \.npz file"):
            written({name: array})
    with pytest.raises(ValueError, match="surrogates not allowed"):
        written({"\ud800": np.ones(1)})
