"""MNIST from files on this machine, or else from the internet."""

from __future__ import annotations

import math
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from autograd_cnn.data.datasets import Split, TrainTest
from autograd_cnn.data.errors import DataError, DataUnavailable
from autograd_cnn.data.files import AnyPath
from autograd_cnn.data.idx_format import decode_idx
from autograd_cnn.data.mnist_source import MNIST, IdxFile, Source
from autograd_cnn.data.npz_format import read_member

_NPZ, _NPZ_NAMES = "mnist.npz", ("x_train", "y_train", "x_test", "y_test")


def mnist(root: AnyPath | None = None) -> TrainTest:
    """The MNIST digits: 60,000 train and 10,000 test images with their labels.

    Images are uint8 (N, 1, 28, 28), 0..255, white on black, in the original order.  Labels are
    int64 (N,), 0..9.  `mnist` compares the content with the SHA-256 of the original files.

    It searches the folder `root`, then ``$AUTOGRAD_CNN_DATA``, then the user's cache folder (on
    Linux ``~/.cache/autograd_cnn/mnist``).  A folder may have the four IDX files
    (``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte``, plain or .gz) or Keras's
    ``mnist.npz``.  If no folder has all, the missing .gz files (11 MB) are downloaded into `root`,
    or into the cache without `root`.

    Raises FileNotFoundError or NotADirectoryError if `root` is not a folder, DataError for a
    damaged or wrong file, and DataUnavailable if MNIST can be neither found nor downloaded.

    >>> (x_train, y_train), (x_test, y_test) = mnist()  # doctest: +SKIP
    >>> x_train.shape, y_test.shape  # doctest: +SKIP
    ((60000, 1, 28, 28), (10000,))
    """
    return load(MNIST, root)


def load(source: Source, root: AnyPath | None) -> TrainTest:
    """`mnist` from any source."""
    given = None if root is None else Path(os.fsdecode(root))
    if given is not None and not given.is_dir():
        kind = NotADirectoryError if given.exists() else FileNotFoundError
        raise kind(f"root: expected a folder, empty or with MNIST files, found none at {given}")
    looked = []
    for origin, folder in _places(given):
        missing = [file for file in source.files if _find(folder, file) is None]
        if not missing:
            return _dataset([_read_file(folder, file) for file in source.files])
        if (folder / _NPZ).is_file():
            return _dataset(_read_npz(folder / _NPZ, source))
        looked.append(f"{folder} ({origin}): {_lacks(folder, missing)}")
    # Imported here, because urllib would double the import time of `data`.
    from autograd_cnn.data.mnist_download import download

    target = given or _cache()
    missing = [file for file in source.files if _find(target, file) is None]
    present = {file.name: _read_file(target, file) for file in source.files if file not in missing}
    found = present | download(source, missing, target, looked)
    return _dataset([found[file.name] for file in source.files])


def _places(root: Path | None) -> Iterator[tuple[str, Path]]:
    """The folders to search, in order, each after the name of the setting it comes from."""
    if root is not None:
        yield "root", root
    if setting := os.environ.get("AUTOGRAD_CNN_DATA"):
        yield "$AUTOGRAD_CNN_DATA", Path(os.path.expanduser(setting))  # "~nobody" stays
    yield "cache", _cache()


def _cache() -> Path:
    """The user's folder for data that can be downloaded again."""
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            setting = os.environ.get("XDG_CACHE_HOME", "")
            base = setting if os.path.isabs(setting) else Path.home() / ".cache"
    except RuntimeError as error:  # a process in a container may run as a user who has none
        raise DataUnavailable(
            "This user has no home folder, so there is no cache to look for MNIST in. Pass root= "
            "with a folder that has the files, or set $AUTOGRAD_CNN_DATA to one."
        ) from error
    return Path(base) / "autograd_cnn" / "mnist"


def _find(folder: Path, file: IdxFile) -> Path | None:
    """The path of `file` in `folder`, under any of its names."""
    paths = (folder / name for name in file.spellings())
    return next((path for path in paths if path.is_file()), None)


def _lacks(folder: Path, missing: list[IdxFile]) -> str:
    """Words for what `folder` lacks."""
    if not folder.is_dir():
        return "no such folder"
    if len(missing) == 4:
        return "no MNIST files"
    return f"{', '.join(file.name for file in missing)} missing"


def _read_file(folder: Path, file: IdxFile) -> np.ndarray:
    """The verified content of one IDX file in `folder`."""
    path = _find(folder, file) or folder / file.name
    with _advice(), open(path, "rb") as stream:
        return file.verified(decode_idx(stream, str(path), shape=file.shape), str(path))


def _read_npz(path: Path, source: Source) -> list[np.ndarray]:
    """The four verified arrays in Keras's npz file: integers of any dtype with values 0..255."""
    arrays = []
    with _advice(), open(path, "rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                for name, file in zip(_NPZ_NAMES, source.files):
                    member, most = archive.getinfo(f"{name}.npy"), 8 * math.prod(file.shape)
                    if member.file_size > most + (1 << 20):  # it would unpack to too much
                        found = f"found {member.file_size:,}"
                        raise DataError(f"expected {name} of at most {most:,} bytes, {found}")
                    arrays.append(_as_uint8(read_member(archive, member), name))
        except Exception as error:  # a damaged archive can raise any error
            raise DataError(
                f"{path}: expected an npz file with the arrays {', '.join(_NPZ_NAMES)}; it is "
                f"damaged or a different file ({error})"
            ) from error
        return [file.verified(array, str(path)) for array, file in zip(arrays, source.files)]


def _as_uint8(array: np.ndarray, name: str) -> np.ndarray:
    """An array of integers in 0..255 as uint8."""
    if array.dtype.kind not in "iu":
        raise DataError(f"expected integers in {name}, found {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(f"expected 0..255 in {name}, found {array.min()}..{array.max()}")
    return array.astype(np.uint8, copy=False)


@contextmanager
def _advice() -> Iterator[None]:
    """Add the fix to the message of a DataError."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{error}.  Delete the file, so that it is downloaded again, or pass another root."
        ) from error.__cause__


def _dataset(arrays: list[np.ndarray]) -> TrainTest:
    """The four arrays as a dataset: images (N, 1, H, W) and int64 labels."""
    pairs = (arrays[:2], arrays[2:])
    return TrainTest(*(Split(images[:, None], labels.astype(np.int64)) for images, labels in pairs))
