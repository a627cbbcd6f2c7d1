"""Arrays in many files, which are read as they are needed."""

from __future__ import annotations

import gzip
import math
import os
import re
import threading
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy

from autograd_cnn.checks import integer, mistake
from autograd_cnn.data import idx_format, npz_format
from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath

_OPENING = threading.Lock()


class Shards:
    """An array (N, ...) in the files of a folder, for a `DataLoader` or `TensorDataset`.

    The files are .npy or IDX, plain or .gz, and hold arrays (n, ...) that are alike in dtype and
    shape.  Those that match `pattern` follow each other in natural order: part-2 before part-10.
    ``shards[i]`` is a new array, where `i` is an integer, a slice or an array of integers.

    At most `keep_open` files are open at a time.  Open files are mapped into memory and not
    loaded; only .gz files are unpacked.  ``DataLoader(shuffle=True)`` mixes the rows of `keep_open`
    random files, and then of the next ones.  A damaged or different file raises DataError.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for k in range(3):
    ...     np.save(f"{folder}/images-{k}.npy", np.full((2, 4, 4), k))
    ...     np.save(f"{folder}/labels-{k}.npy", np.array([k, -k]))
    >>> images, labels = Shards(folder, "images-*"), Shards(folder, "labels-*")
    >>> images.shape, labels[1:4]
    ((6, 4, 4), array([ 0,  1, -1]))
    >>> loader = ag.data.DataLoader((images, labels), batch_size=4, shuffle=True, seed=0)
    """

    def __init__(self, folder: AnyPath, pattern: str = "*", keep_open: int = 16) -> None:
        self.keep_open = integer("Shards", "keep_open", keep_open, 1)
        found = [p for p in Path(os.fsdecode(folder)).glob(pattern) if p.name[0] != "."]
        paths = sorted((p for p in found if p.is_file()), key=_natural)
        if not paths:
            raise DataError(f"Shards: no files match {pattern!r} in {os.fsdecode(folder)}")
        self._files = [_read_header(path) for path in paths]
        first = self._files[0]
        for file in self._files:
            if (file.dtype, file.shape[1:]) != (first.dtype, first.shape[1:]):
                raise DataError(
                    f"{file.path}: expected {first.dtype} {first.shape[1:]} in each row, as in "
                    f"{first.path.name}, found {file.dtype} {file.shape[1:]}; give the pattern of "
                    "files that belong together, such as 'images-*'"
                )
        self._sizes = np.array([file.shape[0] for file in self._files])
        self._ends = self._sizes.cumsum()
        self.dtype, self.shape = first.dtype.newbyteorder("="), (len(self), *first.shape[1:])
        self._open: dict[int, np.ndarray] = {}  # the file used last is the last one

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        places = np.asarray(index)
        if places.size and places.dtype.kind not in "iu":
            raise mistake("Shards", "index", "integers or a slice", index)
        flat = places.astype(np.intp).ravel()
        wrong = flat[(flat < -len(self)) | (flat >= len(self))]
        if wrong.size:
            raise IndexError(f"Shards: index {wrong[0]} is out of range for {len(self)} rows")
        flat += len(self) * (flat < 0)
        rows = np.empty((len(flat), *self.shape[1:]), self.dtype)
        files = np.searchsorted(self._ends, flat, side="right")
        for k in np.unique(files).tolist():
            here = files == k
            rows[here] = self._opened(k)[flat[here] - (self._ends[k] - self._sizes[k])]
        return rows.reshape(*places.shape, *self.shape[1:])[()]

    def _opened(self, k: int) -> np.ndarray:
        file = self._files[k]
        size = os.stat(file.path).st_size
        if size != file.size:  # to read what is missing in a mapped file would end the process
            raise DataError(f"{file.path}: had {file.size:,} bytes at first, now {size:,}")
        with _OPENING:
            array = self._open.pop(k) if k in self._open else file.open()
            self._open[k] = array
            while len(self._open) > self.keep_open:
                del self._open[next(iter(self._open))]
        return array

    def groups(self, rng: np.random.Generator) -> np.ndarray:
        """A number for each row: those of `keep_open` random files have the same."""
        return np.repeat(rng.permutation(len(self._files)) // self.keep_open, self._sizes)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __repr__(self) -> str:
        return f"Shards({self.dtype} {self.shape} in {len(self._files):,} files)"


class _File(NamedTuple):
    """An array in a file, as its header tells."""

    path: Path
    size: int
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int  # of the values, or 0 if they are packed
    order: Any

    def open(self) -> np.ndarray:
        if self.start:
            return np.memmap(self.path, self.dtype, "r", self.start, self.shape, self.order)
        return idx_format.read_idx(self.path)


def _natural(path: Path) -> list[Any]:
    parts = re.split("([0-9]+)", str(path))
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _read_header(path: Path) -> _File:
    with open(path, "rb") as file:
        start, size, fortran = file.read(6), os.fstat(file.fileno()).st_size, False
        file.seek(0)
        packed = start[:2] == b"\x1f\x8b"
        try:
            if start == npy.MAGIC_PREFIX:
                shape, fortran, dtype = npz_format.read_header(file)
            else:
                stream = gzip.GzipFile(fileobj=file) if packed else file
                dtype, shape = idx_format.read_header(cast(BinaryIO, stream), str(path))
        except Exception as error:  # a damaged file can raise any error
            raise DataError(f"{path}: expected a .npy or an IDX file ({error})") from error
        found = _File(path, size, shape, dtype, 0 if packed else file.tell(), "CF"[fortran])
    expected = found.start + math.prod(shape) * dtype.itemsize
    if not shape or dtype.kind not in "biufc":
        raise DataError(f"{path}: expected rows of numbers, found {dtype} {shape}")
    if not packed and size != expected:
        raise DataError(f"{path}: expected {expected:,} bytes, found {size:,}")
    return found
