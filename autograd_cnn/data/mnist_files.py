"""MNIST: from files on this machine in any of their usual forms, else from the internet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from autograd_cnn.data.idx_format import decode_idx
from autograd_cnn.data.mnist_source import MNIST, _File, _Source, verified
from autograd_cnn.data.records import DataError, Dataset, DataUnavailable, Split


def mnist(root: str | os.PathLike[str] | None = None) -> Dataset:
    """The MNIST digits: 60,000 train and 10,000 test images with their labels.

    Images uint8 (N, 1, 28, 28), 0..255, white on black; labels int64 (N,), 0..9; the original
    order.  Whatever the route, the content was compared with the SHA-256 of the original files.

    Looked for in the folder `root`, then in ``$AUTOGRAD_CNN_DATA``, then in the user's cache
    folder (on Linux ``~/.cache/autograd_cnn/mnist``).  A folder may hold the four IDX files
    (``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte``, plain or .gz), Keras's
    ``mnist.npz``, or ``mnist.pkl.gz`` of deeplearning.net (its train and validation images are
    joined; nothing in a pickle is executed).  If no folder has all, the .gz files that are missing
    (11 MB in all) are downloaded into `root`, or without one into the cache.

    Raises FileNotFoundError or NotADirectoryError if `root` is given and is no folder; DataError
    for a damaged or wrong file, which it names; DataUnavailable, an OSError, if MNIST is neither
    found nor downloaded, or the download cannot be stored.

    >>> (x_train, y_train), (x_test, y_test) = mnist()  # doctest: +SKIP
    >>> x_train.shape, y_test.shape  # doctest: +SKIP
    ((60000, 1, 28, 28), (10000,))
    """
    return _load(MNIST, root)


def _load(source: _Source, root: str | os.PathLike[str] | None) -> Dataset:
    """`mnist` for any source."""
    given = None if root is None else Path(root)
    if given is not None and not given.is_dir():
        kind = NotADirectoryError if given.exists() else FileNotFoundError
        raise kind(f"root: expected a folder, empty or with MNIST files, found none at {given}")
    looked = []
    for origin, folder in _places(given):
        arrays = _read_folder(folder, source)
        if arrays is not None:
            return _dataset(arrays)
        looked.append(f"{folder} ({origin}): {_lacks(folder, source)}")
    # Here, as urllib and what it needs would double the time of the package's import.
    from autograd_cnn.data.mnist_download import download

    target = given or _cache()
    missing = [file for file in source.files if _find(target, file) is None]
    present = {file.name: _read_file(target, file) for file in source.files if file not in missing}
    found = present | download(source, missing, target, looked)
    return _dataset([found[file.name] for file in source.files])


def _places(root: Path | None) -> Iterator[tuple[str, Path]]:
    """Where to look, in order, each with the reason why."""
    if root is not None:
        yield "root", root
    if setting := os.environ.get("AUTOGRAD_CNN_DATA"):
        yield "$AUTOGRAD_CNN_DATA", Path(setting).expanduser()
    yield "cache", _cache()


def _cache() -> Path:
    """The folder of this user for data that can be fetched again."""
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


def _find(folder: Path, file: _File) -> Path | None:
    """The path of `file` in `folder`, under any of its names."""
    paths = (folder / name for name in file.spellings())
    return next((path for path in paths if path.is_file()), None)


def _read_folder(folder: Path, source: _Source) -> list[np.ndarray] | None:
    """The four arrays from the first complete form in `folder`; None if it has none."""
    if all(_find(folder, file) for file in source.files):
        return [_read_file(folder, file) for file in source.files]
    for name in ("mnist.npz", "mnist.pkl.gz"):
        if (folder / name).is_file():
            return _read_archive(folder / name, source)
    return None


def _read_archive(path: Path, source: _Source) -> list[np.ndarray]:
    """The four arrays in mnist.npz or mnist.pkl.gz, compared with their checksums."""
    # Here, as zipfile and pickle are seldom needed.
    from autograd_cnn.data.mnist_archives import read_npz, read_pickle

    with _advice():
        arrays = read_npz(path, source) if path.suffix == ".npz" else read_pickle(path, source)
        return [verified(array, file, str(path)) for array, file in zip(arrays, source.files)]


def _read_file(folder: Path, file: _File) -> np.ndarray:
    """The content of one IDX file in `folder`, compared with its checksum."""
    path = _find(folder, file) or folder / file.name
    with _advice(), open(path, "rb") as stream:
        return verified(decode_idx(stream, str(path), shape=file.shape), file, str(path))


@contextmanager
def _advice() -> Iterator[None]:
    """Adds to a DataError what to do about it."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{error}.  Delete it, so that it is downloaded again, or pass another root."
        ) from error.__cause__


def _lacks(folder: Path, source: _Source) -> str:
    """What is not in `folder`, in words."""
    if not folder.is_dir():
        return "no such folder"
    missing = [file.name for file in source.files if _find(folder, file) is None]
    if len(missing) == len(source.files):
        return "no MNIST files"
    return f"{', '.join(missing)} missing"


def _dataset(arrays: list[np.ndarray]) -> Dataset:
    """Images with their channel axis, labels as int64."""
    parts = [
        Split(images[:, None], labels.astype(np.int64))  # (N, 1, H, W)
        for images, labels in (arrays[:2], arrays[2:])
    ]
    return Dataset(*parts)
