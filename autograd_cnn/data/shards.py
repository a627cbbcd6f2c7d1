"""Arrays in many files, which are read as they are needed."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn.checks import shown
from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath
from autograd_cnn.data.idx_format import read_header


class Shards:
    """An array (N, ...) in the files of a folder, for a `DataLoader` or a `TensorDataset`.

    The .npy and IDX files that match `pattern` hold its rows, in natural order: part-2 is before
    part-10.  ``shards[i]`` is a new array; `i` is an integer, a slice or an array of integers.

    Files are mapped into memory, at most 64 at a time, and never loaded whole.  A file that is
    damaged, unlike the first one or changed since then raises DataError.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for k in range(3):
    ...     np.save(f"{folder}/images-{k}.npy", np.full((2, 4, 4), k))
    ...     np.save(f"{folder}/labels-{k}.npy", np.array([k, -k]))
    >>> images, labels = Shards(folder, "images-*"), Shards(folder, "labels-*")
    >>> images.shape, labels[1:4]
    ((6, 4, 4), array([ 0,  1, -1]))
    >>> loader = ag.data.DataLoader((images, labels), batch_size=4, shuffle=True)
    """

    def __init__(self, folder: AnyPath, pattern: str = "*") -> None:
        found = [path for path in Path(os.fsdecode(folder)).glob(pattern) if path.is_file()]
        if not found:
            raise DataError(f"Shards: no files match {pattern!r} in {os.fsdecode(folder)}")
        stats = [(path, os.stat(path)) for path in sorted(map(str, found), key=_natural)]
        self._files = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
        self._ends = np.zeros(len(found) + 1, np.intp)
        first = _mapped(*self._files[0])[:0]
        for k, file in enumerate(self._files):
            array = _mapped(*file)
            if (array.dtype, array.shape[1:]) != (first.dtype, first.shape[1:]):
                raise DataError(
                    f"{file[0]}: expected rows of {first.dtype} {first.shape[1:]}, as in "
                    f"{self._files[0][0]}, found {array.dtype} {array.shape[1:]}; give a pattern "
                    "for the files that belong together, such as 'images-*'"
                )
            self._ends[k + 1] = self._ends[k] + len(array)
        self.dtype, self.shape = first.dtype.newbyteorder("="), (len(self), *first.shape[1:])

    def __repr__(self) -> str:
        files = f"{len(self._files):,} files"
        return f"Shards({files}, shape={self.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        places = np.asarray(index)
        n, integers = len(self), places.dtype.kind in "iu"
        if not integers or (places.size and not -n <= places.min() <= places.max() < n):
            wanted = f"integers or a slice within {n} rows"
            raise IndexError(f"Shards: index must be {wanted}, got {shown(index)}")
        flat = places.ravel().astype(np.intp) % max(n, 1)
        result = np.empty((len(flat), *self.shape[1:]), self.dtype)
        files = np.searchsorted(self._ends, flat, side="right") - 1
        for k in np.unique(files).tolist():
            path, *before = self._files[k]
            now = os.stat(path) if os.path.exists(path) else None
            if now is None or [now.st_size, now.st_mtime_ns] != before:
                # to read what a mapped file lost ends the process
                raise DataError(f"{path}: expected {before[0]:,} bytes as before; it was changed")
            result[files == k] = _mapped(*self._files[k])[flat[files == k] - self._ends[k]]
        return result.reshape(places.shape + self.shape[1:])[()]


@functools.lru_cache(64)
def _mapped(path: str, size: int, changed: int) -> np.ndarray:
    """The array in a file of this size and time of change, mapped into memory."""
    try:
        if path.endswith(".npy"):
            array: np.memmap = np.load(path, mmap_mode="r")
        else:
            with open(path, "rb") as file:
                dtype, shape = read_header(file, path)
                array = np.memmap(path, dtype, "r", file.tell(), shape)
        end = array.offset + array.nbytes
        if end != size or array.ndim == 0 or array.dtype.kind not in "biufc":
            raise ValueError(f"found {array.dtype} {array.shape} in {size:,} bytes")
    except Exception as error:  # a damaged file can raise any error
        raise DataError(
            f"{path}: expected a .npy or an unpacked IDX file with rows of numbers ({error})"
        ) from error
    return array


def _natural(path: str) -> list[Any]:
    """A key to sort by, in which numbers count as such."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]
