"""The four files of MNIST with their checksums, and the mirrors that offer them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from autograd_cnn.data.errors import DataError
from autograd_cnn.data.idx_format import idx_sha256


class IdxFile(NamedTuple):
    """One IDX file of uint8 values: its name, shape, and the SHA-256 of its plain content."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    def spellings(self) -> tuple[str, ...]:
        """The names that the file may have."""
        dotted = ".idx".join(self.name.rsplit("-idx", 1))
        return (self.name, f"{self.name}.gz", dotted, f"{dotted}.gz")

    def largest_download(self) -> int:
        """An upper bound, in bytes, for a gzip file with this content."""
        size = 4 + 4 * len(self.shape) + math.prod(self.shape)
        return size + size // 1000 + 1024

    def verified(self, array: np.ndarray, origin: str) -> np.ndarray:
        """`array` if it is the content of this file, or DataError; `origin` is for messages."""
        if array.dtype != np.uint8 or array.shape != self.shape:
            raise DataError(
                f"{origin}: expected {self.name} to be uint8 {self.shape}, found {array.dtype} "
                f"{array.shape}"
            )
        if array.ndim == 1 and array.size and array.max() > 9:
            raise DataError(f"{origin}: expected labels 0..9, found {array.max()}")
        found = idx_sha256(array)
        if found != self.sha256:
            raise DataError(
                f"{origin}: expected {self.name} with SHA-256 {self.sha256}, found {found}: "
                "it was changed or is another data set; data.read_idx reads other sets"
            )
        return array


class Source(NamedTuple):
    """A set of four files (train images and labels, test images and labels) and its mirrors."""

    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]
    mirrors: tuple[str, ...]
    timeout: float  # seconds without a connection or without a byte


MNIST = Source(
    files=(
        IdxFile(
            "train-images-idx3-ubyte",
            (60000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        IdxFile(
            "train-labels-idx1-ubyte",
            (60000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        IdxFile(
            "t10k-images-idx3-ubyte",
            (10000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte",
            (10000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    timeout=5.0,
)
