"""Damaged and hostile files: an error or the same data, within a bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from autograd_cnn import data, nn, optim
from autograd_cnn.data.image_sets import load
from autograd_cnn.training import CheckpointError, load_checkpoint, save_checkpoint
from autograd_cnn.training.archive import read_archive
from tests.test_data_sets import (
    MADE,
    NAMES,
    NPZ,
    PACKED,
    PLAIN,
    check,
    no_other_places,
    npz,
    source,
)
from tests.training_run import described, states

__all__ = ["no_other_places"]  # a fixture that every test here uses by itself
THOROUGH = settings().max_examples > 15


# ---------------------------------------------------------------------------------------- flipped bits


def chosen(bits: int, sampled: int, thorough: int, seed: int = 0) -> list[int]:
    """Bits drawn from so many: all of them if `thorough` is at least their number."""
    count = thorough if THOROUGH else sampled
    if count >= bits:
        return list(range(bits))
    return np.random.default_rng(seed).choice(bits, count, replace=False).tolist()


def each_flipped(path: Path, bits: list[int]) -> Iterator[int]:
    """Yields each bit of the file at `path` while it is flipped there."""
    with open(path, "r+b", buffering=0) as file:
        for bit in bits:
            file.seek(bit // 8)
            (old,) = file.read(1)
            for value in (old ^ 1 << bit % 8, old):
                file.seek(bit // 8)
                file.write(bytes([value]))
                if value != old:
                    yield bit


def small_parts(seed: int, width: int = 130) -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    for p in model.parameters():
        p.data = np.random.default_rng(seed).standard_normal(p.shape).astype(np.float32)
    return {"model": model, "optimizer": optim.SGD(model.parameters(), lr=0.1)}


def refused(read: Callable[[], Any], expected: Any) -> bool:
    """Whether `read` raises CheckpointError; else it must give what is expected."""
    try:
        found = read()
    except CheckpointError:
        return True
    assert described(found) == expected
    return False


def test_every_bit_of_a_small_file(tmp_path: Path) -> None:
    """An error and unchanged parts, or the saved state: all bits of it in the thorough profile."""
    path, mine = tmp_path / "run.npz", small_parts(1)
    save_checkpoint(path, **small_parts(0), history=[{"loss": 0.5}])
    size, expected = path.stat().st_size, described(read_archive(path))
    assert 3500 < size < 4500
    noticed = 0
    for bit in each_flipped(path, chosen(8 * size, 800, 8 * size)):
        noticed += refused(lambda: read_archive(path), expected)
        before = states(mine)
        if bit % 64 == 0 and refused(
            lambda: load_checkpoint(path, **mine) and None, described(None)
        ):
            assert states(mine) == before
    assert noticed > 500  # what is not noticed are dates, and fields that nobody reads


@pytest.mark.parametrize("part", range(4))  # 10,000 bits in the thorough profile
def test_drawn_bits_of_a_large_file(part: int, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    save_checkpoint(path, weights=np.random.default_rng(0).random(655_000), b=np.arange(3))
    assert 5_000_000 < path.stat().st_size < 5_300_000
    expected = described(read_archive(path))
    bits = chosen(8 * path.stat().st_size, 20, 2500, seed=part)
    noticed = [refused(lambda: read_archive(path), expected) for _ in each_flipped(path, bits)]
    assert sum(noticed) >= 0.95 * len(bits)


def test_every_bit_of_the_headers_of_a_large_file(tmp_path: Path) -> None:
    """The headers of members, of their arrays, and the directory at the end."""
    path = tmp_path / "run.npz"
    save_checkpoint(path, weights=np.random.default_rng(0).random(65_500), b=np.arange(3))
    expected, content = described(read_archive(path)), path.read_bytes()
    starts = [content.index(b"PK\3\4"), content.index(b"PK\3\4", 300)]
    headers = [
        8 * place + bit
        for start in starts
        for place in range(start, start + 230)
        for bit in range(8)
    ]
    end = range(8 * content.index(b"PK\1\2"), 8 * len(content))
    every = headers + list(end)
    bits = [every[i] for i in chosen(len(every), 400, len(every))]
    for _ in each_flipped(path, bits):
        refused(lambda: read_archive(path), expected)


@pytest.mark.parametrize(
    ("made", "form"),
    [("mnist", "packed"), ("mnist", "npz"), ("fashion", "packed"), ("cifar10", "packed")],
)
def test_every_bit_of_the_files_of_image_sets(made: str, form: str, tmp_path: Path) -> None:
    files = {NPZ: npz()} if form == "npz" else MADE[made].offered
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name, content in files.items():
        for _ in each_flipped(tmp_path / name, chosen(8 * len(content), 150, 4000)):
            try:
                dataset = load(MADE[made].source(), tmp_path)
            except data.DataError:
                continue
            check(dataset, made)


def test_every_bit_of_a_gzip_file_of_another_set(tmp_path: Path) -> None:
    path, expected = tmp_path / "other.gz", np.frombuffer(PLAIN[NAMES[0]], np.uint8)[16:]
    path.write_bytes(PACKED[NAMES[0]])
    for _ in each_flipped(path, chosen(8 * path.stat().st_size, 200, 10_000)):
        try:
            assert data.read_idx(path).ravel().tolist() == expected.tolist()
        except data.DataError:
            continue


# ---------------------------------------------------------------------------------------- hostile files

BIG = 150_000_000  # bytes that a hostile file would like to have
ROOM = 1 << 24


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(shape: Any, descr: Any = "<f8", text: bytes = b"") -> bytes:
    text = text or repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def packed(tree: Any = None, text: bytes = b"", method: int = 0, **members: bytes) -> bytes:
    """An archive with the index of `tree`, or any text for one, and such members."""
    head = {"format": "autograd_cnn checkpoint", "version": 1, "classes": {"random": "Generator"}}
    entries = {"dict": [["random", 1], ["kept", tree]]}
    text = text or json.dumps({**head, "tree": entries}).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("checkpoint.npy", npy(np.frombuffer(text, np.uint8)))
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def directory_of(entries: int) -> bytes:
    """An archive that has a long directory and nothing else."""
    entry = b"PK\1\2" + bytes(24) + struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entry) * entries, 0, 0)
    return entry * entries + end


def whole(raw: bytes) -> bytes:
    """The archive with a text that begins as it should."""
    return (
        b'{"format": "autograd_cnn checkpoint", "version": 1, "classes": {}, "tree": ' + raw + b"}"
    )


def named(array: bytes, times: int) -> bytes:
    return packed([{"array": "a"}] * times, a=array)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "array bomb": lambda: packed({"array": "a"}, method=8, a=npy(np.zeros(BIG // 8))),
    "bomb beside": lambda: packed(method=8, a=npy(np.zeros(BIG // 8))),
    "text bomb": lambda: packed(text=whole(b" " * BIG), method=8),
    "bzip2": lambda: packed({"array": "a"}, method=12, a=npy(np.zeros(9))),
    "lzma": lambda: packed({"array": "a"}, method=14, a=npy(np.zeros(BIG // 80))),
    "announces more": lambda: packed({"array": "a"}, a=header((BIG // 8,))),
    "announces a wide type": lambda: packed({"array": "a"}, a=header((1,), f"|V{BIG}")),
    "announces a negative shape": lambda: packed({"array": "a"}, a=header((-3, -2)) + bytes(48)),
    "announces too many axes": lambda: packed({"array": "a"}, a=header((1,) * 99) + bytes(8)),
    "a deep header": lambda: packed({"array": "a"}, a=header(0, text=b"(" * 9000)),
    "a deeper header": lambda: packed({"array": "a"}, a=header(0, text=b"-" * 9000 + b"1")),
    "a long header": lambda: packed({"array": "a"}, a=header(0, text=b" " * 60_000)),
    "an empty header": lambda: packed({"array": "a"}, a=header(0, text=b"{}")),
    "a shape of text": lambda: packed({"array": "a"}, a=header("ab")),
    "no array": lambda: packed({"array": "a"}, a=b""),
    "an expression": lambda: packed({"array": "a"}, a=header((1,)).replace(b"(1,)", b"f()")),
    "one array, many names": lambda: named(npy(np.zeros(100_000)), 300),
    "nothing refers to it": lambda: packed(a=npy(np.zeros(3))),
    "bytes left over": lambda: packed({"array": "a"}, a=npy(np.zeros(3)) + b"x"),
    "long directory": lambda: directory_of(80_000),
    "lists": lambda: packed(text=whole(b"[" + b"[]," * 10**6 + b"[]]")),
    "full lists": lambda: packed(text=whole(b"[" + b"[1]," * 10**6 + b"1]")),
    "numbers": lambda: packed(text=whole(b"[" + b"0.1," * 4 * 10**6 + b"1]")),
    "strings": lambda: packed(text=whole(b"[" + b'"ab",' * 10**6 + b"1]")),
    "dicts": lambda: packed(text=whole(b"[" + b'{"dict":[[1,2]]},' * 300_000 + b"1]")),
    "deep": lambda: packed(text=whole(b"[" * 10**5 + b"]" * 10**5)),
    "deep dicts": lambda: packed(text=whole(b'{"tuple":[' * 10**5 + b"]}" * 10**5)),
    "a list for a tree": lambda: packed(text=whole(b"[]")),
    "no tree": lambda: packed(text=whole(b"null")),
    "text for a tree": lambda: packed(text=whole(b'"dict"')),
    "classes without states": lambda: packed(
        text=whole(b"1").replace(b"{}", b'{"a": "B", "c": "D"}')
    ),
    "a list for classes": lambda: packed(text=whole(b'{"dict": []}').replace(b"{}", b"[[]]")),
    "a key that is a list": lambda: packed({"dict": [[[1], 2]]}),
    "an entry without value": lambda: packed({"dict": [[1]]}),
    "a dict of numbers": lambda: packed({"dict": 3}),
    "an array named by a list": lambda: packed({"array": ["a"]}, a=npy(np.zeros(3))),
    "a huge number": lambda: packed(text=whole(b"1" * 100_000)),
    "not ASCII": lambda: packed(text=whole('"\U0001f600"'.encode())),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    path, mine = tmp_path / "run.npz", small_parts(0)
    path.write_bytes(HOSTILE[name]())
    before = states(mine)
    message = r"run\.npz: .*\Z"
    with pytest.raises(CheckpointError, match=message):
        peak_of(lambda: load_checkpoint(path, **dict.fromkeys(mine)), path)
    with pytest.raises(CheckpointError, match=message) as caught:
        peak_of(lambda: load_checkpoint(path, **mine), path)
    assert len(str(caught.value)) < 600
    assert states(mine) == before


def peak_of(action: Callable[[], Any], *paths: Path) -> None:
    """Runs it; the memory may be four times the files and 16 MB."""
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 4 * sum(map(os.path.getsize, paths)) + ROOM, f"{peak:,}"


LEGITIMATE: dict[str, Any] = {
    "short lists": [[i, -i] for i in range(150_000)],
    "dicts of a step": [{"loss": 1 / (1 + i), "accuracy": i / 3} for i in range(50_000)],
    "many arrays": [np.float32(i) for i in range(1500)],
    "one array": np.zeros(10**6),
    "under one long name": {"a" * 300: [np.zeros(1)] * 1500},
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_what_is_saved_loads_within_the_same_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    save_checkpoint(path, kept=LEGITIMATE[name])
    found: list[Any] = []
    peak_of(lambda: found.append(load_checkpoint(path)["kept"]), path)
    assert described(found[0]) == described(LEGITIMATE[name])


def test_a_compressed_checkpoint_loads_up_to_the_size_of_the_model(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.npz", tmp_path / "packed.npz"
    saved = small_parts(0, width=1_000_000)
    for p in saved["model"].parameters():
        p.data = np.zeros(p.shape)
    save_checkpoint(plain, **saved)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", 8) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    assert path.stat().st_size < 100_000
    mine = small_parts(1, width=1_000_000)
    load_checkpoint(path, **mine)
    assert states({"m": mine["model"]}) == states({"m": saved["model"]})
    with pytest.raises(CheckpointError, match="too much memory"):
        load_checkpoint(path, **small_parts(1))


def test_an_idx_file_takes_no_more_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + BIG.to_bytes(4, "big") + bytes(BIG), 1))
    plain = tmp_path / "short"
    plain.write_bytes(bytes([0, 0, 8, 1]) + BIG.to_bytes(4, "big") + bytes(9))
    for file, message in (
        (path, "it unpacks to 150,000,000 bytes; if that is right, unpack it"),
        (plain, "found 9"),
    ):
        with pytest.raises(data.DataError, match=message):
            peak_of(lambda file=file: data.read_idx(file), file)


def test_a_hostile_npz_of_mnist_takes_no_more_than_it_may(tmp_path: Path) -> None:
    content = io.BytesIO(npz())
    for name, member in (
        ("x_train", npy(np.zeros(BIG // 8))),
        ("x_test", header((BIG,))),
        ("y_test", header((2,), "|u1") + bytes(9)),
    ):
        with zipfile.ZipFile(content) as old, zipfile.ZipFile(tmp_path / NPZ, "w", 8) as new:
            for entry in old.namelist():
                new.writestr(entry, member if entry == f"{name}.npy" else old.read(entry))
        with pytest.raises(data.DataError, match=f"mnist.npz: .*{name}.* bytes"):
            peak_of(lambda: load(source(), tmp_path), tmp_path / NPZ)
