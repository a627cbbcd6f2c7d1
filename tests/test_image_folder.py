"""ImageFolder: images of one's own in a folder for each class."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_cnn import data

Image = pytest.importorskip("PIL.Image", reason="Pillow comes with the test extra")
ENDINGS = ("png", "jpg", "jpeg", "bmp", "gif", "webp")
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray = PIXELS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dog/1.png", "dog/2.png", "cat/b.png", "cat/deep/a.PNG", "ant/1.png"):
        save(tmp_path / name)
    for name in ("notes.txt", ".hidden/1.png", "cat/._b.png", "cat/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    return tmp_path


def test_classes_are_the_folders_in_their_order(root: Path) -> None:
    images = data.ImageFolder(root)
    assert images.classes == ["ant", "cat", "dog"]
    assert images.class_to_idx == {"ant": 0, "cat": 1, "dog": 2}
    names = ("ant/1.png", "cat/b.png", "cat/deep/a.PNG", "dog/1.png", "dog/2.png")
    assert images.samples == [(str(root / n), k) for n, k in zip(names, (0, 1, 1, 2, 2))]
    assert len(images) == 5
    assert repr(images) == "ImageFolder(5 images of 3 classes)"


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_element_is_a_writable_array_and_its_class(tmp_path: Path, ending: str) -> None:
    save(tmp_path / "a" / f"1.{ending}")
    image, label = data.ImageFolder(tmp_path)[0]
    with Image.open(tmp_path / "a" / f"1.{ending}") as opened:
        expected = np.array(opened.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(image, expected)
    assert ending not in ("png", "bmp") or np.array_equal(image, PIXELS.transpose(2, 0, 1))
    assert (image.dtype, image.shape, label) == (np.uint8, (3, 4, 5), 0)
    assert image.flags.c_contiguous
    assert image.flags.writeable


def test_modes_and_sizes(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", np.full((4, 6), 100, np.uint8))
    save(tmp_path / "a" / "2.png", np.full((4, 6, 4), 100, np.uint8))
    for mode, channels in (("RGB", 3), ("L", 1)):
        for size, shape in ((None, (4, 6)), ((3, 8), (3, 8)), (7, (7, 7))):
            for image, _ in data.ImageFolder(tmp_path, mode, size=size):
                assert image.shape == (channels, *shape)
                assert (image == 100).all()


def test_batches_and_parts_of_it(root: Path) -> None:
    images, labels = next(iter(data.DataLoader(data.ImageFolder(root), batch_size=5)))
    assert images.shape == (5, 3, 4, 5)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert labels.tolist() == [0, 1, 1, 2, 2]
    folder = pickle.loads(pickle.dumps(data.ImageFolder(root, "L")))
    train, test = data.random_split(folder, [3, 2])
    shapes = [x.shape for part in (train, test) for x, _ in data.DataLoader(part, 2, shuffle=True)]
    assert shapes == [(2, 1, 4, 5), (1, 1, 4, 5), (2, 1, 4, 5)]


def test_images_of_different_sizes_need_a_size(root: Path) -> None:
    save(root / "ant" / "2.png", PIXELS[:2])
    with pytest.raises(ValueError, match=r"different shapes, \[\(3, 2, 5\), \(3, 4, 5\)\]"):
        list(data.DataLoader(data.ImageFolder(root), 9))
    ((images, _),) = data.DataLoader(data.ImageFolder(root, size=(4, 5)), 9)
    assert images.shape == (6, 3, 4, 5)


def test_a_folder_without_classes_or_images(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    with pytest.raises(data.DataError, match=r"no classes in .*; put the images of each class"):
        data.ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(data.DataError, match=r"no images in .*empty \(.*png.*move the folder"):
        data.ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="a folder of images for each class, found none"):
        data.ImageFolder(tmp_path / "absent")
    with pytest.raises(NotADirectoryError, match="a folder of images for each class, found none"):
        data.ImageFolder(tmp_path / "1.png")


def damaged() -> dict[str, bytes]:
    """Contents of 1.png in a folder of images."""
    sixteen_bits = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10_000
    files = io.BytesIO(), io.BytesIO()
    for file, pixels in zip(files, (PIXELS, sixteen_bits)):
        Image.fromarray(pixels).save(file, "PNG")
    png, wide = (file.getvalue() for file in files)
    return {
        "empty": b"",
        "text": b"<html>not found</html>",
        "cut": png[:-30],
        "flipped": png[:50] + bytes([png[50] ^ 255]) + png[51:],
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "sixteen bits": wide,
    }


@pytest.mark.parametrize("damage", damaged())
def test_a_damaged_image_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(damaged()[damage])
    with pytest.raises(data.DataError) as caught:
        data.ImageFolder(tmp_path)[0]
    assert str(caught.value).startswith(f"{tmp_path / 'a' / '1.png'}: expected an image of RGB")


def test_without_pillow_the_error_says_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(ImportError, match="pip install pillow"):
        data.ImageFolder(root)
