"""MNIST in one file: Keras's mnist.npz, and mnist.pkl.gz of deeplearning.net."""

from __future__ import annotations

import gzip
import math
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from autograd_cnn.data.mnist_source import _Source
from autograd_cnn.data.records import DataError

_NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")
_WIDEST = 8  # bytes of one value, in the widest form that is accepted
_EXTRA = 1 << 20  # bytes for all that is not values
_BLOCK = 1024  # images at a time: their floats stay in the cache, 5 times as fast as all at once


def read_npz(path: Path, source: _Source) -> list[np.ndarray]:
    """Train images and labels, test images and labels, uint8, from the npz file of Keras.

    Integer arrays of any dtype, if their values are in 0..255.  Pickled objects are refused.
    """
    with _as_data_error(path, f"an npz file with the arrays {', '.join(_NPZ_NAMES)}"):
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
        for name, file in zip(_NPZ_NAMES, source.files):
            size, limit = sizes.get(f"{name}.npy"), math.prod(file.shape) * _WIDEST + _EXTRA
            if size is None or size > limit:
                found = "none" if size is None else f"{size:,}"
                raise DataError(f"{path}: {name}: expected at most {limit:,} bytes, found {found}")
        with np.load(path, allow_pickle=False) as arrays:
            return [_as_uint8(arrays[name], f"{path}: {name}") for name in _NPZ_NAMES]


def read_pickle(path: Path, source: _Source) -> list[np.ndarray]:
    """Train images and labels, test images and labels, uint8, from deeplearning.net's file.

    It is a gzip-compressed pickle of three pairs (images, labels): train, validation and test;
    images are floats (N, H * W) of k / 256 or k / 255.  Train and validation are joined and k is
    restored.  Nothing but arrays of numbers is unpickled, and nothing in the file executed.
    """
    limit = sum(math.prod(file.shape) for file in source.files) * _WIDEST + _EXTRA
    with _as_data_error(path, "a gzip file with three pickled pairs of arrays"):
        with gzip.open(path) as stream:
            pairs = _ArrayUnpickler(_AtMost(stream, limit), encoding="latin1").load()
        arrays = [[value.array for value in pair] for pair in pairs]
        (train, train_labels), (more, more_labels), (test, test_labels) = arrays
        height_width = source.files[0].shape[1:]
        images = [_restored(part, str(path)).reshape(-1, *height_width) for part in (train, more)]
        labels = [_as_uint8(part, f"{path}: labels") for part in (train_labels, more_labels)]
        return [
            np.concatenate(images),  # (N, H, W)
            np.concatenate(labels),
            _restored(test, str(path)).reshape(-1, *height_width),
            _as_uint8(test_labels, f"{path}: labels"),
        ]


@contextmanager
def _as_data_error(path: Path, expected: str) -> Iterator[None]:
    """Whatever a damaged archive makes its reader raise becomes a DataError; OSErrors stay."""
    try:
        yield
    except DataError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        if not isinstance(error, gzip.BadGzipFile):
            raise
        raise DataError(f"{path}: expected {expected}, found no sound gzip file") from error
    except Exception as error:
        found = str(error) or type(error).__name__
        raise DataError(
            f"{path}: expected {expected}; it is damaged or another ({found})"
        ) from error


def _as_uint8(array: np.ndarray, name: str) -> np.ndarray:
    """An integer array as uint8, if no value changes by it."""
    if array.dtype.kind not in "iu":
        raise DataError(f"{name}: expected integers, found {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(f"{name}: expected 0..255, found {array.min()}..{array.max()}")
    return array.astype(np.uint8, copy=False)


def _restored(images: np.ndarray, name: str) -> np.ndarray:
    """The whole numbers k of 0..255 in an array of floats k / 256, k / 255 or k."""
    if images.dtype.kind in "iu":
        return _as_uint8(images, name)
    restored = np.empty(images.shape, np.uint8)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(images), _BLOCK)]
    for scale in (256, 255, 1):
        if all(_rounded_into(restored[block], images[block] * scale) for block in blocks):
            return restored
    raise DataError(f"{name}: expected images of k / 256 or k / 255 for k in 0..255, found others")


def _rounded_into(target: np.ndarray, values: np.ndarray) -> bool:
    """Writes `values` to the uint8 array `target`, if they are whole numbers of its range."""
    with np.errstate(invalid="ignore"):  # infinity - infinity
        whole = np.rint(values)
        off = np.abs(values - whole).max(initial=0)
    # A wrong scale is off by 1/256 or more at some k; rounding of float32 by 255 * 2**-24.
    if not off < 1e-3 or whole.min(initial=0) < 0 or whole.max(initial=0) > 255:  # or off is NaN
        return False
    target[...] = whole
    return True


class _AtMost:
    """The bytes of a stream for an unpickler, up to a limit."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream, self.limit, self.left = stream, limit, limit

    def read(self, size: int) -> bytes:
        """The next `size` bytes; asked for more than is allowed, it takes no memory for them."""
        if size > self.left:
            raise DataError(f"expected a pickle of at most {self.limit:,} bytes, found more")
        self.left -= size
        return self.stream.read(size)

    def readline(self) -> bytes:
        """The bytes up to the end of a line: a name or a number."""
        line = self.stream.readline(min(self.left, 1024))
        self.left -= len(line)
        return line


class _StandIn:
    """Takes the place of something that a pickle calls.  Without a state of its own to restore."""

    def __setstate__(self, state: Any) -> None:
        raise DataError(f"expected a pickle of plain arrays, found a state for {type(self)}")


class _Encode(_StandIn):
    """In the place of `_codecs.encode`, with which pickles write bytes as text."""

    def __new__(cls, text: str, encoding: str) -> Any:
        if encoding != "latin1":
            raise DataError(f"expected bytes as latin1 in a pickle, found {encoding!r}")
        return text.encode("latin1")


class _Dtype(_StandIn):
    """In the place of `numpy.dtype`: numbers only."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in ("u1", "i1", "i2", "i4", "i8", "f4", "f8"):
            raise DataError(f"expected arrays of numbers in a pickle, found dtype {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(_StandIn):
    """In the place of NumPy's `_reconstruct`: an array made from bytes whose number fits."""

    array: np.ndarray

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        data = content.encode("latin1") if isinstance(content, str) else bytes(content)
        values = np.frombuffer(data, dtype.dtype)
        self.array = values.reshape(shape, order="F" if is_fortran else "C")


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers and arrays of numbers, and looks nothing up but the names below.

    Behind each name stands a class of this module, so that no code of NumPy or of the pickle's
    choice works on the pickle's data.
    """

    _NAMES = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _Encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._NAMES:
            raise DataError(
                f"expected a pickle of plain arrays, found the name {module}.{name}; nothing of it "
                "was executed"
            )
        return self._NAMES[module, name]
