"""Images of one's own: a folder with a folder of images for each class."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from autograd_cnn.checks import choice, per_axis
from autograd_cnn.data.datasets import Dataset
from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath
from autograd_cnn.data.image_sets import existing_folder

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


class ImageFolder(Dataset):
    """The images in ``root/class/...``: an element is a uint8 (C, H, W) array and its class.

    `classes` are the names of the folders in `root`, sorted; `class_to_idx` gives their numbers.
    `samples` lists the path and the class of every png, jpg, bmp, gif and webp file in them, also
    in deeper folders.  Names that begin with a dot are passed over.

    `mode` is "RGB" (C = 3) or "L" for greys (C = 1).  `size` (H, W) resizes each image; without
    it, images of different sizes have no common batch.  Needs ``pip install pillow``.  A class
    without images, and a damaged image when it is read, raise DataError.

    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> ImageFolder(root)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd_cnn.data.errors.DataError: ImageFolder: no classes in ...
    """

    def __init__(
        self, root: AnyPath, mode: str = "RGB", size: int | tuple[int, int] | None = None
    ) -> None:
        self.root = existing_folder(root, " that has a folder of images for each class")
        self.mode = choice("ImageFolder", "mode", mode, ("RGB", "L"))
        self.size = None if size is None else per_axis("ImageFolder", "size", size, 1, 2)
        folders = sorted(p for p in self.root.iterdir() if p.is_dir() and p.name[0] != ".")
        if not folders:
            raise DataError(
                f"ImageFolder: no classes in {self.root}; put the images of each class into a "
                "folder of its own there, such as cat/1.png and dog/1.png"
            )
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {name: k for k, name in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for k, folder in enumerate(folders):
            files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDINGS)
            found = [(str(path), k) for path in files if path.name[0] != "."]
            if not found:
                raise DataError(
                    f"ImageFolder: no images in {folder} ({', '.join(_ENDINGS)}); add some, or "
                    "move the folder elsewhere"
                )
            self.samples += found
        _pillow()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        path, label = self.samples[index]
        library = _pillow()
        try:
            with library.open(path, formats=_FORMATS) as image:
                if image.mode[0] in "IF":  # Pillow would cut its values off at 255
                    raise ValueError(f"values of mode {image.mode}, more than a byte each")
                image = image.convert(self.mode)
                if self.size is not None:
                    image = image.resize(self.size[::-1], library.Resampling.BILINEAR)
            pixels = np.array(image).reshape(image.height, image.width, -1)
        except Exception as error:  # a damaged image can raise any error
            raise DataError(f"{path}: expected an image of {self.mode} bytes ({error})") from error
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)), label

    def __repr__(self) -> str:
        return f"ImageFolder({len(self):,} images of {len(self.classes)} classes)"


def _pillow() -> Any:
    try:
        return import_module("PIL.Image")
    except ImportError as error:
        raise ImportError("ImageFolder reads images with Pillow: pip install pillow") from error
