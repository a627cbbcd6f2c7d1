"""The image sets to download: their files with published checksums, and mirrors that offer them."""

from __future__ import annotations

from typing import NamedTuple

from autograd_cnn.data.file_kinds import BatchArchive, BatchFile, DataFile, IdxFile, NpzFile


class Source(NamedTuple):
    """An image set: its name, the forms that it comes in, and its mirrors.

    Each form is the files that together have all of it; their arrays are images and labels in turn,
    of which the last are the test part.  The mirrors offer the first form.  `folder` is the set's
    own in the cache, and in ``$AUTOGRAD_CNN_DATA`` except for MNIST.
    """

    name: str
    folder: str
    forms: tuple[tuple[DataFile, ...], ...]
    mirrors: tuple[str, ...]
    timeout: float = 5.0  # seconds without a connection or without a byte


def idx_files(*checksums: str) -> tuple[IdxFile, ...]:
    """The four files of a set in MNIST's form, with their checksums."""
    kinds = {"images-idx3-ubyte": (28, 28), "labels-idx1-ubyte": ()}
    parts = {"train": 60000, "t10k": 10000}
    named = [(f"{p}-{k}", (n, *size)) for p, n in parts.items() for k, size in kinds.items()]
    return tuple(IdxFile(*file, checksum) for file, checksum in zip(named, checksums))


_MNIST_FILES = idx_files(
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
MNIST = Source(
    "MNIST",
    "mnist",
    (_MNIST_FILES, (NpzFile("mnist.npz", parts=_MNIST_FILES),)),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)

# MD5 and first mirror: README.md of github.com/zalandoresearch/fashion-mnist, and torchvision's
# datasets/mnist.py.  Second mirror: Keras's datasets/fashion_mnist.py.
_FASHION_MNIST_FILES = idx_files(
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
FASHION_MNIST = Source(
    "Fashion-MNIST",
    "fashion_mnist",
    (_FASHION_MNIST_FILES,),
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
)

# Mirror: README.md of github.com/rois-codh/kmnist.  MD5: torchvision's datasets/mnist.py.
_KMNIST_FILES = idx_files(
    "bdb82020997e1d708af4cf47b453dcf7",
    "e144d726b3acfaa3e44228e80efcd344",
    "5c965bf0a639b31b8f53240b1b52f4d7",
    "7320c461ea6c1c855c0b718fb2a4b134",
)
KMNIST = Source(
    "KMNIST", "kmnist", (_KMNIST_FILES,), ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
)

# Mirror and MD5: www.cs.toronto.edu/~kriz/cifar.html.
_NAMES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
_FILES = tuple(BatchFile(name, (10000, 3073)) for name in _NAMES)
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_ARCHIVE = BatchArchive("cifar-10-binary.tar.gz", checksum=_MD5, parts=_FILES)
CIFAR10 = Source(
    "CIFAR-10", "cifar10", ((_ARCHIVE,), _FILES), ("https://www.cs.toronto.edu/~kriz/",)
)
