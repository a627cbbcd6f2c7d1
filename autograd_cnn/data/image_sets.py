"""Published image sets from files on this machine, or else from the internet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autograd_cnn.data.datasets import Split, TrainTest
from autograd_cnn.data.errors import DataError, DataUnavailable
from autograd_cnn.data.file_kinds import DataFile
from autograd_cnn.data.files import AnyPath
from autograd_cnn.data.sources import CIFAR10, FASHION_MNIST, KMNIST, MNIST, Source


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


def fashion_mnist(root: AnyPath | None = None) -> TrainTest:
    """Fashion-MNIST: articles of clothing, in MNIST's form and numbers.

    The classes are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle
    boot.  Folders, files and errors are those of `mnist`, but under ``$AUTOGRAD_CNN_DATA`` the set
    has its own folder ``fashion_mnist``, and the .gz files (31 MB) are compared by MD5.  Of plain
    files only shapes and labels are checked.

    >>> train, test = fashion_mnist()  # doctest: +SKIP
    """
    return load(FASHION_MNIST, root)


def kmnist(root: AnyPath | None = None) -> TrainTest:
    """KMNIST: handwritten Japanese characters, in MNIST's form and numbers.

    The classes are the hiragana o, ki, su, tsu, na, ha, ma, ya, re, wo.  All else is as in
    `fashion_mnist`; the folder is ``kmnist``, and the .gz files have 21 MB.

    >>> train, test = kmnist()  # doctest: +SKIP
    """
    return load(KMNIST, root)


def cifar10(root: AnyPath | None = None) -> TrainTest:
    """CIFAR-10: 50,000 train and 10,000 test photographs in colour, with their labels.

    Images are uint8 (N, 3, 32, 32).  Labels are int64 (N,): airplane, automobile, bird, cat, deer,
    dog, frog, horse, ship, truck.

    Folders and errors are those of `fashion_mnist`; the folder is ``cifar10``.  It may have the
    binary version ``cifar-10-binary.tar.gz`` (170 MB; compared by MD5, and not unpacked on the
    disk), or the unpacked ``cifar-10-batches-bin`` or its .bin files.

    >>> train, test = cifar10()  # doctest: +SKIP
    """
    return load(CIFAR10, root)


def load(source: Source, root: AnyPath | None) -> TrainTest:
    """The set of any source, as `mnist` gives it."""
    given = None if root is None else existing_folder(root, f", empty or with {source.name} files")
    looked = []
    for origin, folder in _places(source, given):
        for form in source.forms:
            if not _missing(folder, form):
                return _dataset([a for file in form for a in _read(folder, file)])
        looked.append(f"{folder} ({origin}): {_lacks(folder, source)}")
    # Imported here, because urllib would double the import time of `data`.
    from autograd_cnn.data.download import download

    form, target = source.forms[0], given or _cache(source)
    missing = _missing(target, form)
    found = {file.name: _read(target, file) for file in form if file not in missing}
    found |= download(source, missing, target, looked)
    return _dataset([a for file in form for a in found[file.name]])


def existing_folder(root: AnyPath, wanted: str) -> Path:
    """`root` as a path, or the error that says what was expected there."""
    given = Path(os.fsdecode(root))
    if not given.is_dir():
        kind = NotADirectoryError if given.exists() else FileNotFoundError
        raise kind(f"root: expected a folder{wanted}, found none at {given}")
    return given


def _places(source: Source, root: Path | None) -> Iterator[tuple[str, Path]]:
    """The folders to search, in order, each after the name of the setting it comes from."""
    if root is not None:
        yield "root", root
    if setting := os.environ.get("AUTOGRAD_CNN_DATA"):
        own = "" if source.folder == MNIST.folder else source.folder
        yield "$AUTOGRAD_CNN_DATA", Path(os.path.expanduser(setting)) / own  # "~nobody" stays
    yield "cache", _cache(source)


def _cache(source: Source) -> Path:
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
            f"This user has no home folder, so there is no cache to look for {source.name} in. "
            "Pass root= with a folder that has the files, or set $AUTOGRAD_CNN_DATA to one."
        ) from error
    return Path(base) / "autograd_cnn" / source.folder


def _missing(folder: Path, form: tuple[DataFile, ...]) -> list[DataFile]:
    return [file for file in form if file.find(folder) is None]


def _lacks(folder: Path, source: Source) -> str:
    """Words for what `folder` lacks."""
    if not folder.is_dir():
        return "no such folder"
    for form in source.forms:
        missing = _missing(folder, form)
        if len(missing) < len(form):
            return f"{', '.join(file.name for file in missing)} missing"
    return f"no {source.name} files"


def _read(folder: Path, file: DataFile) -> list[np.ndarray]:
    """The verified arrays of a file in `folder`."""
    path = file.find(folder) or folder / file.name
    try:
        with open(path, "rb") as stream:
            return file.decode(stream, str(path))
    except DataError as error:
        raise DataError(
            f"{error}.  Delete the file, so that it is downloaded again, or pass another root."
        ) from error.__cause__


def _dataset(arrays: list[np.ndarray]) -> TrainTest:
    """The set of images and labels in turn, of which the last are the test part."""

    def split(part: list[np.ndarray]) -> Split:
        images, labels = np.concatenate(part[::2]), np.concatenate(part[1::2])
        return Split(images if images.ndim == 4 else images[:, None], labels.astype(np.int64))

    return TrainTest(split(arrays[:-2]), split(arrays[-2:]))
