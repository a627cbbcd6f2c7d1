"""Arrays in many files, and sets that are larger than the memory a process may use."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn import data

ROOT = Path(__file__).resolve().parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
IDX_CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def save(path: Path, array: np.ndarray) -> None:
    """Write a .npy file, or an IDX file."""
    if path.suffix == ".npy":
        np.save(path, array)
        return
    header = bytes([0, 0, IDX_CODES[array.dtype.name], array.ndim])
    sizes = np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes())


def split(folder: Path, name: str, array: np.ndarray, cuts: list[int], kind: str = ".npy") -> None:
    for k, part in enumerate(np.split(array, cuts)):
        save(folder / f"{name}-{k}{kind}", part)


@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=13),
    row=st.sampled_from([(), (3,), (2, 2)]),
    dtype=st.sampled_from(sorted(IDX_CODES)),
    kind=st.sampled_from([".npy", "-idx", "-idx3-ubyte"]),
    drawn=st.data(),
)
def test_shards_are_one_array(
    lengths: list[int], row: Any, dtype: str, kind: str, drawn: Any
) -> None:
    n = sum(lengths)
    whole = np.random.default_rng(n).integers(-9, 99, (n, *row)).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        split(Path(folder), "x", whole, list(np.cumsum(lengths)[:-1]), kind)
        shards = data.Shards(folder)
        assert (len(shards), shards.shape, shards.dtype) == (n, whole.shape, whole.dtype)
        integers = st.integers(-n, n - 1) if n else st.nothing()
        index = drawn.draw(
            st.one_of(st.slices(n), integers, st.lists(integers, min_size=1).map(np.array))
        )
        found, expected = shards[index], whole[index]
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        if isinstance(found, np.ndarray):
            assert found.flags.writeable
            found[...] = 1  # it is a copy
            np.testing.assert_array_equal(shards[:], whole)


@given(
    n=st.integers(1, 30),
    size=st.integers(1, 7),
    count=st.sampled_from([0, 2]),
    shuffle=st.booleans(),
    seed=st.integers(0, 9),
)
def test_batches_of_shards_are_those_of_the_arrays(
    n: int, size: int, count: int, shuffle: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 255, (n, 2, 2)).astype(np.uint8), np.arange(n)
    settings = {"batch_size": size, "shuffle": shuffle, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        cuts = sorted(rng.integers(0, n, 3).tolist())
        split(Path(folder), "images", images, cuts)
        split(Path(folder), "labels", labels, cuts)
        shards = (data.Shards(folder, "images-*"), data.Shards(folder, "labels-*"))
        for part in (lambda x: x, lambda x: data.random_split(x, [0.5, 0.5])[1]):
            loader = data.DataLoader(part(shards), num_workers=count, **settings)
            plain = data.DataLoader(part((images, labels)), **settings)
            for found, expected in zip(loader, plain, strict=True):
                assert found[0].dtype == np.uint8
                np.testing.assert_array_equal(found[0], expected[0])
                np.testing.assert_array_equal(found[1], expected[1])
        first = next(iter(data.DataLoader(shards[0], size)))
        np.testing.assert_array_equal(first, images[:size])


def test_the_order_is_natural_also_in_deeper_folders(tmp_path: Path) -> None:
    for k in range(12):
        folder = tmp_path / f"run{k // 6 * 9}"
        folder.mkdir(exist_ok=True)
        np.save(folder / f"part-{k}.npy", np.array([k]))
    assert data.Shards(tmp_path, "*/part-*.npy")[:].tolist() == list(range(12))


def test_a_set_of_shards_is_small_when_pickled(tmp_path: Path) -> None:
    split(tmp_path, "x", np.arange(5000.0), [1000, 2000])
    shards = data.Shards(tmp_path)
    assert shards[4321] == 4321.0
    content = pickle.dumps(shards)
    assert len(content) < 2000
    assert pickle.loads(content)[1234] == 1234.0


# --------------------------------------------------------------------------------------- damage

GOOD = np.arange(12.0).reshape(4, 3)


def altered(change: Callable[[bytes], bytes], kind: str = ".npy") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / f"b{kind}"
        save(path, GOOD)
        path.write_bytes(change(path.read_bytes()))

    return write


def saved(array: Any) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "b.npy", array)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (altered(lambda c: c[:-1]), "expected a .npy"),
    "truncated idx": (altered(lambda c: c[:-1], "-idx"), "expected a .npy"),
    "without values": (altered(lambda c: c[:128]), "expected a .npy"),
    "half a header": (altered(lambda c: c[:50]), "expected a .npy"),
    "half an idx header": (altered(lambda c: c[:6], "-idx"), "expected the sizes of 2 axes"),
    "longer": (altered(lambda c: c + b"1"), r"found float64 \(4, 3\) in 225 bytes"),
    "longer idx": (altered(lambda c: c + b"1", "-idx"), r"found >f8 \(4, 3\) in 109 bytes"),
    "empty": (altered(lambda c: b""), "expected a .npy"),
    "empty idx": (altered(lambda c: b"", "-idx"), "an empty file"),
    "text": (altered(lambda c: b"hello, world", ".txt"), "expected an IDX file"),
    "packed": (altered(gzip.compress, "-idx.gz"), "an unpacked IDX file"),
    "pickle": (altered(lambda c: pickle.dumps([1])), "expected a .npy"),
    "objects": (saved(np.array([{}, None])), "Python objects"),
    "no axis": (saved(np.array(3.0)), r"found float64 \(\)"),
    "text values": (saved(np.array(["a", "b"])), "found <U1"),
    "other dtype": (saved(GOOD.astype(np.float32)), r"expected rows of float64 \(3,\), as in"),
    "other shape": (saved(GOOD[:, :2]), r"found float64 \(2,\); give a pattern"),
    "other axes": (saved(GOOD[:, 0]), r"found float64 \(\); give a pattern"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_different_file_is_named(damage: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GOOD)
    write, message = DAMAGE[damage]
    write(tmp_path)
    with pytest.raises(data.DataError, match=rf"[/\\]b.*{message}"):
        data.Shards(tmp_path)


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(data.DataError, match=r"no files match 'x-\*' in "):
            data.Shards(folder, "x-*")


@pytest.mark.parametrize("index", [4, -5, [0, 4], 1.0, [True] * 4, "0", None, (0, 1.5)])
def test_an_index_out_of_range_or_of_another_kind(index: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GOOD)
    with pytest.raises(IndexError, match="Shards: index must be integers or a slice within 4 rows"):
        data.Shards(tmp_path)[index]


def test_images_and_labels_of_other_lengths(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", GOOD)
    np.save(tmp_path / "y.npy", GOOD[:3])
    with pytest.raises(ValueError, match="equal lengths, got 4, 3"):
        data.DataLoader((data.Shards(tmp_path, "x*"), data.Shards(tmp_path, "y*")))


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("how", ["delete", "truncate"])
def test_a_file_that_changes_during_a_pass_is_an_error(
    how: str, count: int, tmp_path: Path
) -> None:
    split(tmp_path, "x", np.arange(40.0), [20])
    shards = data.Shards(tmp_path)
    batches = iter(data.DataLoader(shards, 2, num_workers=count))
    found = [next(batches).tolist()]
    if how == "delete":
        (tmp_path / "x-1.npy").unlink()
    else:
        os.truncate(tmp_path / "x-1.npy", 140)
    with pytest.raises((data.DataError, FileNotFoundError), match=r"x-1\.npy"):
        found.extend(map(np.ndarray.tolist, batches))
    assert found == [[k, k + 1.0] for k in range(0, 20, 2)]


# --------------------------------------------------------------------------------------- memory


@LINUX
def test_few_files_are_open(tmp_path: Path) -> None:
    split(tmp_path, "x", np.arange(300.0), list(range(1, 300)))
    before = len(os.listdir("/proc/self/fd"))
    shards = data.Shards(tmp_path)
    loader = data.DataLoader(shards, 7, shuffle=True, seed=0, num_workers=2)
    assert sum(batch.sum() for batch in loader) == 299 * 150
    assert len(os.listdir("/proc/self/fd")) - before <= 70


PROGRAM = """
    import resource, sys
    import numpy as np
    from autograd_cnn import data

    def memory():
        status = open("/proc/self/status").read()
        return int(status.split("VmData:")[1].split()[0]) << 10

    folder, kind, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    np.random.default_rng(0)
    loaders = [data.DataLoader(np.ones((64, 2)), 8, num_workers=workers) for _ in range(2)]
    for _ in zip(*loaders):  # what threads need once
        pass
    limit = memory() + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if kind == "whole":
        np.load(f"{folder}/x-0.npy")
    if kind == "mapped":
        source = np.load(f"{folder}/x-0.npy", mmap_mode="r")
    else:
        source = data.Shards(folder)
    total = 0
    for shuffle in (False, True):
        loader = data.DataLoader(source, 64, shuffle=shuffle, seed=0, num_workers=workers)
        for batch in loader:
            total += len(batch)
    assert total == 2 * len(source)
    print("read", source.shape)
"""


@LINUX
@pytest.mark.parametrize("kind", ["shards", "mapped", "whole"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_set_of_several_times_the_memory_limit(kind: str, workers: int, tmp_path: Path) -> None:
    """The limit leaves 48 MB, a file has 100 MB, and the set has 100 or 300 MB."""
    for k in range(3 if kind == "shards" else 1):  # files with holes, which take no place on disk
        path = tmp_path / f"x-{k}.npy"
        np.lib.format.open_memmap(path, "w+", np.float32, (1600, 128, 128)).flush()
    code = textwrap.dedent(PROGRAM.replace("MEGABYTES", "48"))
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), kind, str(workers)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if kind == "whole":  # the limit is felt
        assert "MemoryError" in run.stderr
    else:
        assert run.returncode == 0, run.stderr
        assert "read" in run.stdout
