"""Image sets and batches of them, as NumPy arrays.

>>> train, test = ag.data.digits()
>>> loader = ag.data.DataLoader(train, batch_size=32, shuffle=True, seed=1)
>>> images, labels = next(iter(loader))
>>> images.shape, labels.shape
((32, 1, 28, 28), (32,))
"""

from autograd_cnn.data import augment
from autograd_cnn.data.batches import DataLoader
from autograd_cnn.data.datasets import (
    Dataset,
    Split,
    Subset,
    TensorDataset,
    TrainTest,
    random_split,
)
from autograd_cnn.data.errors import DataError, DataUnavailable
from autograd_cnn.data.idx_format import read_idx
from autograd_cnn.data.image_folder import ImageFolder
from autograd_cnn.data.image_sets import cifar10, fashion_mnist, kmnist, mnist
from autograd_cnn.data.shards import Shards
from autograd_cnn.data.uci_digits import digits

__all__ = [
    "DataError", "DataLoader", "DataUnavailable", "Dataset", "ImageFolder", "Shards", "Split",
    "Subset", "TensorDataset", "TrainTest", "augment", "cifar10", "digits", "fashion_mnist",
    "kmnist", "mnist", "random_split", "read_idx",
]  # fmt: skip
__dir__ = __all__.copy
